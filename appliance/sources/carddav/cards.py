"""The only home of a single card: whether it is whole, and as what it is stored.

It is stored as it came, to the last byte. (XML itself makes a line feed of each line's end that a
server did not write as `&#13;`, so most come with those.) Only where a card has no UID does it get
one line more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import places

_BEGIN = re.compile(rb"(?im)^BEGIN:VCARD[ \t\r]*$")
_END = re.compile(rb"(?im)^END:VCARD[ \t\r]*$")
_UID = re.compile(rb"(?im)^(?:[a-z0-9-]+\.)?UID(?:;[^:\r\n]*)?:[ \t]*\S")
_OPENING = re.compile(rb"BEGIN:VCARD[ \t]*(\r?\n)(?:VERSION:[^\r\n]*\r?\n)?", re.IGNORECASE)
_BEFORE_IT = b"\xef\xbb\xbf \t\r\n"
"""A byte order mark, blank lines: no part of the card."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A card that a server says it has."""

    key: str
    """Its path, by which it is known again; see `places.key`."""
    href: str
    """Its address as it was told."""
    etag: str
    """Empty where there is none (Baïkal behind some servers)."""


def is_whole(data: bytes) -> bool:
    """Return whether these bytes are a card, or several, of which each has its end."""
    begun = len(_BEGIN.findall(data.lstrip(_BEFORE_IT)))
    return begun > 0 and begun == len(_END.findall(data))


def stored(data: bytes, card: Listed) -> bytes:
    """Given a whole card, return it as it stands in the file: it ends with a line's end.

    One without a UID, which RFC 6352 (5.1) forbids and some servers have, is known by the last
    part of its address: without it, each edit would look like one card gone and one new.
    """
    data = data.lstrip(_BEFORE_IT)
    opening = _OPENING.match(data)
    if opening and not _UID.search(data):
        uid = b"UID:" + places.last_part(card.key).encode() + opening[1]
        data = data[: opening.end()] + uid + data[opening.end() :]
    if not data.endswith(b"\n"):
        data += b"\r\n" if b"\r\n" in data else b"\n"
    return data
