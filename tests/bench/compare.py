"""Two exports of a large table compared: what came, went and was changed.

Ours stands beside sqlite3, which is given the same files and the same question, and beside reading
one of them once with Python's csv, without which nobody could know anything.
"""

from __future__ import annotations

import csv
import random
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from .measure import Finding, alternate, middle, run

MEGABYTE = 10**6
ROWS, COLUMNS = 1_000_000, 40
_CHANGED_SHARE = 0.005
_MOST_TIMES, _MOST_BYTES = 4, 200 * MEGABYTE


def measure(folder: Path, scale: float, rounds: int) -> Iterator[Finding]:
    """Given an empty folder, yield what was found; `scale` 1 is a million rows of forty columns."""
    days = [folder / "before.csv", folder / "after.csv"]
    _write(days, round(ROWS * scale))
    rounds = min(rounds, 3)

    def contender(name: str):
        return lambda: run([sys.executable, "-m", "tests.bench.compare", name, *days], cwd=_ROOT)

    contenders = {name: contender(name) for name in _CONTENDERS}
    costs = {name: middle(each) for name, each in alternate(contenders, rounds).items()}
    read, ours, other = costs["read"], costs["ours"], costs["sqlite3"]
    of = f"{round(ROWS * scale):,} rows of {COLUMNS} columns"
    yield Finding("compare", f"two exports of {of}", ours.wall_seconds, "s")
    times = ours.wall_seconds / read.wall_seconds
    met = times <= _MOST_TIMES if scale >= 1 else None
    yield Finding("compare", "against reading one once", times, "x", f"<= {_MOST_TIMES}", met)
    whole = costs["profiled"].wall_seconds / read.wall_seconds
    yield Finding("compare", "the same with all that a manifest says of one", whole, "x")
    yield Finding("compare", "against sqlite3", ours.wall_seconds / other.wall_seconds, "x")
    most, peak = _MOST_BYTES / MEGABYTE, ours.peak_bytes / MEGABYTE
    yield Finding("compare", "memory", peak, "MB", f"<= {most:.0f}", peak <= most)
    yield Finding("compare", "memory of sqlite3", other.peak_bytes / MEGABYTE, "MB")


_ROOT = Path(__file__).parent.parent.parent


def _write(days: Sequence[Path], count: int) -> None:
    """Two days: on the second some rows are changed, one in a thousand is gone, as many are new."""
    chance = random.Random(7)
    words = ["".join(chance.choices("abdegiklmnorstu", k=6)) for _ in range(5000)]
    header = ["Record Id", *(f"Field {number}" for number in range(1, COLUMNS))]
    with days[0].open("w", newline="") as before, days[1].open("w", newline="") as after:
        old, new = csv.writer(before), csv.writer(after)
        old.writerow(header)
        new.writerow(header)
        for number in range(count):
            row = [f"{number:09}", *chance.choices(words, k=COLUMNS - 1)]
            old.writerow(row)
            if number % 1000 == 7:
                row[0] = f"9{number:09}"
            elif chance.random() < _CHANGED_SHARE:
                row[5] = "another"
            new.writerow(row)


def _read(before: Path, _: Path) -> int:
    with before.open(newline="") as file:
        return sum(1 for _ in csv.reader(file))


def _ours(before: Path, after: Path, *, by_itself: bool = False) -> tuple[int, int, int]:
    """Told which column is the id, as the manifest tells a Run and the schema tells sqlite3; or
    found out `by_itself`, with all that the first manifest says of a table.
    """
    from appliance.exports.reading import opened
    from appliance.exports.tables.comparing import differences
    from appliance.exports.tables.grouping import File, TableRule, tables
    from appliance.exports.tables.profile import profile

    rules = () if by_itself else (TableRule("Contacts.csv", id=("Record Id",)),)
    old, new = (
        tables([File("Contacts.csv", path, path.name)], rules, opened)[0]
        for path in (before, after)
    )
    if by_itself:
        new = replace(new, id_columns=profile(new).id_columns)
    found = [0, 0, 0]
    for one in differences(old, new, new.count(), before.parent):
        found[0 if one.before is None else 2 if one.after is None else 1] += 1
    return tuple(found)


def _sqlite3(before: Path, after: Path) -> tuple[int, int, int]:
    """Both days as tables with an index over the id, in a file beside them."""
    path = before.with_name("compare.sqlite")
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = OFF")
        for name, day in (("old", before), ("new", after)):
            _load(database, name, day)
        same = " AND ".join(f"old.c{number} = new.c{number}" for number in range(1, COLUMNS))
        lacks = "SELECT count(*) FROM {} WHERE c0 NOT IN (SELECT c0 FROM {})"
        added, removed = (
            database.execute(lacks.format(*names)).fetchone()[0]
            for names in (("new", "old"), ("old", "new"))
        )
        changed = f"SELECT count(*) FROM old JOIN new USING (c0) WHERE NOT ({same})"
        return added, database.execute(changed).fetchone()[0], removed


def _load(database: sqlite3.Connection, name: str, day: Path) -> None:
    columns = ", ".join(f"c{number} TEXT" for number in range(1, COLUMNS))
    database.execute(f"CREATE TABLE {name} (c0 TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
    with day.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        marks = ", ".join("?" * COLUMNS)
        database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)


_CONTENDERS = {
    "read": _read,
    "ours": _ours,
    "profiled": partial(_ours, by_itself=True),
    "sqlite3": _sqlite3,
}

if __name__ == "__main__":
    contender, *files = sys.argv[1:]
    print(_CONTENDERS[contender](*map(Path, files)))
