"""The only home of taking people out of backups that are there.

Each backup of the source is written anew, under its name and time, because the bases and
differences that it needs tell who was there before. One request is asked of every place, and of
a disk that was away when it is back. Until then every restore leaves those records out.

What cannot be done never stands in the way of anything else: backups go on, and old ones go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.erasure import Erasure, gone_from
from ..core.errors import ApplianceError, DiskFull
from ..core.model import Archive, StepName, Trigger
from ..core.ports import Layout, Watch
from ..core.words import plural
from . import memory, mirroring, register, rotation, upkeep
from .journal import Journal, Remarks, record
from .kit import Ended, Kit
from .places import Place, put_in_place, take_out, trusts_the_clock, wipe
from .rotation import WITHIN, Reference, sound_first

_TIMES_THE_EXPORT = 3
"""How much room it takes to make a backup again: its files, those that stay, what is stored."""


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
    done = clean(kit, source, places)
    due = [place for place in places if place not in done and not place.failed]
    if not due:
        return 0
    folder.mkdir()
    until = kit.clock.monotonic() + within_seconds
    erasures = register.registered(kit.ledger, source)
    work = _Erasing(kit, journal, source, erasures, done, due, folder, until)
    work.all()
    wipe(folder)
    return work.count


def leave_out(kit: Kit, archive: Archive, stored: Path, watch: Watch) -> bool:
    """Given an archive that was taken out for somebody, leave out of it what was to be erased.

    Wherever it comes from: the disk may have been away, a cloud copy may be older. Return whether
    anything was; raise ApplianceError where that cannot be.
    """
    goes = gone_from(register.registered(kit.ledger, archive.source), archive.sequence)
    look = stored.with_name(f"{stored.name}-look")
    if goes is None:
        return False
    wipe(look)
    look.mkdir()
    try:
        if not kit.exports.holds(stored, goes, look, watch):
            return False
    finally:
        wipe(look)
    _made_again(kit, stored, goes, watch)
    return True


def fit_to_go_on_from(kit: Kit, journal: Journal, reference: Reference) -> Reference | None:
    """Given the newest backup from a place where something is to be erased still, return it with
    no trace of that, also in what it was stored as; None where it cannot be made so.
    """
    archive, root = reference.archive, reference.layout.root
    goes = gone_from(register.registered(kit.ledger, archive.source), archive.sequence)
    if goes is None:
        return reference
    try:
        return replace(reference, layout=_made_again(kit, root, goes, journal.watch))
    except ApplianceError as error:
        journal.warn(error)
        return None


def _made_again(kit: Kit, stored: Path, goes: Callable[[str], bool], watch: Watch) -> Layout:
    work = stored.with_name(f"{stored.name}-work")
    wipe(work)
    work.mkdir()
    kit.staging.require(_TIMES_THE_EXPORT * kit.exports.read(stored).export_bytes)
    layout = kit.exports.without(stored, None, goes, work, watch)
    wipe(stored)
    layout.root.rename(stored)
    wipe(work)
    return kit.exports.read(stored)


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
    """Places that refused one: the next Run tries them again."""
    stuck: set[str] = field(default_factory=set)
    """Archives that cannot be made again."""

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
        done = [one for one in archives if one.sequence <= begun and not one.held]
        before = self._taken(done[-1], self.due, self.folder / "begun") if done else None
        left = [one for one in archives if begun < one.sequence <= asked]
        return (before.root if before else None), left

    def _begun(self, place: Place) -> int:
        return register.progress(self.kit.ledger, self.source, place.name, len(self.erasures))

    def _is_late(self) -> bool:
        return self.kit.clock.monotonic() >= self.until or not self._left()

    def _left(self) -> list[Place]:
        return [one for one in self.due if one.name not in self.out and not one.failed]

    def _do(self, archive: Archive, before: Path | None, here: Path) -> Path | None:
        """Do one, and return what the next goes on from."""
        here.mkdir()
        layout = self._anew(archive, before, here)
        if layout is None:
            self.stuck.add(archive.name)
        else:
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
        """Return an archive without what is to be erased; None where that cannot be."""
        if layout := self._taken(archive, self.donors, here / "from-another"):
            return layout
        if self._taken(archive, self._left(), here / "as-it-was"):
            return self._without(archive, before, here)
        return None

    def _taken(self, archive: Archive, places: Sequence[Place], into: Path) -> Layout | None:
        for place in sound_first(self.kit, places):
            if place.has(archive) and not place.failed:
                layout = take_out(self.kit, self.journal, place, _own(place, archive), into)
                if not isinstance(layout, ApplianceError):
                    return layout
        return None

    def _without(self, archive: Archive, before: Path | None, here: Path) -> Layout | None:
        goes = gone_from(self.erasures, archive.sequence) or _nobody
        old, work, look = here / "as-it-was", here / "work", here / "look"
        work.mkdir()
        look.mkdir()

        def leave_out(remarks: Remarks) -> Layout:
            exports, watch = self.kit.exports, self.journal.watch
            self.kit.staging.require(_TIMES_THE_EXPORT * exports.read(old).export_bytes)
            layout = exports.without(old, before, goes, work, watch)
            if exports.holds(layout.root, goes, look, watch):
                raise ApplianceError(f"{archive.name} still says what was to be erased.")
            remarks.message = archive.name
            return layout

        layout = self.journal.attempt(StepName.UNPACK, leave_out, "")
        return None if isinstance(layout, ApplianceError) else layout

    def _put(self, archive: Archive, layout: Layout) -> bool:
        """Have each place hold the new one; return whether any did not have it before."""
        asked, is_new = len(self.erasures), False
        for place in self._left():
            if place.has(archive):
                old = _own(place, archive)
                failure = self._replaced(place, old, layout)
                if failure is not None:
                    self.out.add(place.name)
                    continue
                is_new = is_new or old.manifest_sha256 != layout.manifest_sha256
            ledger = self.kit.ledger
            register.note_progress(ledger, self.source, place.name, asked, archive.sequence)
        return is_new

    def _replaced(self, place: Place, old: Archive, layout: Layout) -> ApplianceError | None:
        """A disk without room gives back what was replaced already, and is asked once more."""
        memory.owe_the_last_byte(self.kit.ledger, place.name, is_owed=True)
        failure = put_in_place(self.kit, self.journal, place, old, layout)
        if isinstance(failure, DiskFull) and self._gives_back_the_room(place):
            failure = put_in_place(self.kit, self.journal, place, old, layout)
        return failure

    def _gives_back_the_room(self, place: Place) -> bool:
        def compact(remarks: Remarks) -> None:
            place.repository.compact(self.journal.watch, all_of_it=True)
            remarks.message = "What was erased so far is on it no more."

        done = self.journal.attempt(StepName.PRUNE, compact, place.name)
        return not isinstance(done, ApplianceError)

    def _finish(self) -> None:
        for place in self._left():
            ledger, source = self.kit.ledger, self.source
            asked = register.pending(ledger, source, place.name)
            register.note_done(ledger, source, place.name, len(self.erasures), self.stuck)
            at_once = any(each.at_once for each in asked)
            if at_once and place.of(source) and self._gives_back_the_room(place):
                memory.owe_the_last_byte(ledger, place.name, is_owed=False)


def _nobody(_: str) -> bool:
    return False


def _own(place: Place, archive: Archive) -> Archive:
    """Return an archive as it lies in a place: until it is done there, it is another one."""
    return next(one for one in place.archives if one.name == archive.name)
