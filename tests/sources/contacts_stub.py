"""A contacts server that answers as those do which nobody can run here, with each one's ways.

What is known of them: iCloud names another server in its home set, and wants an app's password
(vdirsyncer, docs/tutorials/icloud.rst). Google's `.well-known` leads to the one address book, whose
principal and home set answer 404, and tells no resource types (vdirsyncer/storage/google.py).
Zimbra and DavMail list some twice (vdirsyncer issues 88, 144), and Zimbra's REPORT with an
`addressbook-query` finds nothing (issue 83). Baïkal may give no ETag (vdirsyncer/storage/dav.py,
`delete`). Answers are shaped as in RFC 6352, 8.7.1 and 8.7.2, and RFC 4918, 9.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape, unescape

from tests.real_servers.contacts import card

from .stub import Request

BASIC = {"kind": "basic", "user": "ann@x.example", "password": "only for a test"}

_MANY = '<?xml version="1.0"?><{p}multistatus xmlns{d}="DAV:" xmlns:card="{c}" xmlns:CS="{s}">'
_CARD, _APPLE = "urn:ietf:params:xml:ns:carddav", "http://calendarserver.org/ns/"


def _href(text: str) -> str:
    return f"<D:href>{escape(text)}</D:href>"


@dataclass
class FakeContacts:
    """One account with address books; the keywords are its ways."""

    home: str = "/dav/ann/"
    books: dict[str, dict[str, str]] = field(default_factory=lambda: {"contacts": {}})
    """By name, each with its cards by theirs."""
    titles: dict[str, str] = field(default_factory=dict)
    principal: str = "/principals/ann/"
    start: str = "/"
    """Where the principal is told; elsewhere is nothing."""
    well_known: str = ""
    home_server: str = ""
    """Before the home set's path: another server."""
    prefix: str = "D"
    """Of the namespace; empty: it is the default one."""
    etags: bool = True
    kinds: bool = True
    types: bool = True
    counter: str = ""
    twice: bool = False
    status_first: bool = False
    listed_as: str = "{}"
    """How a card's address stands in a listing: whole, perhaps."""
    encoded: bool = True
    """Whether signs in addresses are written as %40 and the like."""
    left_out: set[str] = field(default_factory=set)
    """Cards that a batch does not give."""
    gone: set[str] = field(default_factory=set)
    """Cards that are listed, and not there."""
    multiget: int = 207
    truncated: bool = False
    within: dict[str, str] = field(default_factory=dict)
    """Books that others lie in, as Zimbra's folders do."""
    raw: dict[str, bytes] = field(default_factory=dict)
    """What is put into the XML as it is instead of a card."""
    asked: list[int] = field(default_factory=list)
    """How many cards each batch wanted."""

    def __call__(self, request: Request) -> None:
        path = unquote(request.path)
        if request.command == "PROPFIND":
            self._propfind(request, path)
        elif request.command == "REPORT":
            self._report(request)
        else:
            self._get(request, path)

    # -- what there is -------------------------------------------------------------------------

    def _propfind(self, request: Request, path: str) -> None:
        depth, book = request.headers["Depth"], self._book(path)
        if path == "/.well-known/carddav" and self.well_known:
            request.answer(301, Location=self.well_known)
        elif path == self.start and self.principal:
            told = f"<D:current-user-principal>{_href(self.principal)}</D:current-user-principal>"
            self._tell(request, [self._one(path, told)])
        elif path == self.principal:
            home = _href(self.home_server + self.home)
            told = f"<card:addressbook-home-set>{home}</card:addressbook-home-set>"
            self._tell(request, [self._one(path, told)])
        elif path == self.home and self.principal:
            books = [self._told_book(name) for name in self.books] if depth == "1" else []
            self._tell(request, [self._one(path, self._kind("<D:collection/>")), *books])
        elif book is not None:
            items = [self._told_book(book)]
            items += self._members(book) if depth == "1" else []
            if book in self.within:
                items.append(self._told_book(self.within[book]))
            self._tell(request, items)
        else:
            request.answer(404, b"<html>not here</html>")

    def _book(self, path: str) -> str | None:
        return next((name for name in self.books if path == f"{self.home}{name}/"), None)

    def _told_book(self, name: str) -> str:
        title = f"<D:displayname>{escape(self.titles.get(name, name))}</D:displayname>"
        counter = f"<CS:getctag>{self.counter}</CS:getctag>" if self.counter else ""
        kind = self._kind("<D:collection/><card:addressbook/>")
        return self._one(f"{self.home}{name}/", kind + title + counter)

    def _kind(self, kinds: str) -> str:
        return f"<D:resourcetype>{kinds}</D:resourcetype>" if self.kinds else ""

    def _members(self, book: str) -> list[str]:
        items = []
        for name in self.books[book]:
            told = self._kind("")
            told += "<D:getcontenttype>text/vcard</D:getcontenttype>" if self.types else ""
            told += self._etag(book, name)
            items.append(self._one(self.listed_as.format(self._path(book, name)), told))
        if self.truncated:
            items.append(
                f"<D:response><D:href>{self.home}{book}/</D:href>"
                "<D:status>HTTP/1.1 507 Insufficient Storage</D:status></D:response>"
            )
        return items * 2 if self.twice else items

    def _path(self, book: str, name: str) -> str:
        path = f"{self.home}{book}/{name}"
        return quote(path, "/") if self.encoded else path

    def _etag(self, book: str, name: str) -> str:
        if not self.etags:
            return ""
        return f'<D:getetag>"{hash(self.books[book][name]):x}"</D:getetag>'

    # -- cards ---------------------------------------------------------------------------------

    def _report(self, request: Request) -> None:
        book = self._book(unquote(request.path)) or ""
        wanted = [unescape(each) for each in re.findall("<href>(.*?)</href>", request.body)]
        self.asked.append(len(wanted))
        if self.multiget != 207:
            request.answer(self.multiget)
            return
        items = [self._reported(book, href.rpartition("/")[2]) for href in wanted]
        self._tell(request, items * 2 if self.twice else items)

    def _reported(self, book: str, part: str) -> str:
        name = unquote(part)
        href = self._path(book, name)
        if name in self.left_out:
            return ""
        if name in self.gone or name not in self.books[book]:
            status = "<D:status>HTTP/1.1 404 Not Found</D:status>"
            return f"<D:response>{_href(href)}{status}</D:response>"
        data = f"\0{name}\0" if name in self.raw else escape(self.books[book][name])
        told = f"<card:address-data>{data}</card:address-data>"
        return self._one(href, self._etag(book, name) + told)

    def _get(self, request: Request, path: str) -> None:
        book, _, name = path.removeprefix(self.home).partition("/")
        cards = self.books.get(book, {})
        if name in self.gone or name not in cards:
            request.answer(404)
        else:
            request.answer(200, cards[name].encode(), Content_Type="text/vcard")

    # -- how it is written ---------------------------------------------------------------------

    def _one(self, href: str, props: str) -> str:
        prop, status = f"<D:prop>{props}</D:prop>", "<D:status>HTTP/1.1 200 OK</D:status>"
        inner = status + prop if self.status_first else prop + status
        return f"<D:response>{_href(href)}<D:propstat>{inner}</D:propstat></D:response>"

    def _tell(self, request: Request, items: list[str]) -> None:
        p, d = (f"{self.prefix}:", f":{self.prefix}") if self.prefix else ("", "")
        text = _MANY.format(p=p, d=d, c=_CARD, s=_APPLE)
        text += re.sub("(</?)D:", rf"\1{p}", "".join(items)) + f"</{p}multistatus>"
        body = text.encode()
        for name, data in self.raw.items():
            body = body.replace(f"\0{name}\0".encode(), data)
        request.answer(207, body, Content_Type="application/xml; charset=utf-8")


def people(count, start=0):
    return {f"u{n:04}.vcf": card(f"u{n:04}", f"Someone {n}") for n in range(start, start + count)}


def text_of(export, at=0):
    return export.files[at].path.read_bytes().decode()


def uids(export, at=0):
    lines = text_of(export, at).splitlines()
    return [line.removeprefix("UID:") for line in lines if line.startswith("UID:")]
