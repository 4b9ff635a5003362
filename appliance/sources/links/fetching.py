"""The only home of what is done with one link: asked for, judged, received, all as `http` does it.

Nothing is sent along but the request. Where it leads is judged as it is called: by the library
that connects, and by the number that was connected to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import unquote

from ...core.errors import ApplianceError, ExportUnsafe, LinkDead, SourceRefused
from ...core.links import names_a_file
from ...core.model import ExportFile
from ...core.ports import Watch
from .. import answers, auth
from ..asking import Asker, Question
from ..calling import Answer, Caller
from ..landing import Landing
from ..origins import Address, Reach, read
from ..receiving import Receiver
from .link import Link

_KEY = "link_hosts"
_DEAD = (401, 403, 404, 410)
"""What servers answer for a link that is over, whatever they mean by it."""
_NO_PAGE = (
    "If the vendor wants a login first, download the export yourself and put it into the inbox."
)


class WebPage(ExportUnsafe):
    """Raised where a link leads to a web page."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where links may lead, and how long we put up with a server."""

    hosts: tuple[str, ...]
    ca_file: str = ""
    connect_seconds: float = 20.0
    idle_seconds: float = 120.0


def fetch(link: Link, landing: Landing, bounds: Bounds, watch: Watch) -> ExportFile:
    """Given an empty landing, bring what a link leads to into it.

    Of its spellings the first that leads to something counts. Raise LinkDead, WebPage, or what
    `http.pull` raises; no text of it shows more of the link than its host.
    """
    fault: ApplianceError | None = None
    for spelling in link.spellings:
        try:
            with ExitStack() as stack:
                caller = Caller(bounds.ca_file, bounds.connect_seconds, bounds.idle_seconds, stack)
                return _Fetch(spelling, landing, bounds, watch).brought_by(caller)
        except (ExportUnsafe, SourceRefused) as error:
            fault = fault or error
    raise fault or _dead(link.host)


class _Fetch:
    """One spelling of one link."""

    def __init__(self, link: str, landing: Landing, bounds: Bounds, watch: Watch) -> None:
        self._landing, self._watch = landing, watch
        self._reach = Reach(None, bounds.hosts, key=_KEY)
        self._address = _understood(link)
        self._hidden = _parts_to_hide(link, self._address)

    def brought_by(self, caller: Caller) -> ExportFile:
        """Ask and receive."""
        self._reach.check(self._address)
        asker = Asker(caller, self._reach, auth.Login({}, ""), self._watch, secrets=self._hidden)
        answer = self._answer(asker)
        name = _name(answer, self._address)

        def again(extra: Mapping[str, str], also: Collection[int]) -> Answer:
            return self._answer(asker, extra, also)

        try:
            file, _ = Receiver(self._landing, self._watch, self._hidden).receive(
                answer, name, again
            )
        except ExportUnsafe:
            if "html" in answer.headers.get("Content-Type", "").lower():
                raise WebPage("It leads to a web page, not to a file.", hint=_NO_PAGE) from None
            raise
        return file

    def _answer(
        self, asker: Asker, extra: Mapping[str, str] | None = None, also: Collection[int] = ()
    ) -> Answer:
        question = Question(self._address, headers=extra or {}, shows_who_we_are=False)
        answer = asker.ask(question, {200, *also, *_DEAD})
        if answer.status in _DEAD:
            answer.close()
            raise _dead(answer.address.host, f"HTTP status {answer.status}")
        return answer


def _name(answer: Answer, asked: Address) -> str:
    """Return what a file is called. Of an address only what ends as an export does is a name: what
    else stands at its end is often the key, and names are shown and kept.
    """
    name = answers.file_name(answer.headers, asked, answer.address)
    ends = [unquote((each.url.path or "").rpartition("/")[2]) for each in (asked, answer.address)]
    return "export" if name in ends and not names_a_file(name) else name


def _dead(host: str, detail: str = "") -> LinkDead:
    return LinkDead(f"It has died: {host} has nothing there any more.", detail=detail)


def _understood(link: str) -> Address:
    try:
        address = read(link)
    except SourceRefused:
        raise SourceRefused(
            "It is no address that can be fetched: one begins with https:// and names no user.",
            hint="Look at the link in this file, or ask for a new one.",
        ) from None
    if address.is_plain:
        raise SourceRefused(
            "It is not protected: it begins with http://.",
            hint="Ask for a link that begins with https://.",
        )
    return address


def _parts_to_hide(link: str, address: Address) -> tuple[str, ...]:
    """What an error of a library could repeat: the link, its path, and each value in it."""
    query = address.url.query or ""
    values = [each.partition("=")[2] for each in query.split("&")]
    hidden = (link, address.url.url, address.target, address.url.path or "", query, *values)
    return tuple(each for each in hidden if len(each) > 3)
