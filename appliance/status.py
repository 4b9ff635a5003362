"""How things stand: Health from the configuration and the ledger, and nothing else.

Part of the rim, and light: `appliance status` loads only this.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .config import Settings
from .core import health
from .core.health import Expectation
from .core.ports import Clock, Ledger
from .core.schedule import Schedule, parse
from .engine.catching_up import still_to_bring
from .engine.trust import trusts

_RUNS_PER_SOURCE = 50
_NONE = timedelta()


def health_of(
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    *,
    running: str | None = None,
    waiting: Sequence[str] = (),
    retrying: Sequence[str] = (),
) -> dict[str, object]:
    """Given what is configured and what the ledger knows, return Health as plain JSON values."""
    now, copies = clock.now(), ledger.copies()
    found = health.assess(
        expectations(settings, now, ledger),
        copies,
        [run for each in settings.source for run in ledger.runs(each.name, _RUNS_PER_SOURCE)],
        now,
        running,
        waiting,
        clock_trusted=trusts(ledger, clock),
        retrying=retrying,
    )
    return health.as_json(found)


def expectations(settings: Settings, now: datetime, ledger: Ledger) -> tuple[Expectation, ...]:
    """Return what the office may rely on, for each source."""
    places = tuple(each.name for each in settings.repository)
    mirrors = tuple(each.name for each in settings.mirror)
    wait = _longest_wait_for_the_cloud(settings, now)
    return tuple(
        Expectation(
            each.name,
            parse(each.schedule),
            settings.zone,
            each.grace,
            places,
            mirrors,
            cloud_grace=each.grace + wait,
            to_bring={place: still_to_bring(ledger, each.name, place) for place in places},
        )
        for each in settings.source
    )


def _longest_wait_for_the_cloud(settings: Settings, now: datetime) -> timedelta:
    """A mirror on its own schedule rightly lacks what came since its last slot."""
    schedules = [parse(each.schedule) for each in settings.mirror]
    return max((_period(each, settings.zone, now) for each in schedules), default=_NONE)


def _period(schedule: Schedule, zone: ZoneInfo, now: datetime) -> timedelta:
    first = schedule.next(zone, now)
    second = schedule.next(zone, first.due) if first else None
    return second.due - first.due if first and second else _NONE
