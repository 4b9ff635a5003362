"""The only home of how a segment is written: a header, then a line for each record.

`+` is a record as it is from this backup on, `-` one that is so no longer. Cells stand in a line
as text, so that a search looks at whole blocks and takes apart only what it finds.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ...core.model import Archive
from ...system.sealed import NotSealed, opened, seal
from ..tables.table import Table, key_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PUT, TAKEN = "+", "-"
SEPARATOR = "\x1f"
_VERSION = 1
_LEVEL = 3
_BLOCK_LENGTH = 1 << 20
_MARK_BYTES = 8
_LONGEST_CELL = 20_000
"""Nobody looks for a person by what stands behind that: such cells are files."""
_BEYOND = "beyond the last column"
_ESCAPES = {"\\": "\\\\", "\n": "\\n", SEPARATOR: "\\s"}
_PLAIN = {escaped: plain for plain, escaped in _ESCAPES.items()}
_TO_ESCAPE, _ESCAPED = re.compile(r"[\\\n\x1f]"), re.compile(r"\\[\\ns]")

Row = Mapping[str, str]
"""The cells of a record that are not empty, by column."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One table, as a segment tells of it."""

    name: str
    columns: tuple[str, ...]
    id_columns: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    is_whole: bool = False
    """Whether all its records are here, and what was before does not count any more."""

    @classmethod
    def of(cls, table: Table, *, is_whole: bool = False) -> Kind:
        """Given a table, return how it is told of."""
        ignored = tuple(sorted(table.ignored))
        return cls(table.name, table.columns, table.id_columns, ignored, is_whole)

    def record(self, row: Row) -> str:
        """Return what tells a record from all others: drawn from its id, else from all it says."""
        key = key_of(row, self.id_columns)
        said = key if any(key) else (self.version(row),)
        return _mark(self.name, *said)

    def version(self, row: Row) -> str:
        """Return what tells one version of a record from another."""
        return _mark(*(f"{name}={row[name]}" for name in sorted(row) if name not in self.ignored))


class Line(NamedTuple):
    """One line: that a record is so from now on, or that a version of it is so no longer."""

    sign: str
    record: str
    table: int
    """Its place in the header."""
    said: str
    """Its cells, or which version it was."""

    def __str__(self) -> str:
        return f"{self.sign}{self.record}{SEPARATOR}{self.table}{SEPARATOR}{self.said}"

    @classmethod
    def read(cls, text: str) -> Line:
        """Given a line, return it; raise NotSealed where it is none."""
        head, table, said = text.split(SEPARATOR, 2)
        return cls(head[:1], head[1:], int(table), said)


@dataclass(frozen=True, slots=True)
class Header:
    """Which backup a segment is of, and of which tables it tells."""

    archive: str
    time: datetime
    sequence: int
    before: str
    """The archive that it goes on from; empty for the oldest."""
    tables: tuple[Kind, ...] = ()
    passed_over: tuple[str, ...] = ()
    """Archives between the two that could not be read."""

    @classmethod
    def of(
        cls, archive: Archive, before: str, tables: Sequence[Kind], passed_over: Sequence[str]
    ) -> Header:
        """Given an archive and the one before it, return the header."""
        return cls(
            archive.name, archive.time, archive.sequence, before, tuple(tables), tuple(passed_over)
        )

    def table(self, name: str) -> Kind | None:
        """Return a table by its name; None where this backup does not have it."""
        return next((kind for kind in self.tables if kind.name == name), None)


def write(path: Path, passphrase: str, about: str, header: Header, lines: Iterable[Line]) -> None:
    """Write a segment, encrypted, at once or not at all; see `system.sealed.seal`."""
    said = asdict(header) | {"time": header.time.isoformat(), "version": _VERSION}
    texts = [json.dumps(said, ensure_ascii=False)]
    seal(path, passphrase, about, map(_packed, chain(texts, _blocks(map(str, lines)))))


def read_header(path: Path, passphrase: str, about: str) -> Header:
    """Return what a segment says of itself; raise NotSealed where it is none of ours."""
    blocks = opened(path, passphrase, about)
    try:
        return _header(_unpacked(next(blocks)))
    finally:
        blocks.close()


def blocks(path: Path, passphrase: str, about: str) -> Iterator[str]:
    """Yield the lines of a segment, a megabyte or so at a time; raise NotSealed."""
    each = opened(path, passphrase, about)
    next(each)
    yield from map(_unpacked, each)


def lines(path: Path, passphrase: str, about: str) -> Iterator[Line]:
    """Yield each line of a segment; raise NotSealed."""
    for block in blocks(path, passphrase, about):
        yield from map(Line.read, block.split("\n"))


def joined(row: Row, columns: Sequence[str]) -> str:
    """Given a record, return its cells in the order of columns, as they stand in a line."""
    cells = [row.get(name, "") for name in (*columns, _BEYOND)]
    return SEPARATOR.join(escaped(cell) if cell else "" for cell in cells).rstrip(SEPARATOR)


def taken_apart(said: str, columns: Sequence[str]) -> Row:
    """Given cells as `joined` writes them, return the record."""
    cells = zip((*columns, _BEYOND), said.split(SEPARATOR), strict=False)
    return {name: _unescaped(cell) for name, cell in cells if cell}


def escaped(text: str) -> str:
    """Return a text as it stands in a line; of a very long one the beginning and a mark."""
    if len(text) > _LONGEST_CELL:
        text = f"{text[:_LONGEST_CELL]}… ({_mark(text)})"
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _PLAIN[found[0]], text) if "\\" in text else text


def _mark(*said: str) -> str:
    return blake2b("\0".join(said).encode("utf-8", "replace"), digest_size=_MARK_BYTES).hexdigest()


def _header(text: str) -> Header:
    said = json.loads(text)
    if said.pop("version") != _VERSION:
        raise NotSealed("This was written by another release.")
    tables = tuple(
        Kind(
            each["name"],
            tuple(each["columns"]),
            tuple(each["id_columns"]),
            tuple(each["ignored"]),
            each["is_whole"],
        )
        for each in said["tables"]
    )
    time, passed_over = datetime.fromisoformat(said["time"]), tuple(said["passed_over"])
    return Header(**said | {"time": time, "tables": tables, "passed_over": passed_over})


def _blocks(texts: Iterable[str]) -> Iterator[str]:
    """Yield lines, about so many characters at a time."""
    block: list[str] = []
    length = 0
    for text in texts:
        block.append(text)
        length += len(text)
        if length > _BLOCK_LENGTH:
            yield "\n".join(block)
            block, length = [], 0
    if block:
        yield "\n".join(block)


def _packed(text: str) -> bytes:
    return zstd.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)


def _unpacked(block: bytes) -> str:
    return zstd.decompress(block).decode("utf-8", "surrogatepass")
