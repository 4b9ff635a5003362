"""What the page knows of its office: the name, the zone of its clock, and further host names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from zoneinfo import ZoneInfo

from flask import current_app

OFFICE = "office"
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Office:
    """The office, as the configuration describes it."""

    name: str = "Office"
    zone: ZoneInfo = _UTC
    names: tuple[str, ...] = ()
    """Names that the office's router or name server gave the box, beside its own."""


def the_office() -> Office:
    """Return the office as the configuration says now."""
    return cast("Callable[[], Office]", current_app.extensions[OFFICE])()
