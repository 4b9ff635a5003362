"""The only home of when the box says something: decided from what is wrong now and what was said.

One trouble is one message when it begins, a reminder each week while it lasts, and a word when all
is well again. What comes and goes is told three times a week and no more. In quiet hours only what
cannot wait is said; of the rest, what still holds is said at their end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

WEEK = timedelta(days=7)
MOST_IN_A_WEEK = 3
WELL_FOR = timedelta(hours=1)
"""So long nothing must be wrong before anybody is told that all is well: a loose plug comes back
within minutes."""
_URGENT_AGAIN = timedelta(days=1)
"""So long after the last word what cannot wait is told again, however often it was told."""
_MOST_REMEMBERED = 60
"""Of what is over and known to be."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that wants a person, in words that hold nobody's data."""

    key: str
    """What it is about: the same for as long as it is the same trouble."""
    headline: str
    cause: str
    todo: str
    is_urgent: bool = False
    """Whether it cannot wait for the end of the quiet hours."""
    is_lasting: bool = True
    """Whether a lamp stands for it: somebody is reminded of it, and without it all is well."""
    patience: timedelta = timedelta()
    """So long it must last before anybody is told."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the office was told about one trouble."""

    since: datetime
    """When it began, this time."""
    headline: str = ""
    is_open: bool = False
    """Whether the office knows of it, and not yet that it is over."""
    told: tuple[datetime, ...] = ()
    """Each message about it within the last week."""
    gone: datetime | None = None
    """Since when it is over."""
    is_urgent: bool = False
    """Whether it was one that cannot wait, this time."""
    is_anew: bool = False
    """Whether it came back, or got worse, and nobody was told of that yet."""

    @property
    def may_be_told(self) -> bool:
        """Whether the office was not told of it too often lately."""
        return len(self.told) < MOST_IN_A_WEEK

    def may_begin(self, trouble: Trouble, now: datetime) -> bool:
        """Whether it may be told: what cannot wait once a day even where it was told too often."""
        return self.may_be_told or (trouble.is_urgent and now - self.told[-1] >= _URGENT_AGAIN)


Memory = Mapping[str, Said]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be said now, and what was said then."""

    begun: tuple[Trouble, ...] = ()
    lasting: tuple[Trouble, ...] = ()
    """Of these somebody is reminded."""
    over: tuple[str, ...] = ()
    """Headlines of what is over, where all is well again."""
    restless: frozenset[str] = frozenset()
    """Keys of what comes and goes: nothing more is said about it this week."""
    memory: Memory = field(default_factory=dict)

    @property
    def says_something(self) -> bool:
        """Whether there is a message."""
        return bool(self.begun or self.lasting or self.over)

    @property
    def is_urgent(self) -> bool:
        """Whether it cannot wait for the end of the quiet hours."""
        return any(each.is_urgent for each in self.begun)


def decide(
    troubles: Sequence[Trouble],
    memory: Memory,
    now: datetime,
    *,
    is_quiet: bool = False,
    is_busy: bool = False,
) -> Decision:
    """Given what is wrong now and what was said before, return what to say.

    `is_busy`: something runs or is tried again, so nobody knows yet whether all is well.
    """
    here = {trouble.key: trouble for trouble in troubles}
    known = {key: _aged(said, now) for key, said in memory.items()}
    known |= {key: _present(known.get(key), here[key], now) for key in here}
    known |= {key: _absent(said, now) for key, said in known.items() if key not in here}
    begun = [each for each in here.values() if _begins(each, known[each.key], now, is_quiet)]
    lasting = [each for each in here.values() if not is_quiet and _reminds(each, known[each.key])]
    for each in (*begun, *lasting):
        said = known[each.key]
        known[each.key] = replace(said, is_open=True, is_anew=False, told=(*said.told, now))
    wells = () if is_quiet or is_busy else _over(here, known, now)
    for key in wells:
        told = (*known[key].told, now)
        known[key] = replace(known[key], is_open=False, is_anew=False, told=told)
    return Decision(
        tuple(begun),
        tuple(lasting),
        tuple(known[key].headline for key in wells),
        frozenset(
            each.key for each in begun if not each.is_urgent and not known[each.key].may_be_told
        ),
        _worth_knowing(known),
    )


def _aged(said: Said, now: datetime) -> Said:
    """Forget what is a week old; a time that is still to come was told by a wrong clock."""
    told = tuple(each for each in said.told if now - WEEK < each <= now)
    gone = min(said.gone, now) if said.gone else None
    return replace(said, told=told, gone=gone, since=min(said.since, now))


def _present(said: Said | None, trouble: Trouble, now: datetime) -> Said:
    """It is there: as before, or anew.

    It begins anew when it got worse, and when it was over for so long that only something else
    that is wrong kept the office from hearing so.
    """
    if said is None:
        return Said(now, trouble.headline, is_urgent=trouble.is_urgent)
    was_over = said.gone is not None and (not said.is_open or now - said.gone >= WELL_FOR)
    if was_over or (trouble.is_urgent and not said.is_urgent):
        anew = replace(said, since=now, headline=trouble.headline, is_urgent=trouble.is_urgent)
        return replace(anew, gone=None, is_anew=True)
    return replace(said, gone=None)


def _absent(said: Said, now: datetime) -> Said:
    return said if said.gone else replace(said, gone=now)


def _begins(trouble: Trouble, said: Said, now: datetime, is_quiet: bool) -> bool:
    may = said.may_begin(trouble, now) and (trouble.is_urgent or not is_quiet)
    is_new = said.is_anew or not said.is_open
    return may and is_new and now - said.since >= trouble.patience


def _reminds(trouble: Trouble, said: Said) -> bool:
    """A week has passed since the last word about it: none is remembered any more."""
    return trouble.is_lasting and said.is_open and not said.told and not said.is_anew


def _over(here: Mapping[str, Trouble], known: Memory, now: datetime) -> tuple[str, ...]:
    """Return the keys of what is over, where all is well again and that may be said."""
    if any(trouble.is_lasting for trouble in here.values()):
        return ()
    gone = {key: said for key, said in known.items() if said.is_open and said.gone}
    if any(now - said.gone < WELL_FOR for said in gone.values() if said.gone):
        return ()
    return tuple(gone) if any(said.may_be_told for said in gone.values()) else ()


def _worth_knowing(known: Memory) -> Memory:
    """Keep what is there or open, whatever the number: what is forgotten would be told anew. Of the
    rest only that it was told matters.
    """
    kept = {key: said for key, said in known.items() if said.is_open or said.gone is None}
    rest = [key for key, said in known.items() if key not in kept and said.told]
    newest = sorted(rest, key=lambda key: known[key].since)[-_MOST_REMEMBERED:]
    return kept | {key: known[key] for key in newest}


def memory_as_json(memory: Memory) -> dict[str, object]:
    """Return what was said as plain JSON values."""
    return {
        key: {
            "since": said.since.isoformat(),
            "headline": said.headline,
            "open": said.is_open,
            "told": [each.isoformat() for each in said.told],
            "gone": said.gone.isoformat() if said.gone else None,
            "urgent": said.is_urgent,
            "anew": said.is_anew,
        }
        for key, said in memory.items()
    }


def memory_from_json(told: Mapping[str, Any]) -> dict[str, Said]:
    """Given what `memory_as_json` made, return it."""
    return {
        key: Said(
            datetime.fromisoformat(said["since"]),
            said["headline"],
            said["open"],
            tuple(datetime.fromisoformat(each) for each in said["told"]),
            datetime.fromisoformat(said["gone"]) if said["gone"] else None,
            bool(said.get("urgent")),
            bool(said.get("anew")),
        )
        for key, said in told.items()
    }
