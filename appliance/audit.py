"""The trail of what people did on the page, by command and at the button (E18).

Part of the rim. Whatever is said here is bounded in length and in number: whoever rattles at the
door must not fill the record.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from .core import vitals
from .core.activity_words import ACT
from .core.audit import BEGINNING, HEAD, Act, first_fault
from .core.errors import ApplianceError
from .core.model import Outcome, Trigger
from .core.ports import Clock, Ledger
from .core.vitals import Vital

PROVE_EVERY = timedelta(days=1)
HOUR = timedelta(hours=1)
MOST_IN_AN_HOUR = {True: 300, False: 30}
"""Acts that are written down one by one: those that went well, and those that did not (E3 lets 30
passwords an hour be tried). Neither kind takes the other's room."""
_LONGEST_WORDS = 500
_WHAT = re.compile(r"[a-z][a-z-]{0,29}")
_UNKNOWN = "something-else"
_ONLY_COUNTED = "So many of these came that for an hour they are only counted."
_log = logging.getLogger("appliance")


@dataclass(slots=True)
class _Hour:
    """What was said since `began`, by the monotonic clock."""

    began: float
    said: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    """What was said too often to be written down."""


class Audit:
    """Writes acts down, and proves once a day that none was changed or taken away."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._hours = {went_well: _Hour(clock.monotonic()) for went_well in MOST_IN_AN_HOUR}
        self._one_at_a_time = Lock()
        self._proved_at: float | None = None
        self.fault: str | None = None
        """What the last proof found, empty where all was whole; None before the first one."""

    def note(
        self, what: str, words: str, went_well: bool = True, trigger: Trigger = Trigger.PAGE
    ) -> None:
        """Write down what a person did: `what` is one word, `words` a sentence."""
        what = what if _WHAT.fullmatch(what) else _UNKNOWN
        with self._one_at_a_time:
            self._close(went_well)
            hour, most = self._hours[went_well], MOST_IN_AN_HOUR[went_well]
            hour.said += 1
            if hour.said > most:
                hour.counted[what] += 1
            if hour.said <= most + 1:
                said = words if hour.said <= most else _ONLY_COUNTED
                write(self._ledger, self._clock, what, said, went_well, trigger)

    def look(self) -> None:
        """Say how many were only counted, once their hour is over; prove the trail once a day.

        Nothing is raised: the worker goes on.
        """
        now, every = self._clock.monotonic(), PROVE_EVERY.total_seconds()
        try:
            with self._one_at_a_time:
                for went_well in self._hours:
                    self._close(went_well)
            if self._proved_at is None or now - self._proved_at >= every:
                self.prove()
        except ApplianceError as error:
            _log.warning("audit=not-looked-at %s", error.message)

    def prove(self) -> str:
        """Return a sentence about what was changed in the trail, empty where it is whole."""
        self._proved_at = self._clock.monotonic()
        self.fault = fault_in(self._ledger)
        if self.fault:
            _log.error("audit=broken %s", self.fault)
        return self.fault

    def vital(self) -> Vital:
        """Return how the trail stood at the last proof."""
        return vitals.trail(self.fault)

    def _close(self, went_well: bool) -> None:
        """Begin the next hour where one is over, and say what that one only counted."""
        hour, now = self._hours[went_well], self._clock.monotonic()
        if now - hour.began < HOUR.total_seconds():
            return
        self._hours[went_well] = _Hour(now)
        for what, count in sorted(hour.counted.items()):
            said = f"{count:,} more came that were only counted."
            write(self._ledger, self._clock, what, said, went_well, Trigger.PAGE)


def write(  # noqa: PLR0917 - what an act is
    ledger: Ledger, clock: Clock, what: str, words: str, went_well: bool, trigger: Trigger
) -> None:
    """Write one act down; its hash goes to the system's log too, which the worker cannot change."""
    outcome = Outcome.OK if went_well else Outcome.WARNING
    act = ledger.add_act(f"{ACT[trigger]}{what}", trigger, clock.now(), outcome, _clean(words))
    _log.info("audit=%d what=%s sha256=%s", act.run.id, what, act.sha256)


def fault_in(ledger: Ledger) -> str:
    """Prove the whole trail: return a sentence about what does not fit, empty where all does.

    Acts may be added meanwhile: then it is looked at once more.
    """
    while True:
        head = ledger.noted(HEAD) or BEGINNING
        fault = first_fault(_acts(ledger), head)
        if not fault or (ledger.noted(HEAD) or BEGINNING) == head:
            return fault


def _acts(ledger: Ledger) -> Iterator[Act]:
    after = 0
    while acts := ledger.acts(after):
        yield from acts
        after = acts[-1].run.id


def _clean(words: str) -> str:
    """One line of bounded length: no control characters, nothing that turns the writing round."""
    line = "".join(" " if unicodedata.category(each) in {"Cc", "Cf"} else each for each in words)
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[:_LONGEST_WORDS]}…"
