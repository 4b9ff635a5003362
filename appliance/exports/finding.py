"""The only home of looking for a text in the files of an opened backup, a piece at a time.

A search ends with its first fifty finds or when its time is up, and says where to go on: however
large the files are, each answer comes soon and holds little.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from .looks import Kind, Look, look_at, plain
from .records import LONGEST_BYTES, Matches, Readable, Record, fields, readable, records

SHORTEST_TEXT = 3
LONGEST_TEXT = 200
MOST_FINDS = 50
_ESCAPED = re.compile(rb"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Find:
    """A record that holds what was looked for."""

    file: int
    """Its place in the list of files."""
    start: int
    """Where in the file it begins."""
    header: tuple[str, ...]
    cells: tuple[str, ...]
    has_bytes: bool = True
    """Whether it can be given back by itself; not what stands in a JSON file outside of lists."""


@dataclass(frozen=True, slots=True)
class Finds:
    """What a search found, and where to go on: file and place in it; None where all was seen."""

    finds: tuple[Find, ...]
    go_on: tuple[int, int] | None
    searched_bytes: int
    """From the first file on up to there."""


def matcher(text: str, look: Look) -> Matches:
    """Given a text, return what says whether bytes hold it; capital and small are the same."""
    holds = _ascii(text) if text.isascii() else _any_letters(text, look.bytes_encoding)
    if look.kind not in {Kind.JSON, Kind.JSON_LINES}:
        return holds
    return lambda data: holds(data if b"\\u" not in data else _unescaped(data))


def _ascii(text: str) -> Matches:
    wanted = text.lower().encode()
    return lambda data: wanted in data.lower()


def _any_letters(text: str, encoding: str) -> Matches:
    forms = {unicodedata.normalize(form, text).casefold() for form in ("NFC", "NFD")}
    return lambda data: any(form in data.decode(encoding, "replace").casefold() for form in forms)


def _unescaped(data: bytes) -> bytes:
    """Many programs write every letter beyond ASCII as its number."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), data)


def find(
    files: Sequence[Path], text: str, start: tuple[int, int], is_late: Callable[[], bool]
) -> Finds:
    """Look for a text in files, from a file and a place in it on, until it is late."""
    found: list[Find] = []
    sizes = [file.stat(follow_symlinks=False).st_size for file in files]
    for number in range(start[0], len(files)):
        place = start[1] if number == start[0] else 0
        for one, upto in _finds_in(files[number], number, text, place, is_late):
            if one is not None:
                found.append(one)
            if len(found) >= MOST_FINDS or one is None:
                searched = sum(sizes[:number]) + min(upto, sizes[number])
                return Finds(tuple(found), (number, upto), searched)
    return Finds(tuple(found), None, sum(sizes))


def _finds_in(
    file: Path, number: int, text: str, start: int, is_late: Callable[[], bool]
) -> Iterator[tuple[Find | None, int]]:
    """Yield each find and where the file goes on behind it; None for it where it is late."""
    look = look_at(file)
    if look.kind is Kind.BINARY:
        return
    matches = matcher(text, look)
    header = first_row(file, look)
    with plain(file) as opened:
        for record in records(opened, look, start, matches):
            if record.hit and not (header and record.start == header.start):
                yield _found(number, look, header, record), record.end
            elif is_late():
                yield None, record.end


def _found(number: int, look: Look, header: Record | None, record: Record) -> Find:
    has_bytes = record.end > record.start
    if look.kind in {Kind.JSON, Kind.JSON_LINES} and (named := fields(record)):
        return Find(number, record.start, tuple(named), tuple(named.values()), has_bytes)
    return Find(number, record.start, header.cells if header else (), record.cells, has_bytes)


def first_row(file: Path, look: Look) -> Record | None:
    """Return the header of a table; None where it is none or empty."""
    if look.kind is not Kind.TABLE:
        return None
    with plain(file) as opened:
        return next(records(opened, look), None)


def rows_of(file: Path, text: str) -> Iterator[bytes]:
    """Given a table, yield its header and every row that holds a text, as the vendor wrote them.

    Of JSON and text: the records alone, each on a line of its own.
    """
    look = look_at(file)
    matches = matcher(text, look)
    header = first_row(file, look)
    with plain(file) as opened:
        spans = ((one.start, one.end) for one in records(opened, look, 0, matches) if one.hit)
        yield from _as_written(file, look, header, spans)


def row_at(file: Path, start: int) -> Iterator[bytes]:
    """Given where a record begins, yield its table's header and it; as `rows_of`."""
    look = look_at(file)
    header = first_row(file, look)
    with plain(file) as opened:
        record = next(records(opened, look, start), None)
    spans = iter([(record.start, record.end)] if record else [])
    yield from _as_written(file, look, header, spans)


def _as_written(
    file: Path, look: Look, header: Record | None, spans: Iterator[tuple[int, int]]
) -> Iterator[bytes]:
    """Yield what stands before the first record, the header, and these parts of a file."""
    with plain(file) as opened:
        blocks = _parts(readable(opened, look), look.newline, header.end if header else 0, spans)
        if look.encoding != "utf-16":
            yield from blocks
            return
        yield codecs.BOM_UTF16_LE
        for block in blocks:
            yield block.decode().encode("utf-16-le", "replace")


def _parts(
    file: Readable, newline: bytes, header_bytes: int, spans: Iterator[tuple[int, int]]
) -> Iterator[bytes]:
    """Yield these parts of a file, each ended by a line's end."""
    header = [(0, header_bytes)] if header_bytes else []
    for start, end in chain(header, (each for each in spans if each[0] >= header_bytes)):
        file.seek(start)
        left, last = end - start, b""
        while left > 0 and (block := file.read(min(left, LONGEST_BYTES))):
            left, last = left - len(block), block
            yield block
        if not last.endswith(newline):
            yield newline
