"""The only home of writing a table's file again without some of its rows.

They are cut out of it: all else, be it a row or not, stays as it is to the last byte. A workbook
alone is written anew, and keeps its values. What was written is read again, and must have just the
rows that were to stay.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from ..looks import Kind, Look, plain
from ..parts import Stretch
from ..records import Readable, next_bytes, readable
from .cards import Cards
from .delimited import Delimited
from .dumps import Dumped, rows_of, spans_without
from .gathered import Gathered
from .jsons import Objects
from .rows import LONGEST_BYTES, NotATable, Place, Rows
from .sieve import Goes, Sieve

_BLOCK_BYTES = 64 << 10
WORKBOOK, DUMP = ".csv", ".sql"
"""What rows are written to, where they lay in a file of another kind."""
Span = tuple[int, int]
"""From where to where something lies in a file as it is read: of UTF-16 in its UTF-8."""


def write_without(file: Path, tables: Mapping[str, Rows], is_gone: Goes, target: Path) -> None:
    """Given a file with all its tables, write it again without some rows.

    Raise NotATable, also in the middle, and where what was written has not just the others.
    """
    kind, sieve = next(rows.frame.suffix for rows in tables.values()), Sieve(is_gone, tables.keys())
    if kind == WORKBOOK:
        from . import workbook_anew  # noqa: PLC0415 - openpyxl takes a while and some MB

        workbook_anew.write_without(file, tables, sieve, target)
        return
    with target.open("xb") as out:
        look, spans = _dump(file, tables, sieve) if kind == DUMP else _single(tables[""], sieve)
        for block in _cut(file, look, spans):
            out.write(block)
    is_dump = kind == DUMP
    sieve.refuse_others(rows_of(target, look) if is_dump else _again(tables[""], target, look))


def _cut(file: Path, look: Look, spans: Iterable[Span]) -> Iterator[bytes]:
    """Yield a file without some stretches; raise NotATable where those do not follow each other."""
    size_bytes = file.stat().st_size
    with plain(file) as opened:
        in_file = _Places(opened, size_bytes).of if look.encoding == "utf-16" else int
        places = (in_file(place) for span in spans for place in span)
        upto = 0
        for start, stop in zip(places, places, strict=True):
            if not upto <= start <= stop:
                raise NotATable("What is to go from this file cannot be told from what stays.")
            yield from Stretch(file, upto, start - upto).blocks()
            upto = min(stop, size_bytes)
    yield from Stretch(file, upto, size_bytes - upto).blocks()


class _Places:
    """Finds places of the UTF-8 that a file is read as in its own UTF-16, one after the other."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file, self._size_bytes = file, size_bytes
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._passed, self._place, self._text = 0, len(codecs.BOM_UTF16), b""

    def of(self, place: int) -> int:
        """Return where in the file a place is, which is none before the last one."""
        while place > self._passed + len(self._text):
            self._pass(len(self._text))
            if not (block := self._file.read(_BLOCK_BYTES)):
                return self._size_bytes
            self._text = self._decoder.decode(block).encode()
        self._pass(place - self._passed)
        return self._place

    def _pass(self, length: int) -> None:
        passed, self._text = self._text[:length], self._text[length:]
        self._passed += len(passed)
        self._place += len(passed.decode().encode("utf-16-le"))


def _dump(file: Path, tables: Mapping[str, Rows], sieve: Sieve) -> tuple[Look, Iterator[Span]]:
    dumped = {name: rows for name, rows in tables.items() if isinstance(rows, Dumped)}
    return next(iter(dumped.values())).look, spans_without(file, dumped, sieve)


def _single(rows: Rows, sieve: Sieve) -> tuple[Look, Iterator[Span]]:
    match rows:
        case Gathered() | Delimited():
            lines = rows.lines if isinstance(rows, Gathered) else rows
            return lines.look, _lines(rows, lines, sieve)
        case Objects() if rows.look.kind is Kind.JSON:
            return rows.look, _objects(rows, sieve)
        case Objects() | Cards():
            return rows.look, _records(rows, sieve)
    raise NotATable("No rows are taken out of such a file.")


def _records(rows: Objects | Cards, sieve: Sieve) -> Iterator[Span]:
    for place in rows.placed():
        if sieve.goes("", [place.raw], rows.cells(place.raw)):
            yield place.start, place.stop


def _lines(rows: Gathered | Delimited, lines: Delimited, sieve: Sieve) -> Iterator[Span]:
    """Yield where lines lie that go, side by side as one; where the last one does and has no end,
    that of the one before goes with it: such a file never has one.
    """
    placed = lines.placed()
    above, going = next(placed), (0, 0)
    sieve.stay("", [above.raw])
    for place, goes in _judged(rows, placed, sieve):
        is_next = goes and going[1] == place.start
        if going[1] and not is_next:
            yield going
        if goes:
            going = (going[0] if is_next else place.start, place.stop)
        else:
            above, going = place, (0, 0)
    if going[1]:
        lacks_end = not lines.ends and above.stop == going[0]
        yield above.upto if lacks_end else going[0], going[1]


def _judged(
    rows: Gathered | Delimited, placed: Iterator[Place], sieve: Sieve
) -> Iterator[tuple[Place, bool]]:
    """Yield each line below a header, and whether it is to go; what is no row stays."""
    for raw, cells in rows.rows():
        several = list(islice(placed, rows.lines_of(raw) if isinstance(rows, Gathered) else 1))
        if not several or not raw.startswith(several[0].raw):
            raise NotATable("Where each row of this file lies cannot be told for sure.")
        goes = sieve.goes("", (place.raw for place in several), cells)
        yield from ((place, goes) for place in several)
    for footer in placed:
        sieve.stay("", [footer.raw])
        yield footer, False


def _objects(rows: Objects, sieve: Sieve) -> Iterator[Span]:
    """Yield where objects lie that go: each with one comma, whatever surrounds its list."""
    upto, is_one_before = 0, False
    with plain(rows.file) as opened:
        source = readable(opened, rows.look)
        for place in rows.placed():
            source.seek(upto)
            goes_on = upto > 0 and _taken(source, place.start - upto).strip() == b","
            is_one_before = is_one_before and goes_on
            if sieve.goes("", [place.raw], rows.cells(place.raw)):
                yield (upto if goes_on else place.start), place.stop
            else:
                if goes_on and not is_one_before:
                    yield upto, place.start
                is_one_before = True
            upto = place.stop


def _taken(source: Readable, size: int) -> bytes:
    """Read so many bytes on; raise NotATable where no record is that far."""
    if size > LONGEST_BYTES:
        raise NotATable("What stands between the records of this file is longer than any record.")
    return b"".join(next_bytes(source, size))


def _again(was: Rows, file: Path, look: Look) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a file that was written as another one is."""
    written_so = type(was) if isinstance(was, Objects | Cards) else Delimited
    return (("", place.raw) for place in written_so(file, look).placed())
