"""What keeps a repository healthy and small: the monthly full check, and two locks on deleting.

Room comes back in two steps a week apart: `prune` lets archives go, and only the `compact` at
the start of the next round makes that final. So a round is: prove everything written lately,
give back what was let go at least a week ago, then let go what retention does not want. None
of it happens on a clock that is in doubt or in a repository that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ..core.errors import ApplianceError, ClockNotTrusted
from ..core.forgetting import UNDO
from ..core.model import Archive, Outcome, StepName
from ..core.retention import doomed
from . import memory, register, waiting_room
from .journal import Journal, Remarks
from .kit import Kit
from .places import Place, note_damage, proved, strangers
from .trust import as_far_as_trusted

CHECK_EVERY = timedelta(days=30)


def tidy(kit: Kit, journal: Journal, places: Sequence[Place], clock_is_trusted: bool) -> None:
    """Check and prune each place where it is due; what goes wrong is a warning.

    A trusted time is noted: where nothing changes for months, the newest archive alone would
    make today's date look far ahead. A place that was not read whole yet is left as it is.
    """
    if clock_is_trusted:
        memory.note_time(kit.ledger, memory.CLOCK_TRUSTED_AT, memory.BOX, kit.clock.now())
    for place in places:
        if place.is_waiting_room:
            _give_back_at_once(kit, journal, place)
            continue
        if strangers(kit, place, place.archives):
            continue
        if _is_sound(kit, place):
            _check_monthly(kit, journal, place)
        if not _is_sound(kit, place):
            continue
        if clock_is_trusted:
            _make_room(kit, journal, place)
        else:
            journal.step(StepName.PRUNE, _wait_for_the_clock, place.name)
    if clock_is_trusted:
        waiting_room.clear(kit, journal, places)


def _is_sound(kit: Kit, place: Place) -> bool:
    return not place.failed and not memory.is_damaged(kit.ledger, place.name)


def _wait_for_the_clock(remarks: Remarks) -> None:
    remarks.outcome = Outcome.SKIPPED
    remarks.message = "The time is not confirmed, so nothing old was removed."


def _check_monthly(kit: Kit, journal: Journal, place: Place) -> None:
    """Read and decrypt everything, once a month; a fresh repository was just read anyway."""
    now, last = kit.clock.now(), memory.noted_time(kit.ledger, memory.CHECKED_AT, place.name)
    if last is not None and abs(now - last) < CHECK_EVERY:
        return
    if last is None and len(place.archives) <= 1:
        memory.note_time(kit.ledger, memory.CHECKED_AT, place.name, now)
        return

    def check(remarks: Remarks) -> None:
        place.repository.check(journal.watch)
        remarks.message = "Everything on it was read."

    if _went_well(kit, place, journal.attempt(StepName.VERIFY, check, place.name)):
        memory.note_time(kit.ledger, memory.CHECKED_AT, place.name, kit.clock.now())


def _make_room(kit: Kit, journal: Journal, place: Place) -> None:
    """Give back what was let go a week ago or more, then let go what is due now."""
    pruned = memory.noted_time(kit.ledger, memory.PRUNED_AT, place.name)
    compacted = memory.noted_time(kit.ledger, memory.COMPACTED_AT, place.name)
    waits = pruned is not None and (compacted is None or compacted < pruned)
    if not waits and register.owes_the_last_byte(kit.ledger, place.name):
        memory.note_time(kit.ledger, memory.PRUNED_AT, place.name, kit.clock.now())
        return
    if waits and pruned is not None and kit.clock.now() - pruned < UNDO:
        return
    if waits and not _compact(kit, journal, place):
        return
    for source in kit.retention:
        _prune(kit, journal, place, source)


def _give_back_at_once(kit: Kit, journal: Journal, room: Place) -> None:
    """Nobody takes the waiting room back to the week before: what was erased there just goes."""
    if _is_sound(kit, room) and register.owes_the_last_byte(kit.ledger, room.name):
        _compact(kit, journal, room)


def _compact(kit: Kit, journal: Journal, place: Place) -> bool:
    owed = register.owes_the_last_byte(kit.ledger, place.name)
    promised = owed or any(policy.at_most for policy in kit.retention.values())

    def compact(remarks: Remarks) -> None:
        place.repository.compact(journal.watch, all_of_it=promised)
        remarks.message = "The room of removed backups was given back."

    if not _went_well(kit, place, journal.attempt(StepName.PRUNE, compact, place.name)):
        return False
    memory.note_time(kit.ledger, memory.COMPACTED_AT, place.name, kit.clock.now())
    if owed:
        register.note_the_last_byte(kit.ledger, place.name)
    return True


def _prune(kit: Kit, journal: Journal, place: Place, source: str) -> None:
    """Remove what retention lets go of one source, and never touch another one's.

    What will go, and when, is noted first: after a power cut in between, the missing ones are
    known to be our doing and the week before `compact` is counted from here.
    """
    old = () if place.failed else _old(kit, journal, place, source)
    if not old:
        return
    names = [archive.name for archive in old]
    memory.note_removal(kit.ledger, place.name, names)
    memory.note_time(kit.ledger, memory.PRUNED_AT, place.name, kit.clock.now())

    def delete(remarks: Remarks) -> None:
        place.repository.delete(source, old, journal.watch)
        remarks.message = f"{len(old)} old backups of {source} removed."

    if _went_well(kit, place, journal.attempt(StepName.PRUNE, delete, place.name)):
        kit.ledger.drop_copies(place.name, names)
        place.archives = [one for one in place.archives if one.name not in names]


def _old(kit: Kit, journal: Journal, place: Place, source: str) -> tuple[Archive, ...]:
    archives, verified = place.of(source), proved(kit, place.name)
    policy = as_far_as_trusted(kit.retention[source], kit.ledger, kit.clock)
    try:
        return doomed(archives, policy, kit.zone, verified, kit.clock.now())
    except ClockNotTrusted as error:
        journal.warn(error)
        return ()


def _went_well(kit: Kit, place: Place, result: object) -> bool:
    if not isinstance(result, ApplianceError):
        return True
    note_damage(kit, place.name, result)
    place.failed = True
    return False
