"""The only home of what lies between two archives of a source: which records came, went and
changed, and the file that brings the lost ones back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.model import Lost, RecordChange, StepName, TableChanges
from ..core.ports import Watch
from .extracted import Extracted
from .hidden import in_words, told_apart
from .reading import no_such_table, tables_of, told_of, with_id
from .tables.columns import became, renamed
from .tables.comparing import Difference, differences
from .tables.everywhere import ChangeCount
from .tables.ids import normal
from .tables.rows import Frame
from .tables.table import Table, key_of, named
from .tables.titles import title_of
from .tables.writing import Files

_MOST_SHOWN = 1000
"""Records of a table that are told one by one."""
_MOST_KEPT = 10_000
"""Until it is known which are."""
_UNFIT = re.compile(r"[\x00-\x1f/\\]")


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
            comparable = new.less(self._told_apart(old, new))
            yield replace(self._changes(old, comparable), **self._columns(old, new))
        for name in sorted(olds.keys() ^ news.keys()):
            yield TableChanges(name, is_there=name in news, was_there=name in olds)

    def lost(self, wish: Lost, into: Path) -> dict[Path, str]:
        """Write the records that somebody misses below `into`, as the vendor writes them; return
        the paths, each with the columns that are not as they came, in words.

        Raise ApplianceError where there is no such table.
        """
        olds, news = self._tables(wish.only)
        if not olds:
            raise no_such_table(self.before)
        written: dict[Path, str] = {}
        for name, old in olds.items():
            new = with_id(news[name]) if name in news else replace(with_id(old), parts={})
            known_again = replace(old, id_columns=new.id_columns)
            paths = _write(known_again, self._missed(known_again, new, wish), into)
            written |= dict.fromkeys(paths, _hidden(told_of(self.before, old)))
        return written

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
        comparable = new.less(self._told_apart(old, new))
        for one in differences(old, comparable, _about(old, new), self.work):
            if one.before_raw and (one.after is None) == (wish.what == "removed"):
                yield one.before_raw

    def _changes(self, old: Table, new: Table) -> TableChanges:
        tally, shown = ChangeCount(new.ignored), _Shown()
        for one in differences(old, new, _about(old, new), self.work):
            self.watch.check()
            fields = tally.add(one)
            shown.add(RecordChange(one.kind, _id(one), _title(one), fields))
        rows = new.count()
        everywhere, counts = tally.everywhere(rows), tally.counts(rows)
        return TableChanges(
            new.name,
            new.id_columns,
            counts["added"],
            counts["changed"],
            counts["removed"],
            records=shown.but_for(everywhere),
            everywhere=tuple(sorted(everywhere)),
        )

    def _told_apart(self, old: Table, new: Table) -> frozenset[str]:
        """The columns that were hidden in one of the two, or otherwise."""
        return told_apart(told_of(self.before, old), told_of(self.after, new))

    def _columns(self, old: Table, new: Table) -> dict[str, Any]:
        """What became of the columns, by the names that `TableChanges` has for it."""
        was = told_of(self.before, old) or {"columns": list(old.columns)}
        now = told_of(self.after, new) or {"columns": list(new.columns)}
        return {**became(was, now, renamed(old, new)), "hidden": _hidden(now)}


def giving_back(
    wish: Lost, into: Path, watch: Watch
) -> Callable[[Path, Path, Path], dict[Path, str]]:
    """Return what writes lost records below `into`, given two archives and an empty folder; see
    `Between.lost`.
    """

    def look(before: Path, after: Path, work: Path) -> dict[Path, str]:
        return Between.of(before, after, work, watch).lost(wish, into)

    return look


def _hidden(told: Mapping[str, Any]) -> str:
    return in_words(told.get("masked", ()), told.get("dropped", ()))


class _Shown:
    """The first records of each way to differ, as many as are told one by one."""

    def __init__(self) -> None:
        self._ways: dict[frozenset[str], list[RecordChange]] = defaultdict(list)
        self._left = _MOST_KEPT

    def add(self, one: RecordChange) -> None:
        """Take a record, unless there are enough of its like."""
        alike = self._ways[frozenset(one.fields)]
        if self._left and len(alike) < _MOST_SHOWN:
            alike.append(one)
            self._left -= 1

    def but_for(self, columns: frozenset[str]) -> tuple[RecordChange, ...]:
        """Return those that differ elsewhere than in these columns."""
        told = (
            replace(one, fields={n: cells for n, cells in one.fields.items() if n not in columns})
            for way, several in self._ways.items()
            for one in several
            if not way or way - columns
        )
        return tuple(islice(told, _MOST_SHOWN))


def _title(one: Difference) -> str:
    return title_of(one.after or one.before or {})


def _id(one: Difference) -> str:
    return " ".join(one.key)


def _about(old: Table, new: Table) -> int:
    """About how many rows the larger has."""
    return max(old.count(), new.count())


def _with_id(table: Table, wanted: str) -> Iterator[tuple[int, bytes]]:
    for at, part in enumerate(table.parts.values()):
        for raw, cells in part.rows():
            key = key_of(named(part.columns, cells), table.id_columns)
            if any(key) and " ".join(key) == normal(wanted):
                yield at, raw


def _write(table: Table, rows: Iterator[tuple[int, bytes]], into: Path) -> tuple[Path, ...]:
    """Write rows to a file for each part that has some; return the paths."""
    parts = list(table.parts.items())
    with Files(into) as files:
        for at, raw in rows:
            name = _file_name(parts[at][0], table.inside, parts[at][1].frame)
            files.put(name, parts[at][1].frame, raw)
    return files.paths


def _file_name(member: str, inside: str, frame: Frame) -> str:
    """A file of several tables becomes a folder of its name; its kind is told by the ending."""
    if not inside:
        return f"{member}{frame.suffix}"
    return f"{member}/{_UNFIT.sub('_', inside)}{frame.suffix}"
