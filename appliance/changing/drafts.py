"""Secrets that somebody typed and did not save yet: in the worker's memory alone.

Part of the rim. Whoever typed one holds a mark for it; there is no way to read it with that.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable
from threading import Lock

from ..core.errors import ApplianceError

KEPT_FOR_SECONDS = 3600.0
_MOST = 64
LONGEST_CHARACTERS = 32 * 1024


class Drafts:
    """Few, and for an hour; what is saved, or forgotten by a restart, has to be typed again."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, str]] = {}
        self._lock = Lock()

    def keep(self, value: str) -> str:
        """Keep what was typed and return the mark that stands for it; raise ApplianceError where
        it is empty or far too long.
        """
        if not value.strip() or len(value) > LONGEST_CHARACTERS:
            raise ApplianceError("This cannot be a secret: it is empty, or far too long.")
        mark = randomness.token_hex(16)
        now = self._monotonic()
        with self._lock:
            young = {
                each: kept for each, kept in self._kept.items() if now - kept[0] < KEPT_FOR_SECONDS
            }
            self._kept = dict(list(young.items())[1 - _MOST :]) | {mark: (now, value)}
        return mark

    def read(self, mark: str) -> str | None:
        """Return what a mark stands for; None where it was kept for too long."""
        with self._lock:
            since, value = self._kept.get(mark, (float("-inf"), ""))
        return value if self._monotonic() - since < KEPT_FOR_SECONDS else None

    def correct(self, mark: str, value: str) -> None:
        """Keep another value for a mark: a cloud has exchanged what opens it."""
        with self._lock:
            if mark in self._kept:
                self._kept[mark] = (self._kept[mark][0], value)

    def drop(self, mark: str) -> None:
        """Keep it no longer."""
        with self._lock:
            self._kept.pop(mark, None)
