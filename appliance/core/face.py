"""The panel's face: which lamps are lit at a moment, and when that changes next.

Patterns go on for ever; feedback to the person at the button lies over them for a second or two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from .drawing import Drawing
from .signals import ASKING, OFF, STEADY, WINK_SECONDS, Feedback, Lamp, Pattern, Segment


@dataclass(frozen=True, slots=True)
class Look:
    """The face at one moment."""

    lit: Mapping[Lamp, bool]
    sounds: bool
    changes_at: float
    """When something changes, on the clock that was handed in; infinite where nothing does."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A lamp that went on or off, and when."""

    at: float
    lamp: Lamp
    lit: bool


@dataclass(frozen=True, slots=True)
class _Track:
    """Segments that are played once."""

    segments: Sequence[Segment]
    begun: float

    def at(self, now: float) -> tuple[bool, float] | None:
        """Return what is played and when that ends; None where it is over."""
        end = self.begun
        for segment in self.segments:
            end += segment.seconds
            if now < end:
                return segment.lit, end
        return None


_SHORTEST_SECONDS = 0.01
"""No lamp changes faster: an edge that is nearer is now."""
_SILENCE = _Track((), 0.0)
_TOGETHER = (STEADY, ASKING)
"""Lamps that show the same of these beat together, whenever each began: the panel wakes up once for
all hearts, and a question is known by it."""


class Face:
    """Draws patterns and feedback over time; knows nothing of pins."""

    def __init__(self) -> None:
        self._patterns: dict[Lamp, tuple[Pattern, float]] = dict.fromkeys(Lamp, (OFF, 0.0))
        self._feedback: dict[Lamp, _Track] = {}
        self._winked = -inf
        self._sound = _SILENCE

    def draw(self, drawing: Drawing, now: float) -> None:
        """Have each lamp show its pattern from now on; one that it shows already goes on."""
        for lamp, pattern in drawing.items():
            if self._patterns[lamp][0] != pattern:
                self._patterns[lamp] = (pattern, 0.0 if pattern in _TOGETHER else now)

    def play(self, feedback: Feedback, now: float) -> None:
        """Lay feedback over the patterns, in place of what was laid there before."""
        self._feedback = {lamp: _Track(track, now) for lamp, track in feedback.tracks.items()}

    def calm(self) -> None:
        """Take all feedback away."""
        self._feedback = {}

    def wink(self, now: float) -> None:
        """Turn every lamp the other way round, for a moment."""
        self._winked = now

    def sound(self, segments: Sequence[Segment], now: float) -> None:
        """Have the buzzer play something once."""
        self._sound = _Track(segments, now)

    def at(self, now: float) -> Look:
        """Return the face at `now`."""
        lamps = {lamp: self._lamp(lamp, now) for lamp in Lamp}
        edges = [changes for _, changes in lamps.values()]
        winks, sound = now < self._winked + WINK_SECONDS, self._sound.at(now)
        if winks:
            edges.append(self._winked + WINK_SECONDS)
        if sound:
            edges.append(sound[1])
        lit = {lamp: is_lit is not winks for lamp, (is_lit, _) in lamps.items()}
        return Look(lit, sound is not None and sound[0], min(edges))

    def edges(self, since: float, until: float) -> tuple[Edge, ...]:
        """Return how each lamp was at `since`, then whatever changed until `until`, in order."""
        look, at = self.at(since), since
        found = [Edge(since, lamp, lit) for lamp, lit in look.lit.items()]
        while (at := max(look.changes_at, at + _SHORTEST_SECONDS)) <= until:
            after = self.at(at)
            changed = after.lit.items() - look.lit.items()
            found += [Edge(at, lamp, lit) for lamp, lit in changed]
            look = after
        return tuple(found)

    def _lamp(self, lamp: Lamp, now: float) -> tuple[bool, float]:
        if (laid := self._feedback.get(lamp)) and (found := laid.at(now)):
            return found
        pattern, begun = self._patterns[lamp]
        is_lit, seconds = pattern.at(now - begun)
        return is_lit, inf if seconds is None else now + seconds
