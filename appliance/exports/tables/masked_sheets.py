"""The only home of hiding columns of workbooks (XLSX), in every sheet that has them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from .masking import Header, Veil
from .rows import NotATable
from .workbook import Row, damage_told, each_sheet, is_header, refuse_bombs, text_of
from .workbook_anew import write_anew

_BLOCK_BYTES = 1 << 20


class MaskedSheets:
    """A workbook that is written once more; implements `masking.Maskable`."""

    is_named_by_a_row = True

    def __init__(self, file: Path) -> None:
        self._file = file
        with damage_told():
            refuse_bombs(file)
            headers = [next(rows, ()) for _, rows in each_sheet(file)]
        self._headers = [_header(header) for header in headers if is_header(header)]
        names = (name for header in self._headers for name in header.columns)
        self.columns: Sequence[str] = list(dict.fromkeys(names))

    def meant(self, name: str) -> Sequence[str]:
        """Return the columns of this name over all sheets; see `masking.Maskable`."""
        found = (
            header.columns[at] for header in self._headers for at in sorted(header.places({name}))
        )
        return list(dict.fromkeys(found))

    def rewritten(self, veil: Veil) -> Iterator[bytes]:
        """Yield a workbook that says the same but for what is hidden; see `masking.Maskable`."""
        with tempfile.TemporaryDirectory(prefix=".masked-", dir=self._file.parent) as folder:
            out = Path(folder) / "book"
            write_anew(self._file, _Hiding(veil), out)
            with out.open("rb") as made:
                while block := made.read(_BLOCK_BYTES):
                    yield block


class _Hiding:
    """Hides columns of one sheet after the other; a `workbook_anew.Change`."""

    def __init__(self, veil: Veil) -> None:
        self._veil = veil

    def __call__(self, title: str, header: Row, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows of a sheet with columns hidden; of a single column of notes, as they are.

        Raise NotATable where several columns have no names.
        """
        if not is_header(header):
            yield from self._notes(title, chain([header], rows))
            return
        named = _header(header)
        dropped = named.places(self._veil.dropped)
        masked = named.places(self._veil.masked) - dropped
        yield _left(header, dropped)
        for row in rows:
            yield _left([self._shown(cell, at, masked) for at, cell in enumerate(row)], dropped)

    def _notes(self, title: str, rows: Iterator[Row]) -> Iterator[Row]:
        columns, first = set[int](), ""
        for row in rows:
            columns |= {at for at, cell in enumerate(row) if cell is not None}
            first = first or next((text_of(cell) for cell in row if cell is not None), "")
            if len(columns) > 1 or first.strip() in self._veil.masked | self._veil.dropped:
                raise NotATable(f"Its sheet “{title}” does not begin with names of columns.")
            yield row

    def _shown(self, cell: Any, at: int, masked: set[int]) -> Any:
        return self._veil.put_over(text_of(cell)) if at in masked and cell is not None else cell


def _header(row: Row) -> Header:
    return Header([text_of(cell) for cell in row])


def _left(row: Row, dropped: set[int]) -> Row:
    return [cell for at, cell in enumerate(row) if at not in dropped]
