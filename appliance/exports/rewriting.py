"""The only home of writing a member of an export once more, with columns of it hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ..core.errors import ExportUnsafe
from .budget import Budget
from .hidden import Hidden
from .looks import Kind, look_at, plain
from .members import Member
from .pseudonyms import Pseudonyms
from .reading import CARDS, WORKBOOKS, looks_like_a_page
from .tables.grouping import File, TableRule
from .tables.masked_cards import MaskedCards
from .tables.masked_jsons import MaskedObjects
from .tables.masked_lines import MaskedLines
from .tables.masking import Maskable, Veil
from .tables.rows import NotATable

_SAYS_NOTHING = frozenset({b"", b"[]", b"{}"})
_FEW_BYTES = 64
_HINT = (
    "Have the CRM export CSV, JSON or XLSX, or take mask and drop out; nothing of it was stored."
)


def maskable(file: File) -> Maskable | None:
    """Return a file such that it can be written once more; None where it says nothing at all.

    Raise ExportUnsafe where it is no table, or none that can be.
    """
    if _says_nothing(file.file):
        return None
    try:
        found = _as_it_is_written(file)
    except NotATable as error:
        raise _not_to_be_masked(file, error.message) from error
    if found is None:
        is_page = looks_like_a_page(file.file)
        what = "a web page, not an export" if is_page else "no CSV, JSON, vCard or workbook"
        raise _not_to_be_masked(file, f"It is {what}.")
    return found


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes members once more, with columns hidden."""

    into: Path
    budget: Budget
    key: Callable[[], bytes]

    def written(
        self, member: Member, file: File, found: Maskable | None, rules: Sequence[TableRule]
    ) -> Member:
        """Given a member, and what `maskable` made of it, return it as it is stored: it says what
        was hidden in it. Its file, if it lay in our folder, is removed.

        Raise ExportUnsafe where that is not possible to its last byte, DiskFull or Cancelled.
        """
        masked = frozenset(name for rule in rules for name in rule.mask)
        dropped = frozenset(name for rule in rules for name in rule.drop)
        pseudonyms = Pseudonyms(self.key())
        if found is None:
            return replace(member, hidden=_hidden(None, masked, dropped, pseudonyms))
        try:
            with self.budget.file() as out:
                for chunk in found.rewritten(Veil(masked, dropped, pseudonyms.of)):
                    out.write(chunk)
        except NotATable as error:
            raise _not_to_be_masked(file, error.message) from error
        if member.file.parent == self.into:
            member.file.unlink()
        return replace(
            member,
            file=out.path,
            size_bytes=out.size_bytes,
            sha256=out.sha256,
            hidden=_hidden(found, masked, dropped, pseudonyms),
        )


def _as_it_is_written(file: File) -> Maskable | None:
    suffix = PurePosixPath(file.path).suffix.lower()
    if suffix in WORKBOOKS:
        from .tables.masked_sheets import MaskedSheets  # noqa: PLC0415 - openpyxl takes some MB

        return MaskedSheets(file.file)
    look = look_at(file.file, file.path, file.encoding)
    if look.kind is Kind.TABLE:
        return MaskedLines(file.file, look)
    if look.kind in {Kind.JSON, Kind.JSON_LINES}:
        return MaskedObjects(file.file, look)
    is_book = suffix in CARDS and look.kind is Kind.TEXT
    return MaskedCards(file.file, look) if is_book else None


def _says_nothing(file: Path) -> bool:
    with plain(file) as opened_file:
        head = opened_file.read(_FEW_BYTES + 1)
    return len(head) <= _FEW_BYTES and head.removeprefix(b"\xef\xbb\xbf").strip() in _SAYS_NOTHING


def _not_to_be_masked(file: File, why: str) -> ExportUnsafe:
    """Return the error for what cannot be written anew: a sentence says why, without a value."""
    why = why[:1].lower() + why[1:]
    return ExportUnsafe(
        f"Columns of {file.path} are to be hidden, and cannot be: {why}", hint=_HINT
    )


def _hidden(
    found: Maskable | None, masked: frozenset[str], dropped: frozenset[str], pseudonyms: Pseudonyms
) -> Hidden:
    """Return what is told of a member; where it said nothing, nothing was missing either."""
    asked = tuple(sorted(masked | dropped))
    if found is None:
        return Hidden(asked=asked, meant=asked, key=pseudonyms.mark)
    columns = {name: found.meant(name) for name in asked}
    gone = tuple(dict.fromkeys(each for name in sorted(dropped) for each in columns[name]))
    shown = dict.fromkeys(each for name in sorted(masked) for each in columns[name])
    return Hidden(
        masked=tuple(each for each in shown if each not in gone),
        dropped=gone,
        asked=asked,
        meant=tuple(name for name in asked if columns[name]),
        key=pseudonyms.mark,
    )
