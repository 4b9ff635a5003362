"""The only home of what is told of a table: how many records, under which id, how full, how new."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .columns import SAMPLE, Types
from .ids import candidates, normal
from .rows import MOST_COLUMNS, NotATable, Rows
from .table import Table

_MOST_WITHOUT = 20
"""An id that one record in so many lacks is none."""
_AT_ONCE_BYTES = 256 << 10
_MODIFIED = re.compile(
    r"modif|updat|chang|edit|creat|added|last.?activit|geändert|aktualisiert|erstellt|angelegt"
    r"|modifi|créé|ajout"
)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a table says of itself; counts are of records."""

    rows: int
    columns: tuple[str, ...]
    id_columns: tuple[str, ...]
    """Empty where no column is different for each record."""
    repeated: int
    """Records whose id another one has, too; by the columns that somebody named as the id."""
    without_id: int
    blank: tuple[int, ...]
    """For each column how many records say nothing there."""
    types: tuple[str, ...]
    """For each column what all its cells are, as far as some records show (`columns.Types`)."""
    newest: str
    """The latest date in a column that tells when a record was changed; ISO, else empty."""


def profile(table: Table) -> Profile:
    """Given a table, read it once and tell; it is read once more for each id that is none.

    Ids that somebody named stay, also where they repeat. Raise NotATable.
    """
    if table.id_columns:
        return _Reading(table, table.id_columns).told()
    for column in candidates(table.columns, table.name):
        reading = _Reading(table, (column,), gives_up=True)
        if not reading.repeated and reading.without_id <= reading.rows // _MOST_WITHOUT:
            return reading.told()
    return _Reading(table, ()).told()


class _Reading:
    """One pass over a table; where it gives up, an id that repeats ends it."""

    def __init__(
        self, table: Table, id_columns: tuple[str, ...], *, gives_up: bool = False
    ) -> None:
        self._id_columns, self._gives_up = id_columns, gives_up
        self.rows = self.repeated = self.without_id = 0
        self._full: Counter[str] = Counter()
        self._ids: set[int] = set()
        self._newest = ""
        self._types = Types()
        for part in table.parts.values():
            self._pass(part)
        self._columns = table.columns

    def told(self) -> Profile:
        """Return what was found."""
        return Profile(
            self.rows,
            self._columns,
            self._id_columns,
            self.repeated,
            self.without_id,
            tuple(self.rows - self._full[name] for name in self._columns),
            tuple(map(self._types.of, self._columns)),
            self._newest,
        )

    def _pass(self, part: Rows) -> None:
        full = _Full(len(part.columns))
        places = [_place(part, name) for name in self._id_columns]
        dated = [at for at, name in enumerate(part.columns) if _MODIFIED.search(name.casefold())]
        for raw, cells in part.rows():
            self.rows += 1
            if self.rows <= SAMPLE:
                self._types.see(part.columns, cells)
            if len(cells) > MOST_COLUMNS:
                raise NotATable("A row of this file has more cells than any table's.")
            full.add(raw, cells)
            self._know(tuple(cells[at] if at < len(cells) else "" for at in places))
            for at in dated:
                if at < len(cells) and cells[at] > self._newest:
                    self._newest = _date(cells[at]) or self._newest
            if self._gives_up and self.repeated:
                return
        self._full.update(dict(zip(part.columns, full.counts(), strict=False)))

    def _know(self, found: tuple[str, ...]) -> None:
        if not any(found):
            self.without_id += bool(self._id_columns)
            return
        mark = hash(tuple(map(normal, found)))
        if mark in self._ids:
            self.repeated += 1
        self._ids.add(mark)


class _Full:
    """Counts in how many rows each column says something: many rows at once, column by column."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._counts = [0] * MOST_COLUMNS
        self._rows: list[Sequence[str]] = []
        self._bytes = 0

    def add(self, raw: bytes, cells: Sequence[str]) -> None:
        """Take one row."""
        if len(cells) == self._width:
            self._rows.append(cells)
            self._bytes += len(raw)
            if self._bytes > _AT_ONCE_BYTES:
                self._count()
            return
        for at, cell in enumerate(cells):
            if cell:
                self._counts[at] += 1

    def counts(self) -> Sequence[int]:
        """Return them, by place."""
        self._count()
        return self._counts

    def _count(self) -> None:
        for at, column in enumerate(zip(*self._rows, strict=True)):
            self._counts[at] += len(column) - column.count("")
        self._rows.clear()
        self._bytes = 0


def _place(part: Rows, column: str) -> int:
    return list(part.columns).index(column) if column in part.columns else MOST_COLUMNS


def _date(text: str) -> str:
    """Return a moment as ISO writes it, to the minute; empty where it is none."""
    found = _DATE.match(text)
    return f"{found[1]} {found[2]}" if found and found[2] else found[1] if found else ""
