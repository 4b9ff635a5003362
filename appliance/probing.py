"""Tries once a day whether the vendors still let the box in, so that a sign-in that died is a
message at once and not a missed backup.

Part of the rim. A backup signs in too: where one did, nothing is tried. What a vendor refused is
not tried again before the next day, as some lock an account that knocks too often.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Thread

from . import sign_ins
from .box import Box
from .config import CommonSource
from .core.errors import ApplianceError, ConfigError, SourceRefused
from .core.ports import Watch
from .core.sign_ins import MOVED, secret_name
from .engine import observations
from .engine.observations import Probed
from .engine.trust import trusts

EVERY = timedelta(hours=20)
"""So that the same hour of the next day is late enough."""
AGAIN = timedelta(hours=1)
"""Where nobody answered."""
AFTER_START = timedelta(minutes=10)
_log = logging.getLogger("appliance")


class Probes:
    """The sign-ins of a box; `is_at_work` tells whether a Run is, `changed` hears of news."""

    def __init__(
        self, box: Box, is_at_work: Callable[[], bool], changed: Callable[[], None]
    ) -> None:
        self._box, self._is_at_work, self._changed = box, is_at_work, changed
        self._sources = [one for one in box.settings.source if sign_ins.login_of(one) is not None]
        self._not_before = box.clock.monotonic() + AFTER_START.total_seconds()
        self._later: dict[str, float] = {}
        self._moved: dict[str, bool] = {}
        self._thread: Thread | None = None

    def look(self) -> None:
        """Try what is due, one after the other, and hold nobody up for it."""
        if self._thread is not None and self._thread.is_alive():
            return
        is_early = self._box.clock.monotonic() < self._not_before
        if not self._sources or is_early or not self._may():
            return
        due = [each for each in self._sources if self._is_due(each)]
        if due:
            self._thread = Thread(target=self._try_all, args=(due,), name="sign-ins", daemon=True)
            self._thread.start()

    def _may(self) -> bool:
        """A wrong clock finds every certificate wrong, and signs what nobody believes."""
        return not self._is_at_work() and trusts(self._box.ledger, self._box.clock)

    def _is_due(self, source: CommonSource) -> bool:
        name, now = source.name, self._box.clock.now()
        if self._box.clock.monotonic() < self._later.get(name, 0.0):
            return False
        token = sign_ins.token_name(source)
        if token and not self._box.secrets.has(token):
            return False  # nobody has signed in; status says so
        probed = observations.probe_of(self._box.ledger, name)
        was_moved = probed is not None and probed.refused == MOVED
        if self._has_moved(source) != was_moved:
            return True
        used = sign_ins.known(self._box.state).read(name).used
        times = [each for each in (used, probed.at if probed else None) if each is not None]
        return all(abs(now - each) >= EVERY for each in times)

    def _has_moved(self, source: CommonSource) -> bool:
        """Whether its servers are others than when somebody signed in: no vendor is asked then, and
        it is said while whoever changed them is still there.
        """
        name = source.name
        if name not in self._moved:
            found = sign_ins.known(self._box.state).read(name)
            is_bound = sign_ins.token_name(source) == secret_name(name)
            with suppress(ConfigError):
                now_is = self._box.sources[name].bound_to
                self._moved[name] = is_bound and found.bound_to != now_is
        return self._moved.get(name, False)

    def _try_all(self, due: list[CommonSource]) -> None:
        for each in due:
            if self._may():
                self.probe(each.name)

    def probe(self, name: str) -> None:
        """Sign in for a source and remember how that went; raise nothing."""
        now = self._box.clock.now()
        self._moved.pop(name, None)
        self._later[name] = self._box.clock.monotonic() + AGAIN.total_seconds()
        try:
            self._box.sources[name].sign_in(Watch())
        except SourceRefused as error:
            _log.warning("sign-in=%s refused %s %s", name, error.message, error.detail)
            self._note(name, now, error.message)
        except ApplianceError as error:
            _log.info("sign-in=%s not tried %s %s", name, error.message, error.detail)
        else:
            self._note(name, now, "")

    def _note(self, name: str, now: datetime, refused: str) -> None:
        count = sign_ins.known(self._box.state).read(name).count
        try:
            observations.note_probe(self._box.ledger, name, Probed(now, refused, count))
        except ApplianceError as error:
            _log.warning("sign-in=%s not noted %s", name, error.message)
        self._changed()
