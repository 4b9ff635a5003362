"""The only home of one source's questions to web servers: who we are, where they may go, how long
we wait for those who ask us to.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..core.errors import ApplianceError, SourceRefused, SourceUnreachable
from ..core.model import StepName
from ..core.ports import Watch
from . import answers, auth, calling, tokens
from .calling import Answer, Caller
from .origins import Address, Reach, read

_REDIRECTS = 5
_REDIRECT = (301, 302, 303, 307, 308)
_FAULTS = frozenset({500, 502, 503, 504})
"""What may be over with the next attempt."""
_SIGN_OF_LIFE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    address: Address
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    shows_who_we_are: bool = True
    """Whether the credentials go along, where they may."""
    may_repeat: bool = True
    """Whether asking twice changes nothing at the server."""
    reach: Reach | None = None
    """Where it may go, where that is not as for all questions of the source."""
    idle_seconds: float | None = None
    """How long the server may think about it, where that is not as long as about others."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we put up with a server."""

    waits: int = 3
    """So often it may ask us to come back."""
    longest: timedelta = timedelta(seconds=60)
    """What it may want us to wait each time; more ends the pull, which is tried again later."""
    tries: int = 1
    """So often it is asked in all where it does not answer, or has a fault of its own."""
    pause: timedelta = timedelta(seconds=2)
    """Between these, doubled with each; and where it asks us to come back and does not say when."""


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
        *,
        secrets: Sequence[str] = (),
    ) -> None:
        self._caller, self._reach, self._who = caller, reach, who
        self._watch, self._patience = watch, patience
        self._secrets = (*who.hidden, *secrets)
        self._was_sent_on = False
        self._credentials = auth.Credentials()
        self._credentials = self._sign_in()

    @property
    def hidden(self) -> tuple[str, ...]:
        """What no sentence may show: vendors repeat what they were sent."""
        token = self._credentials.told.get("access_token")
        return (*self._secrets, *([token] if isinstance(token, str) else []))

    @property
    def told(self) -> Mapping[str, object]:
        """What the token server said when we signed in last."""
        return self._credentials.told

    def _sign_in(self) -> auth.Credentials:
        return self._who.sign_in(tokens.asker(self._caller, self.hidden))

    def ask(self, question: Question, fine: Collection[int] = (200,)) -> Answer:
        """Ask until the status is one of `fine`; raise what it means otherwise.

        The error's `nothing_done` says whether a server may have heard the question.
        """
        waits, renewed = 0, not self._who.is_renewable
        while True:
            answer = self._answer(question, fine)
            if answer.status in fine:
                return answer
            answer.close()
            may_again = question.may_repeat or not self._was_sent_on
            if answer.status == 401 and not renewed and question.shows_who_we_are and may_again:
                with _nothing_done():
                    renewed, self._credentials = True, self._sign_in()
                continue
            waits += 1
            refusal = answers.refusal(answer.status, answer.headers, answer.address.host)
            refusal.nothing_done &= not self._was_sent_on
            if not (question.may_repeat or refusal.nothing_done):
                raise refusal
            self._wait_or_raise(refusal, waits, busy=answer.status == 429)

    def _answer(self, question: Question, fine: Collection[int]) -> Answer:
        """Ask, and again where nothing or a fault of the server comes back and that can be done."""
        tries = self._patience.tries if question.may_repeat else 1
        for attempt in range(1, tries + 1):
            with suppress(SourceUnreachable) if attempt < tries else nullcontext():
                answer = self._follow(question)
                if answer.status not in _FAULTS or answer.status in fine or attempt == tries:
                    return answer
                answer.close()
            pause(self._watch, self._patience.pause * 2 ** (attempt - 1))
        raise AssertionError  # the last attempt returns or raises

    def _wait_or_raise(self, refusal: ApplianceError, waits: int, *, busy: bool) -> None:
        wait = refusal.retry_after if isinstance(refusal, SourceUnreachable) else None
        if wait is None and busy and self._patience.tries > 1:
            wait = self._patience.pause * 2**waits
        if wait is None or wait > self._patience.longest or waits > self._patience.waits:
            raise refusal
        with _nothing_done():
            pause(self._watch, wait)

    def _follow(self, question: Question) -> Answer:
        """Ask at the address and wherever that sends us; credentials go where listed."""
        with _nothing_done():
            (question.reach or self._reach).check(question.address)
        self._was_sent_on = False
        answer = self._call(question)
        try:
            return self._sent_on(question, answer)
        except ApplianceError as error:
            error.nothing_done = False
            raise

    def _sent_on(self, question: Question, answer: Answer) -> Answer:
        now = question
        for _ in range(_REDIRECTS):
            if answer.status not in _REDIRECT:
                return answer
            self._was_sent_on = True
            answer.close()
            onward = read(calling.as_sent(answer.headers.get("Location", "")), now.address)
            (question.reach or self._reach).check(onward, now.address)
            now = _onward(now, onward, answer.status)
            answer = self._call(now)
        if answer.status not in _REDIRECT:
            return answer
        answer.close()
        raise SourceRefused(
            f"{question.address.host} sends us from one address to the next without end.",
            hint="Check the address of this source; perhaps it wants a login.",
        )

    def _call(self, question: Question) -> Answer:
        address, headers = question.address, dict(question.headers)
        names = [name for name, _ in self._credentials.query]
        reach = question.reach or self._reach
        if question.shows_who_we_are and reach.shows_credentials(address):
            headers |= self._credentials.headers
            address = address.with_query(self._credentials.query)
        else:  # a redirect that repeats our own query must not carry the key along
            address = address.without_query(names)
        with calling.plain_words(address.host, self.hidden):
            method, body, idle = question.method, question.body, question.idle_seconds
            response = self._caller.call(
                address,
                headers,
                reach,
                method,
                body,
                idle_seconds=idle,
                may_repeat=question.may_repeat,
            )
            return Answer(address, response)


@contextmanager
def _nothing_done() -> Iterator[None]:
    """What is raised in here is raised while no question is on its way."""
    try:
        yield
    except ApplianceError as error:
        error.nothing_done = True
        raise


def _onward(question: Question, address: Address, status: int) -> Question:
    """As browsers do (RFC 9110, 15.4): after a POST 301 and 302 mean a GET, and 303 does always.
    Whatever else was asked is asked again there: PROPFIND is, by `.well-known/carddav`.
    """
    if question.method in ("GET", "HEAD") or (status != 303 and question.method != "POST"):
        return replace(question, address=address)
    if status in (307, 308):
        return replace(question, address=address)
    return replace(question, address=address, method="GET", body=None)


def pause(watch: Watch, wait: timedelta, note: str = "") -> None:
    """Wait as a server wants, with a sign of life now and then; raise Cancelled."""
    note = note or f"waiting {wait.total_seconds():.0f} s for the server"
    left = wait
    while left > timedelta():
        watch.report(StepName.PULL, 0, note=note)
        watch.cancel.wait(min(left, _SIGN_OF_LIFE).total_seconds())
        watch.check()
        left -= _SIGN_OF_LIFE


@contextmanager
def signs_of_life(watch: Watch) -> Iterator[None]:
    """Give one now and then while a server thinks: whoever waits for us would give up."""
    over = threading.Event()

    def give() -> None:
        while not over.wait(_SIGN_OF_LIFE.total_seconds()):
            watch.report(StepName.PULL, 0, note="waiting for the vendor")

    thread = threading.Thread(target=give, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
