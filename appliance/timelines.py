"""Timelines where their keys and backups are: kept up to date, searched, and records given back.

Part of the rim. A timeline lies in the state folder, encrypted under the passphrase of the first
repository: whoever cannot open the backups cannot read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .box import Box
from .core.errors import ApplianceError, Cancelled, DiskFull, DiskReadOnly
from .core.model import Archive, RecordTimeline, Trigger
from .core.ports import Watch
from .daemon import reading
from .engine.timeline import fetched, freshened, is_fresh
from .exports.tables.writing import Files
from .exports.timeline.chain import Chain
from .exports.timeline.records import Records, write_records
from .exports.timeline.searching import Found
from .system.sealed import NotSealed

FOLDER = "timelines"
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


def _freshened(
    box: Box, source: str, records: Records, watch: Watch, trigger: Trigger
) -> list[ApplianceError]:
    if is_fresh(box.kit, source, records):
        return []
    last = [box.waiting_room] if box.waiting_room else []
    try:
        with reading(box):
            places = [*box.repositories.values(), *last]
            return freshened(box.kit, places, source, records, watch, trigger)
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
    source = records[0].source
    archives = {one.name: one for one in timeline_of(box, source).archives()}
    last = [box.waiting_room] if box.waiting_room else []
    with ExitStack() as stack:
        stack.enter_context(reading(box))
        files = stack.enter_context(Files(into))

        def look(archive: Archive, root: Path, work: Path) -> None:
            wanted = [one for one in records if one.last_in == archive.name]
            for _ in write_records(root, wanted, files, work, watch):
                watch.check()

        places = [*box.repositories.values(), *last]
        fetched(box.kit, places, list(_in_order(archives, records)), look, watch)
    return files.paths


def _in_order(archives: dict[str, Archive], records: Sequence[RecordTimeline]) -> Iterator[Archive]:
    wanted = {one.last_in for one in records}
    return (one for name, one in archives.items() if name in wanted)
