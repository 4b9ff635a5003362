"""The only home of hiding columns of tables that are JSON: a list of objects, or one on each line.

Only the text of what is hidden is replaced; the rest of each object, and all that stands around
them, is as the vendor wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

from ..looks import Kind, Look, plain
from ..records import Readable, next_bytes, readable, records
from .jsons import Objects, text_of
from .masking import Veil, encoded
from .rows import NotATable

_WHITESPACE = " \t\n\r"
_LONGEST_BETWEEN_BYTES = 1 << 20
_MOST_BETWEEN_BYTES = 16 << 20
"""Between two records there is a comma; a file with much more than that is none of records."""
_DECODER = json.JSONDecoder()
_SAYS_NOTHING: tuple[Any, ...] = (None, "", [], {})


class MaskedObjects:
    """JSON that is written once more; implements `masking.Maskable`.

    A name means a field, and all that lies in it: `properties` is `properties.email` too.
    """

    is_named_by_a_row = False

    def __init__(self, file: Path, look: Look) -> None:
        self._file, self._look = file, look
        self.columns: Sequence[str] = Objects(file, look).columns

    def meant(self, name: str) -> Sequence[str]:
        """Return the fields of this name, and those that lie in it; see `masking.Maskable`."""
        return [each for each in self.columns if each == name or each.startswith(f"{name}.")]

    def rewritten(self, veil: Veil) -> Iterator[bytes]:
        """Yield the file's bytes with fields hidden; see `masking.Maskable`."""
        with plain(self._file) as opened:
            head = opened.read(2)
        yield from encoded(self._chunks(veil), self._look, head)

    def _chunks(self, veil: Veil) -> Iterator[bytes]:
        around, hiding, place = _Around(self._look), _Hiding(veil), 0
        with plain(self._file) as opened, plain(self._file) as again:
            source = readable(again, self._look)
            for one in records(opened, self._look):
                yield around.seen(_between(source, one.start - place))
                around.is_at_a_record()
                yield self._record(b"".join(next_bytes(source, one.end - one.start)), hiding)
                place = one.end
            yield around.seen(_between(source, _LONGEST_BETWEEN_BYTES + 1))
        around.refuse_what_is_hidden(veil)

    def _record(self, raw: bytes, hiding: _Hiding) -> bytes:
        """Return an object, or a line with one in it, with its fields hidden."""
        encoding = self._look.bytes_encoding
        text = raw.decode(encoding, "surrogateescape")
        start = _over(text, 0)
        if start == len(text):
            return raw
        try:
            shown, end = hiding.shown(text, start)
        except (ValueError, RecursionError, IndexError) as error:
            raise NotATable("This file is not JSON to its end.") from error
        return (text[:start] + shown + text[end:]).encode(encoding, "surrogateescape")


class _Fate(Enum):
    """What becomes of a field."""

    SHOWN = auto()
    LOOKED_INTO = auto()
    """Something that lies in it is hidden."""
    MASKED = auto()
    DROPPED = auto()


class _Hiding:
    """Hides fields of objects in their text."""

    def __init__(self, veil: Veil) -> None:
        self._veil = veil
        self._hidden = veil.masked | veil.dropped
        self._known: dict[str, _Fate] = {}

    def shown(self, text: str, at: int, path: str = "") -> tuple[str, int]:
        """Return what becomes of the object that begins at a place, and where it ends."""
        kept = list[str]()
        at = start = at + 1
        if text[at := _over(text, at)] == "}":
            return text[start - 1 : at + 1], at + 1
        while True:
            column, value_at = self._name(text, _over(text, at), path)
            fate = self._known.get(column) or self._fate(column)
            value, end = self._value(text, value_at, column, fate)
            at = _over(text, end)
            if fate is not _Fate.DROPPED:
                kept.append(text[start:value_at] + value + text[end:at])
            if text[at] != ",":
                return "{" + ",".join(kept) + "}", at + 1
            at = start = at + 1

    def _name(self, text: str, at: int, path: str) -> tuple[str, int]:
        """Return the column whose name stands at a place, and where its value begins."""
        name, end = _DECODER.raw_decode(text, at)
        return f"{path}{name}", _over(text, _over(text, end) + 1)

    def _fate(self, column: str) -> _Fate:
        def is_in(names: Iterable[str]) -> bool:
            return any(column == name or column.startswith(f"{name}.") for name in names)

        found = _Fate.SHOWN
        if is_in(self._veil.dropped):
            found = _Fate.DROPPED
        elif is_in(self._veil.masked):
            found = _Fate.MASKED
        elif any(name.startswith(f"{column}.") for name in self._hidden):
            found = _Fate.LOOKED_INTO
        self._known[column] = found
        return found

    def _value(self, text: str, at: int, column: str, fate: _Fate) -> tuple[str, int]:
        """Return what becomes of the value that begins at a place, and where it ends."""
        if text[at] == "{" and fate is _Fate.LOOKED_INTO:
            return self.shown(text, at, f"{column}.")
        value, end = _DECODER.raw_decode(text, at)
        if fate is not _Fate.MASKED or value in _SAYS_NOTHING:
            return text[at:end], end
        return json.dumps(self._veil.put_over(text_of(value)), ensure_ascii=False), end


class _Around:
    """What stands around the records: nothing hidden may, and it must be whole JSON with them."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._text = bytearray()

    def seen(self, between: bytes) -> bytes:
        """Look at what stands between two records, and return it."""
        if len(between) > _LONGEST_BETWEEN_BYTES or len(self._text) > _MOST_BETWEEN_BYTES:
            raise NotATable("This file has more between its records than any list.")
        if between.strip() != b"," or not self._text.endswith(b"0"):
            self._text += between
        else:
            self._text[-1:] = b""  # one record more, where one is enough
        return between

    def is_at_a_record(self) -> None:
        """Know that a record stands here."""
        self._text += b"0"

    def refuse_what_is_hidden(self, veil: Veil) -> None:
        """Raise NotATable where the file is cut, or a hidden field stands outside the records."""
        if self._look.kind is Kind.JSON_LINES:
            return
        text = self._text.decode(self._look.bytes_encoding, "replace").removeprefix("\ufeff")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NotATable("This file is not JSON to its end.") from error
        hidden = {name.rpartition(".")[2] for name in veil.masked | veil.dropped}
        if hidden & set(_names_in(value)):
            raise NotATable("What is to be hidden stands outside the records, too.")


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _names_in(one)


def _between(source: Readable, size_bytes: int) -> bytes:
    return b"".join(next_bytes(source, min(size_bytes, _LONGEST_BETWEEN_BYTES + 1)))


def _over(text: str, at: int) -> int:
    """Return the next place that is not empty; the text's end where there is none."""
    while at < len(text) and text[at] in _WHITESPACE:
        at += 1
    return at
