"""The only home of which files of an export are one table, and of what a person calls it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..choosing import matches
from ..likeness import uncounted
from ..looks import FALLBACK, table_name
from .rows import NotATable, Rows
from .table import Table

_PART = re.compile(r"[\s_#.-]*(?:part)?[\s_#.(-]*\d{1,4}\)?$", re.IGNORECASE)
_VOLATILE = frozenset(
    {
        "(Do Not Modify) Row Checksum",
        "(Do Not Modify) Modified On",
        "@odata.etag",
        "REV",
    }
)
"""Columns that change by themselves: Dataverse's, and the revision of a vCard."""


@dataclass(frozen=True, slots=True)
class File:
    """One member of an export, unpacked."""

    path: str
    file: Path
    sha256: str
    encoding: str = FALLBACK
    """What it is where it is not UTF-8."""


@dataclass(frozen=True, slots=True)
class TableRule:
    """What somebody said of a table: which it is, its id, what changes by itself, its encoding,
    and which columns are never stored in clear.
    """

    match: str
    id: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    encoding: str = FALLBACK
    mask: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    @property
    def hidden(self) -> tuple[str, ...]:
        """The columns to be masked or dropped."""
        return (*self.mask, *self.drop)


Open = Callable[[File], Mapping[str, Rows]]
"""Given a file, return its tables by a name within it: empty where the file is the table."""


def tables(files: Sequence[File], rules: Sequence[TableRule], opened: Open) -> tuple[Table, ...]:
    """Given the files of an export, return its tables by name; a file that is none is left out.

    Parts of one table lie side by side and are called alike but for a number at the end; their
    columns are the same for the most part.
    """
    groups: dict[tuple[str, str], dict[str, Rows]] = defaultdict(dict)
    inside: dict[tuple[str, str], str] = {}
    for file in _once(files):
        for inner, rows in _rows_of(file, opened).items():
            key = _group(file.path, inner, rows, groups)
            groups[key][file.path] = rows
            inside[key] = inner
    names = _names(groups)
    return tuple(
        _table(names[key], inside[key], groups[key], rules)
        for key in sorted(groups, key=lambda key: names[key])
    )


def encoding_of(path: str, rules: Sequence[TableRule]) -> str:
    """Given a member's path, return what it is where it is not UTF-8."""
    return next((rule.encoding for rule in rules if matches(path, [rule.match])), FALLBACK)


def rules_for(names: Sequence[str], rules: Sequence[TableRule]) -> tuple[TableRule, ...]:
    """Given all names of a table, return the rules that are about it."""
    return tuple(rule for rule in rules if _means(rule.match, names))


def names_of(path: str) -> tuple[str, ...]:
    """Given a member's path, return what a person may call its table."""
    return table_name(path), _without_part(path)


def _once(files: Iterable[File]) -> Iterable[File]:
    """One object may lie in several ZIPs of the vendor's, whole in each."""
    return {(PurePosixPath(each.path).name, each.sha256): each for each in files}.values()


def _rows_of(file: File, opened: Open) -> Mapping[str, Rows]:
    try:
        return {name: rows for name, rows in opened(file).items() if rows.columns}
    except NotATable:
        return {}


def _group(
    path: str, inner: str, rows: Rows, groups: Mapping[tuple[str, str], Mapping[str, Rows]]
) -> tuple[str, str]:
    key = _key(path, inner, _without_part(path))
    if key in groups and not any(_are_alike(rows, other) for other in groups[key].values()):
        return _key(path, inner, table_name(path))
    return key


def _key(path: str, inner: str, name: str) -> tuple[str, str]:
    """Where a table lies, and what it is called: of several in a file, each has its own name."""
    folder = uncounted(str(PurePosixPath(path).parent))
    if inner:
        return f"{folder}/{name}".casefold().removeprefix("./"), inner.casefold()
    return folder, name.casefold()


def _are_alike(rows: Rows, other: Rows) -> bool:
    ours, theirs = set(rows.columns), set(other.columns)
    return 2 * len(ours & theirs) >= min(len(ours), len(theirs))


def _without_part(path: str) -> str:
    name = table_name(path)
    return _PART.sub("", name) or name


def _names(groups: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What a person calls each: with its folder where two are called alike."""
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key in groups:
        alike[key[1]].append(key)
    return {
        key: name if len(keys) == 1 else f"{name} ({key[0]})"
        for name, keys in alike.items()
        for key in keys
    }


def _table(name: str, inside: str, parts: Mapping[str, Rows], rules: Sequence[TableRule]) -> Table:
    named = [*parts, inside or name]
    rule = next((each for each in rules if _means(each.match, named)), TableRule(""))
    columns = {column for part in parts.values() for column in part.columns}
    known = tuple(column for column in rule.id if column in columns)[:1]
    told = next((part.key for part in parts.values() if part.key), ())
    ignored = _VOLATILE | set(rule.ignore)
    return Table(name, parts, inside, known or told, frozenset(ignored & columns))


def _means(pattern: str, names: Sequence[str]) -> bool:
    return any(matches(name, [pattern]) for name in names)
