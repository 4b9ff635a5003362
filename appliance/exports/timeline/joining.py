"""The only home of making two segments one, as if the backup between them had never been."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .segment import PUT, TAKEN, Header, Kind, Line, taken_apart
from .segment import joined as cells_of

if TYPE_CHECKING:
    from .chain import Link

_SHARE_BYTES = 8 << 20
"""So much of the newer one, as it lies on the disk, is held in memory at a time."""


def joined(older: Link, newer: Link, newer_bytes: int) -> tuple[Header, Iterator[Line]]:
    """Given two segments that follow each other, return header and lines of both as one."""
    before, after = older.header, newer.header
    goes_on = {kind.name for kind in after.tables if not kind.is_whole}
    was_whole = {kind.name for kind in before.tables if kind.is_whole}
    tables = tuple(
        replace(kind, is_whole=kind.is_whole or kind.name in was_whole) for kind in after.tables
    )
    header = replace(
        after,
        before=before.before,
        tables=tables,
        passed_over=(*before.passed_over, *after.passed_over),
    )
    moved = {
        at: (place, kind, after.tables[place])
        for at, kind in enumerate(before.tables)
        for place in range(len(after.tables))
        if after.tables[place].name == kind.name and kind.name in goes_on
    }
    shares = newer_bytes // _SHARE_BYTES + 1
    return header, _lines(older, newer, _Move(moved), shares)


class _Move:
    """Turns a line of the older segment into one of the newer: its tables have other places, and
    maybe other columns.
    """

    def __init__(self, places: dict[int, tuple[int, Kind, Kind]]) -> None:
        self._places = places

    def __call__(self, line: Line) -> Line | None:
        """Return the line; None where its table does not go on."""
        if line.table not in self._places:
            return None
        place, was, kind = self._places[line.table]
        if line.sign == TAKEN or was.columns == kind.columns:
            return line._replace(table=place)
        said = cells_of(taken_apart(line.said, was.columns), kind.columns)
        return line._replace(table=place, said=said)


def _lines(older: Link, newer: Link, move: _Move, shares: int) -> Iterator[Line]:
    for share in range(shares):
        news: dict[str, list[Line]] = defaultdict(list)
        for line in newer.lines():
            if _share_of(line, shares) == share:
                news[line.record].append(line)
        olds: dict[str, list[Line]] = defaultdict(list)
        for line in older.lines():
            if _share_of(line, shares) == share and (moved := move(line)):
                if moved.record in news:
                    olds[moved.record].append(moved)
                else:
                    yield moved
        for record, after in news.items():
            yield from _one_after_the_other(olds[record], after, newer.header.tables)


def _share_of(line: Line, shares: int) -> int:
    return int(line.record, 16) % shares


def _one_after_the_other(
    olds: list[Line], news: list[Line], tables: tuple[Kind, ...]
) -> Iterator[Line]:
    """Yield what is left of one record's lines: what the older put and the newer took is not."""
    put = [line for line in olds if line.sign == PUT]
    for line in news:
        if line.sign == TAKEN and put:
            put.remove(_meant(line, put, tables[line.table]))
        else:
            yield line
    yield from (line for line in olds if line.sign == TAKEN)
    yield from put


def _meant(taken: Line, put: list[Line], kind: Kind) -> Line:
    """Return the version that is taken: mostly there is one alone."""
    if len(put) == 1:
        return put[0]
    versions = (one for one in put if _version(one, kind) == taken.said)
    return next(versions, put[0])


def _version(line: Line, kind: Kind) -> str:
    return kind.version(taken_apart(line.said, kind.columns))
