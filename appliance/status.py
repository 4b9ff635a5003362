"""How things stand: Health from the configuration and the ledger, and nothing else.

Part of the rim, and light: `appliance status` loads only this.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .config import Settings
from .core import health
from .core.evidence import Expectation
from .core.health import Health, SourceHealth
from .core.ports import Clock, Ledger
from .core.schedule import Schedule, parse
from .engine.memory import cloud_keeps, is_damaged, still_to_bring
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
        damaged=[each.name for each in settings.repository if is_damaged(ledger, each.name)],
    )
    keeps = {each.name: cloud_keeps(ledger, each.name) for each in settings.mirror}
    return {**as_json(found), "mirrors": {name: {"keeps": it} for name, it in keeps.items()}}


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


def as_json(health: Health) -> dict[str, object]:
    """Return Health as plain JSON values; times in ISO 8601 UTC, ages in whole seconds."""
    return {
        "state": str(health.state),
        "sentence": health.sentence,
        "todo": health.todo,
        "clock_trusted": health.clock_trusted,
        "sources": [_source_as_json(source) for source in health.sources],
    }


def _source_as_json(source: SourceHealth) -> dict[str, object]:
    return {
        "source": source.source,
        "state": str(source.state),
        "sentence": source.sentence,
        "todo": source.todo,
        "here": _iso(source.here),
        "cloud": _iso(source.cloud),
        "unchanged_since": _iso(source.content),
        "here_age_seconds": _seconds(source.here_age),
        "cloud_age_seconds": _seconds(source.cloud_age),
        "has_cloud": source.has_cloud,
        "places": {place: _iso(fresh) for place, fresh in source.places.items()},
        "to_bring": dict(source.to_bring),
        "last_outcome": str(source.last_outcome) if source.last_outcome else None,
        "last_message": source.last_message,
        "last_run": source.last_run,
        "next_due": _iso(source.next_due),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _seconds(length: timedelta | None) -> int | None:
    return int(length.total_seconds()) if length is not None else None
