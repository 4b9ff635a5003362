"""The only home of records that take several lines: the lines below one, without an id, are its.

Odoo writes what belongs to a record so: an order with its lines, a contact with its addresses.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import islice, zip_longest

from .delimited import Delimited
from .ids import candidates
from .rows import LONGEST_BYTES, Frame, NotATable, Rows

_LOOKED_AT = 50_000
"""A file that has such lines has one among so many."""


class Gathered:
    """Records of one or more lines; implements `rows.Rows`. A `raw` is all lines of one.

    A cell holds what its lines say, one below the other.
    """

    key: tuple[str, ...] = ()

    def __init__(self, lines: Delimited) -> None:
        self.lines = lines
        self.columns: Sequence[str] = lines.columns
        self.shape: Hashable = ("several lines", lines.shape)
        self.ends = lines.ends

    @property
    def frame(self) -> Frame:
        """That of the lines; see `rows.Rows`."""
        return self.lines.frame

    def raws(self) -> Iterator[bytes]:
        """Yield each record's lines; see `rows.Rows`."""
        end, record, size = self.frame.between, list[bytes](), 0
        for line in self.lines.raws():
            if record and not self.lines.lacks_first(line):
                yield end.join(record)
                record, size = [], 0
            record.append(line)
            size += len(line)
            if size > LONGEST_BYTES:
                raise NotATable("A record of this file has lines without end.")
        if record:
            yield end.join(record)

    def rows(self) -> Iterator[tuple[bytes, Sequence[str]]]:
        """Yield each record's lines and its cells; see `rows.Rows`."""
        for raw in self.raws():
            yield raw, self.cells(raw)

    def lines_of(self, raw: bytes) -> int:
        """Return how many lines a record has."""
        return len(self.lines.split(raw))

    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one record apart; see `rows.Rows`."""
        lines = [self.lines.cells(line) for line in self.lines.split(raw)]
        if len(lines) == 1:
            return lines[0]
        return ["\n".join(column).rstrip("\n") for column in zip_longest(*lines, fillvalue="")]


def gathered(lines: Delimited) -> Rows:
    """Given the lines of a table, return its records: the same where each takes one line."""
    return Gathered(lines) if _go_on(lines) else lines


def _go_on(lines: Delimited) -> bool:
    """Return whether lines without an id belong to the one above.

    They stand between lines with one, and leave something empty that each of those says.
    """
    if candidates(lines.columns, "")[:1] != tuple(lines.columns[:1]):
        return False
    above, own, more, is_between, goes_on = b"", set(range(len(lines.columns))), set(), False, False
    for line in islice(lines.raws(), _LOOKED_AT):
        if not lines.lacks_first(line):
            above, is_between = line, is_between or goes_on
            continue
        if not above:
            return False
        own &= _filled(lines, above)
        more |= _filled(lines, line)
        goes_on = True
    return is_between and bool(own - more - {0})


def _filled(lines: Delimited, line: bytes) -> set[int]:
    return {at for at, cell in enumerate(lines.cells(line)) if cell}
