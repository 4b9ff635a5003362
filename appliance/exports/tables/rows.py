"""What every way of writing a table has in common: named columns and rows, read one by one.

A row is known by its *raw* bytes, which say all of it and can be given back, and is taken apart
only where somebody wants its cells: two days of an export are the same bytes for the most part.
"""

from __future__ import annotations

import codecs
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ...core.errors import ApplianceError

LONGEST_BYTES = 32 << 20
"""No row of a table is longer; a file that says so is none."""
MOST_PIECES = 1_000_000
"""A row of more cells, or of more values within them, would fill the memory."""

MOST_COLUMNS = 20_000
"""What has more is no table; spreadsheets end at 16,384."""


class NotATable(ApplianceError):
    """What a file holds cannot be understood as rows; it is kept all the same."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How rows become a file again, as the vendor writes it."""

    opening: bytes = b""
    """What stands before the first row: a mark, the header."""
    between: bytes = b"\n"
    closing: bytes = b"\n"
    encoding: str = ""
    """What the bytes are to be turned into, where `raw` is not as it lies in the file."""
    suffix: str = ""
    """How the name of such a file ends, where its rows lay in one of another kind."""

    @property
    def mark(self) -> bytes:
        """What stands before all else where the bytes are turned into something."""
        return codecs.BOM_UTF16_LE if self.encoding else b""

    def encoded(self, data: bytes) -> bytes:
        """Return bytes of whole rows as they are to lie in the file."""
        if not self.encoding:
            return data
        return data.decode("utf-8", "replace").encode(f"{self.encoding}-le")


class Place(NamedTuple):
    """Where a row lies in its file, in bytes as they are read (UTF-16 as UTF-8)."""

    start: int
    upto: int
    """Where its line's end begins, if it has one."""
    stop: int
    """Where that ends; where a file has none, it may be beyond it."""
    raw: bytes


class Rows(Protocol):
    """One file of a table."""

    @property
    def frame(self) -> Frame:
        """How some of its rows are a file of its kind."""

    @property
    def columns(self) -> Sequence[str]:
        """Names, each once."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that the file itself says are the id; mostly it says nothing."""

    @property
    def ends(self) -> bool:
        """Whether the file ends as such a file does when nobody cut it."""

    @property
    def shape(self) -> Hashable:
        """How a row's bytes are to be read: of one shape, equal ones are the same row."""

    def raws(self) -> Iterator[bytes]:
        """Yield each row's own bytes; raise NotATable, also in the middle."""

    def rows(self) -> Iterator[tuple[bytes, Sequence[str]]]:
        """Yield each row's bytes and its cells, of which there may be fewer than columns."""

    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one row apart."""


def distinct(names: Sequence[str]) -> list[str]:
    """Given the names of columns, return them such that each is there once and none is empty.

    Raise NotATable where there are more than any table has.
    """
    if len(names) > MOST_COLUMNS:
        raise NotATable("This file has more columns than any table.")
    found: dict[str, None] = {}
    times: dict[str, int] = {}
    for number, told in enumerate(names, 1):
        name = unique = told.strip() or f"column {number}"
        while unique in found:
            times[name] = times.get(name, 1) + 1
            unique = f"{name} ({times[name]})"
        found[unique] = None
    return list(found)
