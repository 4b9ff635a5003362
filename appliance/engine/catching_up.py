"""A disk that was away, or is new, catches up: it is brought what it lacks from another one.

It comes after the night's own backup and for so long at most, because a server that keeps one day
waits for nobody. Whatever goes from one place to another is proved on the way, and has nobody
who was to be erased: it waits until it was made again, and one that cannot be stays where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import ApplianceError
from ..core.model import Archive
from ..core.retention import explain
from ..core.words import plural
from . import memory, waiting_room
from .journal import Journal
from .kit import Kit
from .places import Place, store, take_out, wipe
from .register import is_stuck, may_have
from .rotation import WITHIN, sound_first

_STAYS = "{} not brought to {}: what was to be erased could not be taken out."


def catch_up(kit: Kit, journal: Journal, source: str, places: list[Place], folder: Path) -> None:
    """Bring each place what it lacks of a source, oldest first; note and say what is left.

    A place that fails is left alone until the next Run.
    """
    until = kit.clock.monotonic() + WITHIN.total_seconds()
    for place in places:
        if place.is_waiting_room:
            continue
        for archive in lacking(kit, place, places, source):
            if place.failed or kit.clock.monotonic() >= until:
                break
            _pass_on(kit, journal, place, archive, places, folder)
            wipe(folder)
        _note_what_is_left(kit, journal, place, places, source)
    waiting_room.empty(kit, journal, places)


def lacking(kit: Kit, place: Place, places: Sequence[Place], source: str) -> list[Archive]:
    """Return what others have of a source and this place should, oldest first.

    That is what retention would keep here: what it let go must not come back, and a new disk
    needs nothing that is about to go. What could not be made again is nobody's to have.
    """
    return [one for one in _wanted(kit, place, places, source) if not _stays(kit, one, places)]


def _wanted(kit: Kit, place: Place, places: Sequence[Place], source: str) -> list[Archive]:
    missing = {
        archive.name: archive
        for other in places
        for archive in other.of(source)
        if not place.has(archive)
    }
    together = [*place.of(source), *missing.values()]
    policy = kit.retention.get(source)
    kept = explain(together, policy, kit.zone, kit.clock.now()) if policy else {}
    wanted = [archive for archive in missing.values() if kept.get(archive.name, True)]
    return sorted(wanted, key=lambda archive: archive.sequence)


def _stays(kit: Kit, archive: Archive, places: Sequence[Place]) -> bool:
    """Whether nobody could be taken out of an archive, wherever it lies, who was to be erased."""
    there = [place for place in places if place.has(archive)]
    return all(is_stuck(kit.ledger, place.name, archive) for place in there)


def _note_what_is_left(
    kit: Kit, journal: Journal, place: Place, places: Sequence[Place], source: str
) -> None:
    """What no sound place can give stays on the list: the place is not complete."""
    wanted = _wanted(kit, place, places, source)
    stays = sum(_stays(kit, archive, places) for archive in wanted)
    if stays:
        journal.add(_STAYS.format(plural(stays, "backup"), place.name))
    count = len(wanted) - stays
    memory.note_still_to_bring(kit.ledger, source, place.name, count)
    if count and not place.failed:
        journal.add(f"{plural(count, 'older backup')} still to bring to {place.name}.")


def _pass_on(  # noqa: PLR0917 - who gives what to whom
    kit: Kit,
    journal: Journal,
    place: Place,
    archive: Archive,
    places: Sequence[Place],
    folder: Path,
) -> None:
    """Hand one archive over; where no place has it whole, the others follow without it."""
    for donor in sound_first(kit, places):
        if donor is place or donor.failed or not donor.has(archive):
            continue
        if may_have(kit.ledger, donor.name, archive):
            continue
        layout = take_out(kit, journal, donor, archive, folder)
        if not isinstance(layout, ApplianceError):
            store(kit, journal, place, archive, layout)
            return
