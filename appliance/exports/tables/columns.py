"""The only home of what became of a table's columns: which got another name, which another type.

A column that is called otherwise holds what the lost one held, record by record. A type is told
only where every cell that was looked at is of it: `01712` is a text, and a number once the zero
that a phone needs is gone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..hidden import told_apart
from .table import Table, key_of

SAMPLE = 500
"""Records that are looked at."""
_ENOUGH = 3
_SAME_SHARE = 0.9
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:[.,]\d+)?")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(?:[T ].*)?|\d\d?[./]\d\d?[./]\d{4}(?: .*)?")
_Hashed = Mapping[str, int]
_Pair = tuple[_Hashed, _Hashed]
NUMBERS, DATES, TEXT = "numbers", "dates", "text"


class Types:
    """Of which type the cells of each column are, as far as some records show."""

    def __init__(self) -> None:
        self._seen: dict[str, Counter[str]] = {}

    def see(self, columns: Sequence[str], cells: Sequence[str]) -> None:
        """Look at one record."""
        for column, cell in zip(columns, cells, strict=False):
            if cell:
                self._seen.setdefault(column, Counter())[_type_of(cell)] += 1

    def of(self, column: str) -> str:
        """Return its type; empty where there are several, or too few cells to tell."""
        seen = self._seen.get(column, Counter())
        (found, count), *others = seen.most_common() or [("", 0)]
        return found if count >= _ENOUGH and not others else ""


def renamed(before: Table, after: Table) -> dict[str, str]:
    """Return which columns are called otherwise now: the new name by the old one."""
    lost = [name for name in before.columns if name not in after.columns]
    new = [name for name in after.columns if name not in before.columns]
    if not (lost and new and after.id_columns and set(after.id_columns) <= set(before.columns)):
        return {}
    pairs = list(_of_the_same_record(before, after, lost, new))
    found: dict[str, str] = {}
    for old in lost:
        same = {name: _share(pairs, old, name) for name in new if name not in found.values()}
        best = max(same, key=lambda name: same[name], default="")
        if best and same[best] >= _SAME_SHARE:
            found[old] = best
    return found


def became(
    was: Mapping[str, Any], now: Mapping[str, Any], called: Mapping[str, str]
) -> dict[str, Any]:
    """Given a table as two manifests tell it, and which columns are called otherwise, return what
    became of its columns: those that have a new type with both. What was hidden since is no news.
    """
    then, types = _types(was), _types(now)
    new, lost = types.keys() - then.keys() - set(called.values()), then.keys() - types.keys()
    lost -= set(now.get("dropped", ()))
    alike = then.keys() - told_apart(was, now)
    both = ((name, then[name], types[name]) for name in types if name in alike)
    return {
        "new_columns": [name for name in now["columns"] if name in new],
        "lost_columns": [name for name in was["columns"] if name in lost - called.keys()],
        "renamed": dict(called),
        "retyped": {name: [old, new] for name, old, new in both if old and new and old != new},
    }


def _types(told: Mapping[str, Any]) -> dict[str, str]:
    """Each column with its type; backups of before types were told say none."""
    types = told.get("types") or [""] * len(told["columns"])
    return dict(zip(told["columns"], types, strict=True))


def _share(pairs: Sequence[_Pair], old: str, new: str) -> float:
    """In how many of the records that have either both say the same."""
    cells = [(was.get(old), now.get(new)) for was, now in pairs]
    told = [(was, now) for was, now in cells if (was, now) != (None, None)]
    is_enough = len({was for was, _ in told}) >= _ENOUGH
    return sum(was == now for was, now in told) / len(told) if is_enough else 0.0


def _of_the_same_record(
    before: Table, after: Table, lost: Sequence[str], new: Sequence[str]
) -> Iterator[_Pair]:
    """Yield some records as they were and as they are: of a cell its hash, as some are large."""
    were: dict[tuple[str, ...], _Hashed] = {}
    for row in before.records():
        if any(key := key_of(row, after.id_columns)):
            were[key] = _hashed(row, lost)
        if len(were) == SAMPLE:
            break
    for row in after.records():
        if not were:
            return
        if (was := were.pop(key_of(row, after.id_columns), None)) is not None:
            yield was, _hashed(row, new)


def _hashed(row: Mapping[str, str], columns: Sequence[str]) -> _Hashed:
    return {name: hash(row[name]) for name in columns if name in row}


def _type_of(cell: str) -> str:
    if _NUMBER.fullmatch(cell):
        return NUMBERS
    return DATES if _DATE.fullmatch(cell) else TEXT
