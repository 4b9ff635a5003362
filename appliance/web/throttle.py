"""The only home of how often a password may be tried (E3).

All who guess share thirty tries an hour, however many addresses they have; each address waits
longer after each wrong try, a quarter of an hour at most, and nobody for ever. A browser that
somebody has signed in with tries from a share of its own, so that strangers do not keep its owner
out. Time is what passes while the page runs: neither a clock that jumps nor a restart shortens a
wait.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

from ..core import words
from ..core.errors import ApplianceError
from ..system.files import write_durably

FILE = "tries.json"
AT_ONCE = 6
REFILLED_EVERY = timedelta(seconds=150)
"""With `AT_ONCE` at once no hour sees more than thirty."""
FREE = 3
"""Wrong tries of one address before it has to wait."""
_FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)
_FORGOTTEN_AFTER = timedelta(hours=1)
_MOST_PEERS, _MOST_KEPT = 2000, 50
EVERYBODY = "everybody"
_log = logging.getLogger("appliance")


class TooManyTries(ApplianceError):
    """Raised when it is too early for another try; `seconds` says how early."""

    def __init__(self, wait: timedelta) -> None:
        self.seconds = math.ceil(wait.total_seconds())
        whole = words.duration(timedelta(seconds=self.seconds))
        super().__init__(
            f"Too many wrong tries. Wait {whole}, then try again.",
            hint="At the box's own terminal nobody need wait: sudo appliance web password",
        )


@dataclass(slots=True)
class _Peer:
    """One address that has tried: how often wrongly, and until when it waits."""

    wrong: int = 0
    until: float = 0.0


@dataclass(slots=True)
class _Bucket:
    """A share of tries that fills up with time."""

    left: float
    seen: float

    def wait(self, now: float) -> float:
        """Return the seconds until there is a try; 0.0 where there is one."""
        every = REFILLED_EVERY.total_seconds()
        self.left = min(AT_ONCE, self.left + (now - self.seen) / every)
        self.seen = now
        return max(0.0, (1 - self.left) * every)


class Throttle:
    """Counts tries; what it counted lies in a file of the page's folder."""

    def __init__(self, folder: Path, now: Callable[[], float] = monotonic) -> None:
        self._file, self._now = folder / FILE, now
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}
        self._peers: dict[str, _Peer] = {}
        self._read()

    def take(self, peer: str, share: str = EVERYBODY) -> None:
        """Take one try for an address from a share; raise TooManyTries where it must wait.

        It counts as a wrong one, and is written down, before anybody knows: cutting the power
        does not help to guess.
        """
        with self._lock:
            now = self._now()
            self._forget(now)
            bucket = self._buckets.setdefault(share, _Bucket(AT_ONCE, now))
            who = self._peers.get(peer, _Peer())
            wait = max(bucket.wait(now), who.until - now)
            if wait > 0:
                raise TooManyTries(timedelta(seconds=wait))
            bucket.left -= 1
            _count(who, now)
            self._peers.pop(peer, None)  # whoever tried last is forgotten last
            self._peers[peer] = who
            self._write(now)

    def was_right(self, peer: str, share: str = EVERYBODY) -> None:
        """Give a try back: it was none."""
        with self._lock:
            now = self._now()
            self._peers.pop(peer, None)
            bucket = self._buckets.setdefault(share, _Bucket(AT_ONCE, now))
            bucket.left = min(AT_ONCE, bucket.left + 1)
            self._write(now)

    def _forget(self, now: float) -> None:
        """Forget who has long been quiet, and of too many those who tried first."""
        quiet = _FORGOTTEN_AFTER.total_seconds()
        kept = {name: who for name, who in self._peers.items() if now - who.until < quiet}
        self._peers = dict(list(kept.items())[-_MOST_PEERS:])

    def _read(self) -> None:
        now = self._now()
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            kept = json.loads(self._file.read_bytes())
            for name, left in kept["shares"].items():
                self._buckets[str(name)] = _Bucket(min(float(left), AT_ONCE), now)
            for name, (wrong, wait) in kept["peers"].items():
                until = now + min(float(wait), LONGEST_WAIT.total_seconds())
                self._peers[str(name)] = _Peer(int(wrong), until)

    def _write(self, now: float) -> None:
        facts: Mapping[str, object] = {
            "shares": {name: bucket.left for name, bucket in self._buckets.items()},
            "peers": {
                name: (who.wrong, max(0.0, who.until - now))
                for name, who in list(self._peers.items())[-_MOST_KEPT:]
            },
        }
        try:
            write_durably(self._file, json.dumps(facts).encode(), 0o600)
        except ApplianceError as error:  # a full card keeps nobody out
            _log.warning("tries=forgetful they are not counted over a restart: %s", error.message)


def _count(who: _Peer, now: float) -> None:
    who.wrong += 1
    doubled = max(0, min(who.wrong - FREE, 16))
    wait = min(_FIRST_WAIT * 2**doubled, LONGEST_WAIT) if who.wrong >= FREE else timedelta()
    who.until = now + wait.total_seconds()
