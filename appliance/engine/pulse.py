"""Whether the worker really moves: what the watchdog is fed by, and what the lamps believe.

A thread of its own that says "alive" would say so for ever. So the ticker and the Run at work leave
signs, and the daemon's main loop judges them; silence of either stops the pulse.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

TICKS_WITHIN = timedelta(minutes=2)
"""The ticker looks every twenty seconds; reading the ledger may take a while."""
SILENCE = timedelta(hours=2)
"""Longer than any program may be silent before it is stopped: past this it is we who hang."""


class Pulse:
    """Signs of life, on the monotonic clock in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ticked = self._beaten = monotonic()

    def ticked(self) -> None:
        """The ticker has looked at every schedule."""
        self._ticked = self._monotonic()

    def beat(self, working_since: float | None) -> bool:
        """Given when the Run at work last moved (None: none is at work), return whether all moves.

        Only then is it a beat.
        """
        now = self._monotonic()
        if now - self._ticked > TICKS_WITHIN.total_seconds():
            return False
        if working_since is not None and now - working_since > SILENCE.total_seconds():
            return False
        self._beaten = now
        return True

    def seconds(self) -> float:
        """Return how long ago the last beat was."""
        return self._monotonic() - self._beaten
