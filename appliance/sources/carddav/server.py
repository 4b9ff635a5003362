"""The only home of questions to a contacts server: PROPFIND, REPORT, and GET for a single card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from urllib3 import BaseHTTPResponse

from ...core.errors import ApplianceError, ExportUnsafe, SourceRefused, SourceUnreachable
from .. import answers, calling
from ..asking import Asker, Question
from ..calling import Answer
from ..origins import Address, Reach
from . import multistatus
from .multistatus import Item, TooMuch, Unreadable

MOST_OF_A_LISTING = 256 << 20
MOST_AT_ONCE = 32 << 20
"""Of a batch; of one card, too. What is more is asked for in smaller batches."""
_PIECE_BYTES, _PULSE_BYTES = 1 << 18, 1 << 16
_TOLD, _AND_MORE = 207, 507
_NOT_THAT = frozenset(
    {200, 204, 400, 403, 404, 405, 406, 409, 410, 413, 414, 415, 422, 500, 501, 507}
)
"""What servers say where they do not answer such a question at such an address. DAViCal breaks down
(500) over some; another question may do.
"""
_XML = 'application/xml; charset="utf-8"'


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that is still to be read."""

    status: int
    address: Address
    """Where it came from in the end: what it says is meant from there."""
    items: Iterator[Item]
    """None where the status is not 207; raise Unreadable or TooMuch."""


class Server:
    """Asks for one source; `pulse` is called while long answers come: for so many bytes, not for
    each that drips in, as whoever watches us goes by it.
    """

    def __init__(self, asker: Asker, reach: Reach, pulse: Callable[[], None]) -> None:
        self._asker, self._reach, self._pulse = asker, reach, pulse
        self.time: datetime | None = None
        """What the server's clock says, where TLS vouches for it."""

    def propfind(
        self, address: Address, body: bytes, depth: int, told_by: Address | None = None
    ) -> Told:
        """Ask what there is at an address (0) and below it (1); raise what `Asker.ask` does."""
        self._reach.check(address, told_by)
        return self._ask("PROPFIND", address, body, depth, MOST_OF_A_LISTING)

    def multiget(self, book: Address, hrefs: tuple[str, ...]) -> Told:
        """Ask for cards of a book (RFC 6352, 8.7); raise what `Asker.ask` does."""
        return self._ask("REPORT", book, multistatus.multiget(hrefs), 0, MOST_AT_ONCE)

    def _ask(self, method: str, address: Address, body: bytes, depth: int, most: int) -> Told:
        headers = {"Content-Type": _XML, "Depth": str(depth)}
        answer = self._asker.ask(Question(address, method, headers, body), _NOT_THAT | {_TOLD})
        if not answer.address.is_plain:
            self.time = answers.date(answer.headers.get("Date", ""))
        if answer.status != _TOLD:
            answer.close()
            return Told(answer.status, answer.address, iter(()))
        return Told(_TOLD, answer.address, self._items(answer, most))

    def _items(self, answer: Answer, most_bytes: int) -> Iterator[Item]:
        if calling.encoding(answer):
            raise Unreadable("packed")
        try:
            with calling.plain_words(answer.address.host, self._asker.hidden):
                yield from multistatus.items(self._pieces(answer.response), most_bytes)
        finally:
            answer.close()

    def _pieces(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        since = 0
        while piece := response.read1(_PIECE_BYTES):
            since += len(piece)
            if since >= _PULSE_BYTES:
                since = 0
                self._pulse()
            yield piece

    def card(self, address: Address) -> tuple[bytes, str] | None:
        """Return one card as it lies there and its ETag; None where there is none any more.

        Raise what `Asker.ask` does, or TooMuch.
        """
        self._reach.check(address)
        answer = self._asker.ask(Question(address), {200, 404, 410})
        try:
            if answer.status != 200:
                return None
            return self._bytes(answer), answer.headers.get("ETag", "")
        finally:
            answer.close()

    def _bytes(self, answer: Answer) -> bytes:
        body = bytearray()
        with calling.plain_words(answer.address.host, self._asker.hidden):
            for piece in self._pieces(answer.response):
                body += piece
                if len(body) > MOST_AT_ONCE:
                    raise TooMuch
        return bytes(body)


def whole(told: Told) -> Iterator[Item]:
    """Yield all that an answer says; raise SourceUnreachable where it cannot be read, and
    ExportUnsafe where the server says itself that there is more (RFC 6352, 8.6.2).
    """
    host = told.address.host
    try:
        for item in told.items:
            if item.status == _AND_MORE:
                raise ExportUnsafe(
                    f"{host} lists only a part of the address book.",
                    hint="Ask the vendor to raise the limit, or split the address book.",
                )
            yield item
    except Unreadable as error:
        raise _unreadable(host, str(error)) from None
    except TooMuch:
        raise _unreadable(host, "more than anybody can want") from None


def _unreadable(host: str, why: str) -> SourceUnreachable:
    return SourceUnreachable(
        f"What {host} answers cannot be read as an address book.",
        hint="It is tried again by itself; if it stays so, check the address of this source.",
        detail=why,
    )


def refusal(told: Told) -> ApplianceError:
    """Return the error for a server that does not answer such questions there."""
    host = told.address.host
    if told.status in (401, 403, 500):
        return answers.refusal(told.status, {}, host)
    return SourceRefused(
        f"There is no address book at this address on {host}.",
        hint="Check the `url` of this source: the address of the server, of the account or of one"
        " address book, as the vendor names it for CardDAV.",
        detail=f"HTTP status {told.status} from {host}",
    )
