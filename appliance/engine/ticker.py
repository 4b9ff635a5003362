"""The clock's hand: asks each schedule what is due and submits it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Event

from ..core.errors import ApplianceError
from ..core.model import Trigger
from ..core.ports import Clock, Ledger
from ..core.schedule import Schedule, due
from . import memory
from .kit import Kit
from .trust import TrustKeeper

Submit = Callable[[str, Trigger, str], object]

EVERY = timedelta(seconds=20)
PATIENCE = timedelta(minutes=5)
"""How long after its start the box waits for the network to set its clock."""
_log = logging.getLogger(__name__)


class Ticker:
    """Holds the schedules of all jobs; a test calls `tick`, the daemon calls `run`."""

    def __init__(
        self,
        kit: Kit,
        schedules: Mapping[str, Schedule],
        submit: Submit,
        ticked: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger: Ledger = kit.ledger
        self._clock: Clock = kit.clock
        self._zone = kit.zone
        self._schedules = dict(schedules)
        self._submit = submit
        self._ticked = ticked
        self._begun = kit.clock.monotonic()
        self._seen: dict[str, datetime] = {}
        self._trust = TrustKeeper(kit.ledger, kit.clock)

    def tick(self, now: datetime) -> None:
        """Submit what is due at `now`; record what went by while the box was off.

        In the first minutes it waits for a synchronised clock: a Pi wakes up in the past.
        """
        self._trust.look()
        if not self._clock.is_synchronised() and self._is_early():
            return
        for job, schedule in self._schedules.items():
            self._look_at(job, schedule, now)

    def run(self, stop: Event) -> None:
        """The ticker thread."""
        while not stop.wait(EVERY.total_seconds()):
            try:
                self.tick(self._clock.now())
                self._ticked()
            except ApplianceError as error:
                _log.warning("the schedule could not be read: %s", error.message)

    def _is_early(self) -> bool:
        return self._clock.monotonic() - self._begun < PATIENCE.total_seconds()

    def _look_at(self, job: str, schedule: Schedule, now: datetime) -> None:
        found = due(schedule, self._zone, self._since(job, now), now, self._ledger.slots(job))
        for slot in found.missed:
            self._ledger.add_missed(job, slot.key, now)
        if found.run is not None:
            self._submit(job, Trigger.SCHEDULE, found.run.key)

    def _since(self, job: str, now: datetime) -> datetime:
        """When a job was first seen; noted for good only by a clock that is right."""
        since = memory.noted_time(self._ledger, memory.FIRST_SEEN, job)
        if since is not None:
            return since
        if not self._clock.is_synchronised():
            return self._seen.setdefault(job, now)
        memory.note_time(self._ledger, memory.FIRST_SEEN, job, now)
        return now
