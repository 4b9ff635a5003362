"""The only home of one source's questions to web servers: who we are, where they may go, how long
we wait for those who ask us to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlencode

from ..core.errors import ApplianceError, SourceRefused, SourceUnreachable
from ..core.model import StepName
from ..core.ports import Watch
from . import answers, auth, calling
from .calling import Answer, Caller
from .origins import Address, Reach, read

_TOKEN_BYTES = 1 << 16
_REDIRECTS = 5
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    address: Address
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    shows_who_we_are: bool = True
    """Whether the credentials go along, where they may."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we put up with a server."""

    waits: int = 3
    """So often it may ask us to come back."""
    longest: timedelta = timedelta(seconds=60)
    """What it may want us to wait each time; more ends the pull, which is tried again later."""


class Asker:
    """Asks for one source: signs in, and once anew where that is not accepted any more; follows
    redirects to hosts that are listed; waits where a server says for how long.
    """

    def __init__(
        self,
        caller: Caller,
        reach: Reach,
        who: auth.Login,
        watch: Watch,
        patience: Patience = Patience(),
    ) -> None:
        self._caller, self._reach, self._who = caller, reach, who
        self._watch, self._patience = watch, patience
        self.hidden = who.hidden
        self._credentials = self._sign_in()

    @property
    def told(self) -> Mapping[str, object]:
        """What the token server said when we signed in last."""
        return self._credentials.told

    def _sign_in(self) -> auth.Credentials:
        return self._who.sign_in(self._ask_for_token)

    def _ask_for_token(
        self, url: str, headers: Mapping[str, str], form: Mapping[str, str]
    ) -> auth.TokenReply:
        address = read(url)
        reach = Reach(address)
        reach.check(address)
        sent = {"Content-Type": _FORM, **headers}
        with calling.plain_words(address.host, self.hidden):
            response = self._caller.call(address, sent, reach, "POST", urlencode(form).encode())
            body = b""
            while len(body) < _TOKEN_BYTES and (piece := response.read1(_TOKEN_BYTES)):
                body += piece
        response.close()
        if response.status in (408, 425, 429) or response.status >= 500:
            raise answers.refusal(response.status, response.headers, address.host)
        return auth.TokenReply(response.status, body)

    def ask(self, question: Question, fine: Collection[int] = (200,)) -> Answer:
        """Ask until the status is one of `fine`; raise what it means otherwise."""
        waits, renewed = 0, not self._who.is_renewable
        while True:
            answer = self._follow(question)
            if answer.status in fine:
                return answer
            answer.close()
            if answer.status == 401 and not renewed and question.shows_who_we_are:
                renewed, self._credentials = True, self._sign_in()
                continue
            waits += 1
            refusal = answers.refusal(answer.status, answer.headers, answer.address.host)
            self._wait_or_raise(refusal, waits)

    def _wait_or_raise(self, refusal: ApplianceError, waits: int) -> None:
        wait = refusal.retry_after if isinstance(refusal, SourceUnreachable) else None
        if wait is None or wait > self._patience.longest or waits > self._patience.waits:
            raise refusal
        pause(self._watch, wait)

    def _follow(self, question: Question) -> Answer:
        """Ask at the address and wherever that sends us; credentials go where listed."""
        now = question
        for _ in range(_REDIRECTS + 1):
            answer = self._call(now)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            answer.close()
            onward = read(calling.as_sent(answer.headers.get("Location", "")), now.address)
            self._reach.check(onward, now.address)
            now = _onward(now, onward, answer.status)
        raise SourceRefused(
            f"{question.address.host} sends us from one address to the next without end.",
            hint="Check the address of this source; perhaps it wants a login.",
        )

    def _call(self, question: Question) -> Answer:
        address, headers = question.address, dict(question.headers)
        names = [name for name, _ in self._credentials.query]
        if question.shows_who_we_are and self._reach.shows_credentials(address):
            headers |= self._credentials.headers
            address = address.with_query(self._credentials.query)
        else:  # a redirect that repeats our own query must not carry the key along
            address = address.without_query(names)
        with calling.plain_words(address.host, self.hidden):
            method, body = question.method, question.body
            return Answer(address, self._caller.call(address, headers, self._reach, method, body))


def _onward(question: Question, address: Address, status: int) -> Question:
    """As browsers do: only 307 and 308 repeat what was sent (RFC 9110, 15.4)."""
    if status in (307, 308) or question.method in ("GET", "HEAD"):
        return replace(question, address=address)
    return replace(question, address=address, method="GET", body=None)


def pause(watch: Watch, wait: timedelta, note: str = "") -> None:
    """Wait as a server wants; raise Cancelled."""
    note = note or f"waiting {wait.total_seconds():.0f} s for the server"
    watch.report(StepName.PULL, 0, note=note)
    watch.cancel.wait(wait.total_seconds())
    watch.check()
