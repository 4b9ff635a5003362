"""The only home of how long the room on a disk will last, at the growth of the last months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from statistics import median

from .signals import Reason
from .vitals import Condition, Vital
from .words import plural, size

MOST_DAYS = 120
"""So many days are remembered; so many at most are looked at."""
LEAST_DAYS = 14
"""Before that nothing is known: a new disk is filled with all that is kept."""
LEAST_POINTS = 7
SOON_WEEKS = 4
_DAYS_BEFORE = 3  # one wild day is no other disk
_LONG_WEEKS = 104
_NEARLY_FULL_BYTES, _NEARLY_FULL_SHARE = 2 * 10**9, 0.05
_TODO = "Pair a larger disk, or keep fewer old backups (retention in the configuration)."


@dataclass(frozen=True, slots=True)
class Filled:
    """How full a disk was on a day."""

    day: date
    used_bytes: int
    size_bytes: int

    @property
    def free_bytes(self) -> int:
        """What is left, never less than nothing."""
        return max(0, self.size_bytes - self.used_bytes)


def growth(series: Sequence[Filled]) -> float | None:
    """Given how full a disk was, a point a day, return by how many bytes it grows each day (less
    than 0 where it shrinks); None where that is not known yet.

    It is the median of the slopes between any two days (Theil and Sen), so that a few wild days
    do not count, and neither does room that is given back now and then.
    """
    days = _comparable(series)
    if len(days) < LEAST_POINTS or (days[-1].day - days[0].day).days < LEAST_DAYS:
        return None
    return median(
        (later.used_bytes - earlier.used_bytes) / (later.day - earlier.day).days
        for earlier, later in combinations(days, 2)
    )


def weeks_left(series: Sequence[Filled]) -> int | None:
    """Return for how many whole weeks the room lasts; None where that is not known yet, or for
    longer than ten years.
    """
    daily = growth(series)
    if daily is None or daily <= 0:
        return None
    weeks = _ordered(series)[-1].free_bytes / (daily * 7)
    return int(weeks) if weeks < 520 else None


def room(name: str, series: Sequence[Filled]) -> Vital:
    """Given a disk's name and how full it was, say how long its room lasts."""
    title = f"{name}: room"
    if not series:
        return Vital(title, Condition.UNKNOWN, f"How much room {name} has is not known yet.")
    last, weeks = _ordered(series)[-1], weeks_left(series)
    left = f"{size(last.free_bytes)} free"
    if _is_nearly_full(last):
        return Vital(title, Condition.LOOK, f"{name} is nearly full ({left}).", _TODO, Reason.FULL)
    if weeks is not None and weeks < SOON_WEEKS:
        how = f"about {plural(weeks, 'week')}" if weeks else "less than a week"
        sentence = f"{name} has room for {how} at the present growth ({left})."
        return Vital(title, Condition.LOOK, sentence, _TODO, Reason.FULL)
    return Vital(title, Condition.OK, f"{name} has room {_for_how_long(series, weeks)} ({left}).")


def _for_how_long(series: Sequence[Filled], weeks: int | None) -> str:
    if weeks is not None and weeks < _LONG_WEEKS:
        return f"for about {plural(weeks, 'week')} at the present growth"
    if growth(series) is None:
        return "left; for how long is not known yet"
    return "for more than two years at the present growth"


def _is_nearly_full(last: Filled) -> bool:
    share = last.free_bytes / last.size_bytes if last.size_bytes > 0 else 0.0
    return last.free_bytes < _NEARLY_FULL_BYTES and share < _NEARLY_FULL_SHARE


def _ordered(series: Sequence[Filled]) -> list[Filled]:
    """One point a day, the last of each, by day."""
    return sorted({each.day: each for each in series}.values(), key=lambda each: each.day)


def _comparable(series: Sequence[Filled]) -> list[Filled]:
    """The newest days of one and the same filesystem: another size, or less than half of what was
    on it in the days before, is another one.
    """
    days = _ordered(series)[-MOST_DAYS:]
    begin = 0
    for index in range(1, len(days)):
        here, before = days[index], days[max(begin, index - _DAYS_BEFORE) : index]
        least = min(each.used_bytes for each in before)
        if here.size_bytes != before[-1].size_bytes or here.used_bytes * 2 < least:
            begin = index
    return days[begin:]
