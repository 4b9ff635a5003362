"""The only home of reading records one by one, whatever a file's size, and of where each lies.

A record is a line of a table (over several lines where a cell is quoted), an object of a JSON file
that lies in a list, or a line of anything else. Nothing is ever held whole: a cell of 15 MB is read
over in blocks, and only its first characters are kept.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, BinaryIO, Protocol

from .looks import Kind, Look

BLOCK_BYTES = 128 << 10
LONGEST_BYTES = 64 << 10
"""A record up to this size is taken at once; a longer one bit by bit."""
MOST_CELLS = 500
CELL_BYTES = 2000
_QUOTE = b'"'
_JSON_FLAT = rb'[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"'
_JSON_REST = re.compile(b"(?:" + _JSON_FLAT + b")*+", re.DOTALL)
"""All that is no bracket; strings whole."""
_JSON_ITEM = re.compile(
    reduce(
        lambda inner, _: b"[\\[{](?:" + _JSON_FLAT + b"|" + inner + b")*+[\\]}]",
        range(3),
        b"[\\[{](?:" + _JSON_FLAT + b")*+[\\]}]",
    ),
    re.DOTALL,
)
"""An object or a list with at most three levels inside."""
_JSON_STRING_END = re.compile(rb'["\\]')

Matches = Callable[[bytes], bool]
"""Whether what is looked for stands in these bytes, which are of one record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and the bytes of the file that it takes: `start` up to `end`."""

    start: int
    end: int
    cells: tuple[str, ...]
    """Cut where they are long. Of JSON: the one text of the record."""
    hit: bool = True
    is_whole: bool = True
    """Whether nothing of it was cut."""


def records(
    file: BinaryIO, look: Look, start: int = 0, matches: Matches | None = None
) -> Iterator[Record]:
    """Given an open file, yield its records from a place on where one begins.

    With `matches` each says whether it is a `hit`; the others then may come without cells.
    """
    source = _Source(file, look, start or look.skip_bytes)
    if look.kind is Kind.TABLE:
        return _rows(source, look, matches)
    if look.kind is Kind.JSON:
        return _objects(source, look, matches, bytearray(b"[" if start else b""))
    return _lines(source, look, matches)


def fields(record: Record) -> dict[str, str] | None:
    """Given a record of JSON, return its fields as text; None where it was too long."""
    try:
        value = json.loads(record.cells[0]) if record.is_whole else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return {str(name): _as_text(one) for name, one in value.items()}


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:CELL_BYTES]


class Readable(Protocol):
    """Bytes that are read forward from a place."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""

    def seek(self, place: int, /) -> object:
        """Go on from a place."""


def readable(file: BinaryIO, look: Look) -> Readable:
    """Given a file that was just opened, return its bytes; UTF-16 comes as UTF-8."""
    return _AsUtf8(file) if look.encoding == "utf-16" else file


def next_bytes(source: Readable, size_bytes: int) -> Iterator[bytes]:
    """Yield the next so many bytes in blocks; fewer where there are no more."""
    while size_bytes > 0 and (block := source.read(min(size_bytes, BLOCK_BYTES))):
        size_bytes -= len(block)
        yield block


class _AsUtf8:
    """Places are those of the UTF-8; each block is whole characters. It only goes forward."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._place = file, 0
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def read(self, size: int, /) -> bytes:
        text = ""
        while not text and (raw := self._file.read(2 * max(size // 4, 1))):
            text = self._decoder.decode(raw)
        block = (text or self._decoder.decode(b"", final=True)).encode("utf-8", "replace")
        self._place += len(block)
        return block

    def seek(self, place: int, /) -> None:
        while self._place < place and self.read(min(place - self._place, BLOCK_BYTES)):
            pass


class _Source:
    """A file seen through a window that moves forward."""

    def __init__(self, file: BinaryIO, look: Look, start: int) -> None:
        self._file = readable(file, look)
        self._file.seek(start)
        self.data, self.at = b"", 0
        self.base = start
        """Where in the file the window begins."""

    @property
    def place(self) -> int:
        """Where in the file we are."""
        return self.base + self.at

    def fill(self) -> bool:
        """Read on, dropping what was passed; return whether there was more."""
        more = self._file.read(BLOCK_BYTES)
        if more:
            self.data, self.base = self.data[self.at :] + more, self.place
            self.at = 0
        return bool(more)

    def has_more(self) -> bool:
        """Return whether there is anything left."""
        return self.at < len(self.data) or self.fill()

    def line(self, newline: bytes) -> bytes | None:
        """Return the next line with its end, without passing it; None where it is too long."""
        while True:
            end = self.data.find(newline, self.at)
            if end >= 0:
                line = self.data[self.at : end + 1]
                return line if len(line) <= LONGEST_BYTES else None
            if len(self.data) - self.at > LONGEST_BYTES:
                return None
            if not self.fill():
                return self.data[self.at :]


def _lines(source: _Source, look: Look, matches: Matches | None) -> Iterator[Record]:
    while source.has_more():
        start, line = source.place, source.line(look.newline)
        if line is not None:
            source.at += len(line)
            hit = matches is None or matches(line)
            text = line.decode(look.bytes_encoding, "replace").strip("\r\n") if hit else ""
            yield Record(start, source.place, (text,), hit)
        else:
            taken = _Taken(matches)
            _take_until(source, re.compile(re.escape(look.newline)), taken)
            source.at += 1
            yield Record(start, source.place, (taken.text(look),), taken.hit, is_whole=False)


def _rows(source: _Source, look: Look, matches: Matches | None) -> Iterator[Record]:
    well_formed = _well_formed(look.delimiter)
    while source.has_more():
        start, line = source.place, source.line(look.newline)
        hit = line is None or matches is None or matches(line)
        if line is not None and not hit and well_formed.fullmatch(line):
            source.at += len(line)
            yield Record(start, source.place, (), hit=False)
        elif line is None or (cells := _at_once(line, look)) is None:
            row = _Row(source, look, matches)
            cells = row.read()
            if cells != [""]:
                yield Record(start, source.place, tuple(cells), row.hit, row.is_whole)
        else:
            source.at += len(line)
            if cells not in ([], [""]):
                is_whole = len(cells) <= MOST_CELLS
                yield Record(start, source.place, tuple(cells[:MOST_CELLS]), hit, is_whole)


@lru_cache
def _well_formed(delimiter: str) -> re.Pattern[bytes]:
    """A line that is a whole row, for sure: each quote stands where it should."""
    mark = re.escape(delimiter.encode())
    cell = b'(?:"(?:[^"]++|"")*+"|[^"' + mark + b"\r\n]*+)"
    return re.compile(cell + b"(?:" + mark + cell + b")*+[\r\n]*")


def _at_once(line: bytes, look: Look) -> list[str] | None:
    """Return the cells of a line that is a whole row; None where that is not sure."""
    text = line.decode(look.bytes_encoding, "replace").rstrip("\r\n")
    if _QUOTE not in line:
        return text.split(look.delimiter)
    if line.count(_QUOTE) % 2:
        return None
    try:
        rows = list(csv.reader([text], delimiter=look.delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


class _Taken:
    """What is kept of bytes that pass by: the first few, and whether a match was among them."""

    def __init__(self, matches: Matches | None, room: int = CELL_BYTES) -> None:
        self._matches, self._room = matches, room
        self._kept, self._passed = bytearray(), bytearray()
        self._found = matches is None
        self.is_whole = True

    def add(self, data: bytes) -> None:
        """Pass some bytes by."""
        if self.is_whole and len(self._kept) + len(data) <= self._room:
            self._kept += data
            return
        if self.is_whole:
            self._passed += self._kept
            self._kept += data[: self._room - len(self._kept)]
            self.is_whole = False
        self._passed += data
        if len(self._passed) > 4 * CELL_BYTES:
            self._look(bytes(self._passed))
            del self._passed[:-CELL_BYTES]

    def _look(self, data: bytes) -> None:
        self._found = self._found or (self._matches is not None and self._matches(data))

    @property
    def hit(self) -> bool:
        """Whether what is looked for was among them."""
        self._look(bytes(self._kept if self.is_whole else self._passed))
        return self._found

    def text(self, look: Look) -> str:
        """Return what was kept, as text; where it was cut it ends in an ellipsis."""
        text = self._kept.decode(look.bytes_encoding, "replace")
        return text if self.is_whole else text + "…"


def _take_until(source: _Source, end: re.Pattern[bytes], taken: _Taken) -> bytes:
    """Take bytes up to one that ends them, which is left; return it, empty at the file's end."""
    while source.has_more():
        found = end.search(source.data, source.at)
        upto = found.start() if found else len(source.data)
        taken.add(source.data[source.at : upto])
        source.at = upto
        if found:
            return found[0]
    return b""


@lru_cache
def _cell_end(delimiter: str, newline: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[" + re.escape(delimiter.encode()) + re.escape(newline) + b"]")


@lru_cache
def _rest_of_row(newline: bytes) -> re.Pattern[bytes]:
    return re.compile(b'(?:[^"' + re.escape(newline) + b']++|"[^"]*+")*+')


_UNQUOTE = re.compile(_QUOTE)


class _Row:
    """Reads one row bit by bit, by the rules of Python's `csv`."""

    def __init__(self, source: _Source, look: Look, matches: Matches | None) -> None:
        self._source, self._look, self._matches = source, look, matches
        self._end = _cell_end(look.delimiter, look.newline)
        self.hit = matches is None
        self.is_whole = True

    def read(self) -> list[str]:
        """Pass a row; return its cells, cut where they are long."""
        cells: list[str] = []
        while len(cells) < MOST_CELLS:
            taken = _Taken(self._matches)
            ended_by = self._cell(taken)
            self._source.at += len(ended_by)
            is_last = ended_by != self._look.delimiter.encode()
            text = taken.text(self._look)
            cells.append(text.removesuffix("\r") if is_last else text)
            self._was(taken)
            if is_last:
                return cells
        taken = _Taken(self._matches)
        self._pass_rest(taken)
        self._was(taken)
        self.is_whole = False
        return cells

    def _was(self, taken: _Taken) -> None:
        self.hit = self.hit or taken.hit
        self.is_whole = self.is_whole and taken.is_whole

    def _pass_rest(self, taken: _Taken) -> None:
        """Pass what is left of a row without looking at each cell: a bomb has millions."""
        source, rest = self._source, _rest_of_row(self._look.newline)
        while source.has_more():
            passed = rest.match(source.data, source.at)
            upto = passed.end() if passed else source.at
            taken.add(source.data[source.at : upto])
            source.at = upto
            if source.data[upto : upto + 1] == self._look.newline:
                source.at += 1
                return
            if source.data[upto : upto + 1] != _QUOTE:
                continue
            if len(source.data) - upto > LONGEST_BYTES or not source.fill():
                source.at += 1
                source.at += len(_take_until(source, _UNQUOTE, taken))

    def _cell(self, taken: _Taken) -> bytes:
        if self._takes_quote():
            while _take_until(self._source, _UNQUOTE, taken):
                self._source.at += 1
                if not self._takes_quote():
                    break
                taken.add(_QUOTE)
        return _take_until(self._source, self._end, taken)

    def _takes_quote(self) -> bool:
        source = self._source
        if source.has_more() and source.data[source.at : source.at + 1] == _QUOTE:
            source.at += 1
            return True
        return False


def _objects(
    source: _Source, look: Look, matches: Matches | None, open_ones: bytearray
) -> Iterator[Record]:
    """Yield each object that is an element of a list, not those inside it.

    `open_ones` are the brackets that are open where we begin: an object begins, or has just
    ended, in a list. What matches outside of all of them is a last record without bytes of its own.
    """
    outside, start, depth = _Taken(matches), 0, 0
    inside: list[_Taken] = []
    """The object that we are in, if it is a long one."""
    for bracket in _brackets(source, lambda: inside[-1] if inside else outside):
        if not inside and bracket == b"{" and open_ones[-1:] == b"[":
            start = source.place
            if at_once := _item(source):
                hit = matches is None or matches(at_once)
                text = at_once.decode(look.bytes_encoding, "replace") if hit else ""
                yield Record(start, source.place, (text,), hit)
                continue
            inside.append(_Taken(matches, LONGEST_BYTES))
            depth = len(open_ones)
        source.at += 1
        (inside[-1] if inside else outside).add(bracket)
        if bracket in b"[{":
            open_ones += bracket
        else:
            del open_ones[-1:]
        if inside and len(open_ones) <= depth:
            item = inside.pop()
            yield Record(start, source.place, (item.text(look),), item.hit, item.is_whole)
    if matches is not None and any(each.hit for each in [outside, *inside]):
        yield Record(0, 0, ("",), is_whole=False)


def _item(source: _Source) -> bytes:
    """Pass an object and return it; empty, passing nothing, where it is long or deep."""
    while True:
        found = _JSON_ITEM.match(source.data, source.at)
        if found and found.end() - found.start() <= LONGEST_BYTES:
            source.at = found.end()
            return found[0]
        if len(source.data) - source.at > LONGEST_BYTES or not source.fill():
            return b""


def _brackets(source: _Source, into: Callable[[], _Taken]) -> Iterator[bytes]:
    """Go from bracket to bracket, over strings and all else; what is yielded is not passed."""
    while source.has_more():
        passed = _JSON_REST.match(source.data, source.at)
        upto = passed.end() if passed else source.at
        into().add(source.data[source.at : upto])
        source.at = upto
        token = source.data[upto : upto + 1]
        if token != _QUOTE:
            if token:
                yield token
        elif len(source.data) - upto > LONGEST_BYTES or not source.fill():
            _pass_string(source, into())


def _pass_string(source: _Source, taken: _Taken) -> None:
    """Pass a string that is too long to be seen at once, or that the file's end cuts."""
    taken.add(_QUOTE)
    source.at += 1
    while end := _take_until(source, _JSON_STRING_END, taken):
        taken.add(end)
        source.at += 1
        if end == _QUOTE:
            return
        if source.has_more():  # what is escaped, a quote perhaps
            taken.add(source.data[source.at : source.at + 1])
            source.at += 1
