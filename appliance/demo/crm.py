"""A small CRM of our own making: the same seed gives the same days, byte for byte.

Each day some records are changed, added and removed. At scale 1 a day is about 105 MB in five
tables; a row costs memory once and is written again only when it changes, so that sixty such
days take about a minute.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from random import Random

from .records import KINDS, Kind, record_id, stamp

CHANGED_PER_DAY, ADDED_PER_DAY, REMOVED_PER_DAY = 0.005, 0.003, 0.0005
DEMO_SCALE = 0.02
_DELIVERED_AT = time(2, 0)
_DEFLATE_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Change:
    """What one day did to one table, in rows."""

    added: int = 0
    changed: int = 0
    removed: int = 0


class _Echo:
    """Hands the csv writer's line back to whoever asked for it."""

    def write(self, line: str) -> str:
        return line


class Table:
    """One table as it stands today: its rows, ready written, in the order of their ids."""

    def __init__(self, kind: Kind, index: int, seed: int, scale: float) -> None:
        self.kind = kind
        self._index, self._seed = index, seed
        self._writer = csv.writer(_Echo())
        self._changed_on: dict[int, list[date]] = {}
        self._numbers = list(range(1, max(5, round(kind.rows_at_scale_1 * scale)) + 1))
        self._next = len(self._numbers) + 1
        self._lines = [self._line(number) for number in self._numbers]

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def file_name(self) -> str:
        """The name inside the export, as vendors number their parts."""
        return f"{self.kind.name}_001.csv"

    def lines(self) -> Iterable[bytes]:
        """Return header and rows as they are written."""
        yield self._encoded(self.kind.columns)
        yield from self._lines

    def live(self, day: date) -> Change:
        """Let one day pass."""
        rng = Random(f"{self._seed}/{self.kind.name}/{day}")  # noqa: S311 - wants to repeat
        count = len(self._lines)
        done = Change(
            *(
                max(1, round(count * share))
                for share in (ADDED_PER_DAY, CHANGED_PER_DAY, REMOVED_PER_DAY)
            )
        )
        places = rng.sample(range(count), min(count, done.changed + done.removed))
        for place in places[done.removed :]:
            self._change(place, day)
        self._remove(set(places[: done.removed]))
        self._add(done.added, day)
        return done

    def _change(self, place: int, day: date) -> None:
        number = self._numbers[place]
        self._changed_on.setdefault(number, []).append(day)
        self._lines[place] = self._line(number)

    def _remove(self, places: set[int]) -> None:
        for place in sorted(places, reverse=True):
            self._changed_on.pop(self._numbers[place], None)
            del self._numbers[place], self._lines[place]

    def _add(self, count: int, day: date) -> None:
        for number in range(self._next, self._next + count):
            self._changed_on[number] = [day]
            self._numbers.append(number)
            self._lines.append(self._line(number))
        self._next += count

    def _line(self, number: int) -> bytes:
        rng = Random(f"{self._seed}/{self.kind.name}/{number}")  # noqa: S311 - wants to repeat
        row = [record_id(self._index, number), *self.kind.fill(rng, number)]
        for day in self._changed_on.get(number, ()):
            column, make = self.kind.changes[int(rng.random() * len(self.kind.changes))]
            row[self.kind.columns.index(column)] = make(rng)
            row[self.kind.columns.index("Modified Time")] = stamp(_during(day, rng))
        return self._encoded(row)

    def _encoded(self, row: Sequence[str]) -> bytes:
        line: str = self._writer.writerow(row)
        return line.encode()


def _during(day: date, rng: Random) -> datetime:
    return datetime.combine(day, time(7), UTC) + timedelta(hours=10) * rng.random()


class Crm:
    """The whole CRM on one day; `advance` makes it the next day."""

    def __init__(self, first_day: date, *, seed: int = 1, scale: float = DEMO_SCALE) -> None:
        self.day = first_day
        self.tables = tuple(Table(kind, i, seed, scale) for i, kind in enumerate(KINDS))

    def advance(self) -> dict[str, Change]:
        """Let a day pass and return what it did, by table."""
        self.day += timedelta(days=1)
        return {table.kind.name: table.live(self.day) for table in self.tables}

    def table(self, name: str) -> Table:
        """Given `Contacts`, return that table."""
        return next(table for table in self.tables if table.kind.name == name)

    def write_csv(self, folder: Path) -> tuple[Path, ...]:
        """Write each table as plain CSV and return the files."""
        return tuple(
            _delivered(folder / table.file_name, partial(_write_lines, table), self.day)
            for table in self.tables
        )

    def write_zip(
        self, folder: Path, name: str = "Data_001.zip", *, tables: Sequence[str] = ()
    ) -> Path:
        """Write the tables (all, or those named) as one ZIP and return it."""
        chosen = [table for table in self.tables if not tables or table.kind.name in tables]
        return _delivered(folder / name, partial(_write_zip, chosen, self.day), self.day)

    def write_notes(self, folder: Path) -> Path:
        """Write the notes as a CSV with the day in its name, as some vendors do."""
        name = f"notes-{self.day:%Y-%m-%d}.csv"
        return _delivered(folder / name, partial(_write_lines, self.table("Notes")), self.day)


def _delivered(path: Path, write: partial[None], day: date) -> Path:
    """Write under a name that says "not ready", then rename, dated as of that night."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    write(part)
    moment = datetime.combine(day, _DELIVERED_AT, UTC).timestamp()
    os.utime(part, (moment, moment))
    return part.replace(path)


def _write_lines(table: Table, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(table.lines())


def _write_zip(tables: Sequence[Table], day: date, path: Path) -> None:
    moment = (day.year, day.month, day.day, _DELIVERED_AT.hour, 0, 0)
    with zipfile.ZipFile(path, "w") as file:
        for table in tables:
            member = zipfile.ZipInfo(table.file_name, moment)
            content = b"".join(table.lines())
            file.writestr(member, content, zipfile.ZIP_DEFLATED, _DEFLATE_LEVEL)
