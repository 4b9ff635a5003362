"""Whether today's date is believed between Runs, and how trust in a clock comes back.

A Run that trusts the clock notes the time, and so does the running daemon every day, so that
months without a Run do not look like a clock gone astray. A box that was off for longer than
`core.retention.FAR_AHEAD` gets the trust back by running: seven days in which the clock was
synchronised at every look and agreed with the one that only counts. That is as good as a second
source. Whoever set the clock has had a week to correct it; a correction is a jump, a service that
lost its servers is no longer synchronised, and either begins the week anew. A server's own word
is no more than another computer that was set by the same network. And what rests on it is
little: retention counts days that have a backup, never the days since. The one rule that counts
those too, the end that an office sets, waits for a month more (`as_far_as_trusted`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..core.ports import Clock, Ledger
from ..core.retention import AGREEMENT, Policy, clock_is_trusted
from . import memory

STEADY_FOR = timedelta(days=7)
LOOKED_AT_FOR = timedelta(days=30)
"""A clock that came back by its steadiness alone is seen by people for so long before what it says
of the days since removes anything."""
_NOTE_EVERY = timedelta(days=1)


def trusts(ledger: Ledger, clock: Clock) -> bool:
    """Return whether the time now agrees with the one noted last (before the first: with the
    copies there are, but one from the future must not count for years).
    """
    now, newest = clock.now(), memory.noted_time(ledger, memory.CLOCK_TRUSTED_AT, memory.BOX)
    if newest is None:
        times = [copy.time for copy in ledger.copies() if copy.time <= now]
        newest = max(times, default=None)
    return clock_is_trusted(now, clock.is_synchronised(), newest, None)


def as_far_as_trusted(policy: Policy, ledger: Ledger, clock: Clock) -> Policy:
    """Return a policy, without its end where the clock is trusted again, far ahead of what was
    noted before, by nothing but its steadiness and not for a month yet.
    """
    leapt = memory.noted_time(ledger, memory.CLOCK_LEAPT_AT, memory.BOX)
    if leapt is None or abs(clock.now() - leapt) >= LOOKED_AT_FOR:
        return policy
    return replace(policy, at_most=None)


@dataclass(frozen=True, slots=True)
class _Steady:
    """Since when the clock has been right as far as we saw."""

    wall: datetime
    monotonic_seconds: float


class TrustKeeper:
    """Looks at the clock with the daemon's ticker. A restart begins the week anew."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._steady: _Steady | None = None
        self._looked: float | None = None

    def look(self) -> None:
        """Note the time once a day while it is trusted, by what was noted or by its steadiness."""
        self._steady = self._still_steady()
        if self._steady is None or not self._is_time_to_note():
            return
        noted = memory.noted_time(self._ledger, memory.CLOCK_TRUSTED_AT, memory.BOX)
        agrees = noted is not None and trusts(self._ledger, self._clock)
        if agrees or self._has_been_steady(self._steady):
            now = self._clock.now()
            if noted is not None and not agrees:
                memory.note_time(self._ledger, memory.CLOCK_LEAPT_AT, memory.BOX, now)
            memory.note_time(self._ledger, memory.CLOCK_TRUSTED_AT, memory.BOX, now)
            self._looked = self._clock.monotonic()

    def _still_steady(self) -> _Steady | None:
        if not self._clock.is_synchronised():
            return None
        here = _Steady(self._clock.now(), self._clock.monotonic())
        since = self._steady or here
        passed = timedelta(seconds=here.monotonic_seconds - since.monotonic_seconds)
        return since if abs(here.wall - since.wall - passed) <= AGREEMENT else here

    def _has_been_steady(self, since: _Steady) -> bool:
        passed = self._clock.monotonic() - since.monotonic_seconds
        return passed >= STEADY_FOR.total_seconds()

    def _is_time_to_note(self) -> bool:
        last = self._looked
        seconds = _NOTE_EVERY.total_seconds()
        return last is None or self._clock.monotonic() - last >= seconds
