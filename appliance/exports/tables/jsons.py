"""The only home of tables written as JSON: a list of objects in a file, or an object on each line.

An object is a row; one within it is laid flat (`properties.email`), a list stays JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from ..looks import Kind, plain, tail
from ..records import next_bytes, readable, records
from .discovered import Discovered
from .rows import LONGEST_BYTES, MOST_PIECES, Frame, NotATable, Place

_DEEPEST = 4


class Objects(Discovered):
    """Rows that are JSON objects; implements `rows.Rows`. A `raw` is an object's own text."""

    shape: Hashable = "JSON"

    @property
    def frame(self) -> Frame:
        """A list, or a line for each; see `rows.Rows`."""
        if self.look.kind is Kind.JSON_LINES:
            return Frame()
        return Frame(b"[\n", b",\n", b"\n]\n")

    @property
    def ends(self) -> bool:
        """Whether the last bracket is closed; see `rows.Rows`."""
        return tail(self.file).strip().endswith((b"]", b"}"))

    def raws(self) -> Iterator[bytes]:
        """Yield each object's bytes; see `rows.Rows`."""
        for place in self.placed():
            yield place.raw

    def placed(self) -> Iterator[Place]:
        """Yield each object with where it, or the line that it is, lies."""
        with plain(self.file) as opened, plain(self.file) as again:
            source = readable(again, self.look)
            for one in records(opened, self.look):
                if one.end - one.start > LONGEST_BYTES:
                    raise NotATable("An object of this file is longer than any record.")
                source.seek(one.start)
                found = b"".join(next_bytes(source, one.end - one.start))
                if raw := found.strip():
                    yield Place(one.start, one.start + len(found.rstrip()), one.end, raw)

    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one object apart; see `rows.Rows`."""
        if len(raw) > MOST_PIECES and sum(map(raw.count, (b",", b"[", b"{"))) > MOST_PIECES:
            raise NotATable("An object of this file holds more than any record.")
        try:
            value = json.loads(raw.decode(self.look.bytes_encoding, "replace"))
        except (ValueError, RecursionError) as error:
            raise NotATable("This file is not JSON to its end.", detail=str(error)) from error
        if not isinstance(value, dict):
            raise NotATable("What this file lists are no records.")
        found = dict(_flat(value, "", _DEEPEST))
        if b"\\u" in raw:
            found = {_sound(name): _sound(cell) for name, cell in found.items()}
        return self._placed(found.items())


def _flat(value: Mapping[str, Any], prefix: str, deeper: int) -> Iterator[tuple[str, str]]:
    for name, one in value.items():
        if isinstance(one, dict) and one and deeper:
            yield from _flat(one, f"{prefix}{name}.", deeper - 1)
        else:
            yield f"{prefix}{name}", text_of(one)


def _sound(text: str) -> str:
    """Half a character, which JSON can escape, is none that could be written anywhere."""
    return text.encode("utf-8", "replace").decode()


def text_of(value: Any) -> str:
    """Given a field's value, return what its cell says."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
