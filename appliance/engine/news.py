"""Whoever draws how things stand waits here for the next change instead of asking all the time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition

from ..core.events import Event, Progressed, RunFinished
from ..core.model import Run

PROGRESS_EVERY_SECONDS = 1.0


class News:
    """Counts changes worth drawing; a listener of the bulletin."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._version = 1
        self._progressed_at = float("-inf")
        self._changed = Condition()
        self.ended: Run | None = None
        """The Run that ended last, since the start."""

    @property
    def version(self) -> int:
        """How many changes there were."""
        return self._version

    def hear(self, event: Event) -> None:
        """A listener: every event is a change, but progress only once a second."""
        if isinstance(event, Progressed):
            now = self._monotonic()
            if now - self._progressed_at < PROGRESS_EVERY_SECONDS:
                return
            self._progressed_at = now
        if isinstance(event, RunFinished):
            self.ended = event.run
        self.changed()

    def changed(self) -> None:
        """Something is worth drawing anew."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def wait(self, version: int, seconds: float) -> int:
        """Return the version as soon as it is another one, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, seconds)
            return self._version
