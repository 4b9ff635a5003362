"""Which pin carries what: the `[panel]` table as a value, read without the rest of the file.

The panel is a small process beside the worker: it needs these few keys and no more, also while
somebody is in the middle of editing the others. `config.sections.PanelSection` checks the whole
file with what stands here; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from types import MappingProxyType
from typing import Any

from .errors import ConfigError, Problem, did_you_mean

DayPart = tuple[time, time]
_NEEDED = ("button", "led_office", "led_cloud", "led_attention")
_OPTIONAL = ("buzzer",)
_DAY_PARTS = ("quiet", "night")
_HOUR = r"([01]\d|2[0-3]):[0-5]\d"
LAST_PIN = 27

PLACES: Mapping[int, int] = MappingProxyType(
    {
        2: 3,
        3: 5,
        4: 7,
        14: 8,
        15: 10,
        17: 11,
        18: 12,
        27: 13,
        22: 15,
        23: 16,
        24: 18,
        10: 19,
        9: 21,
        25: 22,
        11: 23,
        8: 24,
        7: 26,
        0: 27,
        1: 28,
        5: 29,
        6: 31,
        12: 32,
        13: 33,
        19: 35,
        16: 36,
        26: 37,
        20: 38,
        21: 40,
    }
)
"""Where on the 40-pin header each BCM number comes out."""


@dataclass(frozen=True, slots=True)
class PinMap:
    """Three lamps and a button, by BCM number."""

    button: int
    led_office: int
    led_cloud: int
    led_attention: int
    buzzer: int | None = None
    quiet: DayPart | None = None
    """When the buzzer keeps still."""
    night: DayPart | None = None
    """When OFFICE COPY and CLOUD COPY are dimmed."""

    def pins(self) -> Mapping[str, int]:
        """Return the pins that are used, by their key in the file."""
        found = {key: getattr(self, key) for key in (*_NEEDED, *_OPTIONAL)}
        return {key: pin for key, pin in found.items() if pin is not None}

    def as_table(self) -> dict[str, Any]:
        """Return it as `read` takes it."""
        parts = {key: getattr(self, key) for key in _DAY_PARTS}
        words = {key: f"{part[0]:%H:%M}-{part[1]:%H:%M}" for key, part in parts.items() if part}
        return {**self.pins(), **words}


def read(table: Mapping[str, Any]) -> PinMap:
    """Given the `[panel]` table, return the map; raise ConfigError with every problem."""
    problems = [
        *(_problem(key, table) for key in (*_NEEDED, *_OPTIONAL, *_DAY_PARTS)),
        *(_unknown(key) for key in table if key not in {*_NEEDED, *_OPTIONAL, *_DAY_PARTS}),
        *(Problem("panel", words) for words in used_twice(table)),
    ]
    if found := [problem for problem in problems if problem is not None]:
        raise ConfigError(found)
    values = dict(table)
    values |= {key: day_part(table[key]) for key in _DAY_PARTS if key in table}
    return PinMap(**values)


def day_part(text: object) -> DayPart:
    """Given "22:00-06:30", return both times; raise ValueError otherwise."""
    if not re.fullmatch(f"{_HOUR}-{_HOUR}", str(text)):
        raise ValueError(f'"{text}" is no part of a day; write it like "22:00-06:30"')
    begin, _, end = str(text).partition("-")
    return time.fromisoformat(begin), time.fromisoformat(end)


def used_twice(table: Mapping[str, object]) -> list[str]:
    """Given the `[panel]` table, return a sentence for each pin that is on two keys."""
    taken: dict[int, str] = {}
    found = []
    for key in (*_NEEDED, *_OPTIONAL):
        pin = table.get(key)
        if type(pin) is not int:
            continue  # is another problem, or is left out
        if pin in taken:
            found.append(f"{taken[pin]} and {key} are both on pin {pin}")
        taken.setdefault(pin, key)
    return found


def is_within(part: DayPart | None, moment: time) -> bool:
    """Return whether a time of day lies in a part of the day, which may go over midnight."""
    if part is None:
        return False
    begin, end = part
    return begin <= moment < end if begin <= end else moment >= begin or moment < end


def _problem(key: str, table: Mapping[str, Any]) -> Problem | None:
    if key not in table:
        return Problem(f"panel.{key}", "is missing") if key in _NEEDED else None
    value = table[key]
    if key in _DAY_PARTS:
        return _problem_of_part(key, value)
    good = type(value) is int and 0 <= value <= LAST_PIN
    words = f"{value!r} is not a pin; write a BCM number from 0 to {LAST_PIN}"
    return None if good else Problem(f"panel.{key}", words)


def _problem_of_part(key: str, value: object) -> Problem | None:
    try:
        day_part(value)
    except ValueError as error:
        return Problem(f"panel.{key}", str(error))
    return None


def _unknown(key: str) -> Problem:
    keys = (*_NEEDED, *_OPTIONAL, *_DAY_PARTS)
    return Problem(f"panel.{key}", f"is not a key of the panel{did_you_mean(key, keys)}")
