"""Rows on their way into a file of JSON Lines, and how many a file has that came as one."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from ...core.errors import ExportUnsafe
from ..landing import Writer

_LONGEST_CELL = 1 << 26
_LONGEST_HEAD = 1 << 20
_PIECE_ROWS = 200
_PULSE_ROWS = 10_000
_line = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
"""Made once: that is a quarter of what `dumps` takes for each row."""


def _silent() -> None:
    """Nobody waits for signs of life."""


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


def in_csv(file: Path, pulse: Callable[[], None] = _silent) -> int:
    """Return how many rows a CSV has below its head, or all CSVs of a ZIP have.

    `pulse` is called now and then: large files take minutes on a small machine. Raise ExportUnsafe
    where one ends in the middle of a row: a server that is cut off and tells the length of what is
    left is not seen otherwise.
    """
    csv.field_size_limit(_LONGEST_CELL)
    if not zipfile.is_zipfile(file):
        return _in_one(lambda: file.open("rb"), pulse)
    with zipfile.ZipFile(file) as packed:
        names = [each for each in packed.namelist() if each.lower().endswith(".csv")]
        return sum(_in_one(partial(packed.open, each), pulse) for each in names)


_Opened = Callable[[], IO[bytes]]


def _in_one(opened: _Opened, pulse: Callable[[], None]) -> int:
    try:
        return _counted(opened, pulse, strict=True)
    except csv.Error as error:
        if "unexpected end" in str(error):  # inside of quotes
            raise _cut() from None
    try:
        return _counted(opened, pulse, strict=False)
    except csv.Error as error:
        raise ExportUnsafe(
            "The rows of the export cannot be counted: it is no table.", detail=str(error)[:200]
        ) from None


def _counted(opened: _Opened, pulse: Callable[[], None], *, strict: bool) -> int:
    rows, head, last, line = 0, 0, 0, ""
    apart = _delimiter(opened)
    with opened() as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
        lines = (line := each for each in _without_nul(text))
        for row in filter(None, csv.reader(lines, delimiter=apart, strict=strict)):
            rows, last, head = rows + 1, len(row), head or len(row)
            if not rows % _PULSE_ROWS:
                pulse()
    if last < head and not line.endswith(("\n", "\r")):
        raise _cut()
    return max(0, rows - 1)


def _delimiter(opened: _Opened) -> str:
    """What stands most often in the head: where quotes begin hangs on it, and so where rows end."""
    with opened() as stream:
        head = stream.readline(_LONGEST_HEAD).decode("utf-8", "replace")
    return max(",;\t|", key=head.count)


def _cut() -> ExportUnsafe:
    return ExportUnsafe(
        "The export is not whole: it ends in the middle of a row.",
        hint="It is not kept. Start another backup; if it happens again, ask the vendor.",
    )


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    """Salesforce lets them through (simple-salesforce strips them, too)."""
    return (line.replace("\0", "") for line in lines)
