"""The bulletin: the only way news leaves the engine. Lamps, page and messages listen to it.

What listens can fail without harm: its error is logged and dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock

from ..core.events import Event

Listener = Callable[[Event], None]

_log = logging.getLogger(__name__)


class Bulletin:
    """Hands each event to every listener, in the thread that publishes it."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._lock = Lock()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Given a listener, have it hear every event from now on; return how to end that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return lambda: self._unsubscribe(listener)

    def publish(self, event: Event) -> None:
        """Tell everybody; a listener that fails is logged and the others still hear."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - no listener may hurt a Run
                _log.exception("a listener failed on %s", type(event).__name__)

    def _unsubscribe(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)
