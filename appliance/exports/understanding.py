"""The only home of what an export says of the office's records: its tables, and what became of
each record since the backup before.

It is an addition to a backup, never a condition of one: what cannot be understood is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..core.errors import ApplianceError, Cancelled, DiskFull
from ..core.model import StepName
from ..core.ports import Watch
from .extracted import Extracted
from .hidden import NOTHING, Hidden, cleared, facts_of, told_apart
from .looks import FALLBACK
from .reading import made, opened
from .tables.columns import became, renamed
from .tables.comparing import differences
from .tables.everywhere import ChangeCount
from .tables.grouping import File, TableRule, encoding_of, tables
from .tables.profile import Profile, profile
from .tables.rows import NotATable, Rows
from .tables.table import Table
from .unpack import Member

_REMEMBERED = 8
"""How many counts of good backups before are known to judge the next by."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """Tells the tables of an export; `rules` are what somebody said of them."""

    rules: Sequence[TableRule]
    scratch: Path
    watch: Watch
    hidden: Mapping[str, Hidden] = field(default_factory=dict)
    """By the path of a file what was hidden in it."""

    def tell(
        self, files: Sequence[File], before: Extracted | None, remarks: list[str]
    ) -> Iterator[Mapping[str, Any]]:
        """Given an export's files, and the backup before it, yield what the manifest is to say of
        each table; what was not understood is added to `remarks`.
        """
        content = {file.path: file.sha256 for file in files}
        told = {table["name"]: table for table in before.manifest.tables} if before else {}
        with _as_it_was(before, self.scratch, self.watch) as was:
            for table in tables(files, self.rules, partial(_tables_of, remarks=remarks)):
                bytes_now = {content[path] for path in table.parts}
                entry = self._told(table, bytes_now, was, told.get(table.name, {}), remarks)
                if entry:
                    yield entry

    def _told(
        self,
        table: Table,
        content: set[str],
        was: _AsItWas | None,
        told: Mapping[str, Any],
        remarks: list[str],
    ) -> Mapping[str, Any]:
        """Return what is known of a table, and where that can be told, what became of it too."""
        entry: dict[str, Any] = {}
        hidden = facts_of(self.hidden.get(path, NOTHING) for path in table.parts)
        with _kept_all_the_same(table.name, remarks):
            if was and told and was.contents(told) == content:
                return _unchanged(table, told) | hidden
            self.watch.report(StepName.INSPECT, 0, note=table.name)
            now = profile(_known_again(table, told))
            entry = _entry(table, now, encoding_of(next(iter(table.parts)), self.rules)) | hidden
            if was and told:
                entry["earlier"] = _earlier(told)
                known = replace(table, id_columns=now.id_columns).less(told_apart(told, entry))
                entry["since"] = self._since(known, was, told, entry)
        return entry

    def _since(
        self, table: Table, before: _AsItWas, told: Mapping[str, Any], now: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What became of the records since; what the backup before cannot tell is left out."""
        tally = ChangeCount(table.ignored)
        with before.parts(told) as parts:
            was = replace(table, parts=parts)
            for one in differences(was, table, max(told["rows"], now["rows"]), self.scratch):
                self.watch.check()
                tally.add(one)
            called = renamed(was, table)
        columns = sorted(tally.everywhere(now["rows"]))
        everywhere = {"everywhere": columns} if columns else {}
        return tally.counts(now["rows"]) | everywhere | became(told, now, called)


class _AsItWas:
    """The tables of the backup before, from its files made again in a folder."""

    def __init__(self, before: Extracted, folder: Path, watch: Watch) -> None:
        self._before, self._folder, self._watch = before, folder, watch
        self._kept = {each.path: each for each in before.manifest.members}
        self._several: dict[str, Mapping[str, Rows]] = {}
        """Files with several tables stay: a dump of 200 tables is made once."""

    def contents(self, told: Mapping[str, Any]) -> set[str]:
        """The SHA-256 of each file of a table."""
        return {self._kept[path].sha256 for path in told["members"]}

    @contextmanager
    def parts(self, told: Mapping[str, Any]) -> Iterator[dict[str, Rows]]:
        """The parts of a table, as the manifest tells of it, by the member's path."""
        with TemporaryDirectory(prefix=".one-", dir=self._folder) as folder:
            yield {
                name: self._rows(name, told["inside"], Path(folder) / str(number))
                for number, name in enumerate(told["members"])
            }

    def _rows(self, name: str, inside: str, file: Path) -> Rows:
        if not inside:
            return self._opened(name, file)[""]
        if name not in self._several:
            lasting = self._folder / str(len(self._several))
            self._several[name] = self._opened(name, lasting)
        return self._several[name][inside]

    def _opened(self, name: str, file: Path) -> Mapping[str, Rows]:
        return opened(made(self._before, self._kept[name], file, self._watch))


def _tables_of(file: File, remarks: list[str]) -> Mapping[str, Rows]:
    """What a file has of tables; none where it cannot be told."""
    with _kept_all_the_same(file.path, remarks, NotATable):
        return opened(file)
    return {}


@contextmanager
def _kept_all_the_same(
    what: str, remarks: list[str], *known: type[ApplianceError]
) -> Iterator[None]:
    """What is not understood is kept: it is a remark and no more. What is `known` is no news."""
    passed_on: tuple[type[ApplianceError], ...] = (DiskFull, Cancelled, *known)
    try:
        yield
    except passed_on:
        raise
    except Exception as error:  # noqa: BLE001 - a backup is never lost for this
        remarks.append(f"{what} was not understood: {error}")


@contextmanager
def _as_it_was(before: Extracted | None, scratch: Path, watch: Watch) -> Iterator[_AsItWas | None]:
    if before is None:
        yield None
        return
    with TemporaryDirectory(prefix=".was-", dir=scratch) as folder:
        yield _AsItWas(before, Path(folder), watch)


def _unchanged(table: Table, told: Mapping[str, Any]) -> dict[str, Any]:
    """The same bytes, under whatever names: all is known already."""
    nothing = dict.fromkeys(("added", "changed", "removed"), 0)
    return {
        **cleared(told),
        "members": list(table.parts),
        "earlier": _earlier(told),
        "since": {**nothing, **became(told, told, {})},
    }


def _earlier(told: Mapping[str, Any]) -> list[int]:
    return [*told.get("earlier", []), told["rows"]][-_REMEMBERED:]


def _known_again(table: Table, told: Mapping[str, Any]) -> Table:
    """Return a table with the id that it had, once more: if its ids repeat now, that is news."""
    was = tuple(told.get("id", ()))
    if table.id_columns or not was or told["repeated"] or not set(was) <= set(table.columns):
        return table
    return replace(table, id_columns=was)


def files_of(members: Sequence[Member], rules: Sequence[TableRule]) -> list[File]:
    """Return the members of an export as what may be a table."""
    return [
        File(each.path, each.file, each.sha256, encoding_of(each.path, rules)) for each in members
    ]


def _entry(table: Table, now: Profile, encoding: str) -> dict[str, Any]:
    return {
        "name": table.name,
        "members": list(table.parts),
        "inside": table.inside,
        "columns": list(now.columns),
        "types": list(now.types),
        "id": list(now.id_columns),
        "rows": now.rows,
        "repeated": now.repeated,
        "without_id": now.without_id,
        "blank": list(now.blank),
        "newest": now.newest,
        "ends": all(part.ends for part in table.parts.values()),
        **({"ignored": sorted(table.ignored)} if table.ignored else {}),
        **({"encoding": encoding} if encoding != FALLBACK else {}),
    }
