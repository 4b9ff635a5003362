"""What the lamps did, read off a record of their wires."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tests.vm.header import Change

Spans = list[tuple[int, float]]
"""A level and for how long it stayed, in order; the first and the last are cut off."""


def spans(changes: Sequence[Change], bcm: int) -> Spans:
    """Return how long a line stayed at each of its levels."""
    own: list[Change] = []
    for change in changes:
        if change.bcm == bcm and (not own or own[-1].level != change.level):
            own.append(change)
    return [(one.level, after.at_seconds - one.at_seconds) for one, after in pairwise(own)]


def flashes(changes: Sequence[Change], bcm: int, pause_seconds: float = 1.2) -> list[int]:
    """Return how many flashes stood between each two pauses."""
    counts: list[int] = []
    for level, seconds in spans(changes, bcm):
        if not level and seconds > pause_seconds:
            counts.append(0)
        elif level and counts:
            counts[-1] += 1
    return counts[:-1]


def shows(found: Spans, wanted: Sequence[tuple[int, float]], slack_seconds: float = 0.25) -> bool:
    """Return whether levels of these lengths follow each other anywhere in what was found."""
    return any(
        all(
            level == expected and abs(seconds - length) <= slack_seconds
            for (level, seconds), (expected, length) in zip(found[start:], wanted, strict=False)
        )
        for start in range(len(found) - len(wanted) + 1)
    )
