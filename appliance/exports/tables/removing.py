"""The only home of writing a table's file again without some of its rows, which stay as they were.

What is no row goes or changes where that cannot be helped: a report's footer, blank lines, the look
of a workbook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..looks import Kind, plain
from ..parts import Stretch
from ..records import Readable, next_bytes, readable, records
from .dumps import Dumped, spans_without
from .jsons import Objects
from .rows import LONGEST_BYTES, NotATable, Rows

_BLOCK_BYTES = 1 << 20
WORKBOOK, DUMP = ".csv", ".sql"
"""What rows are written to, where they lay in a file of another kind."""
Goes = Callable[[Sequence[str]], bool]
IsGone = Callable[[str, Sequence[str]], bool]
"""Given a table's name within the file and the cells of a row, returns whether it is to go."""


def write_without(file: Path, tables: Mapping[str, Rows], is_gone: IsGone, target: Path) -> None:
    """Given a file with all its tables, write it again without some rows.

    Raise NotATable, also in the middle.
    """
    kind = next(rows.frame.suffix for rows in tables.values())
    if kind == WORKBOOK:
        from . import workbook_anew  # noqa: PLC0415 - openpyxl takes a while and some MB

        workbook_anew.write_without(file, tables, is_gone, target)
        return
    blocks = _cut(file, tables, is_gone) if kind == DUMP else _without(tables[""], is_gone)
    with target.open("xb") as out:
        for block in blocks:
            out.write(block)


def _cut(file: Path, tables: Mapping[str, Rows], is_gone: IsGone) -> Iterator[bytes]:
    """Yield a dump without the stretches that its rows lay in."""
    dumped = {name: rows for name, rows in tables.items() if isinstance(rows, Dumped)}
    if any(rows.look.encoding == "utf-16" for rows in dumped.values()):
        raise NotATable("This dump is written in UTF-16.")
    upto = 0
    for start, stop in (*spans_without(file, dumped, is_gone), (file.stat().st_size, 0)):
        yield from Stretch(file, upto, start - upto).blocks()
        upto = stop


def _without(rows: Rows, is_gone_here: IsGone) -> Iterator[bytes]:
    is_gone = partial(is_gone_here, "")
    if isinstance(rows, Objects) and rows.look.kind is Kind.JSON:
        yield from _spliced(rows, is_gone)
        return
    frame = rows.frame
    yield frame.mark
    yield from map(frame.encoded, _framed(rows, is_gone))


def _framed(rows: Rows, is_gone: Goes) -> Iterator[bytes]:
    """Yield the header and the rows that stay; the last line has an end where it had one."""
    frame, count = rows.frame, 0
    yield frame.opening
    for raw, cells in rows.rows():
        if is_gone(cells):
            continue
        if count:
            yield frame.between
        count += 1
        yield raw
    if count and rows.ends:
        yield frame.closing


def _spliced(rows: Objects, is_gone: Goes) -> Iterator[bytes]:
    """Yield JSON without some objects: each goes with one comma, whatever surrounds its list."""
    upto, is_one_before = 0, False
    with plain(rows.file) as opened, plain(rows.file) as again:
        source = readable(again, rows.look)
        for one in records(opened, rows.look):
            gap = _taken(source, one.start - upto)
            goes_on = upto > 0 and gap.strip() == b","
            is_one_before = is_one_before and goes_on
            row, upto = _taken(source, one.end - one.start), one.end
            if not goes_on:
                yield gap
            if not is_gone(rows.cells(row)):
                yield (gap if is_one_before and goes_on else b"") + row
                is_one_before = True
        while block := source.read(_BLOCK_BYTES):
            yield block


def _taken(source: Readable, size: int) -> bytes:
    """Read so many bytes on; raise NotATable where no record is that far."""
    if size > LONGEST_BYTES:
        raise NotATable("What stands between the records of this file is longer than any record.")
    return b"".join(next_bytes(source, size))
