"""The only home of erasing: which records of a backup are meant, and the backup without them.

A backup is made again from its members, not from what was stored: the bases and differences that
led to them say who was there before, also in backups that are long gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import ApplianceError
from ..core.ports import Layout, Watch
from .choosing import matches
from .contents import Kept, Manifest
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
_OVERLAP_BYTES = 1024
IsGone = Callable[[str], bool]
"""Given what tells a record from all others, returns whether it is to go."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom somebody wants erased: by id, or by words that a version of the record says."""

    record: str = ""
    text: str = ""
    tables: tuple[str, ...] = ()
    """Patterns; none means all."""

    def is_in(self, table: Table) -> bool:
        """Return whether a table is one of those that somebody named, by its file or its name."""
        names = (table.name, table.inside, *table.parts)
        return any(matches(name, self.tables) for name in names if name)

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
    """Files that are no tables and say the words, or cannot be read as one: they stay."""

    def look(self, root: Path, wanted: Wanted, work: Path, watch: Watch) -> None:
        """Look into an extracted archive; `work` is an empty folder.

        Raise ApplianceError where what is found cannot be taken out, RepositoryDamaged.
        """
        archive = Extracted.at(root, work)
        files = _made_again(archive, work, watch)
        tables = list(tables_in(archive, files).values())
        for table in tables:
            if wanted.is_in(table):
                with _unread(table, self.elsewhere):
                    self.records |= dict(_meant(table, wanted, watch))
        if self.records:  # what cannot be taken out is refused before anything is asked
            _rewritten(archive, files, self.records.__contains__, watch)
        if wanted.text:
            known = {path for table in tables for path in table.parts}
            others = [file for file in files if file.path not in known]
            self.elsewhere |= {file.path for file in others if _says(file, wanted.text)}


def holds(root: Path, is_gone: IsGone, work: Path, watch: Watch) -> bool:
    """Return whether an extracted archive has records that are to go; `work` is an empty folder.

    Raise RepositoryDamaged.
    """
    tables = tables_of(Extracted.at(root, work), work, (), watch)
    return any(_has_gone(table, is_gone, watch) for table in tables.values())


def _meant(table: Table, wanted: Wanted, watch: Watch) -> Iterator[tuple[str, Meant]]:
    kinds = _kinds(table)
    for row in table.records():
        watch.check()
        if kind := wanted.means(row, kinds):
            yield kind.record(row), Meant(table.name, _id(row, kind), title_of(row))


@contextmanager
def _unread(table: Table, unread: set[str]) -> Iterator[None]:
    """A table that breaks off is none: it stays as it is, and is said."""
    try:
        yield
    except NotATable:
        unread.update(table.parts)


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
    files = _made_again(archive, members, watch)
    new = _rewritten(archive, files, is_gone, watch)
    content = _as_it_is_now(archive.manifest, new)
    originals = {box.path: archive.file(box.original) for box in content.containers if box.original}
    both = zip(archive.manifest.members, files, strict=True)
    now = [_member(kept, new.get(kept.path, file)) for kept, file in both]
    return folder.lay_again(Anew(content, now, originals), previous, work, watch)


def _made_again(archive: Extracted, folder: Path, watch: Watch) -> list[File]:
    members = enumerate(archive.manifest.members)
    return [made(archive, kept, folder / str(at), watch) for at, kept in members]


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
    """What an archive says of itself, when the vendor's own files are not to be had any more, nor
    their hashes, by which one could guess who was in them.
    """
    other = {
        box.path for box in content.containers if any(f.startswith(f"{box.path}/") for f in new)
    }
    gone = {box.sha256 for box in content.containers if box.path in other}
    gone |= {kept.sha256 for kept in content.members if kept.path in new}
    return replace(
        content,
        containers=tuple(
            replace(box, recipe=None, original="", sha256="") if box.path in other else box
            for box in content.containers
        ),
        files=tuple(
            replace(file, sha256="", validator="") if file.sha256 in gone else file
            for file in content.files
        ),
        remarks=(*content.remarks, _ERASED) if new else content.remarks,
    )


def _member(kept: Kept, file: File) -> Member:
    size_bytes = file.file.stat().st_size
    return Member(kept.path, file.file, size_bytes, file.sha256, kept.modified, kept.hidden)


def _has_gone(table: Table, is_gone: IsGone, watch: Watch) -> bool:
    with _unread(table, set()):
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


def _says(file: File, text: str) -> bool:
    """Return whether a file says all words of a text, wherever in it, in its name too."""
    look = look_at(file.file, file.path)
    left = [word for word in text.split() if folded(word) not in folded(file.path)]
    if look.kind is Written.BINARY:
        return not left
    matching = [matcher(word, look) for word in left]
    with plain(file.file) as opened:
        before = b""
        while matching and (block := opened.read(_BLOCK_BYTES)):
            matching = [is_in for is_in in matching if not is_in(before + block)]
            before = block[-_OVERLAP_BYTES:]
    return not matching
