"""The only home of what lies between two archives of a source: which records came, went and
changed, and the file that brings the lost ones back.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import ApplianceError
from ..core.model import Lost, RecordChange, StepName, TableChanges
from ..core.ports import Watch
from .choosing import some_of
from .extracted import Extracted
from .reading import tables_of, with_id
from .tables.comparing import Difference, differences
from .tables.ids import normal
from .tables.rows import Frame
from .tables.table import Table, key_of, named

_MOST_SHOWN = 1000
"""Records of a table that are told one by one."""
_UNFIT = re.compile(r"[\x00-\x1f/\\]")
_TITLES = ("name", "full name", "fn", "email", "subject", "title", "company", "last name")


@dataclass(frozen=True, slots=True)
class Between:
    """Two archives side by side; `work` is an empty folder for their files."""

    before: Extracted
    after: Extracted
    work: Path
    watch: Watch

    @classmethod
    def of(cls, before: Path, after: Path, work: Path, watch: Watch) -> Between:
        """Given two extracted archives; raise RepositoryDamaged where one says nothing."""
        return cls(Extracted.at(before, work), Extracted.at(after, work), work, watch)

    def changes(self, only: Sequence[str]) -> Iterator[TableChanges]:
        """Yield what became of each table that is in both; the largest lists are cut."""
        olds, news = self._tables(only)
        for name in sorted(olds.keys() & news.keys()):
            self.watch.report(StepName.INSPECT, 0, note=name)
            old, new = olds[name], with_id(news[name])
            yield self._changes(old, new)
        for name in sorted(olds.keys() ^ news.keys()):
            yield TableChanges(name, is_there=name in news, was_there=name in olds)

    def lost(self, wish: Lost, into: Path) -> tuple[Path, ...]:
        """Write the records that somebody misses below `into`, as the vendor writes them.

        Raise ApplianceError where there is no such table.
        """
        olds, news = self._tables(wish.only)
        if not olds:
            known = some_of(each.path for each in self.before.manifest.members)
            raise ApplianceError("There is no such table in this backup.", hint=f"It has {known}.")
        written: list[Path] = []
        for name, old in olds.items():
            new = with_id(news[name]) if name in news else replace(with_id(old), parts={})
            known_again = replace(old, id_columns=new.id_columns)
            written += _write(known_again, self._missed(known_again, new, wish), into)
        return tuple(written)

    def _tables(self, only: Sequence[str]) -> tuple[dict[str, Table], dict[str, Table]]:
        found = []
        for archive, name in ((self.before, "before"), (self.after, "after")):
            (self.work / name).mkdir()
            found.append(tables_of(archive, self.work / name, only, self.watch))
        return found[0], found[1]

    def _missed(self, old: Table, new: Table, wish: Lost) -> Iterator[tuple[int, bytes]]:
        """Yield each record that is wished for: its part and its bytes as they were."""
        if wish.record:
            yield from _with_id(old, wish.record)
            return
        for one in differences(old, new, _about(old, new), self.work):
            if one.before_raw and (one.after is None) == (wish.what == "removed"):
                yield one.before_raw

    def _changes(self, old: Table, new: Table) -> TableChanges:
        counts: Counter[str] = Counter()
        shown: list[RecordChange] = []
        for one in differences(old, new, _about(old, new), self.work):
            self.watch.check()
            kind = _kind(one)
            counts[kind] += 1
            if len(shown) < _MOST_SHOWN:
                fields = one.fields(new.ignored) if kind == "changed" else {}
                shown.append(RecordChange(kind, _id(one), _title(one), fields))
        return TableChanges(
            new.name,
            new.id_columns,
            counts["added"],
            counts["changed"],
            counts["removed"],
            records=tuple(shown),
            new_columns=tuple(name for name in new.columns if name not in old.columns),
            lost_columns=tuple(name for name in old.columns if name not in new.columns),
        )


def _kind(one: Difference) -> str:
    if one.before is None:
        return "added"
    return "removed" if one.after is None else "changed"


def _id(one: Difference) -> str:
    return " ".join(one.key)


def _title(one: Difference) -> str:
    """What a person knows a record by: its name, else the first cells that say something."""
    row = one.after or one.before or {}
    plain = {name.casefold(): cell for name, cell in row.items()}
    by_name = [plain[name] for name in _TITLES if name in plain]
    both = " ".join(plain[name] for name in ("first name", "last name") if name in plain)
    told = both or next(iter(by_name), "") or ", ".join([*row.values()][:3])
    return told[:200]


def _about(old: Table, new: Table) -> int:
    """About how many rows the larger has."""
    return max(sum(1 for part in table.parts.values() for _ in part.raws()) for table in (old, new))


def _with_id(table: Table, wanted: str) -> Iterator[tuple[int, bytes]]:
    for at, part in enumerate(table.parts.values()):
        for raw, cells in part.rows():
            key = key_of(named(part.columns, cells), table.id_columns)
            if any(key) and " ".join(key) == normal(wanted):
                yield at, raw


def _write(table: Table, rows: Iterator[tuple[int, bytes]], into: Path) -> Iterator[Path]:
    """Write rows to a file for each part that has some; yield the paths."""
    parts = list(table.parts.items())
    writers: dict[int, _Writer] = {}
    try:
        for at, raw in rows:
            if at not in writers:
                path = into / _file_name(parts[at][0], table.inside, parts[at][1].frame)
                path.parent.mkdir(parents=True, exist_ok=True)
                writers[at] = _Writer(path, parts[at][1].frame)
            writers[at].put(raw)
    finally:
        for writer in writers.values():
            writer.close()
    return iter([writers[at].path for at in sorted(writers)])


def _file_name(member: str, inside: str, frame: Frame) -> str:
    """A file of several tables becomes a folder of its name; its kind is told by the ending."""
    if not inside:
        return f"{member}{frame.suffix}"
    return f"{member}/{_UNFIT.sub('_', inside)}{frame.suffix}"


class _Writer:
    """A file of rows, as the vendor's program expects it."""

    def __init__(self, path: Path, frame: Frame) -> None:
        self.path, self._frame = path, frame
        self._file = path.open("xb")
        self._is_first = True
        if frame.encoding:
            self._file.write(codecs.BOM_UTF16_LE)
        self._write(frame.opening)

    def put(self, raw: bytes) -> None:
        if not self._is_first:
            self._write(self._frame.between)
        self._is_first = False
        self._write(raw)

    def close(self) -> None:
        self._write(self._frame.closing)
        self._file.close()

    def _write(self, data: bytes) -> None:
        if self._frame.encoding:
            data = data.decode("utf-8", "replace").encode(f"{self._frame.encoding}-le")
        self._file.write(data)
