"""The days on which there are backups, month by month, as a calendar shows them."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..core.words import plural

MONTHS = tuple(calendar.month_name)
WEEKDAYS = tuple(calendar.day_name)
_WEEKS = calendar.Calendar()


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a month, and how many backups are of it."""

    date: date
    is_in_month: bool
    is_today: bool
    names: tuple[str, ...]
    """Of its backups, newest first."""

    @property
    def words(self) -> str:
        """What a screen reader says of a day with backups: `21 November, 2 backups`."""
        day = f"{self.date.day} {MONTHS[self.date.month]}"
        return f"{day}, {plural(len(self.names), 'backup')}"


@dataclass(frozen=True, slots=True)
class Month:
    """One month's weeks, and the nearest months before and after it that have backups."""

    first: date
    weeks: tuple[tuple[Day, ...], ...]
    older: str
    """`2026-10`, empty where there is none."""
    newer: str

    @property
    def words(self) -> str:
        """`November 2026`."""
        return month_words(f"{self.first:%Y-%m}")


def month_of(backups: Sequence[Mapping[str, Any]], today: date, wanted: str) -> Month:
    """Given backups and a month as `2026-11` (nonsense: the newest with backups), return it."""
    by_day: dict[date, list[str]] = {}
    for backup in backups:
        by_day.setdefault(day_of(backup), []).append(str(backup["name"]))
    months = sorted({f"{day:%Y-%m}" for day in by_day} or {f"{today:%Y-%m}"})
    shown = wanted if wanted in months else months[-1]
    first = date.fromisoformat(f"{shown}-01")
    weeks = tuple(
        tuple(
            Day(day, day.month == first.month, day == today, tuple(by_day.get(day, ())))
            for day in week
        )
        for week in _WEEKS.monthdatescalendar(first.year, first.month)
    )
    at = months.index(shown)
    older, newer = "".join(months[at - 1 : at] if at else ()), "".join(months[at + 1 : at + 2])
    return Month(first, weeks, older, newer)


def month_words(month: str) -> str:
    """Given `2026-11`, return `November 2026`."""
    return f"{MONTHS[int(month[5:7])]} {month[:4]}"


def day_of(backup: Mapping[str, Any]) -> date:
    """Return the day that a backup is of, on the office's clock."""
    return datetime.fromisoformat(str(backup["local"])).date()
