"""What retention would keep: the backups there are, and a year of nightly ones, played through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .model import Archive
from .retention import Policy, doomed

_NIGHT, _NIGHTS = timedelta(days=1), 365
_ROUND = 7
"""Nights between two times at which old backups are let go."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """How many backups of one source there are, and what would become of them."""

    today: int
    go: int
    """How many of today's would be gone after a year."""
    in_a_year: int
    oldest: datetime
    """Of those that there are then."""


def foresee(times: Sequence[datetime], policy: Policy, zone: ZoneInfo, now: datetime) -> Foresight:
    """Given the times of the backups of one source, return what a year of nightly backups with
    this retention makes of them; each week what retention lets go of is let go.
    """
    kept = [_archive(number, time) for number, time in enumerate(sorted(times))]
    today = {archive.name for archive in kept}
    for night in range(1, _NIGHTS + 1):
        then = now + night * _NIGHT
        kept.append(_archive(len(times) + night, then))
        if night % _ROUND == 0:
            gone = doomed(kept, policy, zone, {each.name for each in kept}, then)
            kept = [archive for archive in kept if archive not in gone]
    left = {archive.name for archive in kept}
    return Foresight(len(today), len(today - left), len(kept), kept[0].time)


def _archive(number: int, time: datetime) -> Archive:
    return Archive(str(number), "", time, number, "")
