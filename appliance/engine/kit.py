"""What the engine is handed: the doers and values a Run works with, behind their ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ..core.errors import ApplianceError
from ..core.events import Event
from ..core.model import Run
from ..core.ports import Clock, Exports, Ledger, Mirror, Repository, Staging
from ..core.retention import Policy


@dataclass(frozen=True, slots=True)
class Kit:
    """The box: what every Run shares."""

    exports: Exports
    repositories: tuple[Repository, ...]
    ledger: Ledger
    clock: Clock
    staging: Staging
    zone: ZoneInfo
    publish: Callable[[Event], None]
    retention: Mapping[str, Policy]
    """By source. What belongs to a source that is not named here is never removed."""
    mirrors: tuple[Mirror, ...] = ()
    """Those that follow each backup; one with a schedule of its own is a Run of its own."""
    waiting_room: Repository | None = None
    """On the box itself: keeps what comes while no disk is here, until one is."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished Run with the errors themselves, for whoever decides about trying again."""

    run: Run
    error: ApplianceError | None = None
    """What the Run ended with, if it failed or was cancelled."""
    troubles: tuple[ApplianceError, ...] = ()
    """What went wrong beside it, while the Run itself went on."""
    unmirrored: tuple[str, ...] = ()
    """Mirrors that this Run could not reach and that are worth another try."""
