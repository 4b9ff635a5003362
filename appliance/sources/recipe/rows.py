"""Rows on their way into a file of JSON Lines, and how many a file has that came as one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..landing import Writer

_LONGEST_CELL = 1 << 26
_PIECE_ROWS = 200
_line = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
"""Made once: that is a quarter of what `dumps` takes for each row."""


def write(rows: Iterable[Any], writer: Writer) -> int:
    """Write each row on a line of its own; return how many there were."""
    lines, count = [], 0
    for row in rows:
        lines.append(_line(row))
        count += 1
        if len(lines) >= _PIECE_ROWS:
            writer.write(_text(lines))
            lines = []
    if lines:
        writer.write(_text(lines))
    return count


def _text(lines: list[str]) -> bytes:
    """A half of a pair of surrogates, which JSON can say and UTF-8 cannot, stays as it was said."""
    text = "\n".join(lines) + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError:
        return "".join(_escaped(each) for each in text).encode()


def _escaped(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if "\ud800" <= letter <= "\udfff" else letter


def in_csv(file: Path) -> int:
    """Return how many rows a CSV has below its head."""
    csv.field_size_limit(_LONGEST_CELL)
    with file.open("rb") as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
        rows = sum(1 for row in csv.reader(_without_nul(text)) if row)
    return max(0, rows - 1)


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    """Salesforce lets them through (simple-salesforce strips them, too)."""
    return (line.replace("\0", "") for line in lines)
