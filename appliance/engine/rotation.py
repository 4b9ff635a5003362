"""Several disks, some of them away: who is here, who may be written, what to compare with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ..core.errors import (
    ApplianceError,
    Cancelled,
    ConfigError,
    DiskAbsent,
    Problem,
    RepositoryBusy,
    WrongDisk,
)
from ..core.model import Archive, StepName
from ..core.ports import Layout, Repository
from ..core.words import plural
from . import memory, register, waiting_room
from .journal import Journal, understood
from .kit import Kit
from .places import Place, note_damage, proved, strangers, take_out, wipe

WITHIN = timedelta(hours=1)
"""How long one Run reads, or brings to another disk, older backups; the rest waits for the next."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The newest good archive, taken out and proved: what the next one is compared with."""

    archive: Archive
    layout: Layout
    place: Place


def reachable(kit: Kit, journal: Journal, only: str | None = None) -> list[Place]:
    """Return the places that can be written now; raise what keeps us out where there is none.

    A disk that takes turns may be away; any other absent one of several is a warning. Where no
    disk is here the box keeps what comes in its waiting room. A repository that nobody enrolled,
    with another id than the one it had, or with the id of its neighbour (a copy of its disk), is
    the wrong disk.
    """
    places: list[Place] = []
    away: list[tuple[str, ApplianceError]] = []
    ids: dict[str, str] = {}
    for repository in kit.repositories:
        if only is not None and repository.name != only:
            continue
        journal.watch.check()
        found = _visited(kit, repository, ids)
        if isinstance(found, Place):
            places.append(found)
        else:
            away.append((repository.name, found))
    places += waiting_room.opened(kit, journal, places, away) if only is None else []
    for place in places:
        memory.note_problem(kit.ledger, place.name, "")
    for name, error in away:
        is_away = isinstance(error, DiskAbsent)
        memory.note_problem(kit.ledger, name, "" if is_away else error.message)
        _say_it_is_away(kit, journal, name, error, alone=len(places) == 0)
    if not places:
        raise _worst(away)
    for place in places:
        _forget_what_is_gone(kit, journal, place)
    return places


def _say_it_is_away(
    kit: Kit, journal: Journal, name: str, error: ApplianceError, *, alone: bool
) -> None:
    """A disk whose turn it is not is no trouble; all else is."""
    takes_turns = any(one.name == name and one.may_be_away for one in kit.repositories)
    if takes_turns and isinstance(error, DiskAbsent) and not alone:
        journal.passed_over(StepName.ARCHIVE, name, error)
    else:
        journal.missed(StepName.ARCHIVE, name, error)


def _forget_what_is_gone(kit: Kit, journal: Journal, place: Place) -> None:
    """What is not there is no copy, whatever the ledger says; say so if it was not our doing."""
    gone = proved(kit, place.name) - {archive.name for archive in place.archives}
    if not gone:
        return
    strange = gone - memory.removed(kit.ledger, place.name)
    kit.ledger.drop_copies(place.name, sorted(gone))
    if strange:
        hint = "Find out who removed them; the other copies are not touched."
        message = f"{len(strange)} backups are gone from {place.name} that the box did not remove."
        journal.warn(ApplianceError(message, hint=hint))


def _visited(kit: Kit, repository: Repository, ids: dict[str, str]) -> Place | ApplianceError:
    try:
        found = repository.inventory()
    except Exception as error:
        meant = understood(error)
        if isinstance(meant, Cancelled):
            raise meant from error
        note_damage(kit, repository.name, meant)
        return meant
    noted = kit.ledger.noted(memory.key(memory.REPOSITORY_ID, repository.name))
    if not noted:
        hint = f"`appliance init {repository.name}` adopts it."
        return WrongDisk(f"{repository.name} was never set up on this box.", hint=hint)
    if found.id in ids:
        words = f"{repository.name} is a copy of {ids[found.id]}; a copy must not be written."
        return WrongDisk(words)
    if noted != found.id:
        return WrongDisk(f"{repository.name} is not the backup disk it was before.")
    ids[found.id] = repository.name
    return Place(repository, memory.as_decided(kit.ledger, found.archives))


def _worst(away: Sequence[tuple[str, ApplianceError]]) -> ApplianceError:
    """What to end with: first what will pass by itself, then what comes first."""
    errors = [error for _, error in away]
    busy = [error for error in errors if isinstance(error, RepositoryBusy)]
    none = ConfigError([Problem("repository", "no disk or folder to back up to")])
    return (busy + errors + [none])[0]


def prove_strangers(
    kit: Kit, journal: Journal, places: Sequence[Place], folder: Path, *, newest_only: bool = False
) -> None:
    """Prove what lies in a place without a record: after a power cut, or with a new ledger.

    `newest_only` is enough before a backup, which must not wait until years are read. The rest is
    read for `WITHIN` in each Run; what is left then is said.
    """
    until = kit.clock.monotonic() + WITHIN.total_seconds()
    for place in places:
        if memory.is_damaged(kit.ledger, place.name):
            continue
        candidates = place.newest_of_each() if newest_only else list(place.archives)
        unread = deque(strangers(kit, place, candidates))
        while unread and kit.clock.monotonic() < until:
            take_out(kit, journal, place, unread.popleft(), folder)
            wipe(folder)
        if unread:
            journal.add(f"{plural(len(unread), 'backup')} on {place.name} still to be read.")


def reference(
    kit: Kit, journal: Journal, source: str, places: Sequence[Place], folder: Path
) -> Reference | None:
    """Take out the newest good archive there is; None where there is none or none is whole.

    One of which nobody could be taken out that was to be erased is none to go on from.
    """
    by_place = [(place, _newest_good(kit, place, source)) for place in sound_first(kit, places)]
    found = [(place, archive) for place, archive in by_place if archive and not place.failed]
    for place, archive in sorted(found, key=lambda each: -each[1].sequence):
        layout = take_out(kit, journal, place, archive, folder)
        if not isinstance(layout, ApplianceError):
            return Reference(archive, layout, place)
    wipe(folder)
    return None


def lacking_on(kit: Kit, place: str, sources: Iterable[str]) -> list[str]:
    """Return the sources whose newest backup a place is not known to have."""
    there = proved(kit, place)
    return [name for name in sources if memory.newest(kit.ledger, name) not in there]


def _newest_good(kit: Kit, place: Place, source: str) -> Archive | None:
    known = proved(kit, place.name) - register.stuck(kit.ledger, source, place.name)
    good = [one for one in place.of(source) if one.name in known and not one.held]
    return good[-1] if good else None


def sound_first(kit: Kit, places: Sequence[Place]) -> list[Place]:
    """Return the places, those in doubt last."""
    return sorted(places, key=lambda place: memory.is_damaged(kit.ledger, place.name))
