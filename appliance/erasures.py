"""Somebody's wish to be in no backup any more: who is meant, that it was asked, where it is done.

Part of the rim. What is remembered of a request says nothing of the person.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from .engine import erasures, memory
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


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the register has it."""

    source: str
    at: datetime
    records: int
    reason: str
    done: tuple[str, ...]
    waits: tuple[str, ...]
    """Where backups of the source are that still have them."""


@dataclass(slots=True)
class _Looking:
    wanted: Wanted
    newest: str
    watch: Watch
    seen: Seen = field(default_factory=lambda: Seen({}, set()))
    now: Seen = field(default_factory=lambda: Seen({}, set()))

    def look(self, archive: Archive, root: Path, work: Path) -> None:
        here = Seen({}, set())
        here.look(root, self.wanted, work, self.watch)
        self.seen.records |= here.records
        self.seen.elsewhere |= here.elsewhere
        if archive.name == self.newest:
            self.now = here


def look(box: Box, source: str, wanted: Wanted, watch: Watch) -> Sought:
    """Look through all backups of a source that can be read, held ones too.

    Raise as `engine.restore.restore`, or ApplianceError where there is none.
    """
    with reading(box):
        archives = sorted(
            all_of(box.kit, places_of(box), source), key=lambda archive: archive.sequence
        )
        if not archives:
            raise ApplianceError(f"There is no backup of {source}.")
        wrong = memory.rejected(box.ledger, source)
        newest = next((one.name for one in reversed(archives) if one.name not in wrong), "")
        looking = _Looking(wanted, newest, watch)
        fetched(box.kit, places_of(box), archives, looking.look, watch, said=_LOOKED)
    still = tuple(looking.now.records.values())
    elsewhere = tuple(sorted(looking.seen.elsewhere))
    return Sought(source, looking.seen.records, still, elsewhere, len(archives))


def ask(box: Box, sought: Sought, reason: str, trigger: Trigger, *, at_once: bool) -> Erasure:
    """Write the request down: from now on no restore and no search finds them."""
    salt = secrets.token_hex(16)
    erasure = Erasure.of(sought.records, box.clock.now(), salt, reason, at_once=at_once)
    because = f", because: {reason}" if reason else ""
    words = f"{plural(len(sought.records), 'record')} of {sought.source} to be erased{because}."
    audit.write(box.ledger, box.clock, "erasure", words, True, trigger)
    erasures.register(box.ledger, sought.source, erasure)
    forget(box, sought.source)
    return erasure


def asked(box: Box) -> list[Asked]:
    """Return the register, newest request first."""
    found = []
    for section in box.settings.source:
        entries = erasures.registered(box.ledger, section.name)
        places = {copy.place for copy in box.ledger.copies(section.name)}
        for entry in entries:
            waits = {one for one in places if entry in _pending(box, section.name, one)}
            found.append(
                Asked(
                    section.name,
                    entry.at,
                    len(entry.marks),
                    entry.reason,
                    tuple(sorted(places - waits)),
                    tuple(sorted(waits)),
                )
            )
    return sorted(found, key=lambda one: one.at, reverse=True)


def _pending(box: Box, source: str, place: str) -> tuple[Erasure, ...]:
    return erasures.pending(box.ledger, source, place)
