"""The only home of tables that lie in a dump of a database: one for each of its own.

A dump is gone through once, and where the rows of each table lie is remembered: whoever wants a
table then reads that stretch alone, however many others there are.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..looks import Look, plain
from ..records import readable
from .rows import MOST_COLUMNS, Frame, NotATable, distinct
from .sieve import Sieve
from .sql import Dialect, Kind, Statement, Statements, Window, quoted, table_of

_HEAD_BYTES = 64 << 10
_MOST_TABLES = 10_000
_STANDARD = (b"PostgreSQL database dump", b"standard_conforming_strings", b"PRAGMA foreign_keys")
_MYSQL = (b"`", b"MySQL", b"MariaDB")
_PRELUDE = re.compile(
    rb"^(?:/\*!\d+ )?SET (?:NAMES|client_encoding|standard_conforming_strings)\b[^;\n]*;",
    re.MULTILINE,
)
_ENCODING = re.compile(rb"SET (?:NAMES|client_encoding)\s*=?\s*'?(\w+)")
_ENCODINGS = {
    **dict.fromkeys(("utf8", "utf8mb3", "utf8mb4", "unicode"), "utf-8"),
    **dict.fromkeys(("latin1", "win1252"), "cp1252"),
    **{name: f"cp{name[-4:]}" for name in ("cp1250", "cp1251", "cp1257", "win1250", "win1251")},
    "latin2": "iso8859-2",
    "latin9": "iso8859-15",
}
"""As the databases call them; of others the bytes themselves must tell."""


@dataclass(slots=True)
class _Found:
    """What was found of one table."""

    written: bytes
    kind: Kind = Kind.CREATE
    defined: tuple[str, ...] = ()
    columns: dict[str, None] = field(default_factory=dict)
    """As its rows name them."""
    key: tuple[str, ...] = ()
    stretches: array[int] = field(default_factory=lambda: array("Q"))
    """Where its rows lie: from and to, from and to."""
    widest: int = 0
    """How many values its first row has, where nothing names them."""

    def add(self, statement: Statement, first: bytes | None, dialect: Dialect) -> None:
        """Take what a statement says; `first` is the first of its rows."""
        self.key = statement.key or self.key
        if statement.kind is Kind.CREATE:
            self.defined = self.defined or statement.columns
        elif statement.kind is not Kind.KEY:
            if self.kind not in (Kind.CREATE, statement.kind):
                raise NotATable("This dump writes one table in two ways.")
            self.kind, self.written = statement.kind, statement.table
            self.columns |= dict.fromkeys(statement.columns)
            if first and not (self.columns or self.defined or self.widest):
                self.widest = len(dialect.cells(statement.kind, first))

    def lies(self, start: int, stop: int, *, at_once: bool) -> None:
        """Remember a stretch; one that goes on `at_once` makes the last one longer."""
        if at_once and self.stretches:
            self.stretches[-1] = stop
        else:
            self.stretches.extend((start, stop))

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns."""
        numbered = (f"column {number}" for number in range(1, self.widest + 1))
        return tuple(self.columns) or tuple(distinct(self.defined)) or tuple(numbered)


class Dumped:
    """Rows of one table of a dump; implements `rows.Rows`.

    A `raw` is a tuple with its brackets, or a line of COPY.
    """

    ends = True
    """One that is cut is no dump."""

    def __init__(self, file: Path, look: Look, dialect: Dialect, found: _Found) -> None:
        self._file, self.look, self.dialect, self._found = file, look, dialect, found
        self.columns: Sequence[str] = found.names
        self.shape: Hashable = (found.kind, dialect, *self.columns)

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key; see `rows.Rows`."""
        key = self._found.key
        return key if set(key) <= set(self.columns) else ()

    @property
    def frame(self) -> Frame:
        """One INSERT or COPY, behind what the dump says of its encoding; see `rows.Rows`."""
        with plain(self._file) as opened:
            head = readable(opened, self.look).read(_HEAD_BYTES)
        prelude = b"".join(line + b"\n" for line in _PRELUDE.findall(head))
        columns = b"" if self._found.widest else b" " + quoted(self.columns, self.dialect)
        table = self._found.written + columns
        encoding = "utf-16" if self.look.encoding == "utf-16" else ""
        if self._found.kind is Kind.COPY:
            opening = prelude + b"COPY " + table + b" FROM stdin;\n"
            return Frame(opening, b"\n", b"\n\\.\n", encoding, ".sql")
        opening = prelude + b"INSERT INTO " + table + b" VALUES\n"
        return Frame(opening, b",\n", b";\n", encoding, ".sql")

    def raws(self) -> Iterator[bytes]:
        """Yield each row's bytes; see `rows.Rows`."""
        with plain(self._file) as opened:
            places = self._found.stretches
            for start, stop in zip(places[::2], places[1::2], strict=True):
                opened.seek(0)
                window = Window(readable(opened, self.look), start)
                statements = Statements(window, self.dialect)
                for statement in statements.each():
                    if statement.start >= stop:
                        break
                    yield from self.in_order(statement, statements.rows)

    def rows(self) -> Iterator[tuple[bytes, Sequence[str]]]:
        """Yield each row's bytes and its values; see `rows.Rows`."""
        for raw in self.raws():
            yield raw, self.cells(raw)

    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one row apart; see `rows.Rows`."""
        return self.dialect.cells(self._found.kind, raw)

    def in_order(self, statement: Statement, rows: Iterator[bytes]) -> Iterator[bytes]:
        """Yield rows; those of a statement that names other columns in the order of ours."""
        told = statement.columns or tuple(distinct(self._found.defined))
        if not told or told == tuple(self.columns):
            yield from rows
            return
        is_copied = statement.kind is Kind.COPY
        for raw in rows:
            values = raw.split(b"\t") if is_copied else self.dialect.values(raw)
            named = dict(zip(told, values, strict=False))
            if is_copied:
                yield b"\t".join(named.get(name, rb"\N") for name in self.columns)
            else:
                yield b"(%b)" % b",".join(named.get(name, b"DEFAULT") for name in self.columns)


def dumped(file: Path, look: Look) -> Mapping[str, Dumped]:
    """Given a dump, go through it once and return its tables by name; none where it has none.

    Raise NotATable where it is cut.
    """
    with plain(file) as opened:
        head = readable(opened, look).read(_HEAD_BYTES)
    dialect = _dialect(head, look)
    with plain(file) as opened:
        window = Window(readable(opened, look), look.skip_bytes)
        found = _found(Statements(window, dialect), window, dialect)
    return {name: Dumped(file, look, dialect, one) for name, one in found.items() if one.names}


def spans_without(
    file: Path, tables: Mapping[str, Dumped], sieve: Sieve
) -> Iterator[tuple[int, int]]:
    """Yield from where to where a dump, as it is read, is to be cut so that some rows are in it no
    more: each with one comma, the last of an INSERT with all of that.
    """
    one = next(iter(tables.values()))
    with plain(file) as opened:
        window = Window(readable(opened, one.look), one.look.skip_bytes)
        statements = Statements(window, one.dialect)
        for statement in statements.each():
            name = table_of(statement.table)
            goes = partial(_goes, name, tables.get(name), statement, sieve)
            spans = _lines if statement.kind is Kind.COPY else _tuples
            yield from spans(statement.start, statements.rows, window, goes)


def rows_of(file: Path, look: Look) -> Iterator[tuple[str, bytes]]:
    """Yield each row of a dump, as it lies there, with the name of its table."""
    with plain(file) as opened:
        head = readable(opened, look).read(_HEAD_BYTES)
    with plain(file) as opened:
        window = Window(readable(opened, look), look.skip_bytes)
        statements = Statements(window, _dialect(head, look))
        for statement in statements.each():
            for raw in statements.rows:
                yield table_of(statement.table), raw


def _goes(name: str, table: Dumped | None, statement: Statement, sieve: Sieve, raw: bytes) -> bool:
    row = b"".join(table.in_order(statement, iter((raw,)))) if table else b""
    return sieve.goes(name, [raw], table.cells(row) if table else ())


def _lines(
    _start: int, rows: Iterator[bytes], window: Window, goes: Callable[[bytes], bool]
) -> Iterator[tuple[int, int]]:
    begins = window.place
    for raw in rows:
        if goes(raw):
            yield begins, window.place
        begins = window.place


def _tuples(
    start: int, rows: Iterator[bytes], window: Window, goes: Callable[[bytes], bool]
) -> Iterator[tuple[int, int]]:
    """Those at the beginning go with the comma behind them, which only one that stays has."""
    first = begins = last = window.place
    has_one_that_stays = False
    for raw in rows:
        ends, is_gone = window.place, goes(raw)
        if is_gone and has_one_that_stays:
            yield last, window.before_blanks()
        elif not is_gone and not has_one_that_stays:
            has_one_that_stays = True
            if first < begins:
                yield first, begins
        last, begins = ends, ends + 1
    if first < last and not has_one_that_stays:
        yield start, window.place


def _found(statements: Statements, window: Window, dialect: Dialect) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    last = ""
    for statement in statements.each():
        name = table_of(statement.table)
        one = found.setdefault(name, _Found(statement.table))
        rows = statements.rows
        one.add(statement, next(rows, None), dialect)
        for _ in rows:
            pass
        if statement.kind in (Kind.INSERT, Kind.COPY):
            one.lies(statement.start, window.place, at_once=name == last)
        last = name if statement.kind in (Kind.INSERT, Kind.COPY) else ""
        if len(found) > _MOST_TABLES or len(one.columns) > MOST_COLUMNS:
            raise NotATable("This dump has more tables, or columns, than any database.")
    return found


def _dialect(head: bytes, look: Look) -> Dialect:
    is_standard = any(sign in head for sign in _STANDARD)
    escapes = not is_standard and any(sign in head for sign in _MYSQL)
    if (told := _ENCODING.search(head)) and look.encoding != "utf-16":
        name = told[1].decode("ascii", "replace").lower()
        return Dialect(escapes, _ENCODINGS.get(name, look.bytes_encoding))
    return Dialect(escapes, look.bytes_encoding)
