"""A place is a repository that this Run can reach, with what it holds.

What is written to a place is read back, and what leaves it is compared with its own manifest:
only here does an archive become a copy.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ..core.errors import ApplianceError, RepositoryDamaged, ToolFailed
from ..core.model import Archive, Copy, StepName, StoredFile
from ..core.ports import Layout, Repository
from ..core.retention import clock_is_trusted
from . import memory
from .journal import Journal, Remarks
from .kit import Kit


@dataclass(slots=True)
class Place:
    """A reachable repository and the archives in it, of every source, oldest first."""

    repository: Repository
    archives: list[Archive]
    failed: bool = False
    """Something went wrong here in this Run: it is left alone until the next."""
    is_waiting_room: bool = False
    """On the box itself: what lies here is no copy yet, and goes to a disk."""
    stands_in: bool = False
    """A waiting room, and no disk is here: what comes is kept in it."""
    known_as: str = ""
    """The mirror's name, where this is a cloud copy brought back."""

    @property
    def name(self) -> str:
        """The name under which the ledger knows it."""
        return self.known_as or self.repository.name

    def of(self, source: str) -> list[Archive]:
        """Return the archives of one source, by sequence."""
        mine = (archive for archive in self.archives if archive.source == source)
        return sorted(mine, key=lambda archive: archive.sequence)

    def newest_of_each(self) -> list[Archive]:
        """Return the newest archive of each source."""
        return [self.of(source)[-1] for source in sorted({one.source for one in self.archives})]

    def has(self, archive: Archive) -> bool:
        """Return whether an archive of that name lies here."""
        return any(one.name == archive.name for one in self.archives)

    def highest(self, source: str) -> int:
        """Return the highest sequence number of a source, 0 where there is none."""
        return max((archive.sequence for archive in self.of(source)), default=0)


def note_damage(kit: Kit, name: str, error: ApplianceError) -> None:
    """Mark a repository where the error says that it is damaged."""
    if isinstance(error, RepositoryDamaged):
        memory.mark_damaged(kit.ledger, name, error.message)


def proved(kit: Kit, place: str) -> frozenset[str]:
    """Return the names of the archives known to be whole in a place."""
    return frozenset(copy.archive for copy in kit.ledger.copies() if copy.place == place)


def strangers(kit: Kit, place: Place, archives: Sequence[Archive]) -> list[Archive]:
    """Return those of the archives that nobody has read in this place yet."""
    known = proved(kit, place.name)
    return [archive for archive in archives if archive.name not in known]


def take_out(
    kit: Kit, journal: Journal, place: Place, archive: Archive, folder: Path
) -> Layout | ApplianceError:
    """Extract an archive into `folder`, prove it by its manifest, return its layout.

    What goes wrong is a warning, the place's mark if it is damage, and the value returned.
    """

    def extract(remarks: Remarks) -> Layout:
        wipe(folder)
        folder.mkdir()
        kit.staging.require(place.repository.size_bytes(archive.name))
        place.repository.extract(archive.name, folder, journal.watch)
        layout = kit.exports.read(folder)
        if layout.manifest_sha256 != archive.manifest_sha256 or hashes(folder) != layout.stored:
            raise _differing(place, archive, layout, journal)
        remarks.size_bytes, remarks.message = layout.stored_bytes, f"{archive.name} read back"
        return layout

    result = journal.attempt(StepName.VERIFY, extract, place.name)
    if isinstance(result, ApplianceError):
        note_damage(kit, place.name, result)
    else:
        kit.ledger.add_copy(_copy(kit, archive, place.name))
    return result


def _differing(place: Place, archive: Archive, layout: Layout, journal: Journal) -> ApplianceError:
    """What it means that an extracted archive is not its manifest: read it once more, directly."""
    same_manifest = layout.manifest_sha256 == archive.manifest_sha256
    if same_manifest and place.repository.hashes(archive.name, journal.watch) == layout.stored:
        return ToolFailed(
            "The working space does not give back what is written to it.",
            hint="The disk or card that the box itself runs from may be failing.",
        )
    return RepositoryDamaged(f"{archive.name} on {place.name} is not what was stored there.")


def store(
    kit: Kit, journal: Journal, place: Place, archive: Archive, layout: Layout
) -> ApplianceError | None:
    """Write an archive to a place, read all of it back and record the copy.

    What goes wrong is a warning, sets the place aside for this Run, and is returned.
    """

    def create(remarks: Remarks) -> None:
        remarks.size_bytes = place.repository.create(archive, layout, journal.watch)
        remarks.message = archive.name

    failed = journal.attempt(StepName.ARCHIVE, create, place.name)
    failure = failed or verify(kit, journal, place, archive, layout)
    if failure is not None:
        place.failed = True
        note_damage(kit, place.name, failure)
        return failure
    if not place.has(archive):
        place.archives.append(archive)
    return None


def put_in_place(
    kit: Kit, journal: Journal, place: Place, old: Archive, layout: Layout
) -> ApplianceError | None:
    """Have a place hold a layout instead of an archive of that name, read back before that goes.

    What goes wrong is a warning, and is returned; only damage sets the place aside.
    """
    new = replace(old, manifest_sha256=layout.manifest_sha256)
    if new == old:
        return None

    def put(remarks: Remarks) -> None:
        place.repository.replace(new, layout, journal.watch)
        remarks.message = new.name

    failure = journal.attempt(StepName.ARCHIVE, put, place.name)
    if isinstance(failure, ApplianceError):
        place.failed = isinstance(failure, RepositoryDamaged)
        note_damage(kit, place.name, failure)
        return failure
    place.archives[place.archives.index(old)] = new
    kit.ledger.add_copy(_copy(kit, new, place.name))
    return None


def verify(
    kit: Kit, journal: Journal, place: Place, archive: Archive, layout: Layout
) -> ApplianceError | None:
    """Read every file of an archive back; equal to the layout it counts as a copy."""

    def compare(remarks: Remarks) -> None:
        if place.repository.hashes(archive.name, journal.watch) != layout.stored:
            raise RepositoryDamaged(f"{archive.name} on {place.name} is not what was stored there.")
        remarks.size_bytes, remarks.message = layout.stored_bytes, archive.name

    failure = journal.attempt(StepName.VERIFY, compare, place.name)
    if isinstance(failure, ApplianceError):
        place.failed = True
        note_damage(kit, place.name, failure)
        return failure
    kit.ledger.add_copy(_copy(kit, archive, place.name))
    return None


def hashes(root: Path) -> dict[str, StoredFile]:
    """Given a folder, return size and SHA-256 of each file in it by relative path."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(root).as_posix()] = StoredFile(path.stat().st_size, sha256)
    return found


def wipe(folder: Path) -> None:
    """Remove a working folder, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)


def _copy(kit: Kit, archive: Archive, place: str) -> Copy:
    return Copy(archive.name, archive.source, place, archive.time, kit.clock.now())


def trusts_the_clock(
    kit: Kit, places: Sequence[Place], second_opinion: datetime | None = None
) -> bool:
    """Whether something may be deleted by today's date; see `core.retention`."""
    dated = [one.time for place in places for one in place.archives if one.clock_trusted]
    noted = memory.noted_time(kit.ledger, memory.CLOCK_TRUSTED_AT, memory.BOX)
    clock, newest = kit.clock, max([*dated, *([noted] if noted else [])], default=None)
    return clock_is_trusted(clock.now(), clock.is_synchronised(), newest, second_opinion)
