"""The only home of what a server says lies in an address book, and of the question whether that
is what we have.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import ExportUnsafe
from ..origins import Address
from . import discovery, multistatus, places
from .cards import Listed
from .discovery import Book, is_card_type
from .multistatus import Item
from .server import Server, refusal, whole
from .settings import CardDavSettings

_MOST_BOOKS, MOST_CARDS = 1000, 200_000
"""More than an office has; all of them are held in memory, but for what they say."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One address book and its cards."""

    book: Book
    cards: tuple[Listed, ...]
    """Each once, in the order of their paths: the order of the file, whatever the server's is."""
    counter: str = ""
    """What the server says changes with each change in it (CTag or sync token), if it does."""

    @property
    def state(self) -> list[str] | None:
        """Return what is another whenever a card is; None where nothing tells.

        ETags, where every card has one: a counter begins anew when a server is restored from its
        own backup, and may then say of other cards what it said before.
        """
        etags = [card.etag for card in self.cards]
        if not all(etags):
            etags = [self.counter]
        told = all(etags) and [self.book.key, self.book.label, *etags]
        return [*told, *(card.key for card in self.cards)] if told else None


def listings(server: Server, books: Sequence[Book]) -> tuple[Listing, ...]:
    """Return what lies in these address books, and in those within them (Zimbra has such).

    Raise what `Asker.ask` does, and ExportUnsafe where a listing is not whole.
    """
    waiting, found = list(books), dict[str, Listing]()
    while waiting:
        book = waiting.pop(0)
        _check_bounds(len(found), _MOST_BOOKS)
        if book.key not in found:
            found[book.key], inner = listing(server, book)
            waiting += inner
    return tuple(found[key] for key in sorted(found))


def listing(server: Server, book: Book) -> tuple[Listing, list[Book]]:
    """Return what lies in one address book, and the address books within it.

    Where ETags do not tell its state a counter does, and is looked at before the cards: what
    comes in between is then counted the next time, and never overlooked.
    """
    cards, inner = _listed(server, book)
    if all(card.etag for card in cards):
        return Listing(book, cards), inner
    counter = _counter(server, book)
    if counter:
        cards, inner = _listed(server, book)
    return Listing(book, cards, counter), inner


def _listed(server: Server, book: Book) -> tuple[tuple[Listed, ...], list[Book]]:
    told = server.propfind(book.address, multistatus.LISTING, 1)
    if told.status != 207:
        raise refusal(told)
    cards, inner = dict[str, Listed](), list[Book]()
    for item in whole(told):
        key = places.key_of(item.href, told.address)
        if key == places.key(told.address):
            continue
        if item.is_book:
            inner += _within(book, item, told.address)
        elif _is_card(item):  # Zimbra and DavMail list some twice
            _check_bounds(len(cards), MOST_CARDS)
            cards.setdefault(key, Listed(key, item.href, item.texts.get(multistatus.ETAG, "")))
    return tuple(cards[key] for key in sorted(cards)), inner


def _within(book: Book, item: Item, base: Address) -> list[Book]:
    """A book that does not lie below this one is this one, by another of its names."""
    found = discovery.book_of(places.resolved(item.href, base), item)
    return [found] if found.key.startswith(f"{book.key}/") else []


def newness(settings: CardDavSettings, found: Sequence[Listing]) -> str:
    """Return what tells this state of all address books from any other, to be remembered with the
    files; empty where a server gives nothing to tell it by.
    """
    states = [each.state for each in found]
    if not all(states):
        return ""
    asked = [settings.url, *settings.collections]
    return "carddav " + hashlib.sha256(json.dumps([asked, states]).encode()).hexdigest()


def _is_card(item: Item) -> bool:
    """Return whether it is a card; raise ExportUnsafe where it is said to be and is not shown."""
    if not item.href or item.is_gone or multistatus.COLLECTION in item.kinds:
        return False
    if item.status not in (None, 200):
        raise ExportUnsafe(
            "The server lists a contact that it does not show.",
            hint="Open the address book in the vendor's own screen, with the same login.",
            detail=f"status {item.status}",
        )
    return is_card_type(item) is not False or item.href.strip().lower().endswith(".vcf")


def _check_bounds(count: int, most: int) -> None:
    if count >= most:
        raise ExportUnsafe(
            "The server lists more than an office can have.",
            hint="Name the address books that you need as `collections`.",
            detail=f"more than {most}",
        )


def _counter(server: Server, book: Book) -> str:
    items = list(whole(server.propfind(book.address, multistatus.COUNTER, 0)))
    names = (multistatus.CTAG, multistatus.SYNC_TOKEN)
    told = (item.texts.get(name, "").strip() for item in items[:1] for name in names)
    return next(filter(None, told), "")
