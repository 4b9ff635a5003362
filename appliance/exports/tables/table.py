"""One table over all its parts: `Contacts_001.csv` and `_002`, one object over several ZIPs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .ids import normal
from .rows import Rows


@dataclass(frozen=True)
class Table:
    """Rows of one kind, and by which columns one is known again: none where nothing tells."""

    name: str
    parts: Mapping[str, Rows]
    """By the member's path; identical members once."""
    inside: str = ""
    """Its name within each of those files; empty where a file is the table."""
    id_columns: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    """Columns that change by themselves."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all parts, in the order in which they first come."""
        return tuple(dict.fromkeys(name for part in self.parts.values() for name in part.columns))

    def rows(self) -> Iterator[tuple[bytes, Sequence[str]]]:
        """Yield each row's bytes and its cells in the order of its own part's columns."""
        for part in self.parts.values():
            yield from part.rows()

    def records(self) -> Iterator[dict[str, str]]:
        """Yield each row's cells by their columns' names; see `named`."""
        for part in self.parts.values():
            for _, cells in part.rows():
                yield named(part.columns, cells)

    def less(self, columns: frozenset[str]) -> Table:
        """Return it as one in which these columns are no difference, and no id either."""
        if not columns:
            return self
        known = () if columns & set(self.id_columns) else self.id_columns
        return replace(self, id_columns=known, ignored=self.ignored | columns)

    def count(self) -> int:
        """Return how many rows it has, which reads it once."""
        return sum(1 for part in self.parts.values() for _ in part.raws())


def named(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Given a row's cells, return those that are not empty by their columns' names."""
    found = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
    beyond = [cell for cell in cells[len(columns) :] if cell]
    return found | ({"beyond the last column": " ".join(beyond)} if beyond else {})


def key_of(row: Mapping[str, str], id_columns: Iterable[str]) -> tuple[str, ...]:
    """Return the id of a row; of empty texts where it has none."""
    return tuple(normal(row.get(column, "")) for column in id_columns)
