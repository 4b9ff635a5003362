"""The only home of what is never stored in clear: columns that somebody wants masked or dropped.

It is done right after unpacking, before anything is understood, hashed into the layout or stored.
Where it cannot be done, nothing of the export is: a vendor that calls a column otherwise overnight
must not have it archived in clear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from .hidden import Hidden
from .members import Container, Member, Unpacked
from .reading import looks_like_a_page, opened
from .rewriting import Writer, maskable
from .tables.grouping import File, TableRule, encoding_of, names_of, rules_for, tables
from .tables.masking import Maskable
from .tables.rows import Rows
from .unpack import unpack

_NAME = re.compile(r"[^\d@]{1,60}")
"""What looks like a column's name: where there is no header, somebody's telephone stands there."""
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
        meant = _meant(unpacked.members, rules, self.rules, self.watch)
        rest = [member for member in unpacked.members if member.path not in meant]
        refuse_closed(rest, unpacked.containers, rules)
        self._refuse_unmatched(rules, meant)
        files = {path: maskable(file) for path, (file, _) in meant.items()}
        _refuse_unknown_columns(rules, meant, files)
        size_bytes = sum(member.size_bytes for member in unpacked.members)
        writer = Writer(into, Budget(into, size_bytes, self.limits, self.watch), self.key)
        members = []
        for member in unpacked.members:
            if member.path in meant:
                self.watch.report(StepName.UNPACK, 0, note=member.path)
                file, of_it = meant[member.path]
                members.append(writer.written(member, file, files[member.path], of_it))
            else:
                members.append(member)
        return _with(unpacked, tuple(members))

    def _refuse_unmatched(self, rules: Rules, meant: _Meant) -> None:
        for rule in rules:
            is_about = any(rule in of_it for _, of_it in meant.values())
            if not is_about and not self.comes_in_parts:
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
    lacks what was hidden in it before, and has a new column: that may be the same.
    """
    earlier = {each["name"]: each for each in tables_before}
    for table in tables_now:
        was = earlier.get(table["name"], {})
        asked = {name for path in table["members"] for name in hidden[path].asked}
        lost = [name for name in _hidden_in(was) if name in asked - _hidden_in(table)]
        new = [name for name in table["columns"] if name not in {*was["columns"]}] if lost else ()
        if new:
            raise ExportUnsafe(
                f"{table['name']} lacks {_listed(lost)}, which is to be hidden, and has "
                f"{_listed(new)}: that may be the same under another name.",
                hint="Name it in mask or drop, or what is gone no longer; nothing was stored.",
            )


def _hidden_in(told: Told) -> set[str]:
    return {*told.get("masked", ()), *told.get("dropped", ())}


def _meant(members: Sequence[Member], hiding: Rules, all_of_them: Rules, watch: Watch) -> _Meant:
    """Find out which members the rules are about: by their own names, or their table's."""
    files = {
        each.path: File(each.path, each.file, each.sha256, encoding_of(each.path, all_of_them))
        for each in members
    }
    found = {path: rules_for([path, *names_of(path)], hiding) for path in files}
    each_by_itself = [replace(file, sha256=path) for path, file in files.items()]
    for table in tables(each_by_itself, (), partial(_opened_if_it_can_be, watch=watch)):
        of_it = rules_for([*table.parts, table.inside or table.name], hiding)
        same = {files[path].sha256 for path in table.parts} if of_it else set()
        for path in (path for path, file in files.items() if file.sha256 in same):
            found[path] = tuple(dict.fromkeys((*found[path], *of_it)))
    return {path: (files[path], of_it) for path, of_it in found.items() if of_it}


def _opened_if_it_can_be(file: File, watch: Watch) -> Mapping[str, Rows]:
    watch.check()
    try:
        return opened(file)
    except (DiskFull, Cancelled):
        raise
    except Exception:  # noqa: BLE001 - what nobody named is kept as it is, as everywhere
        return {}


def _refuse_unknown_columns(
    rules: Rules, meant: _Meant, files: Mapping[str, Maskable | None]
) -> None:
    """Raise ExportUnsafe where a rule names a column that none of its files has."""
    for rule in rules:
        paths = [path for path, (_, of_it) in meant.items() if rule in of_it]
        filled = {path: file for path in paths if (file := files[path]) is not None}
        for name in rule.hidden if filled else ():
            if not any(file.meant(name) for file in filled.values()):
                raise _no_such_column(name, rule, filled, meant)


def _no_such_column(
    name: str, rule: TableRule, filled: Mapping[str, Maskable], meant: _Meant
) -> ExportUnsafe:
    pages = [path for path in filled if looks_like_a_page(meant[path][0].file)]
    if pages:
        return ExportUnsafe(f"{some_of(pages)} is a web page, not an export.")
    columns = {each for file in filled.values() for each in file.columns if _NAME.fullmatch(each)}
    near = did_you_mean(name, columns)
    told = near if near.startswith(" (did") else f" (there is {some_of(columns)})"
    return ExportUnsafe(
        f"“{rule.match}” has no column “{name}” to hide{told}: {some_of(filled)}.",
        hint="Set mask and drop to how the column is called now; nothing of this was stored.",
    )


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
