"""The blocks that list: sources, days, disks, the cloud, and the box itself last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from ..core import words
from ..core.days import Went
from ..core.health import State
from ..core.model import Outcome
from ..core.vitals import Condition
from . import badges
from .badges import Badge
from .facts import Facts, Unreadable
from .sight import Seen
from .verdict import in_plain_words

Kind = TypeVar("Kind", State, Went, Condition, Outcome)
_LONGEST_MESSAGE = 400
_MOST_EXCEPTIONS = 5
_MOST_LINKS = 5
_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_INCOMPLETE = "Not everything has a proved copy there yet."
_LOSABLE = "Whoever takes over this box could destroy the copy there."
_KEPT = "What is there cannot be destroyed from this box."


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source: how it stands, what arrived when, what is expected, what happened last."""

    name: str
    badge: Badge
    sentence: str
    todo: str
    here: str
    cloud: str
    next: str
    last: str
    links: tuple[str, ...]
    """What is in the inbox for a while only, by the name of its file."""


@dataclass(frozen=True, slots=True)
class DayCell:
    """One day of the strip."""

    number: int
    date: str
    badge: Badge
    sentence: str


@dataclass(frozen=True, slots=True)
class Days:
    """The strip, oldest first, how often each state is in it, and what stands out."""

    cells: tuple[DayCell, ...]
    legend: tuple[tuple[Badge, int], ...]
    exceptions: tuple[DayCell, ...]


@dataclass(frozen=True, slots=True)
class DiskRow:
    """One disk: where it is, whether it may be unplugged, how much room it has."""

    name: str
    badge: Badge
    words: str
    newest: str
    room: str
    problem: str
    may_let_go: bool


@dataclass(frozen=True, slots=True)
class Disks:
    """The disks that take turns, and the folders that are always there."""

    rows: tuple[DiskRow, ...]
    folders: tuple[str, ...]
    reminder: str


@dataclass(frozen=True, slots=True)
class CloudRow:
    """One cloud copy."""

    name: str
    badge: Badge
    newest: str
    keeps: str


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the box says of itself."""

    badge: Badge
    sentence: str
    todo: str


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """The box: what is not well, what is, and what it is called."""

    name: str
    clock: str
    release: str
    unwell: tuple[Fact, ...]
    well: tuple[Fact, ...]


def sources(seen: Seen) -> tuple[SourceRow, ...]:
    """Return a row for each source."""
    return tuple(_source(seen, each) for each in seen.status.each("sources"))


def _source(seen: Seen, facts: Facts) -> SourceRow:
    state = _kind(State, facts.text("state"))
    return SourceRow(
        facts.text("source"),
        badges.STATES[state],
        facts.text("sentence"),
        in_plain_words(facts.text("todo")) if state is not State.SAFE else "",
        _near(seen, facts.moment("here")) or "nothing yet",
        (_near(seen, facts.moment("cloud")) or "nothing yet") if facts.yes("has_cloud") else "",
        _near(seen, facts.moment("next_due")) or "when something comes",
        _last(facts),
        _links(facts),
    )


def _links(facts: Facts) -> tuple[str, ...]:
    offers = facts.each("offers") if "offers" in facts.told else ()
    return tuple(shortened(each.text("sentence")) for each in offers if each.text("what"))[
        :_MOST_LINKS
    ]


def _last(facts: Facts) -> str:
    if facts.told.get("last_outcome") is None:
        return ""
    outcome = words.OUTCOMES[_kind(Outcome, facts.text("last_outcome"))]
    return shortened(f"{outcome[0].upper()}{outcome[1:]}. {facts.text('last_message')}".strip())


def days(seen: Seen) -> Days:
    """Return the strip of the last days."""
    if not seen.days:
        raise Unreadable("days")
    cells = tuple(_day(Facts.of(each)) for each in reversed(seen.days))
    counts = Counter(each.badge for each in cells)
    legend = tuple((badge, counts[badge]) for badge in badges.DAYS.values())
    fine = {badges.DAYS[went] for went in (Went.COPIED, Went.UNCHANGED, Went.NONE, Went.OPEN)}
    odd = [each for each in reversed(cells) if each.badge not in fine]
    return Days(cells, legend, tuple(odd[:_MOST_EXCEPTIONS]))


def _day(facts: Facts) -> DayCell:
    try:
        day = date.fromisoformat(facts.text("date"))
    except ValueError:
        raise Unreadable("date") from None
    badge = badges.DAYS[_kind(Went, facts.text("state"))]
    name = f"{_DAY_NAMES[day.weekday()]} {day.day} {_MONTHS[day.month - 1]}"
    return DayCell(day.day, name, badge, shortened(facts.text("sentence")))


def disks(seen: Seen) -> Disks:
    """Return the disks, those that are here first."""
    rows = tuple(_disk(seen, each) for each in seen.status.each("disks"))
    known = {each.name for each in rows} | set(seen.status.part("mirrors").names())
    places = {name for each in seen.status.each("sources") for name in each.part("places").names()}
    return Disks(rows, tuple(sorted(places - known)), seen.status.text("reminder"))


def _disk(seen: Seen, facts: Facts) -> DiskRow:
    is_here = facts.yes("present")
    badge, said = _where(facts) if is_here else (badges.AWAY, _away(seen, facts))
    problem = in_plain_words(facts.text("problem"))
    newest = _near(seen, facts.moment("newest"))
    return DiskRow(
        facts.text("name"),
        badges.TROUBLE if problem and is_here else badge,
        said,
        f"Newest copy: {newest}." if newest else "No copy on it yet.",
        _room(facts),
        shortened(problem),
        may_let_go=is_here and not facts.yes("ejected"),
    )


def _where(facts: Facts) -> tuple[Badge, str]:
    """Say of a disk that is here whether it may be unplugged."""
    at_rest, let_go = facts.yes("at_rest"), facts.yes("ejected")
    if let_go and at_rest and not facts.yes("in_use"):
        return badges.RELEASED, "Safe to unplug."
    if let_go:
        return badges.FINISHING, "Leave it plugged in until this says that it is safe to unplug."
    if facts.yes("in_use") or not at_rest:
        return badges.AT_WORK, "Leave it plugged in."
    return badges.HERE, "Let it go before you unplug it."


def _away(seen: Seen, facts: Facts) -> str:
    since = facts.moment("away_since")
    return f"Not here; last seen {words.age(seen.now - since)}." if since else "Not here."


def _room(facts: Facts) -> str:
    free, weeks = facts.number("free_bytes"), facts.number("weeks_left")
    if free is None:
        return ""
    if weeks is None:
        return f"{words.size(int(free))} free."
    lasts = f"about {words.plural(int(weeks), 'week')}" if weeks >= 1 else "less than a week"
    return f"{words.size(int(free))} free, enough for {lasts}."


def cloud(seen: Seen) -> tuple[CloudRow, ...]:
    """Return a row for each cloud copy."""
    mirrors = seen.status.part("mirrors")
    is_fresh = seen.status.part("copies").text("cloud") == "fresh"
    return tuple(_cloud(seen, name, mirrors.part(name), is_fresh) for name in mirrors.names())


def _cloud(seen: Seen, name: str, facts: Facts, is_fresh: bool) -> CloudRow:
    """The copy is as old as that of the source that is worst off there."""
    times = [each.part("places").moment(name) for each in seen.status.each("sources")]
    oldest = min((each for each in times if each), default=None)
    if oldest is None or None in times:
        return CloudRow(name, badges.NOT_YET, _INCOMPLETE, _keeps(facts))
    newest = f"Newest proved copy: {_near(seen, oldest)}, {words.age(seen.now - oldest)}."
    return CloudRow(name, badges.FRESH if is_fresh else badges.OLD, newest, _keeps(facts))


def _keeps(facts: Facts) -> str:
    return {True: _KEPT, False: _LOSABLE, None: ""}[facts.yes_or_unknown("keeps")]


def the_box_itself(seen: Seen) -> BoxFacts:
    """Return how the machine is."""
    facts = seen.status.part("box")
    found = [_fact(each) for each in seen.status.each("vitals")]
    zone = facts.text("timezone").replace("_", " ")
    return BoxFacts(
        facts.text("name"),
        f"{words.when(seen.status.certain_moment('as_of'), seen.zone)} ({zone})",
        facts.text("release"),
        tuple(each for each in found if each.badge != badges.CONDITIONS[Condition.OK]),
        tuple(each for each in found if each.badge == badges.CONDITIONS[Condition.OK]),
    )


def _fact(facts: Facts) -> Fact:
    badge = badges.CONDITIONS[_kind(Condition, facts.text("state"))]
    return Fact(badge, facts.text("sentence"), in_plain_words(facts.text("todo")))


def shortened(text: str) -> str:
    """Return a text that does not push everything else off the screen."""
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE].rstrip()}…"


def _near(seen: Seen, moment: datetime | None) -> str:
    return words.near(moment, seen.zone, seen.now) if moment else ""


def _kind(kind: type[Kind], word: str) -> Kind:
    try:
        return kind(word)
    except ValueError:
        raise Unreadable(word) from None
