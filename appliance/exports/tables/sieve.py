"""The only home of which rows go, and of the question whether all others stayed: it is answered
without holding any of them, and whatever their order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from .rows import NotATable

Goes = Callable[[str, Sequence[str]], bool]
"""Given a table's name within its file and the cells of a row, returns whether it is to go."""


@dataclass(slots=True)
class _Count:
    """How many lines there are, and the sum of their hashes within this process."""

    count: int = 0
    total: int = 0

    def add(self, table: str, line: bytes) -> None:
        """Count one line of a table."""
        self.count += 1
        self.total += hash((table, line))


class Sieve:
    """Says of each row whether it is to go, and counts the lines of those that stay."""

    def __init__(self, is_gone: Goes, tables: Collection[str]) -> None:
        self._is_gone, self._tables = is_gone, tables
        self._staying = _Count()

    def goes(self, table: str, lines: Iterable[bytes], cells: Sequence[str]) -> bool:
        """Return whether a row, of one or more lines, is to go."""
        goes = table in self._tables and self._is_gone(table, cells)
        if not goes:
            self.stay(table, lines)
        return goes

    def stay(self, table: str, lines: Iterable[bytes]) -> None:
        """Know that these lines stay, be they of a row or not."""
        for line in lines:
            self._staying.add(table, line)

    def refuse_others(self, found: Iterable[tuple[str, bytes]]) -> None:
        """Given each line that is left, with its table, raise NotATable where they are others."""
        tally = _Count()
        for table, line in found:
            tally.add(table, line)
        if tally != self._staying:
            raise NotATable(
                "When records are taken out of it, others do not stay as they were.",
                detail=f"{self._staying.count} were to stay, {tally.count} are there",
            )
