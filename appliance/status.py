"""How things stand: Health from the configuration and the ledger, and nothing else.

Part of the rim, and light: `appliance status` loads only this.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from .config import AnySource, Settings
from .core import health, vanishing
from .core.evidence import Expectation
from .core.health import Health, SourceHealth
from .core.ports import Clock, Ledger
from .core.schedule import Schedule, parse
from .core.vanishing import Countdown, Vanishing
from .core.words import listed
from .engine.memory import WAITING_ROOM, cloud_keeps, is_damaged, not_good, rejected, still_to_bring
from .engine.trust import trusts
from .pasted import takers

_RUNS_PER_SOURCE = 50
_NONE = timedelta()
_REMINDED_FOR = timedelta(hours=24)
_NOTED = {"recipe": "recipes", "inbox": "links"}
"""Folders below the state folder where the pulls of such a source write it down. What one of the
same name left there that was of another type is over.
"""
_BY_UUID = Path("/dev/disk/by-uuid")
"""Where udev shows which filesystems are plugged in."""


def health_of(
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    *,
    running: str | None = None,
    waiting: Sequence[str] = (),
    retrying: Sequence[str] = (),
    away: Collection[str] | None = None,
) -> dict[str, object]:
    """Given what is configured and what the ledger knows, return Health as plain JSON values.

    `away` names the disks that are not plugged in; None: look.
    """
    now, copies = clock.now(), ledger.copies()
    away = disks_away(settings) if away is None else away
    found = health.assess(
        expectations(settings, now, ledger, away),
        copies,
        [run for each in settings.source for run in ledger.runs(each.name, _RUNS_PER_SOURCE)],
        now,
        running,
        waiting,
        clock_trusted=trusts(ledger, clock),
        held={name for each in settings.source for name in not_good(ledger, each.name)},
        rejected={name for each in settings.source for name in rejected(ledger, each.name)},
        retrying=retrying,
        damaged=[each.name for each in settings.repository if is_damaged(ledger, each.name)],
    )
    keeps = {each.name: cloud_keeps(ledger, each.name) for each in settings.mirror}
    return {
        **as_json(found),
        "as_of": _iso(now),
        "reminder": reminder(settings, away, now),
        "mirrors": {name: {"keeps": it} for name, it in keeps.items()},
        "links": takers(settings),
    }


def disks_away(settings: Settings, by_uuid: Path = _BY_UUID) -> frozenset[str]:
    """Return the names of the disks that are not plugged in."""
    disks = {each.name: each.disk for each in settings.repository if each.disk}
    return frozenset(name for name, uuid in disks.items() if not (by_uuid / uuid).exists())


def reminder(settings: Settings, away: Collection[str], now: datetime) -> str:
    """Return what the office asked to be reminded of, on the day it chose; empty on others."""
    if not settings.disks.remind or not away:
        return ""
    slot = parse(settings.disks.remind).latest(settings.zone, now)
    if slot is None or now - slot.due > _REMINDED_FOR:
        return ""
    return f"Today the disks change: bring {listed(sorted(away))} and plug it in."


def expectations(
    settings: Settings, now: datetime, ledger: Ledger, away: Collection[str] = ()
) -> tuple[Expectation, ...]:
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
            away=frozenset(away),
            away_grace=settings.disks.grace,
            on_the_box=_on_the_box(ledger, each.name),
            offers=offered(settings.state, each),
        )
        for each in settings.source
    )


def offered(state: Path, source: AnySource) -> tuple[Vanishing, ...]:
    """Return what a source's pulls noted of what the vendor keeps for a while; what cannot be read
    is nothing.
    """
    if source.type in _NOTED:
        with suppress(OSError, ValueError, RecursionError):
            noted = state / _NOTED[source.type] / f"{source.name}.json"
            return vanishing.from_json(source.name, json.loads(noted.read_bytes()))
    return ()


def _on_the_box(ledger: Ledger, source: str) -> int:
    return sum(copy.place == WAITING_ROOM for copy in ledger.copies(source))


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
        "good_until": _iso(health.good_until),
        "reasons": [str(reason) for reason in health.reasons],
        "copies": {"office": _office(health.sources), "cloud": _cloud(health.sources)},
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
        "reasons": [str(reason) for reason in source.reasons],
        "offers": [_offer_as_json(each) for each in source.countdowns],
    }


def _offer_as_json(countdown: Countdown) -> dict[str, object]:
    return {
        "standing": str(countdown.standing),
        "what": countdown.about.what,
        "since": _iso(countdown.about.since),
        "until": _iso(countdown.about.until),
        "left_seconds": _seconds(countdown.left),
        "sentence": countdown.about_file or countdown.sentence,
    }


def _office(sources: Sequence[SourceHealth]) -> str:
    """Say whether each source has a copy here that is as new as it should be."""
    if not sources or any(source.here is None for source in sources):
        return "none"
    return "fresh" if all(source.is_fresh for source in sources) else "old"


def _cloud(sources: Sequence[SourceHealth]) -> str:
    """The same of the cloud; `unset` where there is no mirror."""
    if not any(source.has_cloud for source in sources):
        return "unset"
    if any(source.cloud is None for source in sources):
        return "none"
    return "fresh" if all(source.is_cloud_fresh for source in sources) else "old"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _seconds(length: timedelta | None) -> int | None:
    return int(length.total_seconds()) if length is not None else None
