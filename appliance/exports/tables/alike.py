"""The only home of who may be in a list twice: records that have a word of their name in common,
and an e-mail address or a telephone number.

A name alone is too little (two people are called alike), an address alone too (one firm's office).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..pseudonyms import BEGINNING
from .table import Table, key_of
from .titles import title_of

_MOST_MARKS = 1_500_000
"""At once; some 100 MB. Larger tables are read once more for each so many."""
_MARKS_OF_A_RECORD = 4
_MAIL = re.compile(r"(?<![^\s;,<>\"':])[^\s;,<>\"':@]{1,64}@[^\s;,<>\"':@]{1,255}")
_REACHED = re.compile(r"mail|phone|^tel|mobil|handy|fax", re.IGNORECASE)
_PHONES = re.compile(r"phone|^tel|mobil|handy|fax", re.IGNORECASE)
_NUMBER = re.compile(r"\+?[\d\s()/.-]{6,}")
_LAST_DIGITS = 8
"""`+49 171 …` and `0171 …` are one number."""
_WORD = re.compile(r"\w{2,}")
_LONGEST_CELL = 2_000
"""A longer one says more than how somebody is reached."""
_MOST_WORDS, _MOST_WAYS = 6, 6


@dataclass(frozen=True, slots=True)
class Twin:
    """One of several records that may be the same."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Twins:
    """Records of a table that may be one, in their order, and what they have in common."""

    records: tuple[Twin, ...]
    shared: tuple[str, ...]


def alike(table: Table, check: Callable[[], None]) -> Iterator[Twins]:
    """Yield the records that may be the same as another one; it is read twice, in no order.

    `check` is called for each record, and raises where nobody waits any more.
    """
    passes = table.count() * _MARKS_OF_A_RECORD // _MOST_MARKS + 1
    repeated: set[int] = set()
    for number in range(passes):
        repeated |= _repeated(table, passes, number, check)
    if repeated:
        yield from _grouped(table, repeated, check)


def _repeated(table: Table, passes: int, number: int, check: Callable[[], None]) -> set[int]:
    """The hashes of what more than one record says, as far as this pass is about them."""
    once: set[int] = set()
    twice: set[int] = set()
    for row in table.records():
        check()
        for mark in set(map(hash, _marks(row))):
            if mark % passes == number:
                (twice if mark in once else once).add(mark)
    return twice


def _grouped(table: Table, repeated: set[int], check: Callable[[], None]) -> Iterator[Twins]:
    records: list[Twin] = []
    by_mark: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in table.records():
        check()
        marks = [mark for mark in dict.fromkeys(_marks(row)) if hash(mark) in repeated]
        for mark in marks:
            by_mark[mark].append(len(records))
        if marks:
            records.append(Twin(" ".join(key_of(row, table.id_columns)), title_of(row)))
    for members, shared in _joined(len(records), by_mark):
        yield Twins(tuple(records[at] for at in members), shared)


def _joined(
    count: int, by_mark: Mapping[tuple[str, str], list[int]]
) -> Iterator[tuple[list[int], tuple[str, ...]]]:
    """Whoever is alike to one is alike to all that this one is alike to."""
    head = list(range(count))

    def of(at: int) -> int:
        while head[at] != at:
            head[at] = head[head[at]]
            at = head[at]
        return at

    for members in by_mark.values():
        for at in members[1:]:
            head[of(at)] = of(members[0])
    groups: dict[int, list[int]] = defaultdict(list)
    shared: dict[int, dict[str, None]] = defaultdict(dict)
    for at in range(count):
        groups[of(at)].append(at)
    for (_, what), members in by_mark.items():
        if len(members) > 1:
            shared[of(members[0])][what] = None
    for first, members in groups.items():
        if len(members) > 1:
            yield members, tuple(shared[first])


def _marks(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each word of the name with each address and number."""
    ways = list(dict.fromkeys(_ways(row)))[:_MOST_WAYS]
    if not ways:
        return
    for word in list(dict.fromkeys(_WORD.findall(title_of(row).casefold())))[:_MOST_WORDS]:
        for way in ways:
            yield word, way


def _ways(row: Mapping[str, str]) -> Iterator[str]:
    """How somebody is reached."""
    for column, cell in row.items():
        if len(cell) > _LONGEST_CELL:
            continue
        if cell.startswith(BEGINNING):
            if _REACHED.search(column):
                yield cell
        elif "@" in cell:
            yield from (found.casefold() for found in _MAIL.findall(cell))
        elif _PHONES.search(column):
            for found in _NUMBER.findall(cell):
                digits = re.sub(r"\D", "", found)
                if len(digits) >= _LAST_DIGITS - 2:
                    yield digits[-_LAST_DIGITS:]
