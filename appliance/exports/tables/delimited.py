"""The only home of tables written as lines of cells: CSV, TSV and their kin.

Where a row ends is found without taking it apart, by where its quotes stand; the cells are read by
the standard library, as whoever imports such a file does.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from ..looks import Look, plain, tail
from ..records import readable
from .rows import LONGEST_BYTES, MOST_PIECES, Frame, NotATable, Place, distinct

_BLOCK_BYTES = 1 << 20
_QUOTE = b'"'
_FEW_COLUMNS = 2
_SHORTEST_FOOTER, _LONGEST_FOOTER = 2, 30
"""Lines; one alone may be a row that was cut."""
_STRAY = "\ue000"
"""Stands for a carriage return within a row while it is taken apart: no office writes it."""
csv.field_size_limit(LONGEST_BYTES)


class Delimited:
    """Rows that lie in lines below a header; implements `rows.Rows`. A `raw` has no line's end."""

    key: tuple[str, ...] = ()

    def __init__(self, file: Path, look: Look) -> None:
        self._file, self.look = file, look
        self._encoding = look.bytes_encoding if _is_so(file, look) else look.fallback
        mark = look.delimiter.encode()
        self._blank, self._last = (mark, _QUOTE * 2 + mark), b""
        self.header = next(self._records(), b"")
        self.columns: Sequence[str] = distinct(self.cells(self.header))
        self.shape: Hashable = (self._encoding, look.delimiter, *self.columns)

    @property
    def frame(self) -> Frame:
        """The mark and the header, as they are, and its lines' end; see `rows.Rows`."""
        with plain(self._file) as opened:
            head = opened.read(self.look.skip_bytes)
            source = readable(opened, self.look)
            source.seek(self.look.skip_bytes)
            start = source.read(len(self.header) + _BLOCK_BYTES)
        newline = self.look.newline
        end = b"\r\n" if b"\r\n" in start and newline == b"\n" else newline
        encoding = "utf-16" if self.look.encoding == "utf-16" else ""
        return Frame(head + self.header + end, end, end, encoding)

    @property
    def ends(self) -> bool:
        """Whether the last line has an end, which some vendors never write; see `rows.Rows`."""
        return tail(self._file).endswith(self.look.newline)

    def raws(self) -> Iterator[bytes]:
        """Yield each row's bytes; see `rows.Rows`."""
        records = self._records()
        next(records, None)
        return self._without_footer(records) if len(self.columns) > _FEW_COLUMNS else records

    def rows(self) -> Iterator[tuple[bytes, Sequence[str]]]:
        """Yield each row's bytes and its cells; see `rows.Rows`."""
        texts = self._texts()
        while True:
            try:
                for cells in csv.reader(texts, delimiter=self.look.delimiter):
                    yield self._last, cells
            except csv.Error:
                yield self._last, self.cells(self._last)
            else:
                return

    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one row apart; see `rows.Rows`."""
        text = raw.decode(self._encoding, "replace").replace("\r", _STRAY)
        row = next(csv.reader([text], delimiter=self.look.delimiter), [])
        return [cell.replace(_STRAY, "\r") for cell in row]

    def placed(self) -> Iterator[Place]:
        """Yield the header, each row, and each line of a report's footer, with where it lies."""
        place = self.look.skip_bytes
        with plain(self._file) as opened:
            source = readable(opened, self.look)
            source.seek(place)
            every = lines(source.read, self.look.newline)
            for line in whole(every, self.look, exactly=True):
                start, place = place, place + len(line) + len(self.look.newline)
                if raw := line.removesuffix(b"\r"):
                    yield Place(start, start + len(raw), place, raw)

    def split(self, raw: bytes) -> list[bytes]:
        """Given some rows' bytes with their lines' ends, return each row's."""
        return list(whole(iter(raw.split(self.look.newline)), self.look))

    def lacks_first(self, raw: bytes) -> bool:
        """Return whether the first cell of a row says nothing."""
        return raw.startswith(self._blank)

    def _without_footer(self, records: Iterator[bytes]) -> Iterator[bytes]:
        """Leave out what a report says of itself below its rows: lines of one cell each."""
        mark, most = self.look.delimiter.encode(), len(self.columns) - 1
        held: list[bytes] = []
        is_footer = True
        for raw in records:
            is_row = raw.count(mark) >= most or len(self.cells(raw)) > 1
            is_footer = is_row or (is_footer and len(held) < _LONGEST_FOOTER)
            if is_footer and not is_row:
                held.append(raw)
                continue
            if held:
                yield from held
                held.clear()
            yield raw
        if len(held) < _SHORTEST_FOOTER:
            yield from held

    def _texts(self) -> Iterator[str]:
        """What the rows are as text; which one was read last is remembered."""
        encoding = self._encoding
        for raw in self.raws():
            self._last = raw
            yield raw.decode(encoding, "replace")

    def _records(self) -> Iterator[bytes]:
        with plain(self._file) as opened:
            source = readable(opened, self.look)
            source.seek(self.look.skip_bytes)
            yield from whole(lines(source.read, self.look.newline), self.look)


def _is_so(file: Path, look: Look) -> bool:
    """Whether a file keeps to the last byte what its first ones say of its encoding."""
    if look.encoding != "utf-8":
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    with plain(file) as opened:
        try:
            while block := opened.read(_BLOCK_BYTES):
                decoder.decode(block)
        except UnicodeDecodeError:
            return False
    return True


def lines(read: Callable[[int], bytes], newline: bytes) -> Iterator[bytes]:
    """Yield lines without their ends, but for a carriage return before it."""
    rest = b""
    while block := read(_BLOCK_BYTES):
        first, *lines = block.split(newline)
        rest += first
        if lines:
            yield rest
            rest = lines.pop()
            yield from lines
        elif len(rest) > LONGEST_BYTES:
            raise NotATable("A line of this file is longer than any table's.")
    if rest:
        yield rest


def whole(lines: Iterator[bytes], look: Look, *, exactly: bool = False) -> Iterator[bytes]:
    """Given lines, yield rows: one that ends within quotes goes on in the next line.

    `exactly` leaves carriage returns and empty lines where they are.
    """
    mark = look.delimiter.encode()
    between = _QUOTE + mark + _QUOTE
    for line in lines:
        quotes = line.count(_QUOTE)
        is_closed = not quotes or _is_surely_closed(line, quotes, mark, between)
        if not is_closed and _stays_open(line, look.delimiter, False):
            line = _gathered(line, lines, look)  # noqa: PLW2901 - the same row, whole
        if len(line) > MOST_PIECES and line.count(mark) > MOST_PIECES:
            raise NotATable("A row of this file has more cells than any table's.")
        row = line if exactly else line.removesuffix(b"\r")
        if row or exactly:
            yield row


def _is_surely_closed(line: bytes, quotes: int, mark: bytes, between: bytes) -> bool:
    """Return whether a line is one of the two common ones: all cells in quotes, or just one."""
    if quotes == 2:
        first = line.find(_QUOTE)
        return first == 0 or line.startswith(mark, first - 1)
    last = len(line) - 1 - line.endswith(b"\r")
    is_all = line.startswith(_QUOTE) and line.startswith(_QUOTE, last)
    return is_all and quotes == 2 * line.count(between, 1, last) + 2  # not counting these two twice


def _gathered(line: bytes, lines: Iterator[bytes], look: Look) -> bytes:
    """Return a row of several lines; one that the file's end cuts as far as it goes."""
    row = bytearray(line)
    for more in lines:
        row += look.newline
        row += more
        if len(row) > LONGEST_BYTES:
            raise NotATable("A quote is opened in this file and never closed.")
        if _QUOTE in more and not _stays_open(more, look.delimiter, True):
            break
    return bytes(row)


def _stays_open(line: bytes, delimiter: str, is_open: bool) -> bool:
    """Return whether a line ends within quotes, as Python's `csv` counts them."""
    outside, inside = _open_ends(delimiter)
    return bool((inside if is_open else outside).fullmatch(line))


@lru_cache
def _open_ends(delimiter: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """What a line is that ends within quotes: one that begins outside of them, one inside."""
    mark = re.escape(delimiter.encode())
    text, quoted = b"[^" + mark + b"]*+", b'(?:[^"]++|"")*+'
    cell = b'(?:"' + quoted + b'"' + text + b'|(?!")' + text + b")"
    goes_on = b"(?:" + cell + mark + b')*+"' + quoted
    return re.compile(goes_on), re.compile(quoted + b'(?:"(?!")' + text + mark + goes_on + b")?")
