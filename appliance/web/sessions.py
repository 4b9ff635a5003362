"""The only home of sessions: who is at the other end, for as long as they use the page (E7).

All of it is in this process's memory, under the hash of a random number that the browser keeps. So
it ends with the process, and nobody can make one. Time is what has passed, never what a clock says.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, cast

from flask import Flask, Request, Response, current_app
from flask import session as current
from flask.sessions import SessionInterface, SessionMixin

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)
COOKIE = "__Host-appliance"
_VISITOR = "__Host-visitor"
"""Another cookie for whoever has not signed in: a link on a foreign site brings none of ours along,
and what is answered to it must not replace the session of somebody who is signed in."""
_WHO = "_user_id"  # flask-login's
_MOST, _MOST_VISITORS, _MOST_VISITORS_OF_ONE = 64, 1024, 32
_TOKEN_BYTES = 32


class Session(dict[str, Any], SessionMixin):
    """What the page remembers of one browser."""

    def __init__(self, peer: str, now: float) -> None:
        super().__init__()
        self.peer, self.begun, self.used = peer, now, now
        self.token = ""
        """What the browser was given; "" until something is kept."""

    @property
    def is_signed_in(self) -> bool:
        """Whether it is somebody's whom the page knows."""
        return _WHO in self

    def is_old(self, now: float) -> bool:
        """Return whether it has ended by itself."""
        idle, age = timedelta(seconds=now - self.used), timedelta(seconds=now - self.begun)
        return idle > IDLE or age > LONGEST


@dataclass(slots=True)
class _Pool:
    """Sessions of one kind, by the hash of what the browser was given, longest unused first."""

    cookie: str
    sessions: dict[bytes, Session] = field(default_factory=dict)


class Sessions(SessionInterface):
    """Where Flask keeps and finds them."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._people, self._visitors = _Pool(COOKIE), _Pool(_VISITOR)

    def open_session(self, app: Flask, request: Request) -> Session:  # noqa: ARG002 - Flask's
        """Return the session that the browser names, else a new one that nobody knows."""
        peer = request.remote_addr or ""
        with self._lock:
            self._forget_old()
            for pool in (self._people, self._visitors):
                found = self._found(pool, request.cookies.get(pool.cookie, ""))
                if found is not None:
                    if _is_somebody_at_it(request):
                        found.used = self._now()
                    return found
        return Session(peer, self._now())

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep a session that holds something, and have the browser know it."""
        del app  # Flask hands it over; there is one
        mine = cast("Session", session)
        if not mine or mine.token:
            return  # kept already; or ended by somebody else meanwhile, and it stays so
        pool = self._people if mine.is_signed_in else self._visitors
        with self._lock:
            mine.token = secrets.token_urlsafe(_TOKEN_BYTES)
            pool.sessions[_key(mine.token)] = mine
            self._make_room(mine.peer)
        response.set_cookie(
            pool.cookie, mine.token, secure=True, httponly=True, samesite="Strict", path="/"
        )

    def renew(self, session: Session) -> None:
        """Empty a session and give it a new number: whoever knew the old one knows nothing."""
        with self._lock:
            for pool in (self._people, self._visitors):
                pool.sessions.pop(_key(session.token), None)
        session.clear()
        session.token = ""
        session.begun = session.used = self._now()

    def end_all(self) -> None:
        """End every session: nobody is signed in any more."""
        with self._lock:
            self._people.sessions.clear()
            self._visitors.sessions.clear()

    def _found(self, pool: _Pool, token: str) -> Session | None:
        key = _key(token)
        found = pool.sessions.pop(key, None) if token else None
        if found is not None:
            pool.sessions[key] = found  # the last one used is the last to be let go
        return found

    def _forget_old(self) -> None:
        now = self._now()
        for pool in (self._people, self._visitors):
            for key in [key for key, each in pool.sessions.items() if each.is_old(now)]:
                del pool.sessions[key]

    def _make_room(self, peer: str) -> None:
        """Nobody fills the memory, and no visitor pushes out many others."""
        _shorten(self._people.sessions, _MOST)
        of_the_peer = {k: s for k, s in self._visitors.sessions.items() if s.peer == peer}
        for key in list(of_the_peer)[: max(0, len(of_the_peer) - _MOST_VISITORS_OF_ONE)]:
            del self._visitors.sessions[key]
        _shorten(self._visitors.sessions, _MOST_VISITORS)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _shorten(sessions: dict[bytes, Session], most: int) -> None:
    for key in list(sessions)[: max(0, len(sessions) - most)]:
        del sessions[key]


def _is_somebody_at_it(request: Request) -> bool:
    """What a script asks again and again is no use of the page: an open tab signs itself out."""
    return request.headers.get("Sec-Fetch-Dest") != "empty"


def start_anew() -> None:
    """Give this request's browser an empty session of another number."""
    _sessions().renew(cast("Session", current))


def end_all() -> None:
    """End every session, this one too."""
    start_anew()
    _sessions().end_all()


def _sessions() -> Sessions:
    return cast("Sessions", current_app.session_interface)
