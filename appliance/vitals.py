"""How the machine itself stands: reads what the box says of itself and has `core` judge it.

Part of the rim. Whoever asks often is answered from memory: the machine is read once a minute, a
disk is asked for its health once a day and only while it is plugged in for a Run.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Lock

from .core import room, smart, vitals
from .core.errors import ApplianceError
from .core.ports import Clock, Ledger
from .core.signals import Reason
from .core.vitals import Power, Vital, reasons
from .engine import observations
from .engine.trust import trusts
from .hw.board import Board
from .hw.card import cards
from .hw.power import PowerSupply
from .hw.smart import SmartReader

READ_EVERY = timedelta(minutes=1)
ASK_DISKS_EVERY = timedelta(hours=20)
"""So that a Run a day asks each day, whatever the minute it begins."""
_log = logging.getLogger(__name__)


class Vitals:
    """The vitals of this box and of its disks."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        state: Path,
        disks: Sequence[str] = (),
        *,
        supply: PowerSupply | None = None,
        reader: SmartReader | None = None,
        board: Board | None = None,
    ) -> None:
        """Given where the box keeps its notes and the names of its repositories on disks."""
        self._ledger, self._clock, self._state = ledger, clock, state
        self._disks = tuple(disks)
        self._supply = supply or PowerSupply()
        self._reader = reader or SmartReader()
        self._board = board or Board()
        self._lock = Lock()
        self._read: tuple[float, tuple[Vital, ...]] | None = None
        self._asked: dict[str, float] = {}
        self._noted_start = False

    def read(self) -> tuple[Vital, ...]:
        """Return how everything stands, at most a minute old."""
        with self._lock:
            now = self._clock.monotonic()
            if self._read is None or now - self._read[0] >= READ_EVERY.total_seconds():
                self._read = now, self._all()
            return self._read[1]

    def under_voltage(self) -> bool:
        """Return whether the voltage is too low now: then no Run begins, and none goes on."""
        return self._supply.under_voltage()

    def note_start(self) -> None:
        """Remember when the box was switched on, as soon as the time is known; meant for every
        round of the worker's loop. It is reckoned back by how long that is ago.
        """
        uptime = self._board.uptime_seconds()
        if self._noted_start or uptime is None or not trusts(self._ledger, self._clock):
            return
        started = self._clock.now() - timedelta(seconds=uptime)
        observations.note_start(self._ledger, self._board.boot_id(), started)
        self._noted_start = True

    def disk_is_here(self, name: str, device: str, used_bytes: int, size_bytes: int) -> None:
        """Given a repository's disk that is mounted for a Run, its device (`sda`) and how full it
        is, remember how full it is today and how it says that it is.

        The disk is asked once a day at most. Nothing is raised: this ends no Run.
        """
        try:
            self._note_room(name, used_bytes, size_bytes)
            self._ask(name, device)
        except ApplianceError as error:
            _log.warning("disk=%s its health could not be noted: %s", name, error.message)
        with self._lock:
            self._read = None

    def _note_room(self, name: str, used_bytes: int, size_bytes: int) -> None:
        if trusts(self._ledger, self._clock):
            today = self._clock.now().date()
            observations.record_room(self._ledger, name, today, used_bytes, size_bytes)

    def _ask(self, name: str, device: str) -> None:
        if self._is_time_to_ask(name):
            self._asked[name] = self._clock.monotonic()
            answer = self._reader.read(device, self._clock.now())
            if answer.why:
                _log.info("disk=%s device=%s tells no health: %s", name, device, answer.why)
            observations.note_smart(self._ledger, name, answer)

    def _is_time_to_ask(self, name: str) -> bool:
        every = ASK_DISKS_EVERY
        if (asked := self._asked.get(name)) is not None:
            return self._clock.monotonic() - asked >= every.total_seconds()
        newest = observations.smart_of(self._ledger, name).newest
        return newest is None or not timedelta() <= self._clock.now() - newest.read_at < every

    def _all(self) -> tuple[Vital, ...]:
        power = self._supply.read()
        trusted = trusts(self._ledger, self._clock)
        here = (*self._of_the_machine(power), vitals.clock(trusted=trusted))
        starts = self._starts(trusted=trusted)
        found = tuple(map(vitals.card, cards(self._board.block)))
        return (*here, *starts, *found, *self._of_the_disks(trusted=trusted))

    def _of_the_machine(self, power: Power) -> tuple[Vital, ...]:
        return (
            vitals.power(power),
            vitals.temperature(self._board.temperature_celsius(), power),
            vitals.memory(self._board.memory()),
            vitals.system_disk(self._board.system_disk(self._state)),
        )

    def _starts(self, *, trusted: bool) -> tuple[Vital, ...]:
        if not trusted:
            return ()
        starts = observations.starts_of(self._ledger)
        return (vitals.restarts(starts, self._clock.now()),)

    def _of_the_disks(self, *, trusted: bool) -> tuple[Vital, ...]:
        now = self._clock.now() if trusted else None
        found: list[Vital] = []
        for name in self._disks:
            asked = observations.smart_of(self._ledger, name)
            found.append(smart.health(name, asked.newest, asked.told, asked.before, now))
            found.append(room.room(name, observations.room_of(self._ledger, name)))
        return tuple(found)


def with_vitals(known: object, found: Sequence[Vital], more: Collection[Reason] = ()) -> list[str]:
    """Given why somebody should look, add what the vitals say, and more; worst first, each once."""
    why = {str(one) for one in (known if isinstance(known, list) else [])}
    why |= {str(one) for one in (*reasons(found), *more)}
    return [str(reason) for reason in Reason if str(reason) in why]
