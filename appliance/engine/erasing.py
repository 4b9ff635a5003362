"""The only home of taking people out of backups that are there: what was asked, and where it is
done already.

Each backup of the source is written anew, under its name and time, because the bases and
differences that it needs tell who was there before. One request is asked of every place, and of
a disk that was away when it is back. Until then every restore leaves those records out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.erasure import Erasure
from ..core.errors import ApplianceError
from ..core.model import Archive, StepName, Trigger
from ..core.ports import Layout, Watch
from ..core.words import plural
from . import memory, mirroring, rotation
from .erasures import is_gone, note_done, pending, registered
from .journal import Journal, Remarks, record
from .kit import Ended, Kit
from .places import Place, note_damage, take_out, verify, wipe
from .rotation import sound_first


def job_name(source: str) -> str:
    """Return the name under which the erasing from a source's backups stands in the ledger."""
    return f"erase:{source}"


def clean(kit: Kit, source: str, places: Sequence[Place]) -> list[Place]:
    """Return the places where nothing is left to erase: only these give anything to others."""
    return [place for place in places if not pending(kit.ledger, source, place.name)]


def erase(source: str, trigger: Trigger, kit: Kit, watch: Watch, slot: str = "") -> Ended:
    """Do in every place that is here what was asked for a source, as a Run of its own."""

    def story(journal: Journal, folder: Path) -> None:
        places = rotation.reachable(kit, journal)
        rotation.prove_strangers(kit, journal, places, folder / "borrowed")
        count = erase_where_due(kit, journal, source, places, folder / "erasing")
        journal.message = f"{plural(count, 'backup')} written anew."
        mirroring.follow(kit, journal, places)

    return record(kit, job_name(source), trigger, watch, story, slot)


def erase_where_due(
    kit: Kit, journal: Journal, source: str, places: Sequence[Place], folder: Path
) -> int:
    """Write the backups of a source anew in each place where something is to be erased still.

    Return how many there were. A place where that fails is left alone in this Run.
    """
    asked = len(registered(kit.ledger, source))
    due = [
        place for place in places if not place.failed and pending(kit.ledger, source, place.name)
    ]
    if not due:
        return 0
    folder.mkdir()
    work = _Erasing(kit, journal, source, clean(kit, source, places), due, folder)
    work.all()
    for place in due:
        if not place.failed:
            _give_back_the_room(kit, journal, source, place)
            note_done(kit.ledger, source, place.name, asked)
    wipe(folder)
    return work.count


def leave_out(kit: Kit, source: str, stored: Path, watch: Watch) -> None:
    """Given an archive that was taken out for somebody, leave out of it what was to be erased.

    Wherever it comes from: the disk may have been away, a cloud copy may be older.
    """
    if not registered(kit.ledger, source):
        return
    look, work = stored.with_name(f"{stored.name}-look"), stored.with_name(f"{stored.name}-work")
    for folder in (look, work):
        wipe(folder)
        folder.mkdir()

    def goes(mark: str) -> bool:
        return is_gone(kit.ledger, source, mark)

    if kit.exports.holds(stored, goes, look, watch):
        layout = kit.exports.without(stored, None, goes, work, watch)
        wipe(stored)
        layout.root.rename(stored)
    wipe(look)
    wipe(work)


@dataclass(slots=True)
class _Erasing:
    """One pass over all backups of a source, oldest first, in the places where it is due."""

    kit: Kit
    journal: Journal
    source: str
    donors: Sequence[Place]
    """Where it is done already."""
    due: Sequence[Place]
    folder: Path
    count: int = 0
    erasures: tuple[Erasure, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.erasures = registered(self.kit.ledger, self.source)

    def all(self) -> None:
        """Go through them; the newest good one done is what the next goes on from."""
        before: Path | None = None
        for number, archive in enumerate(self._archives()):
            here = self.folder / str(number)
            here.mkdir()
            layout = self._anew(archive, before, here)
            if layout is None:
                self._give_up(archive)
                wipe(here)
                continue
            self._replace(archive, layout)
            self.count += 1
            if archive.held:
                wipe(here)
                continue
            if before is not None:
                wipe(before.parent)
            before = self._kept(layout, here)

    def _archives(self) -> list[Archive]:
        found = {one.name: one for place in self.due for one in place.of(self.source)}
        return sorted(found.values(), key=lambda one: one.sequence)

    def _kept(self, layout: Layout, here: Path) -> Path:
        """Keep what was laid out, and nothing of what it was made from."""
        kept = self.folder / f"{here.name}-done" / "tree"
        kept.parent.mkdir()
        layout.root.rename(kept)
        wipe(here)
        return kept

    def _anew(self, archive: Archive, before: Path | None, here: Path) -> Layout | None:
        """Return an archive without what is to be erased; None where no place has it whole."""
        for donor in sound_first(self.kit, self.donors):
            if donor.has(archive) and not donor.failed:
                layout = take_out(self.kit, self.journal, donor, _own(donor, archive), here / "a")
                if not isinstance(layout, ApplianceError):
                    return layout
        for place in sound_first(self.kit, self.due):
            if place.has(archive) and not place.failed:
                taken = take_out(self.kit, self.journal, place, _own(place, archive), here / "b")
                if not isinstance(taken, ApplianceError):
                    return self._without(archive, before, here)
        return None

    def _give_up(self, archive: Archive) -> None:
        """What has one that cannot be made again is not done, and is tried again in each Run."""
        for place in self.due:
            place.failed = place.failed or place.has(archive)

    def _without(self, archive: Archive, before: Path | None, here: Path) -> Layout | None:
        def leave_out(remarks: Remarks) -> Layout:
            work = here / "work"
            work.mkdir()
            layout = self.kit.exports.without(here / "b", before, self._goes, work, self._watch)
            look = here / "look"
            look.mkdir()
            if self.kit.exports.holds(layout.root, self._goes, look, self._watch):
                raise ApplianceError(f"{archive.name} still says what was to be erased.")
            remarks.message = archive.name
            return layout

        layout = self.journal.attempt(StepName.UNPACK, leave_out, "")
        return None if isinstance(layout, ApplianceError) else layout

    @property
    def _watch(self) -> Watch:
        return self.journal.watch

    def _goes(self, record: str) -> bool:
        return any(each.covers(record) for each in self.erasures)

    def _replace(self, archive: Archive, layout: Layout) -> None:
        for place in self.due:
            if place.has(archive) and not place.failed:
                _put(self.kit, self.journal, place, _own(place, archive), layout)


def _own(place: Place, archive: Archive) -> Archive:
    """Return an archive as it lies in a place: until it is done there, it is another one."""
    return next(one for one in place.archives if one.name == archive.name)


def _put(kit: Kit, journal: Journal, place: Place, old: Archive, layout: Layout) -> None:
    """Have a place hold the new one instead of the old one, read back and compared."""
    new = replace(old, manifest_sha256=layout.manifest_sha256)
    if new == old:
        return

    def put(remarks: Remarks) -> None:
        place.repository.replace(new, layout, journal.watch)
        remarks.message = new.name

    failure = journal.attempt(StepName.ARCHIVE, put, place.name)
    if isinstance(failure, ApplianceError):
        place.failed = True
        note_damage(kit, place.name, failure)
        return
    place.archives[place.archives.index(old)] = new
    verify(kit, journal, place, new, layout)


def _give_back_the_room(kit: Kit, journal: Journal, source: str, place: Place) -> None:
    """Now where somebody asked for it, else a week from now, as for all that is let go."""
    now = kit.clock.now()
    memory.note_time(kit.ledger, memory.PRUNED_AT, place.name, now)
    memory.owe_the_last_byte(kit.ledger, place.name, is_owed=True)
    if not any(each.at_once for each in pending(kit.ledger, source, place.name)):
        return

    def compact(remarks: Remarks) -> None:
        place.repository.compact(journal.watch, thoroughly=True)
        remarks.message = "Nothing of what was erased is on it any more."

    if isinstance(journal.attempt(StepName.PRUNE, compact, place.name), ApplianceError):
        place.failed = True
        return
    memory.note_time(kit.ledger, memory.COMPACTED_AT, place.name, now)
    memory.owe_the_last_byte(kit.ledger, place.name, is_owed=False)
