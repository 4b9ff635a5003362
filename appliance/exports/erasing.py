"""The only home of erasing: whether a backup has records that are to go, and it without them.

A backup is made again from its members, not from what was stored: the bases and differences that
led to them say who was there before, also in backups that are long gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..core.errors import ApplianceError
from ..core.ports import Layout, Watch
from .contents import Kept, Manifest
from .extracted import Extracted
from .going import Going, IsGone
from .layout import Anew, ExportFolder
from .members import Member
from .parts import sha256_of
from .reading import made, tables_in, tables_of
from .tables.grouping import File
from .tables.removing import write_without
from .tables.rows import NotATable
from .tables.table import Table, named

_ERASED = "Records of it were erased on request; the vendor's own file is not kept any more."


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
    files = made_again(archive, members, watch)
    new = rewritten(archive, files, is_gone, watch)
    content = _as_it_is_now(archive.manifest, new)
    originals = {box.path: archive.file(box.original) for box in content.containers if box.original}
    both = zip(archive.manifest.members, files, strict=True)
    now = [_member(kept, new.get(kept.path, file)) for kept, file in both]
    return folder.lay_again(Anew(content, now, originals), previous, work, watch)


def made_again(archive: Extracted, folder: Path, watch: Watch) -> list[File]:
    """Make all members of an archive again, in a folder; raise RepositoryDamaged."""
    members = enumerate(archive.manifest.members)
    return [made(archive, kept, folder / str(at), watch) for at, kept in members]


def rewritten(
    archive: Extracted, files: Sequence[File], is_gone: IsGone, watch: Watch
) -> dict[str, File]:
    """Write those files again of which a record is to go; return them by their members' paths.

    Raise ApplianceError where that cannot be.
    """
    by_path, new = {file.path: file for file in files}, dict[str, File]()
    tables = list(tables_in(archive, files).values())
    touched = [table for table in tables if _has_gone(table, is_gone, watch)]
    for path in {path for table in touched for path in table.parts}:
        here = {table.inside: table for table in tables if path in table.parts}
        new[path] = _written_again(by_path[path], here, is_gone, watch)
    twins = {by_path[path].sha256: file for path, file in new.items()}
    return {
        file.path: replace(twins[file.sha256], path=file.path)
        for file in files
        if file.sha256 in twins
    }


def _written_again(file: File, tables: Mapping[str, Table], is_gone: IsGone, watch: Watch) -> File:
    """Write a file again without what is to go of its tables, by their names within it."""
    target = file.file.with_name(f"{file.file.name}-without")
    parts = {inside: table.parts[file.path] for inside, table in tables.items()}
    going = {inside: Going.of(table, is_gone, watch) for inside, table in tables.items()}

    def goes(inside: str, cells: Sequence[str]) -> bool:
        return going[inside].takes(named(parts[inside].columns, cells))

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
    with suppress(NotATable):  # one that breaks off is none, and stays as it is
        going = Going.of(table, is_gone, watch)
        for row in table.records():
            watch.check()
            if going.takes(row):
                return True
    return False
