"""The only home of who is meant when somebody asks to be erased: looked for in one backup after
the other, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..core.errors import ApplianceError, Cancelled, DiskFull
from ..core.ports import Watch
from .choosing import matches
from .erasing import made_again, rewritten
from .extracted import Extracted
from .finding import matcher
from .going import Going, Kinds
from .looks import Kind as Written
from .looks import look_at, plain
from .pseudonyms import BEGINNING
from .reading import WORKBOOKS, tables_in, told_of
from .records import next_bytes, readable
from .tables.grouping import File
from .tables.ids import normal
from .tables.jsons import Objects
from .tables.rows import NotATable
from .tables.table import Table
from .tables.titles import title_of
from .timeline.searching import Words, folded
from .timeline.segment import Row, escaped

_BLOCK_BYTES = 1 << 20
_OVERLAP_BYTES = 1024
_LONGEST_LINE = 1 << 20
"""Characters; in a longer one some words may stand on both sides of where it is cut."""
_MOST_NAMES = 5
Pseudonym = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom somebody wants erased: by id, or by words that a version of the record says."""

    record: str = ""
    text: str = ""
    tables: tuple[str, ...] = ()
    """Patterns; none means all."""
    pseudonym: Pseudonym | None = None
    """What stands for a value where columns are masked; None where none ever was."""

    def is_in(self, table: Table) -> bool:
        """Return whether a table is one of those that somebody named, by its file or its name."""
        names = (table.name, table.inside, *table.parts)
        return any(matches(name, self.tables) for name in names if name)

    def means(self, row: Row, kinds: Kinds) -> bool:
        """Return whether a record is meant; what is masked in it is known only as a whole."""
        if self.record:
            return kinds.id_of(row) in self._spelled(normal(self.record), self.record)
        said = "\n".join(escaped(cell) for cell in row.values())
        is_masked_so = self.text and set(self._spelled(self.text)[1:]) & {*row.values()}
        return bool(is_masked_so) or Words(self.text).are_in(folded(said))

    def _spelled(self, *values: str) -> list[str]:
        shown = [self.pseudonym(value) for value in values] if self.pseudonym else []
        return [values[0], *map(normal, shown)]


@dataclass(frozen=True, slots=True)
class Meant:
    """One record that is meant, as a version says that was looked for."""

    table: str
    id: str
    title: str
    also: tuple[str, ...] = ()
    """What it was called in other versions, the first of them."""
    was_another: bool = False
    """Whether a version has another name, not the same one longer or shorter: an id may have been
    somebody else's before.
    """

    def called(self, title: str) -> Meant:
        """Return it under the name that a later version has."""
        return replace(self, title=title, also=()).also_called(*self.also, self.title)

    def also_called(self, *titles: str) -> Meant:
        """Return it with what other versions are called; a pseudonym is no name."""
        others = [one for one in titles if one and not one.startswith(BEGINNING)]
        names = dict.fromkeys((*self.also, *others))
        names.pop(self.title, None)
        is_another = any(_is_another(one, self.title) for one in others)
        return replace(
            self, also=tuple(names)[:_MOST_NAMES], was_another=self.was_another or is_another
        )


def _is_another(name: str, other: str) -> bool:
    """Whether neither of two names has all words of the other one."""
    one, two = set(folded(name).split()), set(folded(other).split())
    return not (one <= two or two <= one)


class Here(NamedTuple):
    """What one backup has of those who are meant."""

    marks: frozenset[str]
    cannot: str = ""
    """Why they cannot be taken out of it."""


@dataclass(slots=True)
class Seen:
    """What was found of somebody, over as many backups as were looked into."""

    records: dict[str, Meant] = field(default_factory=dict)
    """By what tells each from all others."""
    aliases: dict[str, str] = field(default_factory=dict)
    """What tells the same records from all others where their ids are masked."""
    elsewhere: set[str] = field(default_factory=set)
    """Files that say the words beside what is taken out, or cannot be read: they stay."""
    unread: set[str] = field(default_factory=set)
    """Files that are no text and no table: nobody looked what they say."""
    masked: dict[str, set[str]] = field(default_factory=dict)
    """By table the columns that are masked somewhere, in which words are not found."""

    def covers(self, mark: str) -> bool:
        """Return whether a record is one that was found, by what tells it from all others."""
        return mark in self.records or mark in self.aliases

    def look(self, root: Path, wanted: Wanted, work: Path, watch: Watch) -> Here:
        """Look into an extracted archive for who is wanted, and for who was found before; `work` is
        an empty folder. Raise RepositoryDamaged.
        """
        archive = Extracted.at(root, work)
        files = made_again(archive, work, watch)
        tables = list(tables_in(archive, files).values())
        for table in filter(wanted.is_in, tables):
            with self._unread(table):
                masked = told_of(archive, table).get("masked", ())
                self._find(table, frozenset(masked), wanted, watch)
        here = frozenset(mark for table in tables for mark in self._versions(table, watch))
        new, cannot = dict[str, File](), ""
        if here:  # what cannot be taken out is said before anything is asked
            try:
                new = rewritten(archive, files, self.covers, watch)
            except (DiskFull, Cancelled):
                raise
            except ApplianceError as error:
                cannot = error.message
        if wanted.text:
            left = [replace(new.get(file.path, file), path=file.path) for file in files]
            self._look_elsewhere(left, tables, wanted.text)
        return Here(here, cannot)

    def _find(self, table: Table, masked: frozenset[str], wanted: Wanted, watch: Watch) -> None:
        """Find the records of a table that are meant."""
        kinds = Kinds.of(table)
        found: list[Row] = []
        for row in table.records():
            watch.check()
            if wanted.means(row, kinds):
                found.append(row)
        kind = kinds.for_these(found) if wanted.record else kinds.good
        for one in found:
            mark = self.aliases.get(mark := kind.record(one), mark)
            known = self.records.get(mark, Meant(table.name, kinds.id_of(one), title_of(one)))
            self.records[mark] = known.called(title_of(one))
            if wanted.pseudonym and kind.id_columns and not masked & set(kind.id_columns):
                shown = {name: wanted.pseudonym(one.get(name, "")) for name in kind.id_columns}
                self.aliases[kind.record({**one, **shown})] = mark
        if masked:
            self.masked.setdefault(table.name, set()).update(masked)

    def _versions(self, table: Table, watch: Watch) -> Iterator[str]:
        """Yield what tells each record apart of which this table has a version, and take down
        what it is called in it.
        """
        with self._unread(table):
            going = Going.of(table, self.covers, watch)
            for row in table.records():
                watch.check()
                if mark := going.mark(row):
                    mark = self.aliases.get(mark, mark)
                    self.records[mark] = self.records[mark].also_called(title_of(row))
                    yield mark

    @contextmanager
    def _unread(self, table: Table) -> Iterator[None]:
        """A table that breaks off is none: it stays as it is, and is said."""
        try:
            yield
        except NotATable:
            self.elsewhere.update(table.parts)

    def _look_elsewhere(self, files: Iterable[File], tables: Sequence[Table], text: str) -> None:
        """Look what is said elsewhere: in other files, and in what of a table is no row."""
        known = {path for table in tables for path in table.parts}
        for file in files:
            if file.path in known:
                is_said = _a_line_says(file, text)
            else:
                is_said = _says(file, text)
                if look_at(file.file, file.path).kind is Written.BINARY:
                    self.unread.add(file.path)
            if is_said:
                self.elsewhere.add(file.path)


def _a_line_says(file: File, text: str) -> bool:
    """Return whether one line of a table's file says all words of a text."""
    words = Words(text)
    return any(words.are_in(folded(line)) for line in _lines(file, text))


def _lines(file: File, text: str) -> Iterator[str]:
    """Yield the lines of a table's file, or a workbook's rows; none where the file does not say
    all words of a text anyhow.
    """
    if PurePosixPath(file.path).suffix.lower() in WORKBOOKS:
        from .tables.workbook import each_sheet, text_of  # noqa: PLC0415 - openpyxl takes a while

        for _, rows in each_sheet(file.file):
            yield from ("\n".join(map(text_of, row)) for row in rows)
    elif _says(file, text):
        look = look_at(file.file, file.path, file.encoding)
        if look.kind is Written.JSON:
            yield from _pieces(Objects(file.file, look))
            return
        with file.file.open(encoding=look.encoding, errors="replace") as opened:
            yield from iter(partial(opened.readline, _LONGEST_LINE), "")


def _pieces(objects: Objects) -> Iterator[str]:
    """Yield each object of a JSON file, and what stands before, between and behind them."""
    encoding = objects.look.bytes_encoding
    with plain(objects.file) as opened:
        source, upto = readable(opened, objects.look), 0
        for place in objects.placed():
            for block in next_bytes(source, place.start - upto):
                yield block.decode(encoding, "replace")
            source.seek(place.stop)
            upto = place.stop
            yield place.raw.decode(encoding, "replace")
        while block := source.read(_BLOCK_BYTES):
            yield block.decode(encoding, "replace")


def _says(file: File, text: str) -> bool:
    """Return whether a file says all words of a text, wherever in it, in its name too."""
    look = look_at(file.file, file.path)
    left = [word for word in text.split() if folded(word) not in folded(file.path)]
    if look.kind is Written.BINARY:
        return not left
    matching = [matcher(word, look) for word in left]
    with plain(file.file) as opened:
        before = b""
        while matching and (block := opened.read(_BLOCK_BYTES)):
            matching = [is_in for is_in in matching if not is_in(before + block)]
            before = block[-_OVERLAP_BYTES:]
    return not matching
