"""The GPIO header as seen from outside: the wires to lamps and button.

Levels are recorded by the kernel's own tracepoint, with its clock, so nothing is missed and
nothing is polled. What we drive ourselves is marked in the same record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_SIM = "/sys/devices/platform/gpio-sim.0"
_TRACE = "/sys/kernel/tracing"
_SET = re.compile(r"\s(\d+\.\d+): gpio_value: (\d+) set ([01])")
_DRIVEN = re.compile(r"\s(\d+\.\d+): tracing_mark_write: drive (\d+) ([01])")
_PULLS = {0: "pull-down", 1: "pull-up"}


@dataclass(frozen=True, slots=True)
class Change:
    """A line got a level, at seconds of the guest's clock that never jumps."""

    at_seconds: float
    bcm: int
    level: int


class Header:
    """The lines of one guest, by BCM number."""

    def __init__(self, sh: Callable[[str], str]) -> None:
        self._sh = sh

    def level(self, bcm: int) -> int:
        """Return the level of a line just now."""
        return int(self._sh(f"cat {_SIM}/gpiochip*/sim_gpio{bcm}/value"))

    def levels(self, *bcm: int) -> tuple[int, ...]:
        """Return the levels of several lines just now."""
        files = " ".join(f"{_SIM}/gpiochip*/sim_gpio{one}/value" for one in bcm)
        return tuple(int(level) for level in self._sh(f"cat {files}").split())

    def drive(self, bcm: int, level: int) -> None:
        """Hold a line at a level from outside. A button is pressed by 0."""
        self._sh(_drive(bcm, level))

    def press(self, bcm: int, hold_seconds: float = 0.2) -> None:
        """Press the button on a line, and let go."""
        self._sh(f"{_drive(bcm, 0)}; sleep {hold_seconds}; {_drive(bcm, 1)}")

    @contextmanager
    def recorded(self) -> Iterator[list[Change]]:
        """Record every level that is set or driven; the list is filled when the block ends."""
        changes: list[Change] = []
        self._sh(
            f"cd {_TRACE}; echo mono >trace_clock; echo 4096 >buffer_size_kb; echo >trace; "
            "echo 1 >events/gpio/gpio_value/enable; echo 1 >tracing_on"
        )
        try:
            yield changes
        finally:
            changes += self._changes()

    def _changes(self) -> list[Change]:
        told = self._sh(f"cd {_TRACE}; echo 0 >events/gpio/gpio_value/enable; cat trace")
        base = int(self._sh(f"cat {_SIM}/gpio/gpiochip*/base"))
        lamps = [Change(float(at), int(n) - base, int(to)) for at, n, to in _SET.findall(told)]
        hands = [Change(float(at), int(n), int(to)) for at, n, to in _DRIVEN.findall(told)]
        return sorted(lamps + hands, key=lambda each: each.at_seconds)


def _drive(bcm: int, level: int) -> str:
    mark = f"echo drive {bcm} {level} >{_TRACE}/trace_marker"
    return f"{mark}; echo {_PULLS[level]} >$(echo {_SIM}/gpiochip*/sim_gpio{bcm}/pull)"
