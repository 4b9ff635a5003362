"""Somebody's wish to be in no backup any more: who is meant, that it was asked, where it is done.

Part of the rim. What is remembered of a request names nobody.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from . import audit
from .box import PSEUDONYM_KEY, Box
from .core.erasure import Erasure
from .core.errors import ApplianceError, RepositoryDamaged
from .core.model import Archive, Trigger
from .core.ports import Watch
from .core.words import plural
from .daemon import reading
from .engine import memory, register
from .engine.restore import all_of
from .engine.timeline import fetched
from .exports.meant import Here, Meant, Seen, Wanted
from .exports.pseudonyms import Pseudonyms
from .timelines import forget, places_of

_LOOKED = "Backups were looked through for somebody who is to be erased."


@dataclass(frozen=True, slots=True)
class Sought:
    """Who was found, and in how many backups one looked."""

    source: str
    records: tuple[Meant, ...]
    marks: frozenset[str]
    """What tells each of them from all others."""
    still_there: tuple[Meant, ...]
    """Those that the newest backup has: they would come back with the next one."""
    elsewhere: tuple[str, ...]
    """Files that say the words beside what is taken out."""
    unread: tuple[str, ...]
    """Files that are no text: nobody looked what they say."""
    masked: Mapping[str, tuple[str, ...]]
    """By table the columns that are masked in some backup: words in them are not found."""
    cannot: Mapping[str, str]
    """By name the backups that cannot be read, or written anew, and why."""
    unseen: Mapping[str, int]
    """By place that is away how many backups only it has: nobody looked through them."""
    backups: int
    newest: int
    """The highest number of them: a new ledger may know of none yet."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that have them."""
        return tuple(sorted({one.table for one in self.records}))


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the register has it, and what is left of it where there are backups."""

    source: str
    at: datetime
    records: int
    reason: str
    done: tuple[str, ...]
    waits: tuple[str, ...]
    """Places that still have them."""
    in_a_week: tuple[str, ...]
    """Places that list them no more, and give the room back a week after that."""
    stuck: Mapping[str, tuple[str, ...]]
    """By place the backups that cannot be made again: they go by their age."""
    unseen: tuple[str, ...]
    """Places with backups that nobody could look through: records without an id may be in them."""
    versions: tuple[str, ...]
    """Clouds that keep old versions, which their own rules let go of and not this box."""


@dataclass(slots=True)
class _Looking:
    """Looks through backups, oldest first, and once more through those that came before somebody
    was found by name: their versions may be called otherwise.
    """

    wanted: Wanted
    watch: Watch
    seen: Seen = field(default_factory=Seen)
    here: dict[str, Here] = field(default_factory=dict)
    """By name what each backup has of them."""
    unreadable: dict[str, str] = field(default_factory=dict)
    found_until: str = ""
    """The last backup in which somebody new was found."""

    def look(self, archive: Archive, root: Path, work: Path) -> None:
        known = len(self.seen.records)
        try:
            self.here[archive.name] = self.seen.look(root, self.wanted, work, self.watch)
        except RepositoryDamaged as error:
            self.pass_over(archive, error)
        if len(self.seen.records) > known:
            self.found_until = archive.name

    def pass_over(self, archive: Archive, error: ApplianceError) -> None:
        self.unreadable[archive.name] = error.message

    def earlier(self, archives: Sequence[Archive]) -> Sequence[Archive]:
        """Return those before the last in which somebody new was found."""
        names = [one.name for one in archives]
        return archives[: names.index(self.found_until)] if self.found_until else ()

    def cannot(self) -> dict[str, str]:
        refused = {name: here.cannot for name, here in self.here.items() if here.cannot}
        return self.unreadable | refused

    def in_any(self, names: Iterable[str]) -> tuple[Meant, ...]:
        marks = {mark for name in names if name in self.here for mark in self.here[name].marks}
        return tuple(self.seen.records[mark] for mark in sorted(marks))


def look(box: Box, source: str, wanted: Wanted, watch: Watch) -> Sought:
    """Look through all backups of a source that can be read, held ones too.

    Raise as `engine.restore.restore`, or ApplianceError where there is none.
    """
    places = places_of(box)
    with reading(box):
        found = sorted(all_of(box.kit, places, source), key=lambda one: one.sequence)
        if not found:
            raise ApplianceError(f"There is no backup of {source}.")
        looking = _Looking(replace(wanted, pseudonym=_pseudonym(box)), watch)
        see = partial(fetched, said=_LOOKED, with_all=True, passed_over=looking.pass_over)
        see(box.kit, places, found, looking.look, watch)
        if earlier := looking.earlier(found):
            see(box.kit, places, earlier, looking.look, watch)
    return _sought(box, source, found, looking)


def _pseudonym(box: Box) -> Callable[[str], str] | None:
    """Return what stands for a value where columns are masked; None where none ever were."""
    return Pseudonyms(box.pseudonym_key).of if box.secrets.has(PSEUDONYM_KEY) else None


def _sought(box: Box, source: str, found: Sequence[Archive], looking: _Looking) -> Sought:
    seen = looking.seen
    return Sought(
        source,
        tuple(seen.records.values()),
        frozenset((*seen.records, *seen.aliases)),
        still_there=looking.in_any(_newest(box, source, found)),
        elsewhere=tuple(sorted(seen.elsewhere)),
        unread=tuple(sorted(seen.unread)),
        masked={table: tuple(sorted(names)) for table, names in seen.masked.items()},
        cannot=looking.cannot(),
        unseen=_unseen(box, source, {one.name for one in found}),
        backups=len(looking.here),
        newest=found[-1].sequence,
    )


def _newest(box: Box, source: str, found: Sequence[Archive]) -> Iterator[str]:
    """Yield the newest backup, and the newest good one: what the vendor has is in one of them."""
    wrong = memory.rejected(box.ledger, source)
    came = [one for one in found if one.name not in wrong]
    for several in (came, [one for one in came if not one.held]):
        yield from (one.name for one in several[-1:])


def _unseen(box: Box, source: str, seen: Collection[str]) -> dict[str, int]:
    """Count by place the backups that lie nowhere within reach; a mirror is what its disk is."""
    mirrors = {each.name for each in box.settings.mirror}
    away = (copy for copy in box.ledger.copies(source) if copy.archive not in seen)
    return dict(sorted(Counter(copy.place for copy in away if copy.place not in mirrors).items()))


def ask(box: Box, sought: Sought, reason: str, trigger: Trigger, *, at_once: bool) -> Erasure:
    """Write the request down: from now on no restore and no search finds them."""
    upto = sought.newest
    salt, now = secrets.token_hex(16), box.clock.now()
    erasure = replace(
        Erasure.of(sought.marks, now, salt, upto, reason),
        at_once=at_once,
        records=len(sought.records),
        unseen=tuple(sought.unseen),
    )
    because = f", because: {reason}" if reason else ""
    words = f"{plural(len(sought.records), 'record')} of {sought.source} to be erased{because}."
    audit.write(box.ledger, box.clock, "erasure", words, True, trigger)
    erasure = register.register(box.ledger, sought.source, erasure)
    forget(box, sought.source)
    return erasure


def asked(box: Box) -> list[Asked]:
    """Return the register, newest request first."""
    found = [
        _asked(box, source, entry)
        for source in box.sources_ever
        for entry in register.registered(box.ledger, source)
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _asked(box: Box, source: str, entry: Erasure) -> Asked:
    places = {copy.place for copy in box.ledger.copies(source)}
    waits = {one for one in places if entry in register.pending(box.ledger, source, one)}
    owes = {one for one in places - waits if entry in register.owed(box.ledger, source, one)}
    names = {one: tuple(sorted(register.stuck(box.ledger, source, one))) for one in sorted(places)}
    stuck = {place: several for place, several in names.items() if several}
    versions = {one for one in places if memory.cloud_keeps(box.ledger, one)}
    return Asked(
        source,
        entry.at,
        entry.records,
        entry.reason,
        done=tuple(sorted(places - waits - owes - stuck.keys())),
        waits=tuple(sorted(waits)),
        in_a_week=tuple(sorted(owes)),
        stuck=stuck,
        unseen=entry.unseen,
        versions=tuple(sorted(versions)),
    )
