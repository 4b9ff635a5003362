"""Sign-ins that somebody is in the middle of: at the vendor's, while the box waits.

Part of the rim: the worker does it for the page, the command line for itself. Each question to a
vendor is a child process. Until the vendor gave a refresh token nothing is stored, so whoever stops
in between leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Any

from . import sign_ins
from .box import Box
from .configured import ConfiguredSource
from .core.errors import ApplianceError, Cancelled, SourceRefused
from .core.ports import Watch
from .engine import observations
from .engine.observations import Probed
from .sources import consent
from .sources.consent import Link

KEPT_FOR = timedelta(minutes=30)
"""So long a link may lie open in somebody's browser."""
_OVER = "This sign-in is over, or somebody began another one."
_BEGIN = "Begin once more."
_NOT_TWICE = "The vendor let us in, but not a second time."
_NO_WAY = "Nobody can sign in for {} by a link: its login has none."
_NO_WAY_HINT = "Only a source with `authorize_url` or `device_url` in its `auth` needs a person."


@dataclass(slots=True)
class Pending:
    """One sign-in that is under way, or that just ended."""

    source: ConfiguredSource
    began: float
    """By the clock that only counts."""
    state: str = "waiting"
    """`waiting`, `checking` what was pasted, `done` or `failed`."""
    link: Link | None = field(default=None, repr=False)
    device: Mapping[str, Any] | None = field(default=None, repr=False)
    told: Mapping[str, Any] = field(default_factory=dict)
    """What came of it; see `sources.signin.kept`."""
    error: ApplianceError | None = None
    cancel: Event = field(default_factory=Event)
    thread: Thread | None = None

    def as_json(self) -> dict[str, object]:
        """Return what somebody may see of it: what the box keeps to itself is not there."""
        device, error = self.device or {}, self.error
        return {
            "state": self.state,
            "link": self.link.url if self.link else device.get("whole_url") or device.get("url"),
            "short_link": device.get("url", ""),
            "code": device.get("user_code", ""),
            "error": {"message": error.message, "hint": error.hint} if error else None,
            "told": dict(self.told),
        }


class SigningIn:
    """One sign-in at a time for each source; `done` hears for which one somebody signed in."""

    def __init__(self, done: Callable[[str], None] = lambda _: None) -> None:
        self._done = done
        self._pending: dict[str, Pending] = {}
        self._lock = Lock()

    def begin(self, box: Box, name: str, *, by_link: bool = False, redirect: str = "") -> Pending:
        """Begin a sign-in: by a code to type where the vendor has that (unless `by_link`), else by
        a link. What was under way for this source is given up. Raise ApplianceError.
        """
        auth = sign_ins.login_of(box.settings.source_named(name))
        if auth is None or not sign_ins.wants_a_person(auth):
            raise ApplianceError(_NO_WAY.format(name), hint=_NO_WAY_HINT)
        self.leave(name)
        source = box.sources[name]
        pending = Pending(source, box.clock.monotonic())
        if auth.device_url and not (by_link and auth.authorize_url):
            pending.device = source.sign_in(Watch(), {"do": "device"})
            self._keep(name, pending)
            pending.thread = Thread(target=self._wait, args=(box, name, pending), daemon=True)
            pending.thread.start()
        else:
            pending.link = source.link_of(redirect)
            self._keep(name, pending)
        return pending

    def _keep(self, name: str, pending: Pending) -> None:
        with self._lock:
            self._pending[name] = pending

    def pending(self, box: Box, name: str) -> Pending | None:
        """Return the sign-in that is under way or ended last; None where there is none."""
        with self._lock:
            found = self._pending.get(name)
            if found and box.clock.monotonic() - found.began > KEPT_FOR.total_seconds():
                found.cancel.set()
                del self._pending[name]
                return None
            return found

    def leave(self, name: str, within: timedelta = timedelta()) -> None:
        """Give a sign-in up; wait for so long until nobody asks the vendor any more."""
        with self._lock:
            found = self._pending.pop(name, None)
        if found is None:
            return
        found.cancel.set()
        if found.thread is not None and within:
            found.thread.join(within.total_seconds())

    def finish(self, box: Box, name: str, line: str) -> Pending:
        """Given what somebody pasted, get the token and prove it; raise ApplianceError where that
        fails. Until a token is stored the link stays good: it may be opened again.
        """
        pending = self.pending(box, name)
        if pending is None or pending.link is None:
            raise ApplianceError(_OVER, hint=_BEGIN)
        link = pending.link
        step = {"do": "exchange", "code": consent.code_in(line, link.state)}
        step |= {"verifier": link.verifier, "redirect": link.redirect}
        with self._lock:
            if pending.state != "waiting":
                raise ApplianceError(_OVER, hint=_BEGIN)
            pending.state = "checking"
        try:
            told = pending.source.sign_in(Watch(), step)
        except ApplianceError:
            pending.state = "waiting"
            raise
        try:
            self._prove(box, name, pending, told)
        except ApplianceError as error:
            pending.state, pending.error = "failed", error
            raise
        return pending

    def _wait(self, box: Box, name: str, pending: Pending) -> None:
        try:
            step = {"do": "wait", **(pending.device or {})}
            told = pending.source.sign_in(Watch(cancel=pending.cancel), step)
            self._prove(box, name, pending, told)
        except Cancelled:
            return
        except ApplianceError as error:
            pending.state, pending.error = "failed", error
        finally:  # else whoever waits does so for ever, and a command takes it for done
            if pending.state == "waiting":
                pending.state = "failed"

    def _prove(self, box: Box, name: str, pending: Pending, told: Mapping[str, object]) -> None:
        """A token is stored: sign in with it as every backup will."""
        pending.told = {**told, **_again(pending.source)}
        now, count = box.clock.now(), sign_ins.known(box.state).read(name).count
        observations.note_probe(box.ledger, name, Probed(now, "", count))
        pending.state = "done"
        self._done(name)


def _again(source: ConfiguredSource) -> Mapping[str, object]:
    """Prove what was stored; where nobody answers just now, the box does it within a day."""
    try:
        return {**source.sign_in(Watch()), "proved": True}
    except SourceRefused as error:
        words, detail = f"{_NOT_TWICE} {error.message}", error.detail
        raise SourceRefused(words, hint=error.hint, detail=detail) from error
    except ApplianceError as error:
        if not error.retry:
            raise
        return {"proved": False}
