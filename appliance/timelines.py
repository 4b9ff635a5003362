"""Timelines where their keys and backups are: kept up to date, searched, and records given back.

Part of the rim. A timeline lies in the state folder, encrypted under the passphrase of the first
repository: whoever cannot open the backups cannot read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from .box import Box
from .core.errors import ApplianceError, Cancelled, DiskFull, DiskReadOnly
from .core.model import Archive, RecordTimeline, Trigger
from .core.ports import Repository, Watch
from .daemon import reading
from .engine import memory
from .engine.register import registered
from .engine.timeline import fetched, freshened, is_fresh
from .exports.tables.writing import Files
from .exports.timeline.chain import Chain
from .exports.timeline.records import Records, write_records
from .exports.timeline.searching import Found
from .giving_back.seeking import FOLDER
from .system.sealed import NotSealed

_TOLD_WITHOUT = "told-without"
"""How many requests to erase somebody a timeline has heeded."""
MOST_FOUND = 500
"""Records of one source that are told of at once."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was found in one source, and which of its backups that does not take into account."""

    source: str
    found: Found
    newest: Archive | None
    """The newest backup that was searched."""
    troubles: tuple[ApplianceError, ...] = ()


def timeline_of(box: Box, source: str) -> Records:
    """Return the timeline of a source, there or not."""
    section = box.settings.repository[0]
    passphrase = box.secrets.get(section.passphrase)
    return Records(Chain(box.state / FOLDER / source, passphrase, source))


def search(
    box: Box, source: str, text: str, watch: Watch, trigger: Trigger = Trigger.COMMAND
) -> Search:
    """Bring a source's timeline up to date and search it.

    Where no backup can be read now, what was read earlier is searched. Raise DiskFull, Cancelled,
    or what the backups raise where nothing was ever read of them.
    """
    _forget_strangers(box)
    records = timeline_of(box, source)
    with records.chain.alone(watch):
        troubles = _freshened(box, source, records, watch, trigger)
        try:
            found = records.search(text, MOST_FOUND, watch)
        except NotSealed:
            records.mend()
            troubles += _freshened(box, source, records, watch, trigger)
            found = records.search(text, MOST_FOUND, watch)
        told = records.archives()
    return Search(source, found, told[-1] if told else None, tuple(troubles))


def keep_up(box: Box, source: str, watch: Watch) -> None:
    """Bring a timeline that is there up to date, also with what was let go; raise as above."""
    records = timeline_of(box, source)
    with records.chain.alone(watch):
        _freshened(box, source, records, watch, Trigger.SCHEDULE)


def forget(box: Box, source: str) -> None:
    """Throw a timeline away; the next search builds it anew from what the backups say then."""
    if (box.state / FOLDER / source).is_dir():
        records, watch = timeline_of(box, source), Watch()
        with records.chain.alone(watch):
            records.forget([one.name for one in records.archives()], watch)


def _forget_strangers(box: Box) -> None:
    """What is backed up no longer is told of no longer."""
    known = {each.name for each in box.settings.source}
    folder = box.state / FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in known:
            rmtree(path)


def _forget_erased(box: Box, source: str, records: Records, watch: Watch) -> None:
    """What was read before somebody was erased is read anew, whatever ended the request."""
    asked, key = str(len(registered(box.ledger, source))), memory.key(_TOLD_WITHOUT, source)
    if (box.ledger.noted(key) or "0") != asked:
        records.forget([one.name for one in records.archives()], watch)
        box.ledger.note(key, asked)


def _freshened(
    box: Box, source: str, records: Records, watch: Watch, trigger: Trigger
) -> list[ApplianceError]:
    _forget_erased(box, source, records, watch)
    if is_fresh(box.kit, source, records):
        return []
    try:
        with reading(box):
            return freshened(box.kit, places_of(box), source, records, watch, trigger)
    except (Cancelled, DiskFull, DiskReadOnly):
        raise
    except ApplianceError as error:
        if not records.archives():
            raise
        return [error]


def give_back(
    box: Box, records: Sequence[RecordTimeline], into: Path, watch: Watch
) -> tuple[Path, ...]:
    """Write the newest version of records of one source into a folder, as the vendor writes them.

    Nothing that is there is overwritten. Raise as `engine.restore.restore`.
    """
    with Files(into) as files:

        def look(archive: Archive, root: Path, work: Path) -> None:
            wanted = [one for one in records if one.last_in == archive.name]
            for _ in write_records(root, wanted, files, work, watch):
                watch.check()

        _fetched(box, records, look, watch, Trigger.COMMAND)
    return files.paths


def hand_out(box: Box, source: str, mark: str, take: Callable[[Path], None], watch: Watch) -> None:
    """Have the newest version of one record, by its mark, taken as a file of the vendor's kind.

    The file is in staging and gone afterwards. Raise as above, or where there is no such record.
    """
    records = timeline_of(box, source)
    with records.chain.at_rest(watch):
        found = records.record(mark, watch)
    if found is None:
        raise ApplianceError("There is no such record any more.", hint="Search again.")

    def look(_: Archive, root: Path, work: Path) -> None:
        tables = work / "tables"
        tables.mkdir()
        with Files(work / "back") as files:
            for _record in write_records(root, [found], files, tables, watch):
                watch.check()
        for path in files.paths[:1]:
            take(path)

    _fetched(box, [found], look, watch, Trigger.PAGE)


def _fetched(
    box: Box,
    records: Sequence[RecordTimeline],
    look: Callable[[Archive, Path, Path], None],
    watch: Watch,
    trigger: Trigger,
) -> None:
    archives = {one.name: one for one in timeline_of(box, records[0].source).archives()}
    wanted = list(_in_order(archives, records))
    with reading(box):
        fetched(box.kit, places_of(box), wanted, look, watch, trigger)


def places_of(box: Box) -> list[Repository]:
    """Return where backups may lie on this machine and its disks, the waiting room last."""
    last: list[Repository] = [box.waiting_room] if box.waiting_room else []
    return [*box.repositories.values(), *last]


def _in_order(archives: dict[str, Archive], records: Sequence[RecordTimeline]) -> Iterator[Archive]:
    wanted = {one.last_in for one in records}
    return (one for name, one in archives.items() if name in wanted)
