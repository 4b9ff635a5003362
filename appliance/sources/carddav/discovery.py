"""The only home of finding a server's address books (RFC 6352, 7.1; RFC 6764, 6).

The given address may be a server, an account or one address book. Asked in turn: the address, the
principal that it names, the principal's home set, `/.well-known/carddav`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import chain

from ...core.errors import SourceRefused
from ...core.words import listed
from ..origins import Address, read
from . import multistatus, places
from .multistatus import Item
from .server import Server, Told, refusal, whole

_WELL_KNOWN = "/.well-known/carddav"
_NAMED_AT_MOST, _MOST_HOMES = 10, 20
_NOTHING, _BROKEN = (404, 410), 500


@dataclass(frozen=True, slots=True)
class Book:
    """One address book."""

    address: Address
    name: str
    """As its owner calls it; empty where the server does not say."""

    @property
    def key(self) -> str:
        """Its path, by which it is known again; see `places.key`."""
        return places.key(self.address)

    @property
    def label(self) -> str:
        """What it is called on the disk and in messages."""
        return self.name or places.for_people(places.last_part(self.key)) or "contacts"

    def is_meant(self, globs: Iterable[str]) -> bool:
        """Return whether one of them is its name, its path or the last part of that."""
        path = places.for_people(self.key).lower()
        ways = (self.name.lower(), path, f"{path}/", path.rpartition("/")[2])
        return any(fnmatchcase(way, glob.lower()) for glob in globs for way in ways if way)


def find(server: Server, home: Address) -> tuple[Book, ...]:
    """Given the configured address, return the address books there, in the order of their paths.

    Raise SourceRefused where there are none, or what `Asker.ask` does.
    """
    first = _Place(server, home)
    books = first.books() or _Place(server, read(_WELL_KNOWN, home)).books()
    if not books:
        raise refusal(first.broken or first.told)
    return books


def chosen(books: Sequence[Book], globs: Sequence[str]) -> tuple[Book, ...]:
    """Return the books that are meant; raise SourceRefused where none is."""
    meant = tuple(book for book in books if book.is_meant(globs))
    if not meant:
        names = listed([book.label for book in books[:_NAMED_AT_MOST]])
        raise SourceRefused(
            "None of the address books there is called as `collections` says.",
            hint=f"There is: {names}. Change `collections`, or leave it out to have them all.",
        )
    return meant


def missing(books: Sequence[Book], globs: Sequence[str]) -> str:
    """Return a sentence about those that mean none of the books; empty where each means one."""
    none = [f'"{glob}"' for glob in globs if not any(book.is_meant([glob]) for book in books)]
    return f"There is no address book called {listed(none)}." if none else ""


class _Place:
    """One address to begin at."""

    def __init__(self, server: Server, start: Address) -> None:
        self._server = server
        self.broken: Told | None = None
        """The first question on the way that the server broke down over."""
        self.told, self._own = self._about(start)
        """What was said of it, and by whom in the end."""

    def _about(self, address: Address, by: Address | None = None) -> tuple[Told, Item]:
        """Return what an address says of itself; an empty Item where it says nothing.

        Some name themselves otherwise than they were asked: then it is what they say first.
        """
        told = self._server.propfind(address, multistatus.DISCOVERY, 0, by)
        if told.status == _BROKEN:
            self.broken = self.broken or told
        items = [each for each in whole(told) if each.status in (None, 200)]
        here = places.key(told.address)
        own = (each for each in items if places.key_of(each.href, told.address) == here)
        return told, next(chain(own, items), Item())

    def books(self) -> tuple[Book, ...]:
        """Return what can be found from here, nothing where this is no beginning."""
        here = self.told.address
        if self._own.is_book:
            return (book_of(here, self._own),)
        found = {book.key: book for home in self._homes() for book in self._told(home, here)}
        if not found and self.told.status == 207:
            told = self._server.propfind(here, multistatus.LISTING, 1, here)
            found = {book.key: book for book in _books(told)}
        return tuple(found[key] for key in sorted(found))

    def _homes(self) -> Iterator[Address]:
        """Yield the home sets that this address or the principal it names tells."""
        here = self.told.address
        yield from (places.resolved(one, here) for one in _hrefs(self._own, multistatus.HOME_SET))
        for href in _hrefs(self._own, multistatus.PRINCIPAL)[:1]:
            told, own = self._about(places.resolved(href, here), here)
            yield from (
                places.resolved(one, told.address) for one in _hrefs(own, multistatus.HOME_SET)
            )

    def _told(self, home: Address, by: Address) -> tuple[Book, ...]:
        """Return the books of a home set that the server named; raise its refusal where it does
        not say which there are: those of the other home sets are not all.
        """
        told = self._server.propfind(home, multistatus.LISTING, 1, by)
        if told.status not in (207, *_NOTHING):
            raise refusal(told)
        return _books(told)


def _books(told: Told) -> tuple[Book, ...]:
    """Return the books right below an address of which this is told, or the one that it is."""
    base, said, signs = told.address, list[Item](), _Signs(told.address)
    for item in whole(told):
        signs.see(item)
        if item.status is not None and item.status >= _BROKEN:  # it may be a book
            raise refusal(replace(told, status=_BROKEN))
        if item.is_book:
            said.append(item)
    if said:
        return tuple(book_of(places.resolved(each.href, base), each) for each in said)
    return (book_of(base, Item()),) if signs.are_of_a_book else ()


class _Signs:
    """Google tells no resource types at all: there, a place that has cards is an address book.

    So is any other that says of what lies in it that it is vCards.
    """

    def __init__(self, base: Address) -> None:
        self._base = base
        self._has_cards = self._has_kinds = self._has_etags = False

    def see(self, item: Item) -> None:
        """Look at what is said of the place or of something in it."""
        self._has_kinds = self._has_kinds or bool(item.kinds)
        if places.key_of(item.href, self._base) != places.key(self._base):
            self._has_cards = self._has_cards or is_card_type(item) is True
            self._has_etags = self._has_etags or bool(item.texts.get(multistatus.ETAG))

    @property
    def are_of_a_book(self) -> bool:
        return self._has_cards or (self._has_etags and not self._has_kinds)


def is_card_type(item: Item) -> bool | None:
    """Return whether its content type is one of those of vCards; None where it tells none.

    text/vcard, text/x-vcard and text/directory are all in use, with and without a charset.
    """
    told = item.texts.get(multistatus.CONTENT_TYPE, "").lower()
    return ("vcard" in told or "text/directory" in told) if told.strip() else None


def book_of(address: Address, item: Item) -> Book:
    """Return the book at an address of which this is said."""
    return Book(address, " ".join(item.texts.get(multistatus.NAME, "").split()))


def _hrefs(item: Item, name: str) -> list[str]:
    return [each for each in item.hrefs.get(name, []) if each.strip()][:_MOST_HOMES]
