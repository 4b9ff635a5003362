"""The only home of the tables of an archive that lies in a folder: its files are made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import ApplianceError
from ..core.ports import Watch
from .choosing import matches, some_of
from .contents import Kept
from .extracted import Extracted
from .looks import FALLBACK, Kind, Look, look_at, plain
from .tables.alike import Twins, alike
from .tables.cards import Cards
from .tables.delimited import Delimited
from .tables.dumps import dumped
from .tables.gathered import gathered
from .tables.grouping import File, tables
from .tables.jsons import Objects
from .tables.profile import profile
from .tables.rows import Rows
from .tables.table import Table
from .tables.telling import is_of_people

_HEAD_BYTES = 4096
CARDS = frozenset({".vcf", ".vcard"})
WORKBOOKS = frozenset({".xlsx", ".xlsm"})
DUMP = ".sql"
READ = (
    frozenset({".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson"}) | CARDS | WORKBOOKS | {DUMP}
)
"""How the names of files end that may be tables."""


def opened(file: File) -> Mapping[str, Rows]:
    """Given a file, return its tables by a name within it; none where it is none."""
    suffix = PurePosixPath(file.path).suffix.lower()
    if suffix in WORKBOOKS:
        return _sheets(file.file)
    look = look_at(file.file, file.path, file.encoding) if suffix in READ else Look(Kind.BINARY)
    if suffix == DUMP:
        return dumped(file.file, look) if look.kind is Kind.TEXT else {}
    rows = _rows(file.file, look, suffix)
    return {"": rows} if rows else {}


def _rows(file: Path, look: Look, suffix: str) -> Rows | None:
    if look.kind is Kind.TABLE:
        return gathered(Delimited(file, look))
    if look.kind in {Kind.JSON, Kind.JSON_LINES}:
        return Objects(file, look)
    return Cards(file, look) if suffix in CARDS and look.kind is Kind.TEXT else None


def _sheets(file: Path) -> Mapping[str, Rows]:
    from .tables.workbook import sheets  # noqa: PLC0415 - openpyxl takes a while and some MB

    return {name: gathered(sheet) for name, sheet in sheets(file).items()}


def made(archive: Extracted, kept: Kept, file: Path, watch: Watch) -> File:
    """Make a member of an archive again; raise RepositoryDamaged where it is not what it was."""
    with file.open("xb") as out:
        archive.write(kept, out, watch)
    told = (table for table in archive.manifest.tables if kept.path in table["members"])
    encoding = next((table["encoding"] for table in told if "encoding" in table), FALLBACK)
    return File(kept.path, file, kept.sha256, encoding)


def tables_of(
    archive: Extracted, folder: Path, only: Sequence[str], watch: Watch
) -> dict[str, Table]:
    """Given an archive and an empty folder for its files, return its tables by name.

    `only` are patterns of tables; none means all. Raise RepositoryDamaged, Cancelled.
    """
    wanted = [
        kept
        for kept in archive.manifest.members
        if PurePosixPath(kept.path).suffix.lower() in READ and matches(kept.path, only)
    ]
    files = [made(archive, kept, folder / str(at), watch) for at, kept in enumerate(wanted)]
    return tables_in(archive, files)


def tables_in(archive: Extracted, files: Sequence[File]) -> dict[str, Table]:
    """Given members of an archive that were made again, return its tables by name."""
    return {table.name: _as_told(archive, table) for table in tables(files, (), opened)}


def found_twice(
    root: Path, only: Sequence[str], folder: Path, watch: Watch
) -> dict[str, list[Twins]]:
    """Given an extracted archive and an empty folder, return who may be twice in each table of
    people, or in those that are named.

    Raise ApplianceError where there is no such table, RepositoryDamaged, Cancelled.
    """
    archive = Extracted.at(root, folder)
    (folder / "files").mkdir()
    found = tables_of(archive, folder / "files", only, watch)
    if only and not found:
        raise no_such_table(archive)
    people = {name: table for name, table in found.items() if only or _is_of_people(table)}
    return {name: list(alike(with_id(table), watch.check)) for name, table in people.items()}


def no_such_table(archive: Extracted) -> ApplianceError:
    """Return what to say to whoever names a table that an archive does not have."""
    known = some_of(each.path for each in archive.manifest.members)
    return ApplianceError("There is no such table in this backup.", hint=f"It has {known}.")


def _is_of_people(table: Table) -> bool:
    is_book = any(PurePosixPath(path).suffix.lower() in CARDS for path in table.parts)
    return is_book or is_of_people(table.name)


def _as_told(archive: Extracted, table: Table) -> Table:
    """A table with its id and what changes by itself, as the manifest has them."""
    told = told_of(archive, table)
    return replace(
        table,
        id_columns=tuple(told.get("id", ())) or table.id_columns,
        ignored=table.ignored | frozenset(told.get("ignored", ())),
    )


def told_of(archive: Extracted, table: Table) -> Mapping[str, Any]:
    """Return what the manifest of an archive says of a table of it; empty where it says nothing."""
    for told in archive.manifest.tables:
        if told["inside"] == table.inside and not table.parts.keys().isdisjoint(told["members"]):
            return told
    return {}


def with_id(table: Table) -> Table:
    """Return a table with the id that it shows, where nobody named one."""
    return table if table.id_columns else replace(table, id_columns=profile(table).id_columns)


def looks_like_a_page(file: Path) -> bool:
    """Return whether a file begins as a web page does, whatever its name says."""
    with plain(file) as opened_file:
        head = opened_file.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<?xml")) and b"<html" in head
