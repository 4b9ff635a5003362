"""The only home of the question whether an export may be right: what a person must look at first.

Each reason is a sentence for somebody who runs a shop. An export with one is kept and held: it
does not count until somebody says that it is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .hidden import told_apart
from .reading import READ, looks_like_a_page
from .tables.grouping import File

LOSS_SHARE = 0.2
"""This much of a table may go in a night without anybody being asked."""
_FEW = 10
"""Of so few records some may go at once."""
_EMPTIED_SHARE = 0.5
"""A column that was filled to this share and is empty everywhere was lost."""
_BAND = 3.0
"""A count may be so many times another than the middle of the eight before it."""
_MOST_REASONS = 6

Told = Mapping[str, Any]


def reasons(
    tables: Sequence[Told],
    before: Sequence[Told],
    files: Sequence[File],
    *,
    comes_in_parts: bool = False,
) -> list[str]:
    """Given what the manifest tells of the tables, what that of the backup before told, and the
    files themselves, return why somebody must look; nothing where all is well.

    What `comes_in_parts`, contacts today and deals tomorrow, may lack tables.
    """
    found = list(_files(files))
    if not comes_in_parts:
        found += _missing(tables, before)
    was = {table["name"]: table for table in before}
    for table in tables:
        found += _table(table, was.get(table["name"]))
    if len(found) > _MOST_REASONS:
        found[_MOST_REASONS:] = [f"And {len(found) - _MOST_REASONS} more reasons of this kind."]
    return found


def _files(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        if any(file.path.lower().endswith(end) for end in READ) and looks_like_a_page(file.file):
            yield (
                f"{file.path} is a web page, not an export: the login to the CRM may have run out."
            )


def _missing(tables: Sequence[Told], before: Sequence[Told]) -> Iterator[str]:
    there = {table["name"] for table in tables}
    for table in before:
        if table["name"] not in there and table["rows"]:
            yield (
                f"{table['name']} is missing: there were {_records(table['rows'], table['name'])} "
                "in the backup before."
            )


def _table(table: Told, was: Told | None) -> Iterator[str]:
    name, rows = table["name"], table["rows"]
    if was is None:
        return
    lost = _lost(table, was)
    if was["rows"] and not rows:
        yield f"{name} is empty: all {was['rows']:,} that were there before are gone."
    elif lost > max(_FEW, LOSS_SHARE * was["rows"]):
        yield (
            f"{lost:,} {name} that were there before are gone ({rows:,} are left). "
            "If you did not mean this, get them back."
        )
    elif _is_out_of_band(rows, table.get("earlier", ())):
        yield f"There are {rows:,} {name}; there were about {_median(table['earlier']):,} before."
    yield from _columns(table, was)
    if table["repeated"] > was["repeated"] and table["repeated"] > max(_FEW, rows // 100):
        yield f"{table['repeated']:,} {name} have an id that another one has, too."
    if was.get("ends") and not table["ends"]:
        yield f"{name} may be cut off: the file ends in the middle of a line."
    if _is_older(table, was, lost):
        yield (
            f"{name} are older than the ones before: the newest is of {table['newest']}, "
            f"it was of {was['newest']}."
        )


def _is_older(table: Told, was: Told, lost: int) -> bool:
    """Whether the newest date went back, and not because the record that bore it was deleted."""
    since = table.get("since", {})
    if told_apart(was, table):
        return False  # the date may have stood in what is hidden now
    went_back = bool(table["newest"]) and table["newest"][:10] < was["newest"][:10]
    came = since.get("changed") or since.get("added") or since.get("everywhere")
    return went_back and bool(not lost or came)


def _lost(table: Told, was: Told) -> int:
    """How many records went; where nobody knows which is which, how many there are less."""
    if table["id"] and "since" in table:
        return int(table["since"]["removed"])
    return max(0, int(was["rows"]) - int(table["rows"]))


def _columns(table: Told, was: Told) -> Iterator[str]:
    if not table["rows"] or not was["rows"]:
        return
    full = _filled(table)
    renamed = table.get("since", {}).get("renamed", {})
    left = {renamed.get(column, column): share for column, share in _filled(was).items()}
    there = {*full, *table.get("dropped", ())}
    gone = [column for column, share in left.items() if share and column not in there]
    if gone:
        yield f"{table['name']} lack {_listed(gone)}, which was there before."
    emptied = [
        column
        for column, share in left.items()
        if share >= _EMPTIED_SHARE and full.get(column) == 0
    ]
    if emptied:
        yield f"{_listed(emptied)} is empty for all {table['name']}."


def _filled(table: Told) -> dict[str, float]:
    """For each column the share of records that say something there."""
    blanks = zip(table["columns"], table["blank"], strict=False)
    return {column: 1 - blank / max(1, table["rows"]) for column, blank in blanks}


def _is_out_of_band(rows: int, earlier: Sequence[int]) -> bool:
    middle = _median(earlier)
    return middle > _FEW and not middle / _BAND <= rows <= middle * _BAND


def _median(counts: Sequence[int]) -> int:
    return sorted(counts)[len(counts) // 2] if counts else 0


def _records(count: int, name: str) -> str:
    return f"{count:,} {name}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more columns" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
