"""The only home of shapes: each state is a shape and a word, and its colour only repeats that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..core.days import MEANINGS, Went
from ..core.health import State
from ..core.vitals import Condition


@dataclass(frozen=True, slots=True)
class Badge:
    """A shape (a class of the style sheet, which draws it) and the word beside it."""

    shape: str
    word: str


STATES: Mapping[State, Badge] = MappingProxyType(
    {
        State.SAFE: Badge("good", "Safe"),
        State.WORKING: Badge("work", "Working"),
        State.GETTING_OLD: Badge("act", "Getting old"),
        State.LOOK: Badge("alarm", "Please look"),
        State.WAITING: Badge("wait", "Waiting"),
        State.HELD: Badge("ask", "Held for review"),
    }
)
CONDITIONS: Mapping[Condition, Badge] = MappingProxyType(
    {
        Condition.OK: Badge("good", "Well"),
        Condition.LOOK: Badge("alarm", "Please look"),
        Condition.UNKNOWN: Badge("none", "Not known"),
    }
)
DAYS: Mapping[Went, Badge] = MappingProxyType(
    {
        Went.COPIED: Badge("good", MEANINGS[Went.COPIED]),
        Went.UNCHANGED: Badge("same", MEANINGS[Went.UNCHANGED]),
        Went.LATE: Badge("act", MEANINGS[Went.LATE]),
        Went.FAILED: Badge("alarm", MEANINGS[Went.FAILED]),
        Went.HELD: Badge("ask", MEANINGS[Went.HELD]),
        Went.NONE: Badge("none", MEANINGS[Went.NONE]),
        Went.OPEN: Badge("wait", MEANINGS[Went.OPEN]),
    }
)
HERE, AWAY = Badge("good", "Here"), Badge("none", "Away")
AT_WORK, RELEASED = Badge("work", "In use"), Badge("good", "Safe to unplug")
FINISHING = Badge("wait", "Finishing")
TROUBLE = Badge("alarm", "Please look")
FRESH, OLD, NOT_YET = Badge("good", "Fresh"), Badge("act", "Getting old"), Badge("wait", "Not yet")
