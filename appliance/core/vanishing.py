"""The only home of what a vendor keeps for a while: until when, how that is told, and what ends it.

A vendor that removes what it made, or a link that dies, is counted down for as long as the export
is not archived and proved: also while a disk is away, and after a Run that failed or was cut off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from .errors import LinkDead
from .model import Outcome, Run
from .words import near, plural

URGENT_BELOW = timedelta(hours=24)
SHORTEST = timedelta(hours=1)
"""What lives shorter is not told: nobody could act on it, and the next try gets a fresh one."""
_KEEPING = (Outcome.OK, Outcome.WARNING, Outcome.HELD, Outcome.SKIPPED)
"""A held export is stored, whatever becomes of it."""
_IN_TIME = "Look why it is not backed up, then back up; or download the export yourself."
_ANOTHER_EXPORT = "Make a new export in the CRM, then back up."
_ANOTHER_LINK = LinkDead.hint


class Standing(StrEnum):
    """How something that vanishes stands."""

    KEPT = "kept"
    URGENT = "urgent"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Vanishing:
    """Something that a vendor keeps for a while."""

    source: str
    until: datetime
    since: datetime
    """When it was made, or when we learnt of it."""
    what: str = ""
    """The file in the inbox whose link it is: it stands until that file is fetched or taken out.
    Empty: the newest export of the vendor; a backup that was begun before it was known, or later,
    and ended after it, has it.
    """


@dataclass(frozen=True, slots=True)
class Countdown:
    """What is not kept here yet, in words."""

    about: Vanishing
    standing: Standing
    sentence: str
    """It names no file: it may stand in a message."""
    about_file: str
    """The same of the link in just that file; empty where it is about none."""
    todo: str
    left: timedelta | None
    """Until it is gone; None without a clock to trust."""

    @property
    def wants_a_person(self) -> bool:
        """Whether it cannot wait."""
        return self.standing is not Standing.KEPT


def from_json(source: str, told: object) -> tuple[Vanishing, ...]:
    """Given what a pull noted beside the ledger (as `offer`, or several as `offers`), return it;
    what cannot be understood is left out.
    """
    if not isinstance(told, dict):
        return ()
    several = told.get("offers")
    found = [told.get("offer"), *(several if isinstance(several, list) else ())]
    noted = (_vanishing(source, each) for each in found if isinstance(each, dict))
    return tuple(each for each in noted if each is not None)


def _vanishing(source: str, told: Mapping[str, Any]) -> Vanishing | None:
    try:
        until, since = (datetime.fromisoformat(str(told[key])) for key in ("until", "since"))
    except (KeyError, ValueError):
        return None
    if until.tzinfo is None or since.tzinfo is None:
        return None
    return Vanishing(source, until, since, str(told.get("what", "")))


def countdowns(
    things: Sequence[Vanishing],
    runs: Sequence[Run],
    kept: Collection[str],
    zone: ZoneInfo,
    now: datetime | None,
) -> tuple[Countdown, ...]:
    """Given what vanishes of one source, its Runs and the archives of it that are proved somewhere,
    return what is still to be kept, the soonest first; `now` is None without a clock to trust.
    """
    open_ = [each for each in things if not _is_kept(each, runs, kept)]
    told = [each for each in open_ if each.until - each.since >= SHORTEST]
    return tuple(_told(each, zone, now) for each in sorted(told, key=lambda each: each.until))


def _is_kept(thing: Vanishing, runs: Sequence[Run], kept: Collection[str]) -> bool:
    """Whether a backup that ended after it has it."""
    return not thing.what and any(
        run.archive in kept
        and run.outcome in _KEEPING
        and run.finished is not None
        and run.finished >= thing.since
        for run in runs
    )


def _told(thing: Vanishing, zone: ZoneInfo, now: datetime | None) -> Countdown:
    link = f"The link in {thing.what}" if thing.what else ""
    sentence, file = (_sentence(thing, about, zone, now) for about in ("A link in the inbox", link))
    if now is None:
        return Countdown(thing, Standing.KEPT, sentence, file, "", None)
    left = thing.until - now
    if left <= timedelta():
        todo = _ANOTHER_LINK if thing.what else _ANOTHER_EXPORT
        return Countdown(thing, Standing.GONE, sentence, file, todo, left)
    standing = Standing.URGENT if left < URGENT_BELOW else Standing.KEPT
    return Countdown(thing, standing, sentence, file, _IN_TIME, left)


def _sentence(thing: Vanishing, link: str, zone: ZoneInfo, now: datetime | None) -> str:
    """Given what to call a link, say until when there is something; empty where that is nothing."""
    at = near(thing.until, zone, now or thing.since)
    left = thing.until - now if now else None
    if thing.what and not link:
        return ""
    if left is not None and left <= timedelta():
        if thing.what:
            return f"{link} is dead since {at}, and what it led to was not fetched."
        return f"This export is gone at the vendor's since {at}, and is not backed up."
    until = f"until {at}" + (f" ({in_time(left)})" if left else "")
    return f"{link} works {until}." if thing.what else f"The vendor keeps this export {until}."


def in_time(left: timedelta) -> str:
    """Return how long there is still, never more than it is: `2 days left`."""
    minutes = max(0, int(left.total_seconds() // 60))
    if minutes < 60:
        return f"{plural(minutes, 'minute')} left"
    if minutes < 48 * 60:
        return f"{plural(minutes // 60, 'hour')} left"
    return f"{plural(minutes // (24 * 60), 'day')} left"
