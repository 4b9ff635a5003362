"""The only home of workbooks (XLSX): each sheet below a header is a table.

A sheet is read once and written as CSV beside the file, for as long as somebody wants its rows:
XML is slow, and lost rows come back as CSV. What openpyxl is given was looked at first: nothing in
it grows without end, and no XML defines entities.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
import tempfile
import warnings
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO
from xml.etree import ElementTree
from zipfile import ZipFile

from openpyxl.reader.excel import ExcelReader
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from ...core.errors import ApplianceError, DiskFull
from .. import zips
from ..budget import Limits, told_when_full
from ..entries import KeepWhole
from ..looks import Kind, Look, plain
from .delimited import Delimited
from .rows import Frame, NotATable

_MOST_BYTES = 1 << 30
"""Of XML, and of the CSV that is made of it."""
_FREE_OF_RATIO_BYTES = 64 << 20
_MOST_ROWS = 1_048_576
"""Of a sheet, as every spreadsheet program has it."""
_LONGEST_ROW_BYTES = 8 << 20
_LONGEST_TEXT_BYTES = 1 << 20
"""Between two tags; a cell takes 32,767 characters."""
_LARGEST_PART_BYTES = 16 << 20
"""Of what is neither rows nor texts: the styles, the list of sheets."""
_BLOCK_BYTES = 1 << 20
_ROW = re.compile(rb"<(?:\w+:)?(?:row|si)\b")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_LONGEST_TAG_BYTES = 256
_HALF_SECOND = timedelta(milliseconds=500)
_TEXT, _ITEM = f"{{{SHEET_MAIN_NS}}}t", f"{{{SHEET_MAIN_NS}}}si"
_RUN = f"{{{SHEET_MAIN_NS}}}r/{_TEXT}"
_CELL, _VALUE = f"{{{SHEET_MAIN_NS}}}c", f"{{{SHEET_MAIN_NS}}}v"
_FORMULA_OF_CELL, _ROW_OF_CELLS = f"{{{SHEET_MAIN_NS}}}f", f"{{{SHEET_MAIN_NS}}}row"
_BEFORE_XML = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_LOOK = Look(Kind.TABLE, skip_bytes=len(codecs.BOM_UTF8))
Row = Sequence[Any]
"""What its cells say, as numbers, texts and times; None where one says nothing."""


class Sheet(Delimited):
    """Rows of one sheet; implements `rows.Rows`. A `raw` is a row as CSV has it."""

    def __init__(self, made: Path) -> None:
        super().__init__(made, _LOOK)
        weakref.finalize(self, made.unlink, missing_ok=True)

    @property
    def frame(self) -> Frame:
        """A CSV: see `rows.Rows`."""
        return replace(super().frame, suffix=".csv")


def sheets(file: Path) -> Mapping[str, Sheet]:
    """Given a workbook, return its tables by their sheets' names; an only one has none.

    Raise NotATable where it is none, or is damaged; DiskFull.
    """
    with damage_told():
        refuse_bombs(file)
        tables = ((title, next(rows, ()), rows) for title, rows in each_sheet(file))
        found = {
            title: Sheet(_written(header, rows, file.parent))
            for title, header, rows in tables
            if is_header(header)
        }
    return {"": next(iter(found.values()))} if len(found) == 1 else found


@contextmanager
def damage_told() -> Iterator[None]:
    """Turn whatever is raised where a workbook is none, or damaged, into NotATable or DiskFull."""
    try:
        with told_when_full(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (NotATable, DiskFull):
        raise
    except (KeepWhole, ApplianceError) as error:
        raise NotATable("This workbook is not read.", detail=str(error)) from error
    except Exception as error:
        raise NotATable("This workbook is damaged.", detail=repr(error)) from error


def each_sheet(file: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield the title of each sheet, and its rows that have anything in them."""
    with plain(file) as opened:
        reader = _Reader(opened, file.parent)
        with closing(reader.archive), closing(reader.shared_strings):
            reader.read()
            for sheet in reader.wb.worksheets:
                yield sheet.title, _filled(sheet)


def _filled(sheet: Any) -> Iterator[Row]:
    sheet.reset_dimensions()  # what is said there need not be so
    rows = islice(sheet.iter_rows(values_only=True), _MOST_ROWS)
    return (row for row in rows if any(cell is not None for cell in row))


def is_header(row: Row) -> bool:
    """Return whether the first row of a sheet names columns."""
    names = [cell for cell in row if cell is not None]
    return len(names) > 1 and all(isinstance(name, str) for name in names)


def _written(header: Row, rows: Iterable[Row], folder: Path) -> Path:
    """Write a sheet as CSV to a file of its own; return where it lies."""
    number, name = tempfile.mkstemp(prefix=".sheet-", dir=folder)
    path = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8-sig", errors="replace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(map(text_of, header))
            for row in rows:
                writer.writerow(map(text_of, row))
                _refuse_beyond(_MOST_BYTES, os.fstat(number).st_size)
    except BaseException:
        path.unlink()
        raise
    return path


def text_of(cell: Any) -> str:
    """Return what a cell says such that it stays the same from day to day."""
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).upper()
        case float() if cell.is_integer() and abs(cell) < 1e16:
            return str(int(cell))
        case datetime():
            moment = (cell + _HALF_SECOND).replace(microsecond=0)
            at_midnight = moment.time() == time()
            return moment.date().isoformat() if at_midnight else moment.isoformat(" ")
        case date() | time():
            return cell.isoformat()
    return str(cell)


class _Reader(ExcelReader):  # type: ignore[misc] # openpyxl has no types
    """Reads a workbook whose texts do not lie in memory, be it a million of them."""

    def __init__(self, opened: BinaryIO, folder: Path) -> None:
        super().__init__(opened, read_only=True, data_only=True, keep_links=False)
        self.shared_strings = _Texts(folder)

    def read_strings(self) -> None:
        """Put the texts that cells share into a file; see ExcelReader."""
        part = self.package.find(SHARED_STRINGS)
        if part is not None:
            with self.archive.open(part.PartName[1:]) as source:
                self.shared_strings.fill(source)


class _Texts:
    """Texts by their number, in a file without a name."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by who made us
        self._ends = array("Q", [0])

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise NotATable("This workbook is damaged.", detail=f"text {number}")
        start, end = self._ends[number : number + 2]
        return os.pread(self._file.fileno(), end - start, start).decode("utf-8", "replace")

    def fill(self, source: Any) -> None:
        """Take the texts of a part of a workbook."""
        events = ElementTree.iterparse(source, ("start", "end"))  # noqa: S314 - was looked at
        _, root = next(events)
        for event, node in events:
            if event == "end" and node.tag == _ITEM:
                runs = [node.find(_TEXT), *node.findall(_RUN)]
                text = "".join(run.text or "" for run in runs if run is not None)
                size = self._file.write(text.encode("utf-8", "replace"))
                self._ends.append(self._ends[-1] + size)
                root.clear()
        self._file.flush()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def refuse_bombs(file: Path) -> None:
    """Raise NotATable, ExportUnsafe or KeepWhole where a workbook is more than one."""
    size_bytes = file.stat().st_size
    with plain(file) as opened:
        entries = zips.read(opened, size_bytes, Limits()).entries
        total = sum(entry.span.size_bytes for entry in entries)
        most = _FREE_OF_RATIO_BYTES + size_bytes * Limits().max_ratio
        _refuse_beyond(min(_MOST_BYTES, most), total)
        with ZipFile(opened) as archive:
            for name in archive.namelist():
                with archive.open(name) as part:
                    _look_through(part)


def refuse_lost_formulas(file: Path) -> None:
    """Raise NotATable where a cell has a formula and nobody worked out what it says.

    Libraries write such workbooks; a spreadsheet program works it out when it opens one. Only who
    writes one anew loses the formula. It must have been looked at by `refuse_bombs`.
    """
    with plain(file) as opened, ZipFile(opened) as archive:
        for name in archive.namelist():
            if _has(_FORMULA, archive, name):
                with archive.open(name) as part:
                    _look_at_cells(part)


def _has(pattern: re.Pattern[bytes], archive: ZipFile, name: str) -> bool:
    last = b""
    with archive.open(name) as part:
        while block := part.read(_BLOCK_BYTES):
            if pattern.search(last + block):
                return True
            last = block[-_LONGEST_TAG_BYTES:]
    return False


def _look_at_cells(part: IO[bytes]) -> None:
    for _, node in ElementTree.iterparse(part):  # noqa: S314 - was looked at
        if node.tag == _CELL:
            value = node.find(_VALUE)
            is_empty_text = value is not None and node.get("t") == "str"
            is_told = is_empty_text or (value is not None and bool(value.text))
            if node.find(_FORMULA_OF_CELL) is not None and not is_told:
                raise NotATable("This workbook has formulas without what they come to.")
        if node.tag == _ROW_OF_CELLS:
            node.clear()


def _refuse_beyond(most_bytes: int, size_bytes: int) -> None:
    if size_bytes > most_bytes:
        raise NotATable("This workbook grows far beyond its size.")


def _look_through(part: IO[bytes]) -> None:
    """Raise NotATable where XML defines entities, or has a text or a row without end."""
    since_tag = since_row = 0
    has_rows, last = False, b""
    while block := part.read(_BLOCK_BYTES):
        if not last and not block.lstrip(_BEFORE_XML).startswith(b"<"):
            return  # a picture
        if b"\0" in block or b"<!DOCTYPE" in (around := last + block) or b"<!ENTITY" in around:
            raise NotATable("This workbook defines entities.")
        last = block[-16:]
        since_tag = _since(block.rfind(b"<"), block, since_tag)
        rows = [found.start() for found in _ROW.finditer(block)][-1:]
        has_rows = has_rows or bool(rows)
        since_row = _since(rows[0] if rows else -1, block, since_row)
        most = _LONGEST_ROW_BYTES if has_rows else _LARGEST_PART_BYTES
        if since_tag > _LONGEST_TEXT_BYTES + _BLOCK_BYTES or since_row > most:
            raise NotATable("This workbook has no end.")


def _since(found: int, block: bytes, before: int) -> int:
    """How many bytes ago it was that something was found."""
    return len(block) - found if found >= 0 else before + len(block)
