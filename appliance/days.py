"""How the last days went, read from the ledger for the strip on the page.

Part of the rim. One short query for each day, whatever lies before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from .config import Settings
from .core.days import SourceDay, judge
from .core.model import Tally
from .core.ports import Clock, Ledger
from .core.schedule import Schedule, first_moment, parse
from .engine.memory import FIRST_SEEN, noted_time
from .engine.trust import trusts

MOST_DAYS = 366
_ONE_DAY = timedelta(days=1)
_A_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a source's schedule wants, since when, and what went by while the box was off."""

    source: str
    schedule: Schedule
    grace: timedelta
    began: datetime
    missed: frozenset[str]


def days_of(
    settings: Settings, ledger: Ledger, clock: Clock, count: int
) -> list[dict[str, object]]:
    """Return the newest `count` local days, today first, as plain JSON values.

    Each has its `date`, its `state` (`core.days.Went`), a `sentence`, and `runs`: by source, how
    many ended how.
    """
    now, trusted = clock.now(), trusts(ledger, clock)
    today = now.astimezone(settings.zone).date()
    dates = [today - _ONE_DAY * back for back in range(min(max(count, 1), MOST_DAYS))]
    plans = _plans(settings, ledger, now, dates[-1])
    found: list[dict[str, object]] = []
    for each in dates:
        span = _span(settings, each)
        tallies = ledger.tally(*span)
        day = judge(
            [_day(settings, plan, tallies, span) for plan in plans], now, clock_trusted=trusted
        )
        found.append(
            {
                "date": each.isoformat(),
                "state": str(day.went),
                "sentence": day.sentence,
                "runs": _runs(plans, tallies),
            }
        )
    return found


def _plans(settings: Settings, ledger: Ledger, now: datetime, oldest: date) -> list[_Plan]:
    since = (oldest - _ONE_DAY).isoformat()
    return [
        _Plan(
            each.name,
            parse(each.schedule),
            each.grace,
            noted_time(ledger, FIRST_SEEN, each.name) or now,
            ledger.missed_slots(each.name, since),
        )
        for each in settings.source
    ]


def _span(settings: Settings, day: date) -> tuple[datetime, datetime]:
    start = first_moment(day, time(), settings.zone)
    return start, first_moment(day + _ONE_DAY, time(), settings.zone)


def _day(
    settings: Settings, plan: _Plan, tallies: Sequence[Tally], span: tuple[datetime, datetime]
) -> SourceDay:
    start, end = span
    since = max(start, plan.began)
    slots = plan.schedule.slots(settings.zone, since - _A_MOMENT, end - _A_MOMENT)
    slot = next(slots, None) if since < end else None
    mine = [each for each in tallies if each.source == plan.source]
    return SourceDay(
        plan.source,
        mine,
        slot.due if slot else None,
        plan.grace,
        was_off=slot is not None and slot.key in plan.missed,
        is_before=end <= plan.began,
    )


def _runs(plans: Sequence[_Plan], tallies: Sequence[Tally]) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, dict[str, int]] = {plan.source: {} for plan in plans}
    for each in tallies:
        if each.outcome is not None and each.source in found:
            mine = found[each.source]
            mine[str(each.outcome)] = mine.get(str(each.outcome), 0) + each.count
    return found
