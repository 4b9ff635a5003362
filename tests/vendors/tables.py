"""Writes and reads the files of vendors, for both sides of a comparison."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

csv.field_size_limit(1 << 24)


def as_csv(
    columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, end: str = "\n", bom: bool = False
) -> bytes:
    """Write rows with every cell quoted, as most vendors do."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return (b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode()


def as_zip(members: Mapping[str, bytes]) -> bytes:
    """Pack members as a vendor does."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 20, 2, 0, 0)), content)
    return data.getvalue()


def rows_of(data: bytes) -> list[dict[str, Any]]:
    """Read CSV, JSON Lines, or all the tables in a ZIP, whatever it is called."""
    return [row for _, rows in tables_of("", data) for row in rows]


def tables_of(name: str, data: bytes) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Return name and rows of each table in a file; a ZIP's have the names of its members."""
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                if not member.endswith((".csv", ".json", ".jsonl")):
                    continue  # a picture, a dump
                yield from tables_of(member, archive.read(member))
    elif data[:1] == b"{":
        yield name, [json.loads(line) for line in data.splitlines()]
    else:
        text = data.decode("utf-8-sig")
        yield name, list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def by_id(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """Return rows by id; raise ValueError where two have the same, which loses one of them."""
    table: dict[str, dict[str, Any]] = {}
    for row in rows:
        if str(row[key]) in table:
            raise ValueError(f"{row[key]} comes twice")
        table[str(row[key])] = dict(row)
    return table


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file's content by its name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
