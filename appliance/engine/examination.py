"""The way out for a disk that was once found damaged: everything on it is read and proved anew.

The mark keeps a disk from being mirrored and from losing old backups. It comes off only here,
at a person's wish, after a whole check and after every backup was equal to its own manifest.
"""

from __future__ import annotations

from pathlib import Path

from ..core.errors import ApplianceError
from ..core.model import StepName, Trigger
from ..core.ports import Watch
from ..core.words import plural
from . import memory, register, rotation
from .journal import Journal, Remarks, record
from .kit import Ended, Kit
from .places import Place, note_damage, take_out, wipe


def job_name(repository: str) -> str:
    """Return the name under which the examinations of a repository stand in the ledger."""
    return f"check:{repository}"


def examine(repository: str, kit: Kit, watch: Watch) -> Ended:
    """Check a repository whole, read each of its archives, and only then clear its mark.

    The Run fails, and the mark stays (or is set), where anything is off.
    """

    def story(journal: Journal, folder: Path) -> None:
        (place,) = rotation.reachable(kit, journal, only=repository)
        try:
            journal.step(
                StepName.VERIFY, lambda remarks: _check(place, journal, remarks), repository
            )
        except ApplianceError as error:
            note_damage(kit, repository, error)
            raise
        for archive in place.archives:
            taken = take_out(kit, journal, place, archive, folder / "examined")
            wipe(folder / "examined")
            if isinstance(taken, ApplianceError):
                raise taken
        journal.message = _whole(kit, place)

    return record(kit, job_name(repository), Trigger.COMMAND, watch, story)


def _check(place: Place, journal: Journal, remarks: Remarks) -> None:
    place.repository.check(journal.watch)
    remarks.message = "Everything on it was read."


def _whole(kit: Kit, place: Place) -> str:
    """Clear the mark and note the check; return what to say about it."""
    was_marked = memory.is_damaged(kit.ledger, place.name)
    memory.clear_damage(kit.ledger, place.name)
    if was_marked:  # what could not be read, can be now
        register.do_anew_what_is_stuck(kit.ledger, place.name)
    memory.note_time(kit.ledger, memory.CHECKED_AT, place.name, kit.clock.now())
    said = f"{place.name} is whole: {plural(len(place.archives), 'backup')} read and equal."
    return said + (" The mark of damage was removed." if was_marked else "")
