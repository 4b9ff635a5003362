"""The only home of finding records in a timeline, and of what became of each of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...core.model import RecordMoment, RecordTimeline
from ...core.ports import Watch
from ..tables.ids import normal
from ..tables.titles import title_of
from .chain import Link
from .segment import PUT, SEPARATOR, TAKEN, Header, Kind, Line, Row, escaped, taken_apart

_HEAD = 17
"""Of a line: its sign and which record it is about."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: of very many records the first."""

    records: tuple[RecordTimeline, ...]
    count: int


def search(links: Sequence[Link], source: str, text: str, most: int, watch: Watch) -> Found:
    """Given a chain, return what became of each record of which one version has every word of a
    text in its cells, whatever its capitals; of at most so many, those that say just that first.
    Raise NotSealed, Cancelled.
    """
    words = Words(text)
    records = dict.fromkeys(_matching(links, words, watch))
    told = _told(links, source, [*records][:most], watch)
    return Found(tuple(sorted(told, key=words.order)), len(records))


def record(links: Sequence[Link], source: str, mark: str, watch: Watch) -> RecordTimeline | None:
    """Return what became of one record, by its mark; None where there is none. Raise as above."""
    return next(iter(_told(links, source, [mark], watch)), None)


class Words:
    """What was typed. An id matches however another export of the same CRM writes it."""

    def __init__(self, text: str) -> None:
        words = text.split()
        self._whole = folded(" ".join(words))
        self._each = [{folded(escaped(word)), folded(escaped(normal(word)))} for word in words]

    def are_in(self, text: str) -> bool:
        """Return whether each is somewhere in a text that is folded."""
        return all(any(one in text for one in word) for word in self._each)

    def order(self, record: RecordTimeline) -> tuple[bool, str, str]:
        """Return what sorts records: first those of which a cell says just this, then by name."""
        is_it = any(folded(cell) == self._whole for cell in record.row.values())
        return not is_it, record.title.casefold(), record.id


def folded(text: str) -> str:
    """Return a text such that capitals, and ways to write the same letter, make no difference."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _matching(links: Sequence[Link], words: Words, watch: Watch) -> Iterator[str]:
    """Yield the records of which a line holds the words; newest backups first."""
    for link in reversed(links):
        for block in link.blocks():
            watch.check()
            low = folded(block)
            if not words.are_in(low):
                continue
            for line in low.split("\n"):
                if line[:1] == PUT and words.are_in(line):
                    head, _, cells = line.split(SEPARATOR, 2)
                    if words.are_in(cells):
                        yield head[1:]


def _told(
    links: Sequence[Link], source: str, records: Sequence[str], watch: Watch
) -> Iterator[RecordTimeline]:
    histories = {mark: _History(mark) for mark in records}
    for link in links:
        lines: dict[str, list[Line]] = {}
        for block in link.blocks():
            watch.check()
            for mark, line in _about(block, histories):
                lines.setdefault(mark, []).append(line)
        for mark, history in histories.items():
            history.go_on(link.header, lines.get(mark, ()))
    for history in histories.values():
        if (told := history.told(source)) is not None:
            yield told


def _about(block: str, records: Collection[str]) -> Iterator[tuple[str, Line]]:
    for text in block.split("\n"):
        if (mark := text[1:_HEAD]) in records:
            yield mark, Line.read(text)


@dataclass(slots=True)
class _History:
    """One record, from backup to backup."""

    mark: str
    kind: Kind | None = None
    rows: list[Row] = field(default_factory=list)
    """Its versions: mostly one, more where ids repeat."""
    last: Row = field(default_factory=dict)
    last_in: str = ""
    moments: list[RecordMoment] = field(default_factory=list)

    def go_on(self, header: Header, lines: Sequence[Line]) -> None:
        """Hear what the next backup tells."""
        if lines:
            self.kind = header.tables[lines[0].table]
        elif self.kind is not None:
            self.kind = header.table(self.kind.name) or self.kind
        if self.kind is None:
            return
        now = header.table(self.kind.name)
        if not lines and now is not None and not now.is_whole:
            self.last_in = header.archive if self.rows else self.last_in
            return
        goes_on = now is not None and not now.is_whole
        before, self.rows = self.rows, self._after(self.rows if goes_on else (), lines, self.kind)
        self._compare(before, header, self.kind)
        if self.rows:
            self.last, self.last_in = self.rows[-1], header.archive

    @staticmethod
    def _after(rows: Sequence[Row], lines: Sequence[Line], kind: Kind) -> list[Row]:
        """Given its versions and what a backup tells, return those that it has from then on."""
        left = list(rows)
        for line in lines:
            if line.sign == TAKEN and left:
                same = (row for row in left if kind.version(row) == line.said)
                left.remove(next(same, left[0]))
        put = (line.said for line in lines if line.sign == PUT)
        return [*left, *(taken_apart(said, kind.columns) for said in put)]

    def _compare(self, before: Sequence[Row], header: Header, kind: Kind) -> None:
        olds, news = _apart(before, self.rows, kind), _apart(self.rows, before, kind)
        if before and self.rows:
            for old, new in zip(olds, news, strict=False):
                self._say(header, "changed", _fields(old, new, kind))
            olds, news = olds[len(news) :], news[len(olds) :]
        for _ in olds:
            self._say(header, "removed", {})
        for _ in news:
            self._say(header, "added" if header.before else "there", {})

    def _say(
        self,
        header: Header,
        kind: Literal["there", "added", "changed", "removed"],
        fields: Mapping[str, tuple[str, str]],
    ) -> None:
        self.moments.append(RecordMoment(header.archive, header.time, kind, fields))

    def told(self, source: str) -> RecordTimeline | None:
        """Return all of it; None where no backup had such a record."""
        if self.kind is None or not self.moments:
            return None
        return RecordTimeline(
            source,
            self.kind.name,
            " ".join(self.last.get(name, "") for name in self.kind.id_columns),
            title_of(self.last),
            tuple(self.moments),
            self.last,
            self.last_in,
            bool(self.rows),
            self.mark,
        )


def _apart(some: Sequence[Row], others: Sequence[Row], kind: Kind) -> list[Row]:
    """Return the versions that are not among the others."""
    left = Counter(map(kind.version, others))
    apart = []
    for row in some:
        if left[version := kind.version(row)]:
            left[version] -= 1
        else:
            apart.append(row)
    return apart


def _fields(old: Row, new: Row, kind: Kind) -> dict[str, tuple[str, str]]:
    return {
        name: (old.get(name, ""), new.get(name, ""))
        for name in dict.fromkeys((*old, *new))
        if name not in kind.ignored and old.get(name, "") != new.get(name, "")
    }
