"""The only home of *when*: schedules, their slots, and which slot is due.

A slot is a local date (or a period) that wants one backup. It is due at the first moment of that
local day at or after the wall time, so a clock change neither skips nor doubles it, and its key
says which date it is, so neither does a change of zone or a jump of the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

EXAMPLES = (
    "daily at 03:00, weekdays at 19:00, weekly on mon at 03:00, monthly on 1 at 03:00, "
    "every 6 h, after backup, or five cron fields such as 0 3 * * *"
)
LOOK_BACK = timedelta(days=400)
"""How far back a missed slot is looked for: a year and a little."""
MOST_MISSED = 366
"""How many missed slots are recorded at once; older ones say nothing more."""
_LOOK_AHEAD = timedelta(days=9 * 366)  # 29 February can be eight years away
_LOOKED_AT = 1_000
"""Slots among which the longest wait is looked for: years of days, a week of every five minutes."""
_LONGEST_SHIFT = timedelta(hours=4)  # no clock change in use moves the wall clock by more
_LONGEST_PERIOD = timedelta(days=31)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Slot:
    """One backup that a schedule wants."""

    key: str
    """The local date `2026-11-21`; for periods the UTC start `2026-11-21T06:00Z`; for cron
    fields the local time `2026-11-21T03:00`."""
    due: datetime
    """UTC."""


@dataclass(frozen=True, slots=True)
class Due:
    """What to do now: the slot to run, and the older ones that went by (oldest first)."""

    run: Slot | None = None
    missed: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True)
class _Dates:
    """At one wall time on some local dates."""

    at: time
    weekdays: frozenset[int] = frozenset(range(7))
    month_days: frozenset[int] = frozenset()

    def slots(self, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[Slot]:
        day = after.astimezone(zone).date() - timedelta(days=2)
        last = until.astimezone(zone).date() + timedelta(days=1)
        while day <= last:
            if self._wants(day) and (slot := self._slot(day, zone)) and after < slot.due <= until:
                yield slot
            day += timedelta(days=1)

    def _wants(self, day: date) -> bool:
        if not self.month_days:
            return day.weekday() in self.weekdays
        is_last = (day + timedelta(days=1)).day == 1
        return day.day in self.month_days or (is_last and max(self.month_days) > day.day)

    def _slot(self, day: date, zone: ZoneInfo) -> Slot | None:
        """Return the date's slot; None for a date that the zone left out altogether."""
        due = first_moment(day, self.at, zone)
        if due.astimezone(zone).date() != day:
            start = first_moment(day, time(), zone)
            if start.astimezone(zone).date() != day:
                return None
        return Slot(day.isoformat(), due)

    def describe(self) -> str:
        at = f"at {self.at:%H:%M}"
        if self.month_days:
            days = " and ".join(_ordinal(day) for day in sorted(self.month_days))
            shorter = " (the last day of shorter months)" if max(self.month_days) > 28 else ""
            return f"on the {days} of each month {at}{shorter}"
        if len(self.weekdays) == 7:
            return f"every day {at}"
        if self.weekdays == frozenset(range(5)):
            return f"Monday to Friday {at}"
        return f"every {' and '.join(_DAY_NAMES[day] for day in sorted(self.weekdays))} {at}"


@dataclass(frozen=True, slots=True)
class _Every:
    """Once in each period, counted in UTC: a clock change does not stretch or shorten one."""

    period: timedelta
    words: str

    def slots(self, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[Slot]:  # noqa: ARG002 - the same in every zone
        seconds = int(self.period.total_seconds())
        start = datetime.fromtimestamp(after.timestamp() // seconds * seconds, UTC)
        due = start + self.period
        while due <= until:
            yield Slot(f"{due:%Y-%m-%dT%H:%M}Z", due)
            due += self.period

    def describe(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class _Cron:
    """Five cron fields, read as Debian's cron reads them."""

    fields: str

    def slots(self, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[Slot]:
        # Begun a little earlier: in a repeated hour cronsim starts counting from the first pass.
        ticks = CronSim(self.fields, (after - _LONGEST_SHIFT).astimezone(zone))
        last_due = after
        for local in ticks:
            due = local.astimezone(UTC)
            if due > until:
                return
            if due > last_due:
                last_due = due
                again = "b" if local.fold else ""
                yield Slot(f"{local:%Y-%m-%dT%H:%M}{again}", due)

    def describe(self) -> str:
        return f"by the cron fields {self.fields}"


@dataclass(frozen=True, slots=True)
class _AfterBackup:
    """Never by the clock: right after each backup."""

    def slots(self, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[Slot]:  # noqa: ARG002 - no time, no slots
        return iter(())

    def describe(self) -> str:
        return "after each backup"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is to run; made by `parse`."""

    text: str
    rule: _Dates | _Every | _Cron | _AfterBackup

    @property
    def after_backup(self) -> bool:
        """Whether it follows each backup instead of the clock."""
        return isinstance(self.rule, _AfterBackup)

    def slots(self, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[Slot]:
        """Given aware times, yield the slots due after `after`, up to and including `until`."""
        return self.rule.slots(zone, after.astimezone(UTC), until.astimezone(UTC))

    def next(self, zone: ZoneInfo, now: datetime) -> Slot | None:
        """Return the first slot due after `now`; None where there is none by the clock."""
        return next(self.slots(zone, now, now + _LOOK_AHEAD), None)

    def span(self, zone: ZoneInfo, now: datetime, count: int) -> timedelta:
        """Return how long the next `count` slots take from `now`; nothing where there are none."""
        due = [slot.due for slot in islice(self.slots(zone, now, now + _LOOK_AHEAD), count)]
        return due[-1] - now if due else timedelta()

    def longest_wait(self, zone: ZoneInfo, now: datetime) -> timedelta:
        """Return the longest time between two of the next slots; nothing where there are none."""
        due = [slot.due for slot in islice(self.slots(zone, now, now + _LOOK_AHEAD), _LOOKED_AT)]
        return max((later - due[n] for n, later in enumerate(due[1:])), default=timedelta())

    def newest_first(self, zone: ZoneInfo, since: datetime, now: datetime) -> Iterator[Slot]:
        """Yield the slots due after `since` up to `now`, newest first, no work beyond those asked
        for.
        """
        until, span = now, timedelta(hours=1)
        while since < until:
            after = max(since, until - span)
            yield from reversed(tuple(self.slots(zone, after, until)))
            until, span = after, min(span * 4, timedelta(days=64))

    def latest(self, zone: ZoneInfo, now: datetime) -> Slot | None:
        """Return the newest slot due at or before `now`, at most LOOK_BACK ago."""
        return next(self.newest_first(zone, now - LOOK_BACK, now), None)


def due(
    schedule: Schedule, zone: ZoneInfo, since: datetime, now: datetime, taken: frozenset[str]
) -> Due:
    """Given when the schedule began to count and the slots already run or recorded as missed,
    return what is due at `now`.

    Only the newest slot runs; older ones up to the newest taken one were missed. Where the clock
    went back behind `since`, the newest slot is due as ever: backups do not wait for a clock.
    """
    start = max(since, now - LOOK_BACK) if since <= now else now - LOOK_BACK
    most = 1 if since > now else MOST_MISSED + 1
    open_slots = []
    for slot in islice(schedule.newest_first(zone, start, now), most):
        if slot.key in taken:
            break
        open_slots.append(slot)
    if not open_slots:
        return Due()
    return Due(open_slots[0], tuple(reversed(open_slots[1:])))


def describe(schedule: Schedule) -> str:
    """Return the schedule in words: `every day at 03:00`."""
    return schedule.rule.describe()


def first_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the first UTC moment at which the wall clock on `day` reads `at` or later.

    In the spring gap that is the end of the gap, in the autumn's repeated hour its first pass.
    """
    wanted = datetime.combine(day, at)
    # PEP 495: in a gap, fold=1 lies before it and fold=0 behind it; in a repeated hour fold=0
    # is its first pass.
    early, late = (wanted.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // timedelta(seconds=2) * timedelta(seconds=1)
        early, late = (early, middle) if _reads(middle, zone) >= wanted else (middle, late)
    return late


def _reads(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def parse(text: str) -> Schedule:
    """Given a schedule as written in the configuration, return it.

    Raise ValueError, a sentence with examples, where it is none.
    """
    words = " ".join(text.lower().split())
    for pattern, make in _FORMS:
        if match := re.fullmatch(pattern, words):
            return Schedule(words, make(match))
    if len(words.split()) == 5:
        return Schedule(words, _cron(words))
    raise ValueError(f"“{text}” is not a schedule. Write {EXAMPLES}.")


def _daily(match: re.Match[str]) -> _Dates:
    return _Dates(_time(match["at"]))


def _weekdays(match: re.Match[str]) -> _Dates:
    return _Dates(_time(match["at"]), frozenset(range(5)))


def _weekly(match: re.Match[str]) -> _Dates:
    return _Dates(_time(match["at"]), frozenset(_day(name) for name in _list(match["days"])))


def _monthly(match: re.Match[str]) -> _Dates:
    days = frozenset(int(day) for day in _list(match["days"]))
    if not all(1 <= day <= 31 for day in days):
        raise ValueError("A month has the days 1 to 31. Write for example monthly on 1 at 03:00.")
    return _Dates(_time(match["at"]), month_days=days)


def _every(match: re.Match[str]) -> _Every:
    count, unit = int(match["count"]), match["unit"]
    if not 1 <= count <= 100_000 or timedelta(**{_UNITS[unit]: count}) > _LONGEST_PERIOD:
        raise ValueError("The period must be 1 min to 31 d. Write for example every 6 h.")
    words = f"every {count} {_UNITS[unit]}" if count > 1 else f"every {_UNITS[unit][:-1]}"
    return _Every(timedelta(**{_UNITS[unit]: count}), words)


def _after_backup(match: re.Match[str]) -> _AfterBackup:  # noqa: ARG001 - one shape for all forms
    return _AfterBackup()


_FORMS = (
    (r"daily at (?P<at>\S+)", _daily),
    (r"weekdays at (?P<at>\S+)", _weekdays),
    (r"weekly on (?P<days>[a-z, ]+) at (?P<at>\S+)", _weekly),
    (r"monthly on (?P<days>[0-9, ]+) at (?P<at>\S+)", _monthly),
    (r"every (?P<count>[0-9]{1,6}) ?(?P<unit>min|h|d)", _every),
    (r"after backup", _after_backup),
)


def _time(text: str) -> time:
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text)
    if match is None:
        raise ValueError(f"“{text}” is not a time of day. Write for example daily at 03:00.")
    return time(int(match[1]), int(match[2]))


def _day(name: str) -> int:
    for number, full in enumerate(_DAY_NAMES):
        if name in (_DAYS[number], full.lower()):
            return number
    raise ValueError(
        f"“{name}” is not a day of the week. Use {', '.join(_DAYS)}: weekly on mon at 03:00."
    )


def _list(text: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise ValueError("A day is missing between the commas: weekly on mon,thu at 03:00.")
    return items


def _cron(fields: str) -> _Cron:
    try:
        next(CronSim(fields, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(
            f"The cron fields “{fields}” never come true ({error or 'no such date'}). "
            "Write for example 0 3 * * *, which is daily at 03:00."
        ) from error
    return _Cron(fields)


def _ordinal(number: int) -> str:
    ending = (
        "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"
