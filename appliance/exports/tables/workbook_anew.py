"""The only home of writing a workbook (XLSX) once more, with other rows: what its cells say stays,
how it looked does not. What is the same is the same bytes, whenever it is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.writer.excel import ExcelWriter

from .gathered import Gathered
from .rows import NotATable, Rows
from .sieve import Sieve
from .workbook import (
    Row,
    Sheet,
    damage_told,
    each_sheet,
    is_header,
    refuse_bombs,
    refuse_lost_formulas,
    sheets,
)

_LONGEST = 32_767
"""Characters of a cell; openpyxl cuts off what is beyond."""
_ALWAYS = datetime(1980, 1, 1, tzinfo=UTC)
Change = Callable[[str, Row, Iterator[Row]], Iterable[Row]]
"""Given a sheet's title, its first row and those below, returns the rows to write."""


def write_anew(file: Path, change: Change, out: Path) -> None:
    """Write a workbook once more with the rows that `change` returns for each sheet.

    Raise NotATable where it is none, is damaged, or has what no such file takes; DiskFull.
    """
    with damage_told(), _book() as book:
        refuse_bombs(file)
        refuse_lost_formulas(file)
        for title, rows in each_sheet(file):
            sheet = book.create_sheet(title)
            for row in change(title, next(rows, ()), rows):
                sheet.append([_cell(sheet, value) for value in row])
        with _Undated(out, "x", ZIP_DEFLATED) as archive:
            ExcelWriter(book, archive).write_data()


@contextmanager
def _book() -> Iterator[Any]:
    """Give a new workbook; where it does not come to be written, nothing of it stays anywhere."""
    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = _ALWAYS
    try:
        yield book
    except BaseException:
        for sheet in book.worksheets:
            if not sheet.closed:
                sheet.close()
                sheet._writer.cleanup()  # noqa: SLF001 - it waits for the end of the program
        raise


def write_without(file: Path, tables: Mapping[str, Rows], sieve: Sieve, out: Path) -> None:
    """Write a workbook once more without some rows of its tables.

    Raise what `write_anew` does, and NotATable where it has not just the others.
    """

    def left(title: str, header: Row, rows: Iterator[Row]) -> Iterator[Row]:
        name = title if title in tables else ""
        is_table = name in tables and is_header(header)
        return chain([header], _left(rows, name, tables[name], sieve) if is_table else rows)

    write_anew(file, left, out)
    found = sheets(out).items()
    sieve.refuse_others((name, _said(each.raw)) for name, one in found for each in one.placed())


def _left(rows: Iterator[Row], name: str, table: Rows, sieve: Sieve) -> Iterator[Row]:
    """Yield the rows of a sheet but those of records that go, which may take several."""
    placed = _lines(table)
    sieve.stay(name, islice(placed, 1))
    for raw, cells in table.rows():
        count = table.lines_of(raw) if isinstance(table, Gathered) else 1
        several = list(islice(rows, count))
        if not sieve.goes(name, list(islice(placed, count)), cells):
            yield from several
    sieve.stay(name, placed)
    yield from rows


def _lines(table: Rows) -> Iterator[bytes]:
    sheet = table.lines if isinstance(table, Gathered) else table
    return (_said(each.raw) for each in sheet.placed()) if isinstance(sheet, Sheet) else iter(())


def _said(raw: bytes) -> bytes:
    """What a row says for sure: cells behind its last are lost, and how lines end within one."""
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b",")


def _cell(sheet: Any, value: Any) -> Any:
    """Return a cell that says just this: a text that begins with `=` is no formula."""
    if not isinstance(value, str):
        return value
    if len(value) > _LONGEST:
        raise NotATable("A cell of this workbook has more text than one takes.")
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    return cell


class _Undated(ZipFile):
    """A ZIP that does not say when it was written."""

    def writestr(self, name: Any, data: Any, *_: Any) -> None:
        """Add what lies in memory."""
        super().writestr(_entry(name), data)

    def write(self, filename: Any, arcname: Any = None, *_: Any) -> None:
        """Add a file."""
        with Path(filename).open("rb") as source, self.open(_entry(arcname), "w") as target:
            shutil.copyfileobj(source, target)


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name)
    entry.compress_type = ZIP_DEFLATED
    return entry
