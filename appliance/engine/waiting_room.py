"""What comes while no disk is here waits on the box itself, encrypted, until one is.

A vendor's export may be gone tomorrow, so a pull does not wait for a disk. The waiting room is a
repository like any other, but what lies in it is no copy: it burns with the box. Health does not
count it, no mirror follows it, and it is emptied as soon as a disk has proved what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import ApplianceError, DiskAbsent
from ..core.model import Archive, Outcome, StepName
from ..core.retention import Policy, explain
from ..core.words import plural
from . import memory, register
from .journal import Journal, Remarks, understood
from .kit import Kit
from .places import Place, proved
from .trust import as_far_as_trusted

_KEPT_HINT = "Plug in a backup disk; what was fetched meanwhile goes to it by itself."


def opened(
    kit: Kit,
    journal: Journal,
    places: Sequence[Place],
    away: Sequence[tuple[str, ApplianceError]],
) -> list[Place]:
    """Return the waiting room as a place, where no disk is here or where something waits in it.

    Not where a disk is here that cannot be used: that is a fault, and a person hears of it.
    """
    room = kit.waiting_room
    if room is None or not memory.is_enrolled(kit.ledger, room.name):
        return []
    alone = not places and all(isinstance(error, DiskAbsent) for _, error in away)
    if not alone and not proved(kit, room.name):
        return []
    try:
        archives = list(room.inventory().archives)
    except Exception as error:  # noqa: BLE001 - a disk that is here must not suffer from it
        journal.warn(understood(error))
        return []
    return [Place(room, archives, is_waiting_room=True, stands_in=alone)]


def say_that_no_disk_is_here(journal: Journal, places: Sequence[Place]) -> None:
    """Warn where none is, and say what became of this Run's backup, if there is one."""
    if not any(place.stands_in for place in places):
        return
    words = "No backup disk is here."
    if journal.archive and journal.outcome is Outcome.SKIPPED:
        words = "No backup disk is here, so the newest backup still waits on the box itself."
    elif journal.archive:
        words = "No backup disk is here, so this backup was kept on the box itself."
    journal.warn(DiskAbsent(words, hint=_KEPT_HINT if journal.archive else None))


def targets(places: Sequence[Place]) -> list[Place]:
    """Return where a new backup goes: to the waiting room only where nothing else is."""
    here = [place for place in places if not place.failed]
    return [place for place in here if not place.is_waiting_room] or here


def empty(kit: Kit, journal: Journal, places: Sequence[Place]) -> None:
    """Let go of what a disk has proved by now, and give its room back at once."""
    for room in places:
        if not room.is_waiting_room:
            continue
        others = [place for place in places if not place.is_waiting_room]
        safe = frozenset().union(*(proved(kit, place.name) for place in others))
        gone = [archive for archive in room.archives if archive.name in safe]
        if gone:
            said = f"{plural(len(gone), 'backup')} that waited here went to a disk."
            _let_go(kit, journal, room, gone, said)


def clear(kit: Kit, journal: Journal, places: Sequence[Place]) -> None:
    """Where a disk is here, let go of what none is to get, as retention does not want it any more;
    else it would wait for ever. To be called on a trusted clock.
    """
    for room in places:
        if not room.is_waiting_room or room.stands_in:
            continue
        disks = [place for place in places if not place.is_waiting_room]
        for source, policy in kit.retention.items():
            if gone := _unwanted(kit, room, disks, source, policy):
                said = f"{plural(len(gone), 'old backup')} of {source} that waited here removed."
                _let_go(kit, journal, room, gone, said)


def _unwanted(
    kit: Kit, room: Place, disks: Sequence[Place], source: str, policy: Policy
) -> list[Archive]:
    """Those older than a good one that a disk has proved, which no rule wants."""
    there = {each.name: each for place in (room, *disks) for each in place.of(source)}
    policy = as_far_as_trusted(policy, kit.ledger, kit.clock)
    kept = explain(tuple(there.values()), policy, kit.zone, kit.clock.now())
    safe = frozenset().union(*(proved(kit, disk.name) for disk in disks))
    good = (one.sequence for one in there.values() if one.name in safe and not one.held)
    newest = max(good, default=0)
    return [one for one in room.of(source) if not kept[one.name] and one.sequence < newest]


def _let_go(kit: Kit, journal: Journal, room: Place, gone: Sequence[Archive], said: str) -> None:
    names = [archive.name for archive in gone]

    def delete(remarks: Remarks) -> None:
        for source in sorted({archive.source for archive in gone}):
            mine = [archive for archive in gone if archive.source == source]
            room.repository.delete(source, mine, journal.watch)
        room.repository.compact(journal.watch, all_of_it=True)
        register.note_the_last_byte(kit.ledger, room.name)
        remarks.message = said

    memory.note_removal(kit.ledger, room.name, names)
    if not isinstance(journal.attempt(StepName.PRUNE, delete, room.name), ApplianceError):
        kit.ledger.drop_copies(room.name, names)
        room.archives = [one for one in room.archives if one.name not in names]
