"""The only home of hiding columns of tables that are lines of cells: CSV, TSV and their kin.

Which cell is which is told by the standard library, as everywhere; where each lies in its line, by
where its quotes stand. Both must agree, or the file is none that could be masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from ..looks import Look, plain
from ..records import next_bytes, readable
from .delimited import Delimited, lines, whole
from .masking import Header, Veil, encoded
from .rows import NotATable

_QUOTE, _NOTHING = b'"', b'""'


class MaskedLines:
    """A CSV or one of its kin that is written once more; implements `masking.Maskable`."""

    is_named_by_a_row = True

    def __init__(self, file: Path, look: Look) -> None:
        self._file, self._look = file, look
        self._lines = Delimited(file, look)
        self._mark = look.delimiter.encode()
        self.columns: Sequence[str] = self._lines.columns
        self._header = Header(self._lines.cells(self._lines.header))

    def meant(self, name: str) -> Sequence[str]:
        """Return the columns of this name, of which there may be several; see `Maskable`."""
        return [self.columns[at] for at in sorted(self._header.places({name}))]

    def rewritten(self, veil: Veil) -> Iterator[bytes]:
        """Yield the file's bytes with columns hidden; see `masking.Maskable`."""
        with plain(self._file) as opened:
            head = opened.read(2)
        yield from encoded(self._chunks(veil), self._look, head)

    def _chunks(self, veil: Veil) -> Iterator[bytes]:
        """Yield what stands before the header, and each line with its end."""
        dropped = self._header.places(veil.dropped)
        row = _Row(veil, self._header.places(veil.masked) - dropped, dropped, len(self.columns))
        between, is_below = b"", False
        with plain(self._file) as opened:
            source = readable(opened, self._look)
            yield from next_bytes(source, self._look.skip_bytes)
            newline = self._look.newline
            for line in whole(lines(source.read, newline), self._look, exactly=True):
                raw = line.removesuffix(b"\r")
                yield between + self._line(raw, row, is_below=is_below) + line[len(raw) :]
                between, is_below = newline, is_below or bool(raw)
        if self._lines.ends:
            yield between

    def _line(self, raw: bytes, row: _Row, *, is_below: bool) -> bytes:
        if not raw:
            return raw
        spans, cells = _spans(raw, self._mark), self._lines.cells(raw)
        if len(spans) != len(cells):
            raise NotATable("A row of this file cannot be taken apart for sure.")
        kept = row.hidden(spans, cells) if is_below else row.left(spans)
        return self._mark.join(kept) or _NOTHING


class _Row:
    """Which cells of a row are hidden, by their places."""

    def __init__(self, veil: Veil, masked: set[int], dropped: set[int], width: int) -> None:
        self._veil, self._masked, self._dropped, self._width = veil, masked, dropped, width
        self._first = min(masked | dropped, default=width)

    def left(self, spans: Sequence[bytes]) -> list[bytes]:
        """Return the cells that are not dropped, as they lie in the line."""
        return [span for at, span in enumerate(spans) if at not in self._dropped]

    def hidden(self, spans: Sequence[bytes], cells: Sequence[str]) -> list[bytes]:
        """Return what becomes of a row's cells.

        In one that has more cells than there are columns (a comma that nobody quoted) all from the
        first hidden column on are masked: which is which is not known.
        """
        shown = list(spans)
        is_moved = any(cell.strip() for cell in cells[self._width :])
        places = range(self._first, len(shown)) if is_moved else self._masked
        for at in places:
            if at < len(shown):
                shown[at] = self._in_place_of(shown[at], cells[at])
        return self.left(shown)

    def _in_place_of(self, span: bytes, cell: str) -> bytes:
        veiled = self._veil.put_over(cell)
        if veiled == cell:
            return span
        quote = _QUOTE if span.startswith(_QUOTE) else b""
        return quote + veiled.encode("ascii") + quote


def _spans(raw: bytes, mark: bytes) -> list[bytes]:
    """Given a row, return each cell as it lies in it, quotes included."""
    if _QUOTE not in raw:
        return raw.split(mark)
    cell, at, found = _cell(mark), 0, list[bytes]()
    while True:
        one = cell.match(raw, at)
        end = one.end() if one else len(raw)
        found.append(raw[at:end])
        if end >= len(raw):
            return found
        at = end + 1


@lru_cache
def _cell(mark: bytes) -> re.Pattern[bytes]:
    """One cell, as Python's `csv` reads it: only a quote at its beginning is one."""
    text = b"[^" + re.escape(mark) + b"]*+"
    return re.compile(b'"(?:[^"]++|"")*+(?:"' + text + b')?+|(?!")' + text)
