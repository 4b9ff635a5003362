"""The only home of address books: vCard 2.1 to 4.0, each card a row (RFC 2426, RFC 6350).

A property is a column, with the kind where it says one (`TEL work`); the second of the same is
another column. A photo is told by its size and hash. A card within a card (AGENT) is its.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from ..looks import plain, tail
from .delimited import lines
from .discovered import Discovered
from .rows import LONGEST_BYTES, Frame, NotATable, Place

_MOST_LINES = 500_000
"""Of a card with as large a photo as there may be."""
_BEGIN, _END = b"BEGIN:VCARD", b"END:VCARD"
_AGENT = re.compile(rb"(?:[A-Z0-9-]+\.)?AGENT(?:;[^:]*)?:")
FOLD = re.compile(rb"\r?\n[ \t]")
_PROPERTY = re.compile(  # an optional group, the name, parameters, the value
    r"((?:[A-Za-z0-9-]+\.)?)([A-Za-z0-9_-]+)((?:;[^:\"]*(?:\"[^\"]*\"[^:\"]*)*)?):(.*)", re.DOTALL
)
_KIND = re.compile(r"type=\"?([^;\"]+)\"?", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([nN,;:\\])")
_BLOBS = frozenset({"PHOTO", "LOGO", "SOUND", "KEY"})
_LEFT_OUT = frozenset({"BEGIN", "END", "VERSION"})


class Cards(Discovered):
    """Rows that are vCards; implements `rows.Rows`. A `raw` is a card from BEGIN to END."""

    shape: Hashable = "vCard"

    @property
    def frame(self) -> Frame:
        """One card after the other; see `rows.Rows`."""
        return Frame()

    @property
    def ends(self) -> bool:
        """Whether the last card is whole; see `rows.Rows`."""
        return tail(self.file).strip().upper().endswith(_END)

    def raws(self) -> Iterator[bytes]:
        """Yield each card's bytes; see `rows.Rows`."""
        for place in self.placed():
            yield place.raw

    def placed(self) -> Iterator[Place]:
        """Yield each card that has a beginning and an end with where it lies."""
        card, nesting = list[bytes](), Nesting()
        start = place = self.look.skip_bytes
        with plain(self.file) as opened:
            opened.seek(place)
            for line in lines(opened.read, b"\n"):
                was_in_one = nesting.depth > 0
                if nesting.begins(line):
                    card, start = [], place
                card.append(line)
                place += len(line) + 1
                if place - start > LONGEST_BYTES or len(card) > _MOST_LINES:
                    raise NotATable("A card of this file has no end.")
                if not nesting.depth:
                    if was_in_one:
                        yield Place(start, place - 1, place, b"\n".join(card))
                    card, start = [], place

    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one card apart; see `rows.Rows`."""
        text = FOLD.sub(b"", raw).decode(self.look.bytes_encoding, "replace")
        return self._placed(_properties(text))


@dataclass(frozen=True, slots=True)
class Property:
    """One line of a card, unfolded."""

    before: str
    """The group that it is of, with its dot, and the name as it is written."""
    name: str
    """In capitals."""
    parameters: str
    label: str
    """What its column is called, the first of its kind."""
    text: str
    """What stands behind the colon."""

    @property
    def is_blob(self) -> bool:
        """Whether it is a photo or the like, of which the cell tells only the size and a hash."""
        return self.name in _BLOBS

    @property
    def value(self) -> str:
        """What its cell says."""
        return _blob(self.text) if self.is_blob else _ESCAPED.sub(_plain, self.text)


def is_property(line: str) -> bool:
    """Return whether a line of a card, unfolded, is what one is made of: BEGIN and END, too."""
    return _PROPERTY.fullmatch(line.rstrip("\r")) is not None


def property_of(line: str) -> Property | None:
    """Given a line of a card, unfolded, return what it says; None where that is not of a person."""
    found = _PROPERTY.fullmatch(line.rstrip("\r"))
    if not found or (name := found[2].upper()) in _LEFT_OUT:
        return None
    kinds = " ".join(sorted({kind.lower() for kind in _KIND.findall(found[3])}))
    return Property(found[1] + found[2], name, found[3], f"{name} {kinds}".strip(), found[4])


class Nesting:
    """How deep in cards we are: one may hold another, as its AGENT (vCard 2.1)."""

    def __init__(self) -> None:
        self.depth = 0
        """0 between two cards, 1 in one."""
        self._comes_another = False

    def begins(self, line: bytes) -> bool:
        """Pass a line; return whether a card begins with it that lies in no other."""
        mark = line.strip().upper()
        is_inner = self.depth > 0 and (self._comes_another or mark != _BEGIN)
        if mark == _BEGIN or (is_inner and mark.endswith(b":" + _BEGIN)):
            self.depth = self.depth + 1 if is_inner else 1
        elif mark == _END:
            self.depth = max(0, self.depth - 1)
        self._comes_another = _AGENT.fullmatch(mark) is not None
        return mark == _BEGIN and not is_inner


class Labels:
    """What the columns of one card are called: the second of the same has a number."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def of(self, label: str) -> str:
        """Return what the column of the next property with this label is called."""
        self._seen[label] = self._seen.get(label, 0) + 1
        return label if self._seen[label] == 1 else f"{label} ({self._seen[label]})"


def _properties(card: str) -> Iterator[tuple[str, str]]:
    labels = Labels()
    for line in card.split("\n"):
        if found := property_of(line):
            yield labels.of(found.label), found.value


def _plain(found: re.Match[str]) -> str:
    return "\n" if found[1] in "nN" else found[1]


def _blob(text: str) -> str:
    return f"{len(text)} characters, {hashlib.sha256(text.encode()).hexdigest()[:12]}"
