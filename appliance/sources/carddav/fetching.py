"""The only home of bringing the cards of an address book: in batches, and one by one what a batch
leaves out. No listed card is ever missing without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from ...core.errors import ExportUnsafe, SourceUnreachable
from ...core.words import plural
from ..origins import Address
from . import multistatus, places
from .cards import Listed, is_whole, stored
from .listing import Listing, listing
from .multistatus import TooMuch, Unreadable
from .server import MOST_AT_ONCE, Server

_TRIES = 3
_PAUSE = timedelta(seconds=1)  # doubled with each interruption


class Fetcher:
    """Brings one address book's cards, in the order of its listing.

    `pause` waits, and `brought` is called for each card that came. When all did, `is_as_listed`
    says whether they are those of the listing: somebody may work in the book meanwhile.
    """

    def __init__(
        self,
        server: Server,
        found: Listing,
        pause: Callable[[timedelta], None],
        brought: Callable[[], None],
    ) -> None:
        self._server, self._found = server, found
        self._pause, self._brought = pause, brought
        self._gone: list[Listed] = []
        self.is_as_listed = True

    @property
    def note(self) -> str:
        """What is to be said of those that somebody deleted while we looked; mostly nothing."""
        if not self._gone:
            return ""
        count = plural(len(self._gone), "contact")
        return f"{count} of {self._found.book.label} went while we looked; all others came."

    @property
    def _base(self) -> Address:
        return self._found.book.address

    def each(self, batch: int) -> Iterator[bytes]:
        """Yield each card as it is stored; raise ExportUnsafe where one that is listed is not
        given, and whatever asking raises.
        """
        cards = self._found.cards
        for start in range(0, len(cards), batch):
            for data in self._some(cards[start : start + batch]):
                self._brought()
                yield data
        self._check_gone()

    def _some(self, cards: Sequence[Listed]) -> Iterator[bytes]:
        try:
            given = self._patiently(cards)
        except (Unreadable, TooMuch):  # one card may be the cause: the others come without it
            half = len(cards) // 2
            if half:
                yield from self._some(cards[:half])
                yield from self._some(cards[half:])
                return
            given = {}
        for card in cards:
            data = given.get(card.key) or self._alone(card)
            if data is not None:
                yield stored(data, card)

    def _patiently(self, cards: Sequence[Listed]) -> dict[str, bytes]:
        for number in range(_TRIES):
            try:
                return self._asked(cards)
            except SourceUnreachable as error:
                if error.retry_after is not None or number + 1 == _TRIES:
                    raise
                self._pause(_PAUSE * 2**number)
        return {}

    def _asked(self, cards: Sequence[Listed]) -> dict[str, bytes]:
        """Return the whole cards among those that a batch gives, by key."""
        wanted, given = {card.key: card for card in cards}, dict[str, bytes]()
        told = self._server.multiget(self._base, tuple(card.href for card in cards))
        for item in told.items:
            key = places.key_of(item.href, told.address)
            data = item.texts.get(multistatus.CARD, "").encode()
            if key in wanted and key not in given and is_whole(data):
                given[key] = data
                self._compare(wanted[key], item.texts.get(multistatus.ETAG, ""))
        return given

    def _alone(self, card: Listed) -> bytes | None:
        """Return one card, asked for by itself; None where it is gone."""
        try:
            found = self._server.card(places.resolved(card.href, self._base))
        except TooMuch:
            raise _not_given(card, f"larger than {MOST_AT_ONCE} bytes") from None
        if found is None:
            self._gone.append(card)
            self.is_as_listed = False
            return None
        data, etag = found
        if not is_whole(data):
            raise _not_given(card, "no vCard")
        self._compare(card, etag)
        return data

    def _compare(self, card: Listed, etag: str) -> None:
        if etag and card.etag and etag.removeprefix("W/") != card.etag.removeprefix("W/"):
            self.is_as_listed = False

    def _check_gone(self) -> None:
        """Who is gone must be off the list, too: else the server only says that it has nothing."""
        if not self._gone:
            return
        now, _ = listing(self._server, self._found.book)
        still = {card.key for card in now.cards}
        for card in self._gone:
            if card.key in still:
                raise _not_given(card, "listed, and not found")


def _not_given(card: Listed, why: str) -> ExportUnsafe:
    return ExportUnsafe(
        "The server lists a contact that it does not give whole.",
        hint="Open the address book in the vendor's own screen and save that contact anew; nothing"
        " of this one was kept.",
        detail=f"{places.last_part(card.key)}: {why}",
    )
