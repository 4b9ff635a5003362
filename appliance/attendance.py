"""Which of the box's disks are here, which were let go, and what is known of each.

Part of the rim. Whoever watches the machine calls `look`; whatever follows from a disk that came or
went is decided here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import RLock

from .box import Box
from .core.errors import ApplianceError
from .core.model import Copy
from .core.ports import Disk
from .engine import memory
from .engine.observations import weeks_left

LET_GO_FOR = timedelta(hours=1)
"""Who asked for a disk and then forgot it must not go without a backup tonight."""
_log = logging.getLogger("appliance")


class Attendance:
    """Keeps track of the disks; `arrived` hears the name of each that was plugged in."""

    def __init__(
        self, box: Box, arrived: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self._box = box
        self._disks: Mapping[str, Disk] = box.disks
        self._arrived, self._changed = arrived, changed
        self._here: frozenset[str] = frozenset()
        self._let_go: dict[str, float] = {}
        self._lock = RLock()

    def go_on_from(self, before: Attendance, same: frozenset[str]) -> None:
        """Given how it was with another configuration, and which disks are in both of them, know
        who was here already (they do not arrive anew) and who was let go.
        """
        with self._lock:
            self._here = before.here() & same
        self.let_go_as(before, same)

    def let_go_as(self, before: Attendance, same: frozenset[str]) -> None:
        """Have those disks let go that were let go there and are still here, for as long."""
        with self._lock:
            kept = self._here & same
            self._let_go = {
                name: end for name, end in before.let_go_until().items() if name in kept
            }
            self._tell_the_box()

    def here(self) -> frozenset[str]:
        """Return the names of the disks that were here at the last look."""
        return self._here

    def let_go_until(self) -> Mapping[str, float]:
        """Return who was let go, and until when, on the monotonic clock in seconds."""
        with self._lock:
            return dict(self._let_go)

    @property
    def has_disks(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._disks)

    def look(self) -> None:
        """See who is here now, and act on who came and who went."""
        with self._lock:
            here = frozenset(name for name, disk in self._disks.items() if disk.is_present())
            came, went = here - self._here, self._here - here
            self._here = here
        for name in sorted(went):
            self._went(name)
        for name in sorted(came):
            self._came(name)
        if came or went:
            self._changed()

    def away(self) -> frozenset[str]:
        """Return the names of the disks that are not here."""
        return frozenset(self._disks) - self._here

    def let_go(self, disk: str | None = None) -> None:
        """Use a disk (or none of them) no more until it was unplugged; raise ApplianceError where
        there is no such disk.
        """
        if disk is not None and disk not in self._disks:
            raise ApplianceError(
                f"There is no disk named {disk}.", hint="`appliance disk list` names them."
            )
        until = self._box.clock.monotonic() + LET_GO_FOR.total_seconds()
        with self._lock:
            names = self._here if disk is None else self._here & {disk}
            self._let_go |= dict.fromkeys(names, until)
            self._tell_the_box()
        self._changed()

    def take_back(self) -> None:
        """A person wants a backup now: what was let go and is still here is used again."""
        with self._lock:
            self._let_go.clear()
            self._tell_the_box()

    def tidy(self) -> None:
        """What was let go and never unplugged is used again after a while."""
        now = self._box.clock.monotonic()
        with self._lock:
            over = [name for name, until in self._let_go.items() if now >= until]
            for name in over:
                del self._let_go[name]
            self._tell_the_box()
        if over:
            self._changed()

    def ejected(self) -> bool:
        """Return whether a disk was let go, may be unplugged, and is still here."""
        return any(self._disks[name].is_at_rest() for name in sorted(self._let_go))

    def restless(self) -> bool:
        """Return whether a disk is here that is not mounted and yet could not be flushed."""
        here = [disk for name, disk in self._disks.items() if name in self._here]
        return any(not disk.is_attached() and not disk.is_at_rest() for disk in here)

    def facts(self) -> list[dict[str, object]]:
        """Return what is known of each disk, as plain JSON values."""
        copies = self._box.ledger.copies()
        return [self._facts(name, disk, copies) for name, disk in self._disks.items()]

    def _facts(self, name: str, disk: Disk, copies: tuple[Copy, ...]) -> dict[str, object]:
        ledger = self._box.ledger
        is_here = name in self._here
        room = memory.noted_room(ledger, name)
        newest = max((copy.time for copy in copies if copy.place == name), default=None)
        return {
            "name": name,
            "present": is_here,
            "in_use": is_here and disk.is_attached(),
            "at_rest": is_here and disk.is_at_rest(),
            "ejected": name in self._let_go,
            "problem": memory.noted_problem(ledger, name),
            "away_since": None if is_here else _iso(memory.noted_time(ledger, SEEN_AT, name)),
            "newest": _iso(newest),
            "size_bytes": room[1] if room else None,
            "free_bytes": room[1] - room[0] if room else None,
            "weeks_left": weeks_left(ledger, name),
        }

    def _came(self, name: str) -> None:
        _log.info("disk=%s arrived", name)
        self._seen(name)
        self._arrived(name)

    def _went(self, name: str) -> None:
        _log.info("disk=%s left", name)
        self._disks[name].lost.set()
        self._seen(name)
        with self._lock:
            self._let_go.pop(name, None)
            self._tell_the_box()

    def _seen(self, name: str) -> None:
        try:
            memory.note_time(self._box.ledger, SEEN_AT, name, self._box.clock.now())
        except ApplianceError as error:
            _log.warning("disk=%s could not be noted: %s", name, error.message)

    def _tell_the_box(self) -> None:
        self._box.let_go = frozenset(self._let_go)


SEEN_AT = "seen-at"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
