"""Why somebody should look."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why somebody should look."""

    DAMAGED = "damaged"
    DISK = "disk"
    EXPORT = "export"
    HELD = "held"
    CLOUD = "cloud"
    FULL = "full"
    CLOCK = "clock"
    POWER = "power"
    OLD = "old"
    FAULT = "fault"
