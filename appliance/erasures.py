"""Somebody's wish to be in no backup any more: who is meant, that it was asked, where it is done.

Part of the rim. What is remembered of a request names nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from . import audit
from .box import Box
from .core.erasure import Erasure
from .core.errors import ApplianceError
from .core.model import Archive, Trigger
from .core.ports import Watch
from .core.words import plural
from .daemon import reading
from .engine import memory, register
from .engine.restore import all_of
from .engine.timeline import fetched
from .exports.erasing import Meant, Seen, Wanted
from .timelines import forget, places_of

_LOOKED = "Backups were looked through for somebody who is to be erased."


@dataclass(frozen=True, slots=True)
class Sought:
    """Who was found, and in how many backups one looked."""

    source: str
    records: Mapping[str, Meant]
    """By what tells each from all others."""
    still_there: tuple[Meant, ...]
    """Those that the newest backup has: they would come back with the next one."""
    elsewhere: tuple[str, ...]
    """Files that are no tables and say the words that were looked for."""
    backups: int

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that have them."""
        return tuple(sorted({one.table for one in self.records.values()}))


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
    stuck: tuple[str, ...]
    """Backups that cannot be made again: they go by their age."""
    versions: tuple[str, ...]
    """Clouds that keep old versions, which their own rules let go of and not this box."""


@dataclass(slots=True)
class _Looking:
    wanted: Wanted
    watch: Watch
    seen: Seen = field(default_factory=lambda: Seen({}, set()))
    last: Seen = field(default_factory=lambda: Seen({}, set()))

    def look(self, archive: Archive, root: Path, work: Path) -> None:
        self.last = Seen({}, set())
        try:
            self.last.look(root, self.wanted, work, self.watch)
        except ApplianceError as error:
            raise type(error)(f"{archive.name}: {error.message}", hint=error.hint) from error
        self.seen.records |= self.last.records
        self.seen.elsewhere |= self.last.elsewhere


def look(box: Box, source: str, wanted: Wanted, watch: Watch) -> Sought:
    """Look through all backups of a source that can be read, held ones too.

    Raise as `engine.restore.restore`, or ApplianceError where there is none, or where what was
    found cannot be taken out.
    """
    with reading(box):
        wrong = memory.rejected(box.ledger, source)
        found = sorted(all_of(box.kit, places_of(box), source), key=lambda one: one.sequence)
        if not found:
            raise ApplianceError(f"There is no backup of {source}.")
        in_order = [one for one in found if one.name in wrong]
        in_order += [one for one in found if one.name not in wrong]  # the newest that counts: last
        looking = _Looking(wanted, watch)
        places = places_of(box)
        fetched(box.kit, places, in_order, looking.look, watch, said=_LOOKED, with_all=True)
    still = tuple(looking.last.records.values())
    elsewhere = tuple(sorted(looking.seen.elsewhere))
    return Sought(source, looking.seen.records, still, elsewhere, len(found))


def ask(box: Box, sought: Sought, reason: str, trigger: Trigger, *, at_once: bool) -> Erasure:
    """Write the request down: from now on no restore and no search finds them."""
    upto = box.ledger.next_sequence(sought.source, at_least=1)
    salt, now = secrets.token_hex(16), box.clock.now()
    erasure = replace(Erasure.of(sought.records, now, salt, upto, reason), at_once=at_once)
    because = f", because: {reason}" if reason else ""
    words = f"{plural(len(sought.records), 'record')} of {sought.source} to be erased{because}."
    audit.write(box.ledger, box.clock, "erasure", words, True, trigger)
    register.register(box.ledger, sought.source, erasure)
    forget(box, sought.source)
    return erasure


def asked(box: Box) -> list[Asked]:
    """Return the register, newest request first."""
    found = [
        _asked(box, section.name, entry)
        for section in box.settings.source
        for entry in register.registered(box.ledger, section.name)
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _asked(box: Box, source: str, entry: Erasure) -> Asked:
    places = {copy.place for copy in box.ledger.copies(source)}
    waits = {one for one in places if entry in register.pending(box.ledger, source, one)}
    owes = {one for one in places - waits if memory.owes_the_last_byte(box.ledger, one)}
    stuck = {name for one in places for name in register.stuck(box.ledger, source, one)}
    versions = {one for one in places if memory.cloud_keeps(box.ledger, one)}
    return Asked(
        source,
        entry.at,
        len(entry.marks),
        entry.reason,
        done=tuple(sorted(places - waits - owes)),
        waits=tuple(sorted(waits)),
        in_a_week=tuple(sorted(owes)),
        stuck=tuple(sorted(stuck)),
        versions=tuple(sorted(versions)),
    )
