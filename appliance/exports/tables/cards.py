"""The only home of address books: vCard 3.0 and 4.0, each card a row (RFC 2426, RFC 6350).

A property is a column, with the kind where it says one (`TEL work`); the second of the same is
another column. A photo is told by its size and hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterator, Sequence

from ..looks import plain, tail
from .delimited import lines
from .discovered import Discovered
from .rows import LONGEST_BYTES, Frame, NotATable

_MOST_LINES = 500_000
"""Of a card with as large a photo as there may be."""
_BEGIN, _END = b"BEGIN:VCARD", b"END:VCARD"
_FOLD = re.compile(rb"\r?\n[ \t]")
_PROPERTY = re.compile(  # an optional group, the name, parameters, the value
    r"(?:[A-Za-z0-9-]+\.)?([A-Za-z0-9-]+)((?:;[^:\"]*(?:\"[^\"]*\"[^:\"]*)*)?):(.*)", re.DOTALL
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
        card: list[bytes] = []
        size = 0
        with plain(self.file) as opened:
            for line in lines(opened.read, b"\n"):
                mark = line.strip().upper()
                if mark == _BEGIN:
                    card, size = [], 0
                card.append(line)
                size += len(line)
                if size > LONGEST_BYTES or len(card) > _MOST_LINES:
                    raise NotATable("A card of this file has no end.")
                if mark == _END and card[0].strip().upper() == _BEGIN:
                    yield b"\n".join(card)
                    card, size = [], 0

    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one card apart; see `rows.Rows`."""
        text = _FOLD.sub(b"", raw).decode(self.look.bytes_encoding, "replace")
        return self._placed(_properties(text))


def _properties(card: str) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for line in card.split("\n"):
        found = _PROPERTY.fullmatch(line.rstrip("\r"))
        if not found or (name := found[1].upper()) in _LEFT_OUT:
            continue
        kinds = " ".join(sorted({kind.lower() for kind in _KIND.findall(found[2])}))
        label = f"{name} {kinds}".strip()
        seen[label] = seen.get(label, 0) + 1
        value = _blob(found[3]) if name in _BLOBS else _ESCAPED.sub(_plain, found[3])
        yield label if seen[label] == 1 else f"{label} ({seen[label]})", value


def _plain(found: re.Match[str]) -> str:
    return "\n" if found[1] in "nN" else found[1]


def _blob(text: str) -> str:
    return f"{len(text)} characters, {hashlib.sha256(text.encode()).hexdigest()[:12]}"
