"""The only home of what is never stored in clear: columns that somebody wants masked or dropped.

It is done right after unpacking, before anything is understood, hashed into the layout or stored.
Where it cannot be done, nothing of the export is: a vendor that calls a column otherwise overnight
must not have it archived in clear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.errors import Cancelled, DiskFull, ExportUnsafe, did_you_mean
from ..core.model import Export, StepName
from ..core.ports import Watch
from .budget import Budget, Limits
from .choosing import some_of
from .closed import refuse_closed
from .contents import Kept
from .hidden import Hidden, meant_in
from .members import Container, Member, Unpacked
from .reading import looks_like_a_page, opened
from .rewriting import Writer, maskable
from .tables.cards import Cards
from .tables.grouping import File, TableRule, encoding_of, names_of, rules_for, tables
from .tables.ids import candidates
from .tables.masking import Maskable
from .tables.rows import Rows
from .tables.table import Table
from .unpack import unpack

_NAME = re.compile(r"[^\d@]{1,60}")
"""What looks like a column's name: where there is no header, somebody's telephone stands there."""
_NUMBERED = re.compile(r" \(\d+\)$")
_DEEPEST = 5
"""What lies in containers that lie in containers is looked for up to here."""
Rules = Sequence[TableRule]
Told = Mapping[str, Any]
"""A table, as a manifest tells it."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """Hides what `rules` say; `key` is asked for only where they say anything."""

    rules: Rules
    key: Callable[[], bytes]
    limits: Limits
    watch: Watch
    comes_in_parts: bool = False
    """Whether an export may lack what a rule is about."""
    before: Sequence[Told] = ()
    """What is told of the tables of the backup before."""

    def unpacked(self, export: Export, into: Path) -> Unpacked:
        """Given an export and an empty folder, return it unpacked, with columns hidden.

        Raise what `unpack` and `hide` do.
        """
        limits = self.limits
        if any(rule.hidden for rule in self.rules):
            limits = replace(limits, opens_all=True, max_depth=_DEEPEST)
        return self.hide(unpack(export, into, limits, self.watch), into)

    def hide(self, unpacked: Unpacked, into: Path) -> Unpacked:
        """Given an unpacked export, and the folder that its files lie in, return it with columns
        hidden; what was there in clear is removed.

        Raise ExportUnsafe where that is not sure, DiskFull or Cancelled.
        """
        rules = tuple(rule for rule in self.rules if rule.hidden)
        if not rules:
            return unpacked
        meant = self._meant(unpacked.members, rules)
        rest = [member for member in unpacked.members if member.path not in meant]
        refuse_closed(rest, unpacked.containers, rules)
        if not self.comes_in_parts:
            _refuse_unmatched(rules, meant)
        files = {path: maskable(file) for path, (file, _) in meant.items()}
        self._refuse_unknown_columns(rules, meant, files)
        size_bytes = sum(member.size_bytes for member in unpacked.members)
        writer = Writer(into, Budget(into, size_bytes, self.limits, self.watch), self.key)
        return _with(unpacked, tuple(self._written(unpacked.members, meant, files, writer)))

    def _written(
        self,
        members: Sequence[Member],
        meant: _Meant,
        files: Mapping[str, Maskable | None],
        writer: Writer,
    ) -> Iterator[Member]:
        for member in members:
            if member.path in meant:
                self.watch.report(StepName.UNPACK, 0, note=member.path)
                file, of_it = meant[member.path]
                yield writer.written(member, file, files[member.path], of_it)
            else:
                yield member

    def _meant(self, members: Sequence[Member], rules: Rules) -> _Meant:
        """Find out which members the rules are about; where an export may lack those, raise
        ExportUnsafe where another one looks as if they were.
        """
        files = {
            each.path: File(each.path, each.file, each.sha256, encoding_of(each.path, self.rules))
            for each in members
        }
        each_by_itself = [replace(file, sha256=path) for path, file in files.items()]
        found = tables(each_by_itself, (), partial(_opened_if_it_can_be, watch=self.watch))
        meant = _meant(files, found, rules)
        if self.comes_in_parts:
            left = [table for table in found if not meant.keys() >= {*table.parts}]
            self._refuse_alike(rules, left)
        return meant

    def _refuse_alike(self, rules: Rules, found: Iterable[Table]) -> None:
        """Raise ExportUnsafe where a table that nobody said anything of has a column that is
        hidden elsewhere: it may be what a rule is about, under another name.
        """
        for table in found:
            names = [*table.parts, *_names_of(table)]
            asked = () if rules_for(names, self.rules) else rules
            for rule in asked:
                if has := [name for name in rule.hidden if _has(table, name)]:
                    raise ExportUnsafe(
                        f"{some_of(table.parts)} has {_listed(has)}, which is hidden in what "
                        f"“{rule.match}” means, and nothing is said of it.",
                        hint="Let match mean it, too, or give it a [[source.table]] of its own "
                        "without mask and drop; nothing was stored.",
                    )

    def _refuse_unknown_columns(
        self, rules: Rules, meant: _Meant, files: Mapping[str, Maskable | None]
    ) -> None:
        """Raise ExportUnsafe where a rule names a column that none of its files has."""
        for rule in rules:
            paths = [path for path, (_, of_it) in meant.items() if rule in of_it]
            filled = {path: file for path in paths if (file := files[path]) is not None}
            for name in rule.hidden if filled else ():
                if not any(file.meant(name) for file in filled.values()):
                    raise self._no_such_column(name, rule, filled, meant)

    def _no_such_column(
        self, name: str, rule: TableRule, filled: Mapping[str, Maskable], meant: _Meant
    ) -> ExportUnsafe:
        pages = [path for path in filled if looks_like_a_page(meant[path][0].file)]
        if pages:
            return ExportUnsafe(f"{some_of(pages)} is a web page, not an export.")
        known = {*_names_in(self.before), *_names_said(self.rules)}
        named = [
            file.columns
            for file in filled.values()
            if not file.is_named_by_a_row or _are_names(file.columns, known)
        ]
        columns = {each for names in named for each in names if _NAME.fullmatch(each)}
        near = did_you_mean(name, columns)
        told = near if near.startswith(" (did") else f" (there is {some_of(columns)})"
        hint = "Set mask and drop to how the column is called now; nothing of this was stored."
        if not named:
            count = max(len(file.columns) for file in filled.values())
            told = f" (there are {count} columns, and their names may be missing)"
            hint = "See whether it begins with the names of its columns; nothing of it was stored."
        return ExportUnsafe(
            f"“{rule.match}” has no column “{name}” to hide{told}: {some_of(filled)}.", hint=hint
        )


def _refuse_unmatched(rules: Rules, meant: _Meant) -> None:
    for rule in rules:
        if not any(rule in of_it for _, of_it in meant.values()):
            raise ExportUnsafe(
                f"No file of this export is what “{rule.match}” means, so that "
                f"{_listed(rule.hidden)} might be stored in clear.",
                hint="Set match to how the file or table is called now; nothing was stored.",
            )


_Meant = Mapping[str, tuple[File, Rules]]
"""By path the members that are to be changed, and what is said of each."""


def may_lie_beside(kept: Kept, member: Member, tables_before: Iterable[Told], rules: Rules) -> bool:
    """Whether an earlier version may be stored with a member, as what its patch goes out from: not
    where it has in clear what is hidden now.
    """
    told = [each for each in tables_before if kept.path in each["members"]]
    names = [kept.path, *names_of(kept.path), *(each["inside"] or each["name"] for each in told)]
    asked = {name for rule in rules_for(names, rules) for name in rule.hidden}
    return asked | set(member.hidden.asked) <= set(kept.hidden.asked)


def refuse_renamed(
    tables_now: Iterable[Told], tables_before: Iterable[Told], hidden: Mapping[str, Hidden]
) -> None:
    """Given what is told of the tables, and by path what was hidden, raise ExportUnsafe where one
    lacks what a name that is to be hidden meant in it before, and has a new column: that may be
    the same.
    """
    earlier = {each["name"]: each for each in tables_before}
    for table in tables_now:
        was = earlier.get(table["name"], {})
        asked = {name for path in table["members"] for name in hidden[path].asked}
        lost = _lost(meant_in(was, asked), meant_in(table, asked)) & asked
        new = [name for name in table["columns"] if name not in {*was["columns"]}] if lost else ()
        if new:
            is_header = _are_names(table["columns"], {*_names_in([was]), *asked})
            what = _listed(new) if is_header else f"{len(new)} new columns"
            raise ExportUnsafe(
                f"{table['name']} lacks {_listed(sorted(lost))}, which is to be hidden, and has "
                f"{what}: that may be the same under another name.",
                hint="Name it in mask or drop, or what is gone no longer; nothing was stored.",
            )


def _lost(was: Mapping[str, bool], now: Mapping[str, bool]) -> set[str]:
    """Given which names meant something, and whether everywhere, return which do less now."""
    return {name for name, everywhere in was.items() if now.get(name, -1) < everywhere}


def _names_in(tables: Iterable[Told]) -> Iterator[str]:
    for told in tables:
        yield from (*told.get("columns", ()), *told.get("dropped", ()))


def _names_said(rules: Rules) -> Iterator[str]:
    for rule in rules:
        yield from (*rule.id, *rule.ignore, *rule.hidden)


def _are_names(columns: Sequence[str], known: Collection[str]) -> bool:
    """Return whether what stands in a first row is surely names of columns, and no customer."""
    count = sum(name in known for name in columns)
    return bool(candidates(columns, "")) or count > 1 or 2 * count >= len(columns)


def _has(table: Table, name: str) -> bool:
    """Return whether a table has such a column, or what would be hidden by this name."""
    is_book = any(rows.shape == Cards.shape for rows in table.parts.values())
    return any(name.casefold() in _called(column, is_book) for column in table.columns)


def _called(column: str, is_book: bool) -> set[str]:
    plain = _NUMBERED.sub("", column.strip().casefold())
    fields = plain.split(".")
    above = {".".join(fields[:count]) for count in range(1, len(fields) + 1)}
    return above | ({plain.partition(" ")[0]} if is_book else set())


def _names_of(table: Table) -> Iterator[str]:
    yield table.inside or table.name
    for path in () if table.inside else table.parts:
        yield from names_of(path)


def _meant(members: Mapping[str, File], found: Iterable[Table], hiding: Rules) -> _Meant:
    """Find out which members the rules are about: by their own names, or their table's."""
    of_each = {path: rules_for([path, *names_of(path)], hiding) for path in members}
    for table in found:
        of_it = rules_for([*table.parts, table.inside or table.name], hiding)
        same = {members[path].sha256 for path in table.parts} if of_it else set()
        for path in (path for path, file in members.items() if file.sha256 in same):
            of_each[path] = tuple(dict.fromkeys((*of_each[path], *of_it)))
    return {path: (members[path], of_it) for path, of_it in of_each.items() if of_it}


def _opened_if_it_can_be(file: File, watch: Watch) -> Mapping[str, Rows]:
    watch.check()
    try:
        return opened(file)
    except (DiskFull, Cancelled):
        raise
    except Exception:  # noqa: BLE001 - what nobody named is kept as it is, as everywhere
        return {}


def _with(unpacked: Unpacked, members: tuple[Member, ...]) -> Unpacked:
    """Return an export with other members: what they lay in cannot be given back any more."""
    old = {member.path: member.sha256 for member in unpacked.members}
    changed = [each.path for each in members if each.sha256 != old[each.path]]
    boxes = tuple(_without_its_bytes(box, changed) for box in unpacked.containers)
    remarks = tuple(
        f"{box.path} itself is not kept: columns of what was in it are hidden."
        for box in boxes
        if box.is_masked and not box.inside
    )
    return replace(
        unpacked, members=members, containers=boxes, remarks=(*unpacked.remarks, *remarks)
    )


def _without_its_bytes(box: Container, changed: Sequence[str]) -> Container:
    if not any(path.startswith(f"{box.path}/") for path in changed):
        return box
    return replace(box, recipe=None, is_masked=True, sha256="")


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"“{name}”" for name in names)
