"""The only home of how a day went: one of seven states for each local day, and a sentence.

A picture of weeks must not be better than they were: a day is as good as its worst source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from .model import Outcome, Tally


class Went(StrEnum):
    """How a day went; worst first."""

    FAILED = "failed"
    HELD = "held"
    LATE = "late"
    OPEN = "open"
    COPIED = "copied"
    UNCHANGED = "unchanged"
    NONE = "none"


MEANINGS: Mapping[Went, str] = MappingProxyType(
    {
        Went.COPIED: "proved copy",
        Went.UNCHANGED: "checked, nothing new",
        Went.LATE: "late or missed",
        Went.FAILED: "failed",
        Went.HELD: "held for review",
        Went.NONE: "no backup",
        Went.OPEN: "still to come",
    }
)
"""In the order of a legend."""
_OFF = "the box was off"


@dataclass(frozen=True, slots=True)
class SourceDay:
    """What is known of one source on one local day."""

    source: str
    tallies: Sequence[Tally] = ()
    """Its Runs that started on that day."""
    due: datetime | None = None
    """The day's first backup that the schedule wanted; None where it wanted none."""
    grace: timedelta = timedelta()
    was_off: bool = False
    """Whether that one went by while the box was off."""
    is_before: bool = False
    """Whether the schedule did not count yet."""


@dataclass(frozen=True, slots=True)
class Day:
    """How a day went, and that in words."""

    went: Went
    sentence: str


_HELD = Day(Went.HELD, "an export looked wrong and was held for review")
_RUNNING = Day(Went.OPEN, "under way")
_FAILED = Day(Went.FAILED, "the backup failed")
_ENDINGS = (
    ((Outcome.HELD, True), _HELD),
    ((Outcome.HELD, False), _HELD),
    ((Outcome.OK, True), Day(Went.COPIED, "a proved copy was made")),
    ((Outcome.WARNING, True), Day(Went.COPIED, "a copy was proved, with a warning")),
    ((Outcome.SKIPPED, True), Day(Went.UNCHANGED, "checked, and nothing was new")),
    ((None, True), _RUNNING),
    ((None, False), _RUNNING),
    ((Outcome.FAILED, True), _FAILED),
    ((Outcome.FAILED, False), _FAILED),
)
"""By outcome and whether there is an archive: the first that a day has tells how it went."""


def judge(sources: Sequence[SourceDay], now: datetime, *, clock_trusted: bool = True) -> Day:
    """Given what is known of each source on a day, return how it went, seen from `now`."""
    found = {each.source: _judged(each, now, clock_trusted) for each in sources}
    if not found:
        return Day(Went.NONE, "Nothing is set up to be backed up.")
    worst = min((each.went for each in found.values()), key=list(Went).index)
    was_off = any(each.sentence == _OFF for each in found.values())
    if was_off and worst in (Went.COPIED, Went.UNCHANGED):
        worst = Went.LATE
    return Day(worst, _sentence(found))


def _sentence(found: Mapping[str, Day]) -> str:
    phrases = {each.sentence for each in found.values()}
    if len(phrases) == 1:
        words = phrases.pop()
    else:
        words = "; ".join(f"{name}: {each.sentence}" for name, each in found.items())
        return f"{words}."
    return f"{words[0].upper()}{words[1:]}."


def _judged(one: SourceDay, now: datetime, clock_trusted: bool) -> Day:
    return _done(one) or _lacking(one, now, clock_trusted)


def _done(one: SourceDay) -> Day | None:
    """Return what became of the Runs of that day, the best of them; None where they say nothing."""
    endings = {(each.outcome, each.has_archive) for each in one.tallies}
    return next((day for ending, day in _ENDINGS if ending in endings), None)


def _lacking(one: SourceDay, now: datetime, clock_trusted: bool) -> Day:
    """Nothing came: say whether that was to be so."""
    if one.was_off:
        return Day(Went.NONE, _OFF)
    if one.due is None:
        return Day(Went.NONE, "before the first backup" if one.is_before else "nothing was due")
    if now < one.due + one.grace:
        return Day(Went.OPEN, "still to come")
    if not clock_trusted:
        return Day(Went.NONE, "not known: the clock is not set")
    return Day(Went.LATE, _why_nothing_came(one))


def _why_nothing_came(one: SourceDay) -> str:
    outcomes = {each.outcome for each in one.tallies}
    if Outcome.CANCELLED in outcomes:
        return "it was stopped on request"
    if Outcome.INTERRUPTED in outcomes:
        return "it was cut off"
    if outcomes:
        return "there was nothing to fetch"
    return "no backup came"
