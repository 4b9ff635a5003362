"""The only home of taking people out of backups that are there.

Each backup of the source is written anew, under its name and time, because the bases and
differences that it needs tell who was there before. One request is asked of every place, and of
a disk that was away when it is back. Until then every restore leaves those records out.

What cannot be done never stands in the way of anything else: backups go on, and old ones go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.erasure import Erasure, gone_from
from ..core.errors import ApplianceError, DiskAbsent, DiskFull, DiskReadOnly, RepositoryDamaged
from ..core.model import Archive, StepName, Trigger
from ..core.ports import Layout, Watch
from ..core.words import plural
from . import mirroring, register, rotation, upkeep
from .journal import Journal, Remarks, record
from .kit import Ended, Kit
from .leaving_out import holds, left_out
from .places import Place, put_in_place, take_out, trusts_the_clock, wipe
from .rotation import WITHIN, sound_first

_PASSES = (DiskAbsent, DiskFull, DiskReadOnly)
"""What says nothing of a backup, beside what is worth a retry."""


def job_name(source: str) -> str:
    """Return the name under which the erasing from a source's backups stands in the ledger."""
    return f"erase:{source}"


def clean(kit: Kit, source: str, places: Sequence[Place]) -> list[Place]:
    """Return the places where nothing is left to erase."""
    return [place for place in places if not register.pending(kit.ledger, source, place.name)]


def erase(source: str, trigger: Trigger, kit: Kit, watch: Watch, slot: str = "") -> Ended:
    """Do in every place that is here what was asked for a source, as a Run of its own."""

    def story(journal: Journal, folder: Path) -> None:
        places = rotation.reachable(kit, journal)
        rotation.prove_strangers(kit, journal, places, folder / "borrowed")
        count = erase_where_due(kit, journal, source, places, folder / "erasing", float("inf"))
        journal.add(f"{plural(count, 'backup')} written anew.")
        upkeep.tidy(kit, journal, places, trusts_the_clock(kit, places))
        mirroring.follow(kit, journal, places)

    return record(kit, job_name(source), trigger, watch, story, slot)


def erase_where_due(  # noqa: PLR0917 - as a part of a Run, and how long it may take
    kit: Kit,
    journal: Journal,
    source: str,
    places: Sequence[Place],
    folder: Path,
    within_seconds: float = WITHIN.total_seconds(),
) -> int:
    """Write the backups of a source anew in each place where something is to be erased still.

    Return how many were. After so many seconds the next Run goes on where this one was.
    """
    erasures = register.registered(kit.ledger, source)
    done = clean(kit, source, places)
    due = [place for place in places if place not in done and not place.failed]
    if not due or not erasures:
        return 0
    _hold_back_the_cloud(kit, source, due)
    folder.mkdir()
    until = kit.clock.monotonic() + within_seconds
    work = _Erasing(kit, journal, source, erasures, done, due, folder, until)
    work.all()
    wipe(folder)
    return work.count


def _hold_back_the_cloud(kit: Kit, source: str, due: Sequence[Place]) -> None:
    """Where another disk lies in a place of before, its copy in the cloud is not done either."""
    names = {place.name for place in due}
    for mirror in kit.mirrors:
        if mirror.repository in names:
            register.hold_back(kit.ledger, source, mirror.name, mirror.repository)


@dataclass(slots=True)
class _Erasing:
    """One pass over the backups of a source, oldest first, in the places where it is due."""

    kit: Kit
    journal: Journal
    source: str
    erasures: tuple[Erasure, ...]
    donors: Sequence[Place]
    """Where it is done already."""
    due: Sequence[Place]
    folder: Path
    until: float
    count: int = 0
    out: set[str] = field(default_factory=set)
    """Places that did not give or take one: the next Run goes on there."""

    def all(self) -> None:
        """Go through them; the newest good one done is what the next goes on from."""
        before, archives = self._go_on()
        for number, archive in enumerate(archives):
            if self._is_late():
                left = plural(len(archives) - number, "backup")
                self.journal.add(f"{left} of {self.source} still to be written anew.")
                return
            before = self._do(archive, before, self.folder / str(number))
        self._finish()

    def _go_on(self) -> tuple[Path | None, list[Archive]]:
        """Return what the next goes on from, and what is left to do."""
        begun = min(self._begun(place) for place in self.due)
        found = {one.name: one for place in self.due for one in place.of(self.source)}
        asked = max(each.upto for each in self.erasures)
        archives = sorted(found.values(), key=lambda one: one.sequence)
        done = [one for one in archives if one.sequence <= begun and self._is_good(one)]
        before = self._done_before(done[-1], self.due, self.folder / "begun") if done else None
        left = [one for one in archives if begun < one.sequence <= asked]
        return (before.root if before else None), left

    def _begun(self, place: Place) -> int:
        return register.progress(self.kit.ledger, self.source, place.name, len(self.erasures))

    def _is_good(self, archive: Archive) -> bool:
        """Whether another may go on from it: one that could not be made again has them still."""
        return not archive.held and not any(self._is_stuck(archive, one) for one in self.due)

    def _is_stuck(self, archive: Archive, place: Place) -> bool:
        return register.is_stuck(self.kit.ledger, place.name, archive)

    def _is_late(self) -> bool:
        return self.kit.clock.monotonic() >= self.until or not self._left()

    def _left(self) -> list[Place]:
        return [one for one in self.due if one.name not in self.out and not one.failed]

    def _do(self, archive: Archive, before: Path | None, here: Path) -> Path | None:
        """Do one, and return what the next goes on from."""
        here.mkdir()
        layout = self._anew(archive, before, here)
        if layout is not None:
            self.count += self._put(archive, layout)
        if layout is None or archive.held:
            wipe(here)
            return before
        kept = here.with_name(f"{here.name}-done")
        layout.root.rename(kept)
        for folder in (here, *([before] if before else [])):
            wipe(folder)
        return kept

    def _anew(self, archive: Archive, before: Path | None, here: Path) -> Layout | None:
        """Return an archive without what is to be erased; None where that cannot be, now or ever:
        what passes by itself is tried again by the next Run.
        """
        if layout := self._done_before(archive, self.donors, here / "from-another"):
            return layout
        there = [place for place in self._left() if place.has(archive)]
        old = self._taken(archive, there, here / "as-it-was")
        if isinstance(old, ApplianceError):
            self._give_up(archive, there, for_ever=isinstance(old, RepositoryDamaged))
            return None
        made = self._without(archive, before, here)
        if isinstance(made, ApplianceError):
            passes = made.retry or isinstance(made, _PASSES)
            self._give_up(archive, there, for_ever=not passes)
            return None
        return made

    def _give_up(self, archive: Archive, there: Sequence[Place], *, for_ever: bool) -> None:
        """One that cannot be read or written again is in nobody's way; all else ends the pass."""
        if for_ever:
            self._note(self._left(), archive, is_stuck=True)
        else:
            self.out |= {place.name for place in there}

    def _done_before(self, archive: Archive, places: Sequence[Place], into: Path) -> Layout | None:
        """Take an archive out of a place that says it is done there, and look whether it is."""
        for place in sound_first(self.kit, places):
            if self._is_stuck(archive, place):
                continue
            layout = self._taken(archive, [place], into)
            if isinstance(layout, ApplianceError):
                continue
            if not self._has_them(archive, place, layout):
                return layout
        wipe(into)
        return None

    def _has_them(self, archive: Archive, place: Place, layout: Layout) -> bool:
        """Whether what a place gave has them for all it says: then the next Run does it anew."""

        def look(remarks: Remarks) -> bool:
            remarks.message = archive.name
            return holds(self.kit, layout.root, self._goes(archive), self.journal.watch)

        found = self.journal.attempt(StepName.VERIFY, look, place.name)
        if found is True:
            register.do_anew(self.kit.ledger, self.source, place.name)
            self.out.add(place.name)
        return found is not False

    def _taken(
        self, archive: Archive, places: Sequence[Place], into: Path
    ) -> Layout | ApplianceError:
        """Take it out of one of the places; damage is the answer only where it is that of all."""
        trouble: list[ApplianceError] = []
        for place in sound_first(self.kit, places):
            if place.has(archive) and not place.failed:
                layout = take_out(self.kit, self.journal, place, _own(place, archive), into)
                if not isinstance(layout, ApplianceError):
                    return layout
                trouble.append(layout)
        trouble.sort(key=lambda error: isinstance(error, RepositoryDamaged))
        return (trouble or [DiskAbsent(f"{archive.name} is not within reach.")])[0]

    def _without(
        self, archive: Archive, before: Path | None, here: Path
    ) -> Layout | ApplianceError:
        old, work, goes = here / "as-it-was", here / "work", self._goes(archive)

        def leave_out(remarks: Remarks) -> Layout:
            remarks.message = archive.name
            return left_out(self.kit, archive, old, before, goes, work, self.journal.watch)

        return self.journal.attempt(StepName.UNPACK, leave_out, "")

    def _goes(self, archive: Archive) -> Callable[[str], bool]:
        return gone_from(self.erasures, archive.sequence) or _nobody

    def _put(self, archive: Archive, layout: Layout) -> bool:
        """Have each place hold the new one; return whether any did not have it before."""
        is_new = False
        for place in self._left():
            if place.has(archive):
                old = _own(place, archive)
                if self._replaced(place, old, layout) is not None:
                    self.out.add(place.name)
                    continue
                is_new = is_new or old.manifest_sha256 != layout.manifest_sha256
            self._note([place], archive, is_stuck=False)
        return is_new

    def _note(self, places: Sequence[Place], archive: Archive, *, is_stuck: bool) -> None:
        for place in places:
            stuck_here = is_stuck and place.has(archive)
            asked, ledger = len(self.erasures), self.kit.ledger
            register.note_progress(ledger, place.name, archive, asked, is_stuck=stuck_here)

    def _replaced(self, place: Place, old: Archive, layout: Layout) -> ApplianceError | None:
        """A disk without room gives back what was replaced already, and is asked once more."""
        failure = self._put_in_place(place, old, layout)
        if isinstance(failure, DiskFull) and self._gives_back_the_room(place):
            failure = self._put_in_place(place, old, layout)
        return failure

    def _put_in_place(self, place: Place, old: Archive, layout: Layout) -> ApplianceError | None:
        if old.manifest_sha256 != layout.manifest_sha256:
            register.owe_the_last_byte(self.kit.ledger, self.source, place.name)
        return put_in_place(self.kit, self.journal, place, old, layout)

    def _gives_back_the_room(self, place: Place) -> bool:
        def compact(remarks: Remarks) -> None:
            place.repository.compact(self.journal.watch, all_of_it=True)
            remarks.message = "What was erased so far is on it no more."

        done = self.journal.attempt(StepName.PRUNE, compact, place.name)
        if isinstance(done, ApplianceError):
            return False
        register.note_the_last_byte(self.kit.ledger, place.name)
        return True

    def _finish(self) -> None:
        for place in self._left():
            ledger, source = self.kit.ledger, self.source
            asked = register.pending(ledger, source, place.name)
            register.note_done(ledger, source, place.name, len(self.erasures))
            at_once = any(each.at_once for each in asked if each in self.erasures)
            if at_once and place.of(source):
                self._gives_back_the_room(place)


def _nobody(_: str) -> bool:
    return False


def _own(place: Place, archive: Archive) -> Archive:
    """Return an archive as it lies in a place: until it is done there, it is another one."""
    return next(one for one in place.archives if one.name == archive.name)
