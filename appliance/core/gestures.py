"""What a finger on the button means: decided from presses, releases and the time between them.

A tap asks for a backup; a hold of three to ten seconds lets the disk go; anything else is nothing,
so that no child, cushion or loose wire does either. Times are seconds on a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf

TAP_SECONDS = (0.05, 0.5)
HOLD_SECONDS = (3.0, 10.0)
CONFIRM_SECONDS = (5.0, 10.0)
"""A hold while the box asks something: erasing a disk takes more than letting it go."""
STUCK_SECONDS = 30.0
GRAVE_EVERY_SECONDS = 60.0
"""Letting go and confirming happen at most once in so long."""
SETTLED_SECONDS = 0.05
"""A contact bounces for less: a release counts only after so long without another press."""
_MOST_BOUNCES = 20
"""In one press. A wire that picks up the mains chatters for ever: that is nobody's finger."""
_WINK_EVERY_SECONDS = 0.5
_ROUNDING_SECONDS = 1e-6


class Act(StrEnum):
    """What the panel has to do."""

    WINK = "wink"
    """Somebody pressed: say at once that it was noticed."""
    COUNT = "count"
    """Another full second of a hold."""
    BACK_UP = "back up"
    RELEASE = "release"
    CONFIRM = "confirm"
    FORGET = "forget"
    """The finger is gone and meant nothing, or it has stayed too long to mean anything."""


@dataclass(frozen=True, slots=True)
class GestureWords:
    """A gesture on the label."""

    gesture: str
    meaning: str


GESTURES = (
    GestureWords("tap", "back up now; without a disk it shows again what is wrong"),
    GestureWords(
        "hold 3 to 10 seconds",
        "let the disk go; two long winks of OFFICE COPY, then dark: unplug it",
    ),
    GestureWords("hold 5 to 10 seconds while all lamps ask", "say yes; to say no, wait"),
    GestureWords("anything else", "nothing"),
)


class Gestures:
    """The button as it was so far; each method takes what happened and returns what to do.

    `question` is what the lamps show to be asked at that moment; empty where they ask nothing.
    """

    def __init__(self, now: float, *, is_down: bool) -> None:
        self._pressed: float | None = now if is_down else None
        self._seen_from_release = not is_down
        self._let_go: float | None = None
        self._counted = 0
        self._bounces = 0
        self._question = ""
        self._winked = -inf
        self._grave = -inf

    @property
    def is_down(self) -> bool:
        """Whether the button was last seen pressed."""
        return self._pressed is not None and self._let_go is None

    def is_stuck(self, now: float) -> bool:
        """Whether it has been pressed for so long that something must lean on it."""
        since = self._pressed
        return since is not None and now + _ROUNDING_SECONDS >= since + STUCK_SECONDS

    def matched(self, now: float, *, is_down: bool, question: str = "") -> tuple[Act, ...]:
        """Compare with how the contact is: an edge may have been missed."""
        if is_down is self.is_down:
            return self.elapsed(now, question)
        return self.pressed(now, question) if is_down else self.released(now, question)

    def pressed(self, now: float, question: str = "") -> tuple[Act, ...]:
        """The contact closed."""
        acts = self.elapsed(now, question)
        if self._pressed is not None:
            self._bounces += 1
            self._let_go = None
            return acts
        self._pressed, self._seen_from_release = now, True
        self._counted, self._bounces, self._question = 0, 0, question
        if now < self._winked + _WINK_EVERY_SECONDS:
            return acts
        self._winked = now
        return (*acts, Act.WINK)

    def released(self, now: float, question: str = "") -> tuple[Act, ...]:
        """The contact opened; what that meant is known once it stays open."""
        acts = self.elapsed(now, question)
        if self._pressed is not None and self._let_go is None:
            self._let_go = now
        return acts

    def elapsed(self, now: float, question: str = "") -> tuple[Act, ...]:
        """Time went by."""
        if self._pressed is None:
            return ()
        if self._let_go is None:
            return self._count(now)
        if now < self._let_go + SETTLED_SECONDS:
            return ()
        return self._ended(self._let_go - self._pressed, now, question)

    def due_at(self) -> float:
        """Return when `elapsed` has something to do; infinite where only a finger can bring it."""
        if self._pressed is None:
            return inf
        if self._let_go is not None:
            return self._let_go + SETTLED_SECONDS
        counts = self._seen_from_release and self._counted <= HOLD_SECONDS[1]
        next_count = self._pressed + self._counted + 1 if counts else inf
        stuck = self._pressed + STUCK_SECONDS
        return min(next_count, stuck if self._counted < STUCK_SECONDS else inf)

    def _count(self, now: float) -> tuple[Act, ...]:
        full = int(now - (self._pressed or 0.0) + _ROUNDING_SECONDS)
        is_new = full > self._counted
        self._counted = max(self._counted, full)
        if not is_new or not self._seen_from_release:
            return ()
        return (Act.COUNT,) if full <= HOLD_SECONDS[1] else (Act.FORGET,)

    def _ended(self, held: float, now: float, question: str) -> tuple[Act, ...]:
        act = self._meaning(held, question)
        self._pressed = self._let_go = None
        if act in (Act.RELEASE, Act.CONFIRM):
            if now < self._grave + GRAVE_EVERY_SECONDS:
                return (Act.FORGET,)
            self._grave = now
        return (act,)

    def _meaning(self, held: float, question: str) -> Act:
        asked = self._question or question
        if not self._seen_from_release or self._bounces > _MOST_BOUNCES:
            return Act.FORGET
        if not asked and TAP_SECONDS[0] <= held <= TAP_SECONDS[1]:
            return Act.BACK_UP
        if not asked and HOLD_SECONDS[0] <= held <= HOLD_SECONDS[1]:
            return Act.RELEASE
        # Only the question that stood there all the time is what the finger answers.
        same = self._question == question
        if asked and same and CONFIRM_SECONDS[0] <= held <= CONFIRM_SECONDS[1]:
            return Act.CONFIRM
        return Act.FORGET
