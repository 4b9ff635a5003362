"""What the page sees of the box: asked and drawn at most twice a second, however many people look.

Fifty open phones must not keep a worker from its work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, cast
from zoneinfo import ZoneInfo

from flask import current_app

from ..core.errors import ApplianceError
from ..core.ports import Appliance
from .box import the_box
from .facts import Facts, Unreadable

STRIP_DAYS = 30
_FRESH_SECONDS = 0.5
_DAYS_FRESH_SECONDS = 20.0
_SIGHT = "sight"


@dataclass(frozen=True, slots=True)
class Seen:
    """The box at one moment. `absent` says why nothing is known of it, where nothing is."""

    status: Facts
    days: Sequence[Mapping[str, object]] | None
    absent: ApplianceError | None = None

    @property
    def now(self) -> datetime:
        """When this was so, by the box's clock; by ours where it does not say."""
        with suppress(Unreadable):
            return self.status.certain_moment("as_of")
        return datetime.now(UTC)

    @property
    def zone(self) -> ZoneInfo:
        """The office's zone; UTC where it is not known."""
        with suppress(Unreadable, ValueError, OSError, KeyError):  # what ZoneInfo raises
            return ZoneInfo(self.status.part("box").text("timezone"))
        return ZoneInfo("UTC")


class Sight:
    """Asks the box, and remembers its answer for a moment."""

    def __init__(self, box: Appliance, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._box, self._monotonic = box, monotonic
        self._lock = Lock()
        self._seen: tuple[float, Seen] | None = None
        self._drawn: tuple[Seen, str] | None = None
        self._days: tuple[float, object, Sequence[Mapping[str, object]]] | None = None

    def look(self) -> Seen:
        """Return how the box stands; a box that does not answer is seen as absent."""
        with self._lock:
            return self._look()

    def drawn(self, draw: Callable[[Seen], str]) -> tuple[Seen, str]:
        """Return how the box stands, and that as `draw` draws it: once for everybody, so it must
        not depend on who looks.
        """
        with self._lock:
            seen = self._look()
            if self._drawn is None or self._drawn[0] is not seen:
                self._drawn = seen, draw(seen)
            return self._drawn

    def forget(self) -> None:
        """Somebody pressed something: the next look is a new one."""
        with self._lock:
            self._seen = self._days = None

    def _look(self) -> Seen:
        now = self._monotonic()
        if self._seen is None or now - self._seen[0] >= _FRESH_SECONDS:
            self._seen = now, self._ask(now)
        return self._seen[1]

    def _ask(self, now: float) -> Seen:
        try:
            status = Facts.of(self._box.status())
        except (ApplianceError, Unreadable) as error:
            absent = error if isinstance(error, ApplianceError) else _nonsense(error)
            return Seen(Facts({}), None, absent)
        return Seen(status, self._look_at_days(now, status))

    def _look_at_days(self, now: float, status: Facts) -> Sequence[Mapping[str, object]] | None:
        """A day changes only when a Run begins or ends, or when time goes by."""
        key = _what_changes_days(status)
        if self._days is not None:
            asked, about, days = self._days
            if about == key and now - asked < _DAYS_FRESH_SECONDS:
                return days
        try:
            days = self._box.days(STRIP_DAYS)
        except ApplianceError:
            return None
        self._days = now, key, days
        return days


def _nonsense(error: Exception) -> ApplianceError:
    return ApplianceError("The box answered nonsense.", detail=str(error))


def _what_changes_days(status: Facts) -> object:
    running: Any = status.told.get("running")
    job = running.get("job") if isinstance(running, Mapping) else None
    return job, repr(status.told.get("ended"))


def the_sight() -> Sight:
    """Return how the request that is answered now sees the box."""
    return cast("Sight", current_app.extensions.setdefault(_SIGHT, Sight(the_box())))
