"""The only home of hiding columns of address books: properties of vCards, line by line.

A hidden line is unfolded and folded again; all others stay as they are. Of what describes a hidden
property only its kind stays: `LABEL` and `SORT-AS` say the same once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..looks import Look, plain, tail
from .cards import FOLD, Cards, Labels, Nesting, Property, property_of
from .delimited import lines
from .masking import Veil, encoded
from .rows import NotATable

_LONGEST_LINE = 75
"""RFC 6350, 3.2."""
_PARAMETER = re.compile(r";((?:[^;\"]|\"[^\"]*\")*)")
_KIND = re.compile(r"(?:TYPE=.*|PREF(?:=\d*)?|(?!QUOTED-PRINTABLE|BASE64)[A-Z-]+)", re.IGNORECASE)
_BEGINS = re.compile(r"[\w.-]+\s*[;:]")
"""How a line begins that is no rest of another one."""
_NOTHING = ";, \t\r\n"
"""All that a name or an address says which is empty."""


class MaskedCards:
    """An address book that is written once more; implements `masking.Maskable`.

    A name means a property with its kind (`TEL work`) however often a card has it, or one of any
    kind (`TEL`).
    """

    def __init__(self, file: Path, look: Look) -> None:
        self._file, self._look = file, look
        self.columns: Sequence[str] = Cards(file, look).columns

    def meant(self, name: str) -> Sequence[str]:
        """Return the columns that a name means; see `masking.Maskable`."""
        return [each for each in self.columns if name in _names_of(each)]

    def rewritten(self, veil: Veil) -> Iterator[bytes]:
        """Yield the file's bytes with properties hidden; see `masking.Maskable`."""
        if self._look.encoding == "utf-16":
            raise NotATable("An address book in UTF-16 is not read.")
        yield from encoded(self._chunks(veil), self._look, b"")

    def _chunks(self, veil: Veil) -> Iterator[bytes]:
        between, labels, is_hidden, nesting = b"", Labels(), False, Nesting()
        with plain(self._file) as opened:
            for line in _logical(lines(opened.read, b"\n")):
                if nesting.begins(line):
                    labels = Labels()
                shown, is_hidden = self._shown(line, labels, veil, is_hidden=is_hidden)
                if shown is not None:
                    yield between + shown
                    between = b"\n"
        if tail(self._file).endswith(b"\n"):
            yield b"\n"

    def _shown(
        self, line: bytes, labels: Labels, veil: Veil, *, is_hidden: bool
    ) -> tuple[bytes | None, bool]:
        """Return what becomes of a line, and whether it is one that is to be hidden.

        What is no property goes with the hidden one above it: it may be more of it.
        """
        text = FOLD.sub(b"", line).decode(self._look.bytes_encoding, "replace")
        one = property_of(text)
        if one is None:
            goes_on = is_hidden and bool(text.strip()) and not _BEGINS.match(text)
            return (None, True) if goes_on else (line, False)
        names = {labels.of(one.label), one.label, one.name}
        if names & veil.dropped:
            return None, True
        if not names & veil.masked:
            return line, False
        if not (cell := _said(one)):
            return line, True
        end = "\r\n" if line.endswith(b"\r") else "\n"
        masked = _masked(one, veil.put_over(cell), end)
        return masked.encode(self._look.bytes_encoding, "replace"), True


def _names_of(column: str) -> set[str]:
    """Return what a column may be called: with its number, its kind, or by its property alone."""
    label = re.sub(r" \(\d+\)$", "", column)
    return {column, label, label.partition(" ")[0]}


def _said(one: Property) -> str:
    """Return what a property says; empty where it says nothing."""
    said = one.text if one.is_blob else one.value
    return said if said.strip(_NOTHING) else ""


def _masked(one: Property, pseudonym: str, end: str) -> str:
    parameters = _PARAMETER.findall(one.parameters)
    kinds = "".join(f";{each}" for each in parameters if _KIND.fullmatch(each))
    line = f"{one.before}{kinds}:{pseudonym}"
    steps = range(0, len(line), _LONGEST_LINE - 1)
    folded = f"{end} ".join(line[at : at + _LONGEST_LINE - 1] for at in steps)
    return folded + end.removesuffix("\n")


def _logical(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Given lines, yield those of one property as one, as they lie in the file."""
    held: list[bytes] = []
    for line in lines:
        if held and not (line.startswith((b" ", b"\t")) or _is_soft(held)):
            yield b"\n".join(held)
            held = []
        held.append(line)
    if held:
        yield b"\n".join(held)


def _is_soft(held: list[bytes]) -> bool:
    """Whether a line of the old vCard 2.1 goes on in the next: it ends with `=`."""
    before = held[0].partition(b":")[0].upper()
    return b"QUOTED-PRINTABLE" in before and held[-1].rstrip(b"\r").endswith(b"=")
