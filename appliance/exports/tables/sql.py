"""The only home of how SQL dumps are written: where a statement ends, and what its values say.

Only what mysqldump, pg_dump and their like write of tables is understood; all else is passed over.
A statement of 50 MB is never held whole: its rows are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, reduce

from ..records import Readable
from .rows import LONGEST_BYTES, MOST_PIECES, NotATable

_BLOCK_BYTES = 1 << 20
_HEAD_BYTES = 128 << 10
"""No statement names its table and columns at greater length."""
_DEEPEST = 8
_CUT = "This dump ends in the middle of a statement."
_SHOWN_LENGTH = 64
"""What is binary and longer is told by its size and hash."""
_LONGEST_TEXT_BYTES = 256 << 10
"""And so is everything that is longer than this."""

_QUOTED_NAME = rb"`(?:[^`]|``)++`|\"(?:[^\"]|\"\")++\""
_NAME = rb"(?:" + _QUOTED_NAME + rb"|[\w$\x80-\xff]++)"
_TABLE = rb"(" + _NAME + rb"(?:\s*+\.\s*+" + _NAME + rb")*+)"
_LIST = rb"(\((?:[^()`\"]++|" + _QUOTED_NAME + rb")*+\))"
_FLAGS = re.IGNORECASE | re.DOTALL
_INSERT = re.compile(
    rb"(?:INSERT|REPLACE)\s+(?:(?:IGNORE|DELAYED|LOW_PRIORITY|OR\s+\w+)\s+)*INTO\s+"
    + _TABLE + rb"\s*" + _LIST + rb"?\s*(?:OVERRIDING\s+\w+\s+VALUE\s*)?VALUES\s*(?=\()",
    _FLAGS,
)  # fmt: skip
_COPY = re.compile(
    rb"COPY\s+" + _TABLE + rb"\s*" + _LIST + rb"?\s*FROM\s+stdin\b[^;\n]*+;[ \t\r]*\n", _FLAGS
)
_CREATE = re.compile(
    rb"CREATE\s+(?:(?:TEMPORARY|TEMP|UNLOGGED|OR\s+REPLACE)\s+)*TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    + _TABLE + rb"\s*(?=\()",
    _FLAGS,
)  # fmt: skip
_ALTER = re.compile(
    rb"ALTER\s+TABLE\s+(?:ONLY\s+)?(?:IF\s+EXISTS\s+)?"
    + _TABLE + rb"\s[^;']{0,2000}?PRIMARY\s+KEY\s*" + _LIST,
    _FLAGS,
)  # fmt: skip
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(?!;)[^\n]*", re.IGNORECASE)
_GAP = re.compile(rb"[\s;]*+")
_PLAIN = re.compile(rb"[^;'\"`$/#-]*+")
_DOLLAR = re.compile(rb"\$(?:[A-Za-z_]\w*)?\$")
_KEY = re.compile(rb"(?:CONSTRAINT\s+" + _NAME + rb"\s+)?PRIMARY\s+KEY\s*[^(]*(\(.*\))", _FLAGS)
_NO_COLUMN = re.compile(
    rb"(?:CONSTRAINT|PRIMARY|UNIQUE|KEY|INDEX|FULLTEXT|SPATIAL|FOREIGN|CHECK|EXCLUDE|LIKE|PERIOD)\b",
    re.IGNORECASE,
)
_IS_KEY = re.compile(rb"\bPRIMARY\s+KEY\b", re.IGNORECASE)
_LITERAL = re.compile(rb"(_\w+\s*+|[A-Za-z]?)(['\"])(.*)\2[^'\"]*", re.DOTALL)
_COPY_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_SIGNS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_MYSQL_SIGNS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"0": b"\0", b"Z": b"\x1a"}
_COMMON_SCHEMAS = frozenset({"public", "main", "dbo"})


class Kind(StrEnum):
    """What a statement does."""

    INSERT = "insert"
    COPY = "copy"
    CREATE = "create"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Statement:
    """What one statement says of a table."""

    kind: Kind
    start: int
    """Where in the file it begins."""
    table: bytes
    """The table's name as it is written."""
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How values are written."""

    escapes: bool
    """Whether a backslash in quotes escapes, as in MySQL; elsewhere it is one."""
    encoding: str

    def cells(self, kind: Kind, raw: bytes) -> list[str]:
        """Given a row's bytes, return its values; NULL is empty."""
        if kind is Kind.COPY:
            return [self._copied(value) for value in raw.split(b"\t")]
        return [self._text(value) for value in self.values(raw)]

    def values(self, raw: bytes) -> list[bytes]:
        """Given a tuple, return its values as they are written."""
        return [found[0].strip() for found in _grammar(self.escapes).item.finditer(raw[1:-1])]

    def _copied(self, value: bytes) -> str:
        if value == rb"\N":
            return ""
        if len(value) > _LONGEST_TEXT_BYTES:
            return _told(value)
        return self._shown(_COPY_ESCAPE.sub(_copy_sign, value) if b"\\" in value else value)

    def _text(self, value: bytes) -> str:
        if len(value) > _LONGEST_TEXT_BYTES:
            return _told(value)
        found = _LITERAL.fullmatch(value)
        if not found:
            is_nothing = value.upper() in {b"NULL", b"DEFAULT"}
            return "" if is_nothing else self._shown(value, value[:2].lower() == b"0x")
        prefix, quote, inside = found[1].strip().lower(), found[2], found[3]
        if self.escapes or prefix == b"e":
            inside = _grammar_of_quotes(quote).sub(_mysql_sign, inside)
        else:
            inside = inside.replace(quote * 2, quote)
        return self._shown(inside, prefix in {b"_binary", b"x"})

    def _shown(self, value: bytes, is_binary: bool = False) -> str:
        if len(value) > _SHOWN_LENGTH and (is_binary or value.startswith(b"\\x")):
            return _told(value)
        return value.decode(self.encoding, "backslashreplace")


def _told(value: bytes) -> str:
    return f"{len(value)} characters, {hashlib.sha256(value).hexdigest()[:12]}"


def _copy_sign(found: re.Match[bytes]) -> bytes:
    sign = found[1]
    if sign[:1] == b"x" and len(sign) > 1:
        return bytes([int(sign[1:], 16)])
    return bytes([int(sign, 8) & 255]) if sign.isdigit() and sign < b"8" else _SIGNS.get(sign, sign)


def _mysql_sign(found: re.Match[bytes]) -> bytes:
    sign: bytes | None = found[1]
    return _MYSQL_SIGNS.get(sign, sign) if sign is not None else found[0][:1]


@lru_cache
def _grammar_of_quotes(quote: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\\(.)|" + quote * 2, re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Grammar:
    """What cannot be told without knowing whether a backslash escapes."""

    quoted: dict[bytes, re.Pattern[bytes]]
    row: re.Pattern[bytes]
    """A tuple with the blanks around it."""
    item: re.Pattern[bytes]
    """What stands between two commas."""


@lru_cache
def _grammar(escapes: bool) -> _Grammar:
    single, double = (
        (rb"'(?:[^'\\]++|\\.|'')*+'", rb'"(?:[^"\\]++|\\.|"")*+"')
        if escapes
        else (rb"[eE]'(?:[^'\\]++|\\.|'')*+'|'(?:[^']++|'')*+'", rb'"(?:[^"]++|"")*+"')
    )
    forms = {b"'": single, b'"': double, b"`": rb"`(?:[^`]++|``)*+`"}
    text = rb"|".join(forms.values())
    plain = rb"(?:[^()'\"`eE]++|[eE](?!'))++" if not escapes else rb"[^()'\"`]++"
    inner = reduce(
        lambda inside, _: rb"\((?:" + plain + rb"|" + text + rb"|" + inside + rb")*+\)",
        range(_DEEPEST),
        rb"\((?:" + plain + rb"|" + text + rb")*+\)",
    )
    item = plain.replace(rb"[^()", rb"[^,()")
    return _Grammar(
        {sign: re.compile(form, re.DOTALL) for sign, form in forms.items()},
        re.compile(rb"\s*+(" + inner + rb")\s*+", re.DOTALL),
        re.compile(rb"(?:" + item + rb"|" + text + rb"|" + inner + rb")++", re.DOTALL),
    )


class Window:
    """A file seen through a window that moves forward."""

    def __init__(self, source: Readable, start: int) -> None:
        source.seek(start)
        self._source, self._base = source, start
        self.data, self.at = b"", 0

    @property
    def place(self) -> int:
        """Where in the file we are."""
        return self._base + self.at

    def ahead(self, size_bytes: int) -> bytes:
        """Return what comes next, so many bytes or more where there are, without passing it."""
        while len(self.data) - self.at < size_bytes and self._fill():
            pass
        return self.data[self.at : self.at + size_bytes]

    def see(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Return what a short pattern means, without passing it; None where it does not fit."""
        if len(self.data) - self.at < _HEAD_BYTES:
            self.ahead(_HEAD_BYTES)
        return pattern.match(self.data, self.at)

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Pass what a pattern means and return it, None where something else stands here.

        Raise NotATable where it has no end.
        """
        while True:
            found = pattern.match(self.data, self.at)
            if found and found.end() < len(self.data):
                break
            if len(self.data) - self.at > LONGEST_BYTES:
                raise NotATable("A value of this dump has no end.")
            if not self._fill():
                break
        self.at = found.end() if found else self.at
        return found

    def before_blanks(self) -> int:
        """Return where the blanks begin that were just passed."""
        at = self.at
        while at and self.data[at - 1 : at].isspace():
            at -= 1
        return self._base + at

    def line(self) -> bytes | None:
        """Pass a line and return it without its end; None where the file ends before."""
        seen = self.at
        while (end := self.data.find(b"\n", seen)) < 0:
            seen = len(self.data) - self.at
            if seen > LONGEST_BYTES:
                raise NotATable("A line of this dump is longer than any table's.")
            if not self._fill():
                return None
        line = self.data[self.at : end]
        self.at = end + 1
        return line.removesuffix(b"\r")

    def leave(self, sign: bytes) -> bool:
        """Pass everything up to a sign, and it; return whether it came."""
        while (found := self.data.find(sign, self.at)) < 0:
            self.at = max(self.at, len(self.data) - len(sign) + 1)
            if not self._fill():
                self.at = len(self.data)
                return False
        self.at = found + len(sign)
        return True

    def _fill(self) -> bool:
        """Read on; the more the longer it is that nothing was passed."""
        more = self._source.read(max(_BLOCK_BYTES, len(self.data) - self.at))
        if more:
            self.data, self._base, self.at = self.data[self.at :] + more, self.place, 0
        return bool(more)


class Statements:
    """Goes through a dump statement by statement; of those with rows, row by row."""

    def __init__(self, window: Window, dialect: Dialect) -> None:
        self._window, self._escapes = window, dialect.escapes
        self._grammar = _grammar(dialect.escapes)
        self.rows: Iterator[bytes] = iter(())
        """The rows of the statement that came last; what is left of them is passed over."""

    def each(self) -> Iterator[Statement]:
        """Yield each that says something of a table; raise NotATable where the dump is cut."""
        while self._comes_another():
            if statement := self._statement():
                yield statement
                for _ in self.rows:
                    pass
            elif self._window.see(_DELIMITER):
                self._window.leave(b"\nDELIMITER ;")
            else:
                self._must_end()

    def _statement(self) -> Statement | None:
        """Return what a statement says, with its rows still to be read."""
        window, start = self._window, self._window.place
        if found := window.see(_INSERT):
            window.at = found.end()
            self.rows = self._tuples()
            return Statement(Kind.INSERT, start, found[1], names(found[2]))
        if found := window.see(_COPY):
            window.at = found.end()
            self.rows = self._lines()
            return Statement(Kind.COPY, start, found[1], names(found[2]))
        self.rows = iter(())
        if found := window.see(_ALTER):
            self._must_end()
            return Statement(Kind.KEY, start, found[1], key=names(found[2]))
        if found := window.see(_CREATE):
            window.at = found.end()
            body = window.take(self._grammar.row)
            self._must_end()
            return Statement(Kind.CREATE, start, found[1], *self._defined(body[1] if body else b""))
        return None

    def _tuples(self) -> Iterator[bytes]:
        window = self._window
        while found := window.take(self._grammar.row):
            yield _bounded(found[1], b",")
            if window.ahead(1) != b",":
                break
            window.at += 1
        if not found:
            raise NotATable(_CUT)
        self._must_end()

    def _lines(self) -> Iterator[bytes]:
        while (line := self._window.line()) is not None:
            if line == rb"\.":
                return
            yield _bounded(line, b"\t")
        raise NotATable(_CUT)

    def _comes_another(self) -> bool:
        """Pass what stands between two statements; return whether there is one."""
        window = self._window
        while window.take(_GAP) and (sign := window.ahead(2)):
            if sign == b"--" or sign[:1] in (b"\\", b"#"):
                window.leave(b"\n")
            elif sign == b"/*":
                window.leave(b"*/")
            else:
                return True
        return False

    def _must_end(self) -> None:
        if not self._end():
            raise NotATable(_CUT)

    def _end(self) -> bool:
        """Pass the rest of a statement; return whether it has an end."""
        window = self._window
        while window.take(_PLAIN) and (sign := window.ahead(1)):
            if sign == b";":
                window.at += 1
                return True
            if not self._pass(sign):
                return False
        return False

    def _pass(self, sign: bytes) -> bool:
        """Pass what is quoted, a comment, or just this sign; return whether it has an end."""
        window = self._window
        if sign in self._grammar.quoted:
            return window.take(self._grammar.quoted[sign]) is not None
        if window.ahead(2) == b"/*":
            return window.leave(b"*/")
        if window.ahead(2) == b"--" or (sign == b"#" and self._escapes):
            return window.leave(b"\n")
        if sign == b"$" and (found := _DOLLAR.match(window.ahead(_SHOWN_LENGTH))):
            window.at += found.end()
            return window.leave(found[0])
        window.at += 1
        return True

    def _defined(self, body: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Given what CREATE TABLE defines, return the columns and the primary key."""
        columns: list[str] = []
        key: tuple[str, ...] = ()
        for item in (found[0].strip() for found in self._grammar.item.finditer(body[1:-1])):
            if found := _KEY.match(item):
                key = names(found[1])
            elif not _NO_COLUMN.match(item) and (found := re.match(_NAME, item)):
                columns.append(name_of(found[0]))
                key = (columns[-1],) if _IS_KEY.search(re.sub(rb"'[^']*'", b"", item)) else key
        return tuple(columns), key


def _bounded(row: bytes, mark: bytes) -> bytes:
    """Return a row; raise NotATable where it has more values than any."""
    if len(row) > MOST_PIECES and row.count(mark) > MOST_PIECES:
        raise NotATable("A row of this dump has more values than any table's.")
    return row


def names(listed: bytes | None) -> tuple[str, ...]:
    """Given names in brackets as they are written, return them."""
    return tuple(map(name_of, re.findall(_NAME, re.sub(rb"\(\d+\)", b"", (listed or b"")[1:-1]))))


def name_of(written: bytes) -> str:
    """Given a name as it is written, return it without its quotes."""
    quote = written[:1]
    if quote in b'`"':
        written = written[1:-1].replace(quote * 2, quote)
    return written.decode("utf-8", "replace")


def table_of(written: bytes) -> str:
    """Given a table as it is written, return its name; with its schema where that tells."""
    first, *others = map(name_of, re.findall(_NAME, written))
    return ".".join(others if others and first in _COMMON_SCHEMAS else [first, *others])


def quoted(columns: Sequence[str], dialect: Dialect) -> bytes:
    """Given the names of columns, return them in brackets as SQL has them."""
    mark = "`" if dialect.escapes else '"'
    listed = ", ".join(f"{mark}{name.replace(mark, mark * 2)}{mark}" for name in columns)
    return f"({listed})".encode(dialect.encoding, "replace")
