"""The only home of hiding columns of address books: properties of vCards, line by line.

A hidden line is unfolded and folded again; all others stay as they are, and each must be one that
can be read: it might be the hidden property, written badly. Of what describes a hidden property
only its kind stays: `LABEL` and `SORT-AS` say the same once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..looks import Look, plain, tail
from .cards import FOLD, Cards, Labels, Nesting, Property, is_property, property_of
from .delimited import lines
from .masking import Veil, encoded
from .rows import NotATable

_LONGEST_LINE = 75
"""RFC 6350, 3.2."""
_PARAMETER = re.compile(r";((?:[^;\"]|\"[^\"]*\")*)")
_KIND = re.compile(r"(?:TYPE=.*|PREF(?:=\d*)?|(?!QUOTED-PRINTABLE|BASE64)[A-Z-]+)", re.IGNORECASE)
_BEGINS = re.compile(r"[\w.-]+\s*[;:]")
"""How a line begins that is no rest of another one."""
_PACKED = re.compile(r"[;=](?:BASE64|B)(?:;|$)", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_NOTHING = ";, \t\r\n"
"""All that a name or an address says which is empty."""


class MaskedCards:
    """An address book that is written once more; implements `masking.Maskable`.

    A name means a property with its kind (`TEL work`) however often a card has it, or one of any
    kind (`TEL`).
    """

    is_named_by_a_row = False

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
        hiding, between = _Hiding(veil, self._look.bytes_encoding), b""
        with plain(self._file) as opened:
            yield opened.read(self._look.skip_bytes)
            for line in _logical(lines(opened.read, b"\n")):
                if (shown := hiding.shown(line)) is not None:
                    yield between + shown
                    between = b"\n"
        if tail(self._file).endswith(b"\n"):
            yield b"\n"


class _Hiding:
    """Hides properties in one line after the other."""

    def __init__(self, veil: Veil, encoding: str) -> None:
        self._veil, self._encoding, self._number = veil, encoding, 0
        self._labels, self._nesting = Labels(), Nesting()
        self._is_hidden = self._is_packed = False
        """Whether the last property is to be hidden; whether it may go on in lines of base64."""

    def shown(self, line: bytes) -> bytes | None:
        """Return what becomes of a line, unfolded or not; None where it goes."""
        self._number += 1 + line.count(b"\n")
        if self._nesting.begins(line):
            self._labels = Labels()
        if self._nesting.depth > 1 and "AGENT" in self._veil.masked | self._veil.dropped:
            raise NotATable("A card in it holds another one, which cannot be hidden as a whole.")
        text = FOLD.sub(b"", line).decode(self._encoding, "replace")
        if one := property_of(text):
            self._is_packed = _PACKED.search(one.parameters) is not None
            return self._property(one, line)
        if is_property(text) or not text.strip():
            self._is_hidden = self._is_packed = False
        elif self._goes_on(text):
            return None if self._is_hidden else line
        elif self._nesting.depth:
            raise NotATable(f"Line {self._number} of it is no property of a card.")
        return line

    def _property(self, one: Property, line: bytes) -> bytes | None:
        names = {self._labels.of(one.label), one.label, one.name}
        self._is_hidden = bool(names & (self._veil.dropped | self._veil.masked))
        if names & self._veil.dropped:
            return None
        if not self._is_hidden or not (cell := _said(one)):
            return line
        end = "\r\n" if line.endswith(b"\r") else "\n"
        masked = _masked(one, self._veil.put_over(cell), end)
        return masked.encode(self._encoding, "replace")

    def _goes_on(self, text: str) -> bool:
        """Return whether what is no property may be more of the last one: below a hidden one
        whatever does not begin as another, and of a photo what is base64.
        """
        is_more = self._is_hidden and not _BEGINS.match(text)
        return is_more or (self._is_packed and _BASE64.fullmatch(text) is not None)


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
