"""The only home of a first look into a file: a few of its records, or the beginning of its text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .looks import Kind, look_at, plain
from .records import fields, readable, records

MOST_COLUMNS = 60
_CELL_LENGTH = 300
_TEXT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class FirstRows:
    """What is shown of a file: rows below a header, or text; neither where it is no text."""

    kind: Kind
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text: str = ""
    has_more: bool = False
    """Whether there are more rows, or more text."""
    more_columns: int = 0
    """How many columns were left out on the right."""


def first_rows(file: Path, count: int) -> FirstRows:
    """Given a file, return its first records, whatever its size."""
    look = look_at(file)
    with plain(file) as opened:
        if look.kind is Kind.TABLE:
            found = [one.cells for one in islice(records(opened, look), count + 2)]
            header, rows = (found[0], found[1:]) if found else ((), [])
            return _shown(look.kind, header, rows, count)
        if look.kind in {Kind.JSON, Kind.JSON_LINES}:
            taken = list(islice(records(opened, look), count + 1))
            named = [one for one in map(fields, taken) if one is not None]
            if named:
                header = tuple(dict.fromkeys(name for one in named for name in one))
                rows = [tuple(one.get(name, "") for name in header) for one in named]
                return _shown(look.kind, header, rows, count)
    if look.kind is Kind.BINARY:
        return FirstRows(Kind.BINARY)
    with plain(file) as opened:
        source = readable(opened, look)
        source.seek(look.skip_bytes)
        head = source.read(4 * _TEXT_BYTES)
    text = head[:_TEXT_BYTES].decode(look.bytes_encoding, "replace")
    return FirstRows(Kind.TEXT, text=text, has_more=len(head) > _TEXT_BYTES)


def _shown(
    kind: Kind, header: tuple[str, ...], rows: list[tuple[str, ...]], count: int
) -> FirstRows:
    width = max([len(header), *map(len, rows)], default=0)
    return FirstRows(
        kind,
        _cut(header),
        tuple(_cut(row) for row in rows[:count]),
        has_more=len(rows) > count,
        more_columns=max(width - MOST_COLUMNS, 0),
    )


def _cut(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        cell if len(cell) <= _CELL_LENGTH else f"{cell[:_CELL_LENGTH]}…"
        for cell in cells[:MOST_COLUMNS]
    )
