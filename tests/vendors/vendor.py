"""What every vendor does: routes, sign-ins that end, jobs with states, links that die, quotas."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from .office import Office
from .serving import ACCOUNTS, API, FILES, FOREIGN, Answer, Premises, Question
from .tables import by_id, tables_of
from .traps import Reaction, Trap

Table = dict[str, dict[str, Any]]
"""Records by id, each field by name."""


class Refusal(Exception):
    """Raised in a route to answer at once."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def route(method: str, template: str, role: str = API) -> Callable[[Any], Any]:
    """Mark a method of a vendor: it answers `method` for paths like `/jobs/{job}/results`.

    It is called with the Question and what the braces stand for (one part of a path each).
    """

    def marked(answer: Any) -> Any:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
        answer.route = (method, re.compile(pattern + r"\Z"), role)
        return answer

    return marked


@dataclass
class Token:
    """An access token: until when, and for what."""

    ends: float
    scopes: frozenset[str] = frozenset()


@dataclass
class Job:
    """Work at the vendor. Each look at it moves it on by one state, the last one stays."""

    name: str
    states: list[str]
    about: dict[str, Any] = field(default_factory=dict)

    def look(self) -> str:
        """Return the state as of now."""
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@dataclass
class Quota:
    """So many per so long, counted on the vendor's clock."""

    most: int
    per: timedelta
    taken: list[float] = field(default_factory=list)

    def take(self, now: float) -> bool:
        """Return whether one more is allowed, and count it."""
        self.taken = [at for at in self.taken if at > now - self.per.total_seconds()]
        if len(self.taken) >= self.most:
            return False
        self.taken.append(now)
        return True


class Vendor:
    """One account at a vendor, holding an office's records.

    Set as the tenant of `premises` when it is made. `secrets` are the account's credentials:
    nothing but API, ACCOUNTS (and FILES where the vendor's page says so) may ever see them.
    """

    recipe: ClassVar[str] = ""
    """The name of the recipe that pulls it."""
    reactions: ClassVar[Mapping[Trap, Reaction]] = {}
    """Which traps apply, and what a run must come to."""
    shown_to: ClassVar[frozenset[str]] = frozenset({API, ACCOUNTS})
    """The roles that may see credentials."""
    scheme: ClassVar[str] = "Bearer"
    can_leave_out: ClassVar[bool] = True
    """Whether the recipe fetches kinds of records one by one, by the names of the tables."""
    at_once: bool = False
    """Whether jobs are done before anybody looks: where a real box waits, a test should not."""
    key: ClassVar[str] = "id"
    """The field that a record is known by."""

    def __init__(
        self, premises: Premises, data: Office, traps: Iterable[Trap] = (), seed: int = 0
    ) -> None:
        self.premises, self.data, self.traps = premises, data, frozenset(traps)
        if foreign := self.traps - self.reactions.keys():
            raise ValueError(f"{type(self).__name__} does not know {foreign}")
        self.rng = Random(f"{seed}/{self.recipe}")
        self.asked: list[Question] = []
        self.jobs: dict[str, Job] = {}
        self.tokens: dict[str, Token] = {}
        self.links: dict[str, float] = {}
        self.secrets: set[str] = set()
        self.tables: dict[str, list[dict[str, Any]]] = {}
        """All records by table, as this vendor writes them; the key is always there."""
        self._shift = 0.0
        self._done: set[Trap] = set()
        self._once_at = self.rng.randrange(3)
        self._lock = threading.RLock()
        self._routes = [
            (*mark, getattr(self, name))
            for name in dir(type(self))
            if (mark := getattr(getattr(type(self), name), "route", None))
        ]
        premises.tenant = self.answer

    # --- what a test wants to know ----------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """The keys of a `[[source]]` that pull this account; secrets stand in clear."""
        raise NotImplementedError

    def truth(self) -> dict[str, Table]:
        """Every record that a good export holds, by table, as the vendor writes them."""
        return {name: by_id(rows, self.key_of(name)) for name, rows in self.tables.items()}

    def found(self, files: Mapping[str, bytes]) -> dict[str, Table]:
        """Given pulled files by name, return their records in the same shape as `truth`."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for file, data in files.items():
            for member, some in tables_of(file, data):
                if (name := self.table_of(file, member)) is not None:
                    rows.setdefault(name, []).extend(some)
        return {name: by_id(some, self.key_of(name)) for name, some in rows.items()}

    def key_of(self, table: str) -> str:
        """The field that a record of this table is known by."""
        return self.key

    def table_of(self, file: str, member: str) -> str | None:
        """Which table a file (or the member of a ZIP) holds rows of; None: none that we compare."""
        return re.split(r"[-.]", Path(file).name)[0]

    def count(self, method: str, path: str) -> int:
        """How many requests came with this method for paths with this in them."""
        return sum(asked.method == method and path in asked.path for asked in self.asked)

    def told_elsewhere(self) -> list[Question]:
        """The requests that showed a credential to somebody who must not see it."""
        return [
            asked
            for asked in self.asked
            if asked.role not in self.shown_to and any(map(asked.shows, self.secrets))
        ]

    def jobs_at_most(self) -> int:
        """How many jobs one pull may start here."""
        return len(self.tables)

    def large_tables(self) -> list[str]:
        """The tables that any trap finds enough in."""
        return [name for name, rows in self.tables.items() if len(rows) >= 9]

    def make_pages_small(self, rows: int) -> None:
        """Let lists have so many rows on a page: a small office's have several then, too."""

    # --- the clock --------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds since the epoch, on the vendor's clock."""
        return time.time() + self._shift

    def advance(self, by: timedelta) -> None:
        """Let time pass at the vendor."""
        self._shift += by.total_seconds()

    def iso(self, seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))

    # --- answering --------------------------------------------------------------------------

    def answer(self, question: Question) -> Answer:
        """Answer one request, and note it."""
        with self._lock:
            self.asked.append(question)
            try:
                said = self._tripped(question) or self._routed(question)
            except Refusal as refusal:
                said = refusal.answer
            question.answered = said.status
            return said

    def _routed(self, question: Question) -> Answer:
        known = False
        for method, pattern, role, answer in self._routes:
            if role == question.role and (match := pattern.match(question.path)):
                known = True
                if method == question.method:
                    said: Answer = answer(question, **match.groupdict())
                    return said
        return Answer(405 if known else 404, b"no such thing here")

    def _tripped(self, question: Question) -> Answer | None:
        """The traps that any request may meet."""
        asked = [one for one in self.asked if one.role == API and "token" not in one.path]
        if question.role == API and "token" not in question.path and len(asked) > self._once_at:
            if self.once(Trap.RETRY_DATE):
                return self.too_many({"Retry-After": formatdate(time.time() + 1, usegmt=True)})
            if question.method == "GET" and self.on(Trap.FOREIGN_REDIRECT):
                onward = self.premises.url(FOREIGN, question.target)
                return Answer(302, headers={"Location": onward})
        if question.role == FOREIGN:
            return Answer(200, b"{}", {"Content-Type": "application/json"})
        return None

    def too_many(self, headers: Mapping[str, str]) -> Answer:
        """429 as the vendor words it."""
        return Answer(429, b"slow down", headers)

    def on(self, trap: Trap) -> bool:
        return trap in self.traps

    def once(self, trap: Trap) -> bool:
        """Whether this trap is set and did not snap yet; it did now."""
        if trap not in self.traps or trap in self._done:
            return False
        self._done.add(trap)
        return True

    # --- sign-ins ---------------------------------------------------------------------------

    def fresh(self, length: int = 24) -> str:
        """A name that nobody guesses."""
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        return "".join(self.rng.choices(letters, k=length))

    def secret(self, text: str) -> str:
        """Remember that this must not be seen elsewhere."""
        self.secrets.add(text)
        return text

    def grant(self, lives: timedelta, scopes: Iterable[str] = ()) -> str:
        """Make an access token."""
        token = self.secret(self.fresh(40))
        self.tokens[token] = Token(self.now + lives.total_seconds(), frozenset(scopes))
        return token

    def check_token(self, question: Question, scope: str = "") -> None:
        """Raise Refusal unless the request shows a token that is known, good, and for this.

        TOKEN_EXPIRES: after a few such requests, one token is over before its time.
        """
        word, _, token = question.headers.get("authorization", "").partition(" ")
        held = self.tokens.get(token) if word.lower() == self.scheme.lower() else None
        if held and self._served() > 2 and self.once(Trap.TOKEN_EXPIRES):
            held.ends = 0.0
        if held is None or held.ends <= self.now:
            raise Refusal(self.unauthorised())
        if scope and scope not in held.scopes:
            raise Refusal(self.forbidden(scope))

    def _served(self) -> int:
        return sum(asked.role == API and asked.answered == 200 for asked in self.asked)

    def unauthorised(self) -> Answer:
        """401 as the vendor words it."""
        return Answer(401)

    def forbidden(self, scope: str) -> Answer:
        """403 as the vendor words it."""
        return Answer(403)

    # --- jobs and links ---------------------------------------------------------------------

    def start(self, states: Sequence[str], called: str = "", **about: Any) -> Job:
        """Begin a job; under STUCK it never leaves its first state."""
        shown = list(states[:1]) if self.on(Trap.STUCK) else list(states)
        if self.at_once and not self.on(Trap.STUCK):
            shown = list(states[-1:])
        job = Job(called or self.fresh(18), shown, about)
        self.jobs[job.name] = job
        return job

    def link(self, lives: timedelta) -> str:
        """Make the secret part of a link."""
        name = self.fresh(32)
        self.links[name] = self.now + lives.total_seconds()
        return name

    def is_live(self, link: str) -> bool:
        return self.links.get(link, 0.0) > self.now

    def download(
        self,
        body: bytes,
        kind: str,
        *,
        lives: timedelta | None = None,
        of_store: Question | None = None,
        **headers: str,
    ) -> Answer:
        """Answer with a file, or with what the traps make of it.

        `lives`: how long links live here; LINK_EXPIRES breaks off and lets so long pass.
        `of_store`: the question, where the file lies in an object store, which can go on within it.
        """
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        said = Answer(200, body, {"Content-Type": kind} | named)
        if of_store is not None:
            said = _stored(said, of_store.headers)
        if self.on(Trap.HTML_FOR_ZIP):
            page = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
            return Answer(200, page, {"Content-Type": "text/html; charset=utf-8"})
        if self.on(Trap.ZIP_CUT):
            said.body = said.body[: min(len(body) // 2, 1 << 20)]
        if lives and self.once(Trap.LINK_EXPIRES):
            self.advance(lives + timedelta(seconds=1))
            said.breaks_at = len(said.body) // 2
        elif self.once(Trap.BREAKS_OFF):
            said.breaks_at = len(said.body) // 2
        return said

    # --- rows -------------------------------------------------------------------------------

    def dressed(
        self, rows: Iterable[dict[str, Any]], remark: str, added: str
    ) -> list[dict[str, Any]]:
        """The rows as they are stored here, once the traps that lie in the data are set.

        `remark` is a field of text, `added` what the added column is called.
        """
        kept = self.kept(list(rows))
        for place, row in enumerate(kept):
            if self.on(Trap.NUL) and place % 5 == 1:
                row[remark] = f"a{chr(0)}b"
            if self.on(Trap.APOSTROPHE) and str(row[remark])[:1] in {"=", "-", "+", "@"}:
                row[remark] = f"'{row[remark]}"
            if self.on(Trap.COLUMN_ADDED):
                row[added] = f"neu {place}"
        return kept

    def kept(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows that are there: under ROWS_MISSING, seven of ten."""
        if self.on(Trap.ROWS_MISSING):
            return [row for place, row in enumerate(rows) if place % 10 < 7]
        return list(rows)

    def ordered(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows in the order of this moment."""
        mixed = list(rows)
        if self.on(Trap.SHUFFLED):
            self.rng.shuffle(mixed)
        return mixed


def _stored(whole: Answer, asked: Mapping[str, str]) -> Answer:
    """As S3 answers a GET: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html."""
    etag = f'"{hashlib.md5(whole.body).hexdigest()}"'
    headers = dict(whole.headers) | {"ETag": etag, "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-", asked.get("range", ""))
    if wanted is None or asked.get("if-range", etag) != etag:
        return Answer(200, whole.body, headers)
    first, size = int(wanted[1]), len(whole.body)
    if first >= size:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
    return Answer(206, whole.body[first:], headers)


__all__ = ["ACCOUNTS", "API", "FILES", "FOREIGN", "Answer", "Job", "Quota", "Refusal", "route"]
__all__ += ["Table", "Token", "Vendor"]
