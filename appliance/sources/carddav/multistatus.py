"""The only home of the XML that WebDAV speaks (RFC 4918, RFC 6352): what we ask, what is answered.

An answer is read as it comes and never held as a whole. Entities, DTDs, deep nesting and endless
answers end the reading: it comes from a server that may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

_DAV, _CARD = "{DAV:}", "{urn:ietf:params:xml:ns:carddav}"
_APPLE = "{http://calendarserver.org/ns/}"
NAME = f"{_DAV}displayname"
ETAG = f"{_DAV}getetag"
CONTENT_TYPE = f"{_DAV}getcontenttype"
RESOURCE_TYPE = f"{_DAV}resourcetype"
SYNC_TOKEN = f"{_DAV}sync-token"
"""RFC 6578."""
CTAG = f"{_APPLE}getctag"
"""Apple's older way of saying the same; most servers have both."""
PRINCIPAL = f"{_DAV}current-user-principal"
"""RFC 5397."""
HOME_SET = f"{_CARD}addressbook-home-set"
CARD = f"{_CARD}address-data"
COLLECTION, ADDRESS_BOOK = f"{_DAV}collection", f"{_CARD}addressbook"

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_SPACES = (
    'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav" xmlns:S="http://calendarserver.org/ns/"'
)


def _propfind(names: str) -> bytes:
    return f"{_HEAD}<propfind {_SPACES}><prop>{names}</prop></propfind>".encode()


DISCOVERY = _propfind(
    "<resourcetype/><displayname/><current-user-principal/><C:addressbook-home-set/>"
)
LISTING = _propfind("<resourcetype/><displayname/><getcontenttype/><getetag/>")
COUNTER = _propfind("<S:getctag/><sync-token/>")
"""Asked of address books alone: DAViCal breaks down where it is to make a token for a principal."""

_DEEPEST = 40
_MOST_PARTS = 1000
"""Elements in what is said of one address."""
_LONGEST_CHARACTERS = 1 << 20
"""Of any property but a card."""
_LONGEST_SILENT_BYTES = 1 << 20
"""Of one tag or comment: the parser holds all of it, and looks at it from its beginning again with
each piece.
"""
_STATUS = re.compile(r"HTTP/\d+(?:\.\d+)?\s+(\d{3})")
_OK, _GONE = range(200, 300), 404
_NEVER_IN_XML = bytes(set(range(32)) - set(b"\t\n\r"))
"""Servers put them there all the same, as some card has them (vdirsyncer leaves them out, too)."""


class Unreadable(Exception):
    """An answer that is no WebDAV, or not whole."""


class TooMuch(Exception):
    """An answer that is larger than anybody can want."""


@dataclass(slots=True)
class Item:
    """What is said of one address."""

    href: str = ""
    """As it was told."""
    status: int | None = None
    """Of the whole; None where each property has its own."""
    texts: dict[str, str] = field(default_factory=dict)
    """The properties that there are, by name."""
    kinds: frozenset[str] = frozenset()
    """What `resourcetype` says."""
    hrefs: dict[str, list[str]] = field(default_factory=dict)
    """The addresses that a property holds."""
    refused: dict[str, int] = field(default_factory=dict)
    """Properties that were not given, and why."""

    @property
    def is_gone(self) -> bool:
        """Whether nothing is there any more; some say so of each property instead of the whole."""
        if self.status is not None:
            return self.status == _GONE
        return not self.texts and self.refused.get(CARD) == _GONE

    @property
    def is_book(self) -> bool:
        """Whether it says that it is an address book."""
        return ADDRESS_BOOK in self.kinds


def multiget(hrefs: Iterable[str]) -> bytes:
    """Return the question for these cards (RFC 6352, 8.7)."""
    wanted = "".join(f"<href>{escape(href)}</href>" for href in hrefs)
    return (
        f"{_HEAD}<C:addressbook-multiget {_SPACES}><prop><getetag/><C:address-data/></prop>"
        f"{wanted}</C:addressbook-multiget>"
    ).encode()


def items(pieces: Iterable[bytes], most_bytes: int) -> Iterator[Item]:
    """Given an answer's body in pieces, yield what it says of each address, as it comes.

    Raise Unreadable or TooMuch.
    """
    told = _Told()
    parser = DefusedXMLParser(target=told, forbid_dtd=True)
    size_bytes, silent_bytes, is_wide = 0, 0, False
    try:
        for number, piece in enumerate(pieces):
            size_bytes += len(piece)
            if size_bytes > most_bytes:
                raise TooMuch
            is_wide = is_wide or (number == 0 and piece[:2] in (b"\xff\xfe", b"\xfe\xff"))
            parser.feed(piece if is_wide else piece.translate(None, _NEVER_IN_XML))
            silent_bytes = 0 if told.has_heard() else silent_bytes + len(piece)
            if silent_bytes > _LONGEST_SILENT_BYTES:
                raise Unreadable("a tag without end")
            yield from told.take()
        parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unreadable(type(error).__name__) from None
    yield from told.take()


class _Told:
    """Hears the parser and puts items together; everything else in the answer is passed over."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text: list[str] = []
        self._whole: list[Item] = []
        self._item = Item()
        self._given = Item()
        """What one propstat says, until its status is known: it may stand before or behind."""
        self._status: int | None = None
        self._parts = self._characters = 0
        self._heard = False

    def has_heard(self) -> bool:
        """Return whether the parser said anything since this was asked last."""
        heard, self._heard = self._heard, False
        return heard

    def take(self) -> Sequence[Item]:
        """Return the items that are whole by now, each once."""
        whole, self._whole = self._whole, []
        return whole

    def start(self, tag: str, _: Any) -> None:
        self._heard = True
        if len(self._path) >= _DEEPEST or (not self._path and tag != f"{_DAV}multistatus"):
            raise ValueError(tag)
        self._path.append(tag)
        self._begin_text()
        self._parts = 0 if len(self._path) < 3 else self._parts + 1
        if self._parts > _MOST_PARTS:
            raise ValueError(tag)
        if tag == f"{_DAV}response" and len(self._path) == 2:
            self._item = Item()
        elif tag == f"{_DAV}propstat" and len(self._path) == 3:
            self._given, self._status = Item(), None
        elif len(self._path) == 6 and self._path[4] == RESOURCE_TYPE:
            self._given.kinds |= {tag}

    def data(self, text: str) -> None:
        self._heard = True
        self._characters += len(text)
        if self._characters > _LONGEST_CHARACTERS and self._path[-1] != CARD:
            raise ValueError(self._path[-1])
        self._text.append(text)

    def _begin_text(self) -> None:
        self._text, self._characters = [], 0

    def end(self, tag: str) -> None:
        self._heard = True
        depth = len(self._path)
        text = "".join(self._text)
        self._begin_text()
        if depth == 2 and tag == f"{_DAV}response":
            self._whole.append(self._item)
        elif depth == 3:
            self._end_of_part(tag, text)
        elif depth == 4 and tag == f"{_DAV}status":
            self._status = _status(text)
        elif depth == 5 and self._path[3] == f"{_DAV}prop":
            self._given.texts[tag] = text
        elif depth == 6 and tag == f"{_DAV}href":
            self._given.hrefs.setdefault(self._path[4], []).append(text)
        self._path.pop()

    def close(self) -> None:
        """See the parser's protocol: nothing is left to do."""

    def _end_of_part(self, tag: str, text: str) -> None:
        if tag == f"{_DAV}href" and not self._item.href:
            self._item.href = text.strip()
        elif tag == f"{_DAV}status":
            self._item.status = _status(text)
        elif tag == f"{_DAV}propstat":
            self._end_of_propstat()

    def _end_of_propstat(self) -> None:
        """Believe a propstat without a status."""
        status = 200 if self._status is None else self._status
        if status not in _OK:
            self._item.refused |= dict.fromkeys(self._given.texts, status)
            return
        self._item.texts |= self._given.texts
        self._item.kinds |= self._given.kinds
        for name, hrefs in self._given.hrefs.items():
            self._item.hrefs.setdefault(name, []).extend(hrefs)


def _status(text: str) -> int | None:
    found = _STATUS.match(text.strip())
    return int(found[1]) if found else None
