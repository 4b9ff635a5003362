"""The only home of what an export says of the office's records: its tables, and what became of
each record since the backup before.

It is an addition to a backup, never a condition of one: what cannot be understood is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..core.errors import Cancelled, DiskFull
from ..core.model import StepName
from ..core.ports import Watch
from .extracted import Extracted
from .reading import made, opened
from .tables.comparing import differences
from .tables.grouping import File, TableRule, tables
from .tables.profile import Profile, profile
from .tables.rows import Rows
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

    def tell(
        self, members: Sequence[Member], before: Extracted | None, remarks: list[str]
    ) -> Iterator[Mapping[str, Any]]:
        """Given an export, and the backup before it, yield what the manifest is to say of each
        table; why one is left out is added to `remarks`.
        """
        files = files_of(members)
        content = {file.path: file.sha256 for file in files}
        told = {table["name"]: table for table in before.manifest.tables} if before else {}
        for table in tables(files, self.rules, opened):
            was = told.get(table.name, {})
            try:
                if before and was and _contents(table, content) == _contents_then(was, before):
                    yield _unchanged(table, was)
                else:
                    yield self._tell(table, before, was)
            except (DiskFull, Cancelled):
                raise
            except Exception as error:  # noqa: BLE001 - what is not understood is kept all the same
                remarks.append(f"{table.name} was not understood: {error}")

    def _tell(
        self, table: Table, before: Extracted | None, told: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self.watch.report(StepName.INSPECT, 0, note=table.name)
        now = profile(table)
        known = replace(table, id_columns=now.id_columns)
        entry = _entry(table, now)
        if before is None or not told:
            return entry
        since = self._since(known, before, told, now)
        return entry | {"earlier": _earlier(told), "since": since}

    def _since(
        self, table: Table, before: Extracted, told: Mapping[str, Any], now: Profile
    ) -> Mapping[str, Any]:
        """What became of the records since; what the backup before cannot tell is left out."""
        added = changed = removed = 0
        with self._as_it_was(before, told, table) as was:
            for one in differences(was, table, max(told["rows"], now.rows), self.scratch):
                self.watch.check()
                added += one.before is None
                removed += one.after is None
                changed += one.before is not None and one.after is not None
        return {
            "added": added,
            "changed": changed,
            "removed": removed,
            "new_columns": [name for name in now.columns if name not in told["columns"]],
            "lost_columns": [name for name in told["columns"] if name not in now.columns],
        }

    @contextmanager
    def _as_it_was(
        self, before: Extracted, told: Mapping[str, Any], table: Table
    ) -> Iterator[Table]:
        """The same table in the backup before, from its files made again."""
        kept = {each.path: each for each in before.manifest.members}
        with TemporaryDirectory(prefix=".was-", dir=self.scratch) as folder:
            parts: dict[str, Rows] = {}
            for number, name in enumerate(told["members"]):
                file = made(before, kept[name], Path(folder) / str(number), self.watch)
                parts[name] = opened(file)[told["inside"]]
            yield replace(table, parts=parts)


def _contents(table: Table, content: Mapping[str, str]) -> set[str]:
    return {content[path] for path in table.parts}


def _contents_then(told: Mapping[str, Any], before: Extracted) -> set[str]:
    content = {kept.path: kept.sha256 for kept in before.manifest.members}
    return {content[path] for path in told["members"]}


def _unchanged(table: Table, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same bytes, under whatever names: all is known already."""
    return {
        **told,
        "members": list(table.parts),
        "earlier": _earlier(told),
        "since": {
            **dict.fromkeys(("added", "changed", "removed"), 0),
            "new_columns": [],
            "lost_columns": [],
        },
    }


def _earlier(told: Mapping[str, Any]) -> list[int]:
    return [*told.get("earlier", []), told["rows"]][-_REMEMBERED:]


def files_of(members: Sequence[Member]) -> list[File]:
    """Return the members of an export as what may be a table."""
    return [File(each.path, each.file, each.sha256) for each in members]


def _entry(table: Table, now: Profile) -> dict[str, Any]:
    return {
        "name": table.name,
        "members": list(table.parts),
        "inside": table.inside,
        "columns": list(now.columns),
        "id": list(now.id_columns),
        "rows": now.rows,
        "repeated": now.repeated,
        "without_id": now.without_id,
        "blank": list(now.blank),
        "newest": now.newest,
    }
