"""The only home of erasing: which records of a backup are meant, and the backup without them.

A backup is made again from its members, not from what was stored: the bases and differences that
led to them say who was there before, also in backups that are long gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ..core.errors import ApplianceError
from ..core.ports import Layout, Watch
from .contents import Box, Manifest
from .extracted import Extracted
from .finding import matcher
from .layout import Anew, ExportFolder
from .looks import Kind as Written
from .looks import look_at, plain
from .members import Member
from .parts import sha256_of
from .reading import made, tables_in, tables_of, with_id
from .tables.grouping import File
from .tables.ids import candidates, normal
from .tables.removing import write_without
from .tables.rows import NotATable
from .tables.table import Table, key_of, named
from .tables.titles import title_of
from .timeline.searching import Words, folded
from .timeline.segment import Kind, Row, escaped

_ERASED = "Records of it were erased on request; the vendor's own file is not kept any more."
_BLOCK_BYTES = 1 << 20
IsGone = Callable[[str], bool]
"""Given what tells a record from all others, returns whether it is to go."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom somebody wants erased: by id, or by words that a version of the record says."""

    record: str = ""
    text: str = ""
    tables: tuple[str, ...] = ()
    """Patterns; none means all."""

    def means(self, row: Row, kinds: Sequence[Kind]) -> Kind | None:
        """Return by what a record is known that is meant; None where it is not."""
        if self.record:
            return next((kind for kind in kinds if _id(row, kind) == normal(self.record)), None)
        said = "\n".join(escaped(cell) for cell in row.values())
        return kinds[0] if Words(self.text).are_in(folded(said)) else None


@dataclass(frozen=True, slots=True)
class Meant:
    """One record that is meant, as a version of it says."""

    table: str
    id: str
    title: str


@dataclass(slots=True)
class Seen:
    """What was found of somebody, over as many backups as were looked into."""

    records: dict[str, Meant]
    """By what tells each from all others."""
    elsewhere: set[str]
    """Files that are no tables and say the words: they cannot be told apart and stay."""

    def look(self, root: Path, wanted: Wanted, work: Path, watch: Watch) -> None:
        """Look into an extracted archive; `work` is an empty folder. Raise RepositoryDamaged."""
        archive = Extracted.at(root, work)
        tables = tables_of(archive, work, wanted.tables, watch)
        for table in tables.values():
            kinds = _kinds(table)
            for row in table.records():
                watch.check()
                if kind := wanted.means(row, kinds):
                    meant = Meant(table.name, _id(row, kind), title_of(row))
                    self.records[kind.record(row)] = meant
        if wanted.text and not wanted.tables:
            known = {path for table in tables.values() for path in table.parts}
            self.elsewhere.update(_saying(archive, wanted.text, known, work, watch))


def holds(root: Path, is_gone: IsGone, work: Path, watch: Watch) -> bool:
    """Return whether an extracted archive has records that are to go; `work` is an empty folder.

    Raise RepositoryDamaged.
    """
    tables = tables_of(Extracted.at(root, work), work, (), watch)
    return any(_has_gone(table, is_gone, watch) for table in tables.values())


def without(  # noqa: PLR0917 - a backup, the one before it, and what goes
    folder: ExportFolder,
    root: Path,
    previous: Path | None,
    is_gone: IsGone,
    work: Path,
    watch: Watch,
) -> Layout:
    """Given an extracted archive, make the folder to archive in its place, going on from
    `previous`, which has nothing of those records any more. `work` is an empty folder.

    Raise ApplianceError where a file that has them cannot be written again, RepositoryDamaged.
    """
    members = work / "members"
    members.mkdir()
    archive = Extracted.at(root, members)
    kept = archive.manifest.members
    files = [made(archive, each, members / str(at), watch) for at, each in enumerate(kept)]
    new = _rewritten(archive, files, is_gone, watch)
    content = _as_it_is_now(archive.manifest, new)
    originals = {box.path: archive.file(box.original) for box in content.containers if box.original}
    times = {each.path: each.modified for each in kept}
    now = [_member(new.get(file.path, file), times[file.path]) for file in files]
    return folder.lay_again(Anew(content, now, originals), previous, work, watch)


def _rewritten(
    archive: Extracted, files: Sequence[File], is_gone: IsGone, watch: Watch
) -> dict[str, File]:
    """Write those files again of which a record is to go; return them by their members' paths."""
    by_path, new = {file.path: file for file in files}, dict[str, File]()
    tables = list(tables_in(archive, files).values())
    touched = [table for table in tables if _has_gone(table, is_gone, watch)]
    for path in {path for table in touched for path in table.parts}:
        here = {table.inside: table for table in tables if path in table.parts}
        new[path] = _written_again(by_path[path], here, is_gone)
    twins = {by_path[path].sha256: file for path, file in new.items()}
    return {
        file.path: replace(twins[file.sha256], path=file.path)
        for file in files
        if file.sha256 in twins
    }


def _written_again(file: File, tables: Mapping[str, Table], is_gone: IsGone) -> File:
    """Write a file again without what is to go of its tables, by their names within it."""
    target = file.file.with_name(f"{file.file.name}-without")
    parts = {inside: table.parts[file.path] for inside, table in tables.items()}
    kinds = {inside: _kinds(table) for inside, table in tables.items()}

    def goes(inside: str, cells: Sequence[str]) -> bool:
        row = named(parts[inside].columns, cells)
        return any(is_gone(kind.record(row)) for kind in kinds[inside])

    try:
        write_without(file.file, parts, goes, target)
    except NotATable as error:
        raise ApplianceError(
            f"Records cannot be taken out of {file.path}: {error.message}",
            hint="Nothing was erased from this backup; it goes by its age.",
        ) from error
    return replace(file, file=target, sha256=sha256_of(target))


def _as_it_is_now(content: Manifest, new: Mapping[str, File]) -> Manifest:
    """What an archive says of itself, when the vendor's own files are not to be had any more."""

    def opened_up(box: Box) -> Box:
        is_other = any(path.startswith(f"{box.path}/") for path in new)
        return replace(box, recipe=None, original="") if is_other else box

    remarks = (*content.remarks, _ERASED) if new else content.remarks
    return replace(content, containers=tuple(map(opened_up, content.containers)), remarks=remarks)


def _member(file: File, modified: datetime | None) -> Member:
    return Member(file.path, file.file, file.file.stat().st_size, file.sha256, modified)


def _has_gone(table: Table, is_gone: IsGone, watch: Watch) -> bool:
    kinds = _kinds(table)
    for row in table.records():
        watch.check()
        if any(is_gone(kind.record(row)) for kind in kinds):
            return True
    return False


def _kinds(table: Table) -> tuple[Kind, ...]:
    """By what a record of a table is known; where ids repeat in it, by its id all the same too: in
    another backup they may be good, and it is the same person.
    """
    told = with_id(table)
    likely = candidates(table.columns, table.name)[:1]
    if told.id_columns or not likely:
        return (Kind.of(told),)
    return Kind.of(told), Kind.of(replace(told, id_columns=likely))


def _id(row: Row, kind: Kind) -> str:
    return " ".join(key_of(row, kind.id_columns)).strip()


def _saying(
    archive: Extracted, text: str, tables: set[str], work: Path, watch: Watch
) -> Iterator[str]:
    """Yield the files that are no tables and say a text."""
    for kept in archive.manifest.members:
        if kept.path not in tables:
            file = made(archive, kept, work / "other", watch).file
            look = look_at(file, kept.path)
            if look.kind is not Written.BINARY and _says(file, matcher(text, look)):
                yield kept.path
            file.unlink()


def _says(file: Path, matches: Callable[[bytes], bool]) -> bool:
    with plain(file) as opened:
        before = b""
        while block := opened.read(_BLOCK_BYTES):
            if matches(before + block):
                return True
            before = block[-1024:]
    return False
