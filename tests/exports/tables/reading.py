"""How the tests have a file's bytes read as tables."""

from __future__ import annotations

import hashlib
from pathlib import Path

from appliance.exports.reading import opened
from appliance.exports.tables.grouping import File, tables
from appliance.exports.tables.rows import NotATable

PEAK = """
def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0])
"""
"""Gives a program of its own `peak()`: the most memory that it had, in kilobytes.

Its parent's does not count, which `getrusage` would say."""


def file_of(folder: Path, data: bytes, path: str, encoding: str = "cp1252") -> File:
    """Write bytes below a number, as the unpacker does; return them as a member of an export."""
    file = folder / f"member-{len(list(folder.iterdir()))}"
    file.write_bytes(data)
    return File(path, file, hashlib.sha256(data).hexdigest(), encoding)


def rows_in(folder: Path, data: bytes, path: str, name: str = "") -> object:
    """One table of a file: as `rows.Rows`."""
    return opened(file_of(folder, data, path))[name]


def cells_of(rows) -> list[list[str]]:
    """The cells of all rows, read both ways, which must say the same."""
    found = [list(cells) for _, cells in rows.rows()]
    assert [list(rows.cells(raw)) for raw in rows.raws()] == found
    return found


def records_of(rows) -> list[dict[str, str]]:
    """Rows by their columns' names."""
    return [dict(zip(rows.columns, cells, strict=False)) for cells in cells_of(rows)]


def tables_in(folder: Path, files: dict[str, bytes], rules=()) -> dict:
    """The tables of an export by name."""
    found = [file_of(folder, data, path) for path, data in files.items()]
    return {table.name: table for table in tables(found, rules, opened)}


def read_to_the_end(file: File) -> int:
    """Read whatever is a table in a file, every way there is; return how many rows there are."""
    count = 0
    try:
        for rows in opened(file).values():
            assert len(set(rows.columns)) == len(rows.columns)
            assert isinstance(rows.ends, bool)
            assert isinstance(rows.frame.opening, bytes)
            assert set(rows.key) <= set(rows.columns)
            hash(rows.shape)
            raws = list(rows.raws())
            for raw, (same, cells) in zip(raws, rows.rows(), strict=True):
                assert raw == same
                assert all(isinstance(cell, str) for cell in cells)
                assert all(cell.encode("utf-8", "surrogatepass") is not None for cell in cells)
                rows.cells(raw)
            count += len(raws)
    except NotATable:
        return count
    return count
