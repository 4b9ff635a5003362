"""The only home of what became of each record between two exports of a table.

Two days are the same bytes for the most part, in whatever order. So the rows' bytes are compared
first, by a hash of each; only those that one side alone has are taken apart and brought together
by their ids. What differs only in columns that change by themselves is no difference.
"""

from __future__ import annotations

import marshal
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Literal, Self

from .rows import Rows
from .table import Table, key_of, named

_MOST_HASHES = 1_500_000
"""At once; some 100 MB. Larger tables are read once more for each so many rows."""
_BUCKETS = 64
_IN_MEMORY_BYTES = 32 << 20
_TIMES_ITS_BYTES = 5
"""What a row that was taken apart takes, against its bytes."""
_Frozen = frozenset[tuple[str, str]]
_NO_ID = "\0"
BEFORE, AFTER = 0, 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that came (no `before`), went (no `after`), or changed."""

    key: tuple[str, ...]
    """Its id; empty where the table has none."""
    before: Mapping[str, str] | None
    after: Mapping[str, str] | None
    before_raw: tuple[int, bytes] | None = None
    """The part of the earlier table, counted from 0, and the row's own bytes."""

    @property
    def kind(self) -> Literal["added", "changed", "removed"]:
        """What became of it."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    def fields(self, ignored: frozenset[str]) -> dict[str, tuple[str, str]]:
        """Return what changed: by column, from what to what."""
        before, after = self.before or {}, self.after or {}
        return {
            column: (before.get(column, ""), after.get(column, ""))
            for column in dict.fromkeys((*before, *after))
            if column not in ignored and before.get(column, "") != after.get(column, "")
        }


_ByKey = dict[tuple[str, ...], list["Row"]]
Row = tuple[int, int, bytes, dict[str, str], tuple[str, ...]]
"""Side, part, bytes, cells by column, and what it is brought together by."""


def differences(
    before: Table, after: Table, rows: int, scratch: Path, *, every_column: bool = False
) -> Iterator[Difference]:
    """Yield each record that is not the same in both, in no order.

    `rows` is about how many the larger table has, `scratch` a folder for what does not fit into
    memory. Columns that only one of them has make no record another one, unless `every_column`.
    """
    counted = _which_count(before, after, every_column=every_column)
    passes = rows // _MOST_HASHES + 1
    parts = tuple(before.parts.values()), tuple(after.parts.values())
    with _Buckets(scratch) as buckets:
        for number in range(passes):
            for side, part, raw in _alone(before, after, passes, number):
                rows_of_part = parts[side][part]
                row = named(rows_of_part.columns, rows_of_part.cells(raw))
                key = key_of(row, after.id_columns)
                buckets.put((side, part, raw, row, key if any(key) else _whole(row, counted)))
        for bucket in buckets.each():
            yield from _brought_together(bucket, counted)


def _which_count(before: Table, after: Table, *, every_column: bool) -> frozenset[str]:
    ours, theirs = frozenset(before.columns), frozenset(after.columns)
    return (ours | theirs if every_column else ours & theirs) - after.ignored


def _whole(row: Mapping[str, str], counted: frozenset[str]) -> tuple[str, ...]:
    """What stands for an id where a row has none."""
    return (_NO_ID, *(f"{name}={row[name]}" for name in sorted(row) if name in counted))


def _brought_together(bucket: Iterator[Row], counted: frozenset[str]) -> Iterator[Difference]:
    """Yield the differences among rows, of which those with one id are all here."""
    sides: tuple[_ByKey, _ByKey] = defaultdict(list), defaultdict(list)
    for row in bucket:
        sides[row[0]][row[4]].append(row)
    for key in dict.fromkeys((*sides[BEFORE], *sides[AFTER])):
        olds, news = sides[BEFORE].get(key, []), sides[AFTER].get(key, [])
        for old, new in _paired(olds, news, counted):
            if old and new and _counted(old, counted) == _counted(new, counted):
                continue
            shown = () if key[:1] == (_NO_ID,) else key
            raw = (old[1], old[2]) if old else None
            yield Difference(shown, old and old[3], new and new[3], raw)


def _paired(
    olds: list[Row], news: list[Row], counted: frozenset[str]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Pair rows of one id: mostly one of each. Where it repeats, those that are the same go."""
    if len(olds) > 1 or len(news) > 1:
        same = Counter(map(freeze := partial(_frozen, counted=counted), olds))
        same &= Counter(map(freeze, news))
        olds, news = (list(_without(rows, same, freeze)) for rows in (olds, news))
    return zip_longest(olds, news)


def _without(
    rows: list[Row], some: Counter[_Frozen], freeze: Callable[[Row], _Frozen]
) -> Iterator[Row]:
    left = Counter(some)
    for row in rows:
        if left[what := freeze(row)]:
            left[what] -= 1
        else:
            yield row


def _frozen(row: Row, counted: frozenset[str]) -> _Frozen:
    return frozenset(_counted(row, counted).items())


def _counted(row: Row, counted: frozenset[str]) -> dict[str, str]:
    return {name: cell for name, cell in row[3].items() if name in counted}


def _alone(
    before: Table, after: Table, passes: int, number: int
) -> Iterator[tuple[int, int, bytes]]:
    """Yield each row that only one side has: which side, which part, its bytes."""
    left: dict[Hashable, _Hashes] = defaultdict(_Hashes)
    for part in before.parts.values():
        left[part.shape].add(_hashes(part, passes, number))
    for at, part in enumerate(after.parts.values()):
        known = left[part.shape]
        for raw in part.raws():
            mark = hash(raw)
            if mark % passes == number and not known.take(mark):
                yield AFTER, at, raw
    if not any(left.values()):
        return
    for at, part in enumerate(before.parts.values()):
        known = left[part.shape]
        for raw in part.raws():
            if known.take(hash(raw)):
                yield BEFORE, at, raw


def _hashes(part: Rows, passes: int, number: int) -> Iterator[int]:
    """Yield the hash of each row that this pass is about."""
    marks = map(hash, part.raws())
    return marks if passes == 1 else (mark for mark in marks if mark % passes == number)


class _Hashes:
    """A bag of numbers, small where nearly all are there once."""

    def __init__(self) -> None:
        self._once: set[int] = set()
        self._more: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._once)

    def add(self, marks: Iterator[int]) -> None:
        once, more = self._once, self._more
        for mark in marks:
            if mark in once:
                more[mark] = more.get(mark, 0) + 1
            else:
                once.add(mark)

    def take(self, mark: int) -> bool:
        """Take one out; return whether it was in."""
        if mark not in self._once:
            return False
        if self._more and (times := self._more.get(mark, 0)):
            self._more[mark] = times - 1
        else:
            self._once.discard(mark)
        return True


class _Buckets:
    """Rows of both sides such that those with one id lie in one bucket; on disk where large."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._rows: list[Row] = []
        self._open = ExitStack()
        self._files: list[IO[bytes]] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def put(self, row: Row) -> None:
        """Put a row where its like are."""
        self._rows.append(row)
        self._bytes += _TIMES_ITS_BYTES * len(row[2])
        if self._bytes > _IN_MEMORY_BYTES:
            self._spill()

    def each(self) -> Iterator[Iterator[Row]]:
        """Yield the rows of each bucket."""
        if not self._files:
            yield iter(self._rows)
            return
        self._spill()
        for file in self._files:
            file.seek(0)
            yield _read(file)

    def _spill(self) -> None:
        if not self._files:
            self._files = [self._open.enter_context(self._file()) for _ in range(_BUCKETS)]
        for row in self._rows:
            marshal.dump(row, self._files[hash(row[4]) % _BUCKETS])
        self._rows, self._bytes = [], 0

    def _file(self) -> IO[bytes]:
        return TemporaryFile(dir=self._scratch)


def _read(file: IO[bytes]) -> Iterator[Row]:
    while True:
        try:
            yield marshal.load(file)  # noqa: S302 - written a moment ago by us, under no name
        except EOFError:
            return
