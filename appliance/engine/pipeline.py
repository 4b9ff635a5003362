"""The product's story: what happens from a server's export to proved copies on every disk.

pull -> unpack -> inspect -> archive (each reachable repository) -> verify -> catch up -> prune
-> mirror

Every step is safe to repeat. What is about to be written is noted first, so that a Run after a
power cut finds it, proves it and goes on from there instead of storing the same export twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ..core.errors import (
    ApplianceError,
    Cancelled,
    DiskAbsent,
    ExportNotReady,
    ExportUnsafe,
    RepositoryDamaged,
    ToolFailed,
)
from ..core.model import (
    Archive,
    Export,
    ExportFile,
    Outcome,
    Run,
    SeenFile,
    StepName,
    StoredFile,
    Trigger,
)
from ..core.ports import Layout, Source, Watch
from ..core.words import size
from . import memory, mirroring, register, rotation, upkeep, waiting_room
from .catching_up import catch_up
from .erasing import clean, erase_where_due
from .journal import Journal, Remarks, record, understood
from .kit import Ended, Kit
from .leaving_out import fit_to_go_on_from
from .memory import Pending
from .places import Place, store, trusts_the_clock, verify, wipe
from .rotation import Reference

MANIFEST = "manifest.json"
_LOOK_AT_IT = (
    "It is kept, but does not count until you have looked at it: "
    "`appliance accept {0}` if it is right, else `appliance reject {0}`."
)
_UNPACKED_TIMES = 2
"""How much room an export wants beside itself, at least: unpacked, and what is stored of it."""


def run(source: Source, trigger: Trigger, kit: Kit, watch: Watch, slot: str = "") -> Run:
    """Back up one source; return the finished Run. Raise only what the ledger raises."""
    return back_up(source, trigger, kit, watch, slot).run


def back_up(source: Source, trigger: Trigger, kit: Kit, watch: Watch, slot: str = "") -> Ended:
    """As `run`, with the errors themselves for whoever decides about trying again."""

    def story(journal: Journal, folder: Path) -> None:
        _Backup(source, kit, journal, folder).tell()

    return record(kit, source.name, trigger, watch, story, slot)


@dataclass(frozen=True, slots=True)
class _Backup:
    source: Source
    kit: Kit
    journal: Journal
    folder: Path

    def tell(self) -> None:
        """The whole of it: what may be gone tomorrow comes first."""
        places = self._find_places()
        try:
            export = self._fetch_and_keep(places)
        except Cancelled:
            raise
        except ApplianceError:
            waiting_room.say_that_no_disk_is_here(self.journal, places)
            self._erase(places)
            self._catch_up(places)  # a vendor that is gone must not leave a new disk empty
            self.journal.outcome = Outcome.SKIPPED  # no news: the cloud is only looked at
            mirroring.follow(self.kit, self.journal, places)
            raise
        waiting_room.say_that_no_disk_is_here(self.journal, places)
        self._erase(places)
        self._catch_up(places)
        rotation.prove_strangers(self.kit, self.journal, places, self.folder / "borrowed")
        upkeep.tidy(self.kit, self.journal, places, self._trusts_the_clock(export, places))
        mirroring.follow(self.kit, self.journal, places)

    def _fetch_and_keep(self, places: list[Place]) -> Export | None:
        export = self._pull("export", self.kit.ledger.seen(self.source.name))
        if export is not None and not export.files:
            self._nothing_was_offered()
        else:
            self._keep(export, places)
        return export

    def _erase(self, places: list[Place]) -> None:
        erase_where_due(self.kit, self.journal, self.source.name, places, self.folder / "erasing")

    def _catch_up(self, places: list[Place]) -> None:
        catch_up(self.kit, self.journal, self.source.name, places, self.folder / "borrowed")

    def _find_places(self) -> list[Place]:
        """Who is here; what a power cut left is proved."""
        places = rotation.reachable(self.kit, self.journal)
        borrowed = self.folder / "borrowed"
        rotation.prove_strangers(self.kit, self.journal, places, borrowed, newest_only=True)
        self._finish_what_was_begun()
        return places

    def _nothing_was_offered(self) -> None:
        """Nobody put anything there: no news, and no word that what we have is the newest."""
        self.journal.outcome = Outcome.SKIPPED
        self.journal.message = "There was nothing to fetch."

    def _keep(self, export: Export | None, places: list[Place]) -> None:
        """Store what came, unless the newest backup, just proved again, is the same.

        The number is taken before anybody looks for what was to be erased: whoever is asked for
        meanwhile is taken out of this backup too (see `register.register`).
        """
        number = self._number(places)
        before = self._take_out_the_newest(places)
        if before is not None and self._is_kept(export, before):
            self._confirm(export, before, places)
        else:
            export = export or self._pull_again(places)
            layout = self._lay_out(export, before)
            archive = self._named(export, layout, number, places)
            self._archive(archive, export, before, layout, places)

    def _finish_what_was_begun(self) -> None:
        ledger, name = self.kit.ledger, self.source.name
        pending = memory.intended(ledger, name)
        if pending is None:
            return
        if any(copy.archive == pending.archive.name for copy in ledger.copies(name)):
            memory.fulfil(ledger, pending)
        else:
            memory.forget_intention(ledger, name)

    def _pull(self, folder: str, seen: Sequence[SeenFile]) -> Export | None:
        def pull(remarks: Remarks) -> Export | None:
            into = self.folder / folder
            into.mkdir()
            now = self.kit.clock.now().replace(microsecond=0)
            export = self.source.pull(into, now, seen, self.journal.watch)
            remarks.size_bytes = export.size_bytes if export else 0
            remarks.message = "" if export else "The server has nothing new."
            for trouble in export.troubles if export else ():
                remarks.outcome, remarks.message = Outcome.WARNING, trouble.message
                self.journal.warn(trouble)
            if export is not None and not export.files:
                remarks.outcome, remarks.message = Outcome.SKIPPED, "There is nothing there."
            return export

        export = self.journal.step(StepName.PULL, pull)
        for note in export.notes if export is not None else ():
            self.journal.warn(ApplianceError(note))
        return export

    def _pull_again(self, places: Sequence[Place]) -> Export:
        """Nothing new, but no disk here has the newest backup: bring it once more."""
        export = self._pull("export-again", ())
        if export is not None and export.files:
            return export
        if any(place.of(self.source.name) for place in places) or self._last_files():
            raise DiskAbsent("The newest backup is on a disk that is not here.")
        raise ExportNotReady("There is no export to bring yet.")

    def _take_out_the_newest(self, places: Sequence[Place]) -> Reference | None:
        previous, name = self.folder / "previous", self.source.name
        done = clean(self.kit, name, places)
        in_order = sorted(places, key=lambda place: place not in done)
        found = rotation.reference(self.kit, self.journal, name, in_order, previous)
        if found is None or not self._may_have(found.place, found.archive):
            return found
        return fit_to_go_on_from(self.kit, self.journal, found)

    def _may_have(self, place: Place, archive: Archive) -> bool:
        return register.may_have(self.kit.ledger, place.name, archive)

    def _last_files(self) -> tuple[SeenFile, ...]:
        return self.kit.ledger.last_export(self.source.name)

    def _is_kept(self, export: Export | None, before: Reference) -> bool:
        """Whether what the server has lies, just proved again, on a disk that is here."""
        if before.archive.name != memory.newest(self.kit.ledger, self.source.name):
            return False
        return export is None or _contents(export.files) == _contents(self._last_files())

    def _confirm(self, export: Export | None, before: Reference, places: list[Place]) -> None:
        """No new one; the other disks prove that they have it whole too, or get it now."""
        for place in self._others(before, places):
            prove = verify if place.has(before.archive) else store
            prove(self.kit, self.journal, place, before.archive, before.layout)
        self.journal.archive = before.archive.name
        self.journal.outcome = Outcome.SKIPPED
        self.journal.message = "Nothing has changed since the newest backup."
        if export is not None:
            self._settle(export)

    def _others(self, before: Reference, places: Sequence[Place]) -> list[Place]:
        """The other disks that have, or are to get, the newest backup just as it was taken out."""
        if self._may_have(before.place, before.archive):
            return []
        disks = [one for one in places if not one.is_waiting_room and one is not before.place]
        return [one for one in disks if not one.failed and not self._may_have(one, before.archive)]

    def _lay_out(self, export: Export, before: Reference | None) -> Layout:
        """Differences from the backup before where it gives them; a bad one never stops this."""
        work = self.folder / "work"

        def laid_out(previous: Path | None) -> Layout:
            work.mkdir()
            self.kit.staging.require(_UNPACKED_TIMES * export.size_bytes)
            return self.kit.exports.lay_out(export, previous, work, self.journal.watch)

        def unpack(remarks: Remarks) -> Layout:
            try:
                layout = laid_out(before.layout.root if before else None)
            except (RepositoryDamaged, ToolFailed) as error:
                if before is None:
                    raise
                self.journal.warn(_unusable(before, error))
                wipe(work)
                layout = laid_out(None)
            remarks.size_bytes = layout.export_bytes
            return layout

        layout = self.journal.step(StepName.UNPACK, unpack)
        self.journal.step(StepName.INSPECT, lambda remarks: _inspect(layout, remarks))
        for note in layout.notes:
            self.journal.warn(ApplianceError(note))
        return layout

    def _archive(
        self,
        archive: Archive,
        export: Export,
        before: Reference | None,
        layout: Layout,
        places: Sequence[Place],
    ) -> None:
        """Write it everywhere; one proved copy is a backup, none is a failed Run."""
        files = tuple(_seen(file) for file in export.files)
        memory.intend(self.kit.ledger, Pending(archive, files))
        here = waiting_room.targets(places)
        failures = [store(self.kit, self.journal, place, archive, layout) for place in here]
        real = [failure for failure in failures if failure is not None]
        if len(real) == len(here):
            raise real[0]
        memory.fulfil(self.kit.ledger, Pending(archive, files))
        self.journal.archive = archive.name
        kept = f"{size(layout.export_bytes)} kept, {size(layout.new_bytes)} new."
        self.journal.message = f"{layout.changes} {kept}".strip()
        beside = before.archive.name if before else ""
        memory.note_became(self.kit.ledger, archive.name, beside, layout.tables, layout.held)
        if layout.held:
            self.journal.outcome = Outcome.HELD
            self.journal.message = " ".join(layout.held)
            self.journal.hint = _LOOK_AT_IT.format(archive.name)
        self._settle(export)

    def _number(self, places: Sequence[Place]) -> int:
        highest = max((place.highest(self.source.name) for place in places), default=0)
        return self.kit.ledger.next_sequence(self.source.name, at_least=highest + 1)

    def _named(
        self, export: Export, layout: Layout, number: int, places: Sequence[Place]
    ) -> Archive:
        name = self.source.name
        time = _free_time(name, export.pulled_at, self._taken_names(places))
        return Archive(
            Archive.name_for(name, time),
            name,
            time,
            number,
            layout.manifest_sha256,
            self._trusts_the_clock(export, places),
            held=bool(layout.held),
        )

    def _taken_names(self, places: Sequence[Place]) -> set[str]:
        here = {archive.name for place in places for archive in place.archives}
        return here | {copy.archive for copy in self.kit.ledger.copies(self.source.name)}

    def _trusts_the_clock(self, export: Export | None, places: Sequence[Place]) -> bool:
        return trusts_the_clock(self.kit, places, export.server_time if export else None)

    def _settle(self, export: Export) -> None:
        """The source may put the export away; where it cannot, the backup is good all the same."""
        try:
            self.source.settle(export)
        except Exception as error:  # noqa: BLE001 - the backup is proved already
            self.journal.warn(understood(error))


def _unusable(before: Reference, error: ApplianceError) -> ApplianceError:
    name, place = before.archive.name, before.place.name
    message = f"{name} on {place} cannot serve for a difference: the export is stored whole."
    hint = "Nothing of this backup is missing; restore that older one from the other copy."
    return ApplianceError(message, hint=hint, detail=f"{error.message} {error.detail}".strip())


def _inspect(layout: Layout, remarks: Remarks) -> None:
    """A backup of nothing is no backup."""
    if not set(layout.stored) - {MANIFEST}:
        raise ExportUnsafe("There is nothing in this export.")
    remarks.size_bytes = layout.new_bytes
    if layout.notes:
        remarks.outcome, remarks.message = Outcome.WARNING, " ".join(layout.notes)


def _contents(files: Sequence[ExportFile] | Sequence[SeenFile]) -> Counter[StoredFile]:
    """What files hold, whatever they are called: vendors put dates into names."""
    return Counter(StoredFile(file.size_bytes, file.sha256) for file in files)


def _seen(file: ExportFile) -> SeenFile:
    return SeenFile(file.name, file.size_bytes, file.sha256, file.modified, file.validator)


def _free_time(source: str, time: datetime, taken: set[str]) -> datetime:
    """Where the clock went back the name may be taken: the next free second."""
    time = time.replace(microsecond=0)
    while Archive.name_for(source, time) in taken:
        time += timedelta(seconds=1)
    return time
