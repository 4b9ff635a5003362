"""The only home of which rows of a table go, given by what each record is known that is to go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ..core.ports import Watch
from .reading import with_id
from .tables.ids import candidates
from .tables.table import Table, key_of
from .tables.titles import title_of
from .timeline.segment import Kind, Row

IsGone = Callable[[str], bool]
"""Given what tells a record from all others, returns whether it is to go."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """By what a record of a table is known."""

    good: Kind
    """By its id where the table has one, else by all that a row says."""
    likely: Kind | None = None
    """By its id where ids repeat here: in another backup they may be good."""

    @classmethod
    def of(cls, table: Table) -> Self:
        """Given a table, look how its records are known, which may read it once."""
        told = with_id(table)
        likely = candidates(table.columns, table.name)[:1]
        if told.id_columns or not likely:
            return cls(Kind.of(told))
        return cls(Kind.of(told), Kind.of(replace(told, id_columns=likely)))

    @property
    def by_id(self) -> Kind | None:
        """How a record is known by an id, good or not."""
        return self.good if self.good.id_columns else self.likely

    def id_of(self, row: Row) -> str:
        """Return the id that a record shows, as it is compared."""
        return " ".join(key_of(row, self.by_id.id_columns)).strip() if self.by_id else ""

    def for_these(self, rows: Sequence[Row]) -> Kind:
        """Return by what rows of one id are known: by all they say where several have it."""
        titles = {title_of(row) for row in rows}
        return self.likely if self.likely and len(titles) == 1 else self.good


@dataclass(frozen=True, slots=True)
class Going:
    """The rows of one table that go.

    An id that several people have here takes none of them with it: of those goes who is meant by
    all that the row says.
    """

    kinds: Kinds
    is_gone: IsGone
    shared: frozenset[str] = frozenset()
    """What is drawn from such ids."""

    @classmethod
    def of(cls, table: Table, is_gone: IsGone, watch: Watch) -> Self:
        """Given a table, find out; where its ids repeat, that reads it once more."""
        kinds = Kinds.of(table)
        if kinds.likely is None:
            return cls(kinds, is_gone)
        titles = defaultdict[str, set[str]](set)
        for row in table.records():
            watch.check()
            if is_gone(mark := kinds.likely.record(row)):
                titles[mark].add(title_of(row))
        several = (mark for mark, said in titles.items() if len(said) > 1)
        return cls(kinds, is_gone, frozenset(several))

    def takes(self, row: Row) -> bool:
        """Return whether a row goes."""
        return self.mark(row) is not None

    def mark(self, row: Row) -> str | None:
        """Return that by which a row goes; None where it stays."""
        return next(filter(self.is_gone, self._marks(row)), None)

    def _marks(self, row: Row) -> Iterator[str]:
        yield self.kinds.good.record(row)
        if self.kinds.likely and (mark := self.kinds.likely.record(row)) not in self.shared:
            yield mark
