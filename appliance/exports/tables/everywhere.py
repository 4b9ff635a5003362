"""The only home of columns that differ in nearly all records: they change by themselves (the time
of the last export), or somebody changed all at once. Either way that is told as one thing, and does
not hide which records changed besides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from .comparing import Difference

_SHARE = 0.9
_FEWEST = 20
"""Of fewer records each can be told."""
_MOST_WAYS = 2000
"""Of differing: where records differ in more, no column is the same story for all."""


class ChangeCount:
    """Counts what became of the records of a table, whose `ignored` columns are no difference."""

    def __init__(self, ignored: frozenset[str]) -> None:
        self._ignored = ignored
        self._counts: Counter[str] = Counter()
        self._ways: Counter[frozenset[str]] = Counter()

    def add(self, one: Difference) -> Mapping[str, tuple[str, str]]:
        """Count a record; return what changed in it, as `Difference.fields`."""
        self._counts[one.kind] += 1
        fields = one.fields(self._ignored) if one.kind == "changed" else {}
        way = frozenset(fields)
        if fields and (way in self._ways or len(self._ways) < _MOST_WAYS):
            self._ways[way] += 1
        return fields

    def counts(self, rows: int) -> dict[str, int]:
        """Given how many rows there are now, return how many records were added, changed and
        removed: changed besides the columns of `everywhere`.
        """
        columns = self.everywhere(rows)
        only_there = sum(count for way, count in self._ways.items() if way <= columns)
        counted = {kind: self._counts[kind] for kind in ("added", "changed", "removed")}
        return counted | {"changed": counted["changed"] - only_there}

    def everywhere(self, rows: int) -> frozenset[str]:
        """Given how many rows there are now, return the columns that differ in nearly all of those
        that were there before.
        """
        common = rows - self._counts["added"]
        if common < _FEWEST:
            return frozenset()
        times: Counter[str] = Counter()
        for way, count in self._ways.items():
            times.update(dict.fromkeys(way, count))
        return frozenset(column for column, count in times.items() if count >= common * _SHARE)
