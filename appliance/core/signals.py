"""The only home of what lamps can say: which lamps, which rhythms, what each means and what to do.

One table as data. Lamps, page, messages and the printed label are all made from it, so that they
cannot say different things. A lamp is known by its place, its rhythm and its label; its colour only
repeats that, for nobody must need to see colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

FLASHES_A_SECOND = 2
"""No lamp flashes more often: more is unpleasant, and from three on dangerous to some people."""


class Lamp(StrEnum):
    """The three lamps, from left to right."""

    OFFICE = "office"
    CLOUD = "cloud"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class Lettering:
    """What stands beside a lamp, and where that is."""

    label: str
    place: str
    colour: str


LAMPS: Mapping[Lamp, Lettering] = MappingProxyType(
    {
        Lamp.OFFICE: Lettering("OFFICE COPY", "left", "white"),
        Lamp.CLOUD: Lettering("CLOUD COPY", "middle", "blue"),
        Lamp.ATTENTION: Lettering("PLEASE LOOK", "right", "amber"),
    }
)
"""No red beside green: one man in twelve could not tell them apart."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rhythm: lit or dark for so long."""

    lit: bool
    seconds: float


_SHORTEST_SECONDS = 0.001
"""An edge that is nearer than that is now: nobody waits for a rounding error."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rhythm that repeats for ever."""

    words: str
    segments: tuple[Segment, ...]

    @property
    def period_seconds(self) -> float:
        """The length of one round."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def flashes(self) -> int:
        """How often it lights up in one round."""
        return sum(segment.lit for segment in self.segments)

    def at(self, elapsed_seconds: float) -> tuple[bool, float | None]:
        """Given the time since it began, return whether it is lit and the seconds until that
        changes; None where it never does.
        """
        if len(self.segments) == 1:
            return self.segments[0].lit, None
        left = max(elapsed_seconds, 0.0) % self.period_seconds
        for segment in self.segments:
            if left < segment.seconds - _SHORTEST_SECONDS:
                return segment.lit, segment.seconds - left
            left = max(left - segment.seconds, 0.0)
        return self.segments[0].lit, self.segments[0].seconds


def _flashing(count: int, lit: float, dark: float, pause: float = 0.0) -> tuple[Segment, ...]:
    each = (Segment(True, lit), Segment(False, dark))
    return (*(each * count)[:-1], Segment(False, dark + pause))


OFF = Pattern("off", (Segment(False, 1.0),))
STEADY = Pattern("steady", (Segment(True, 9.95), Segment(False, 0.05)))
"""The heartbeat: it drops out for a moment every ten seconds, so that a frozen box is seen."""
SLOW = Pattern("slow blinking", _flashing(1, 1.0, 1.0))
FAST = Pattern("fast blinking", _flashing(1, 0.25, 0.25))
ASKING = Pattern("long and short in turn", (*_flashing(1, 1.5, 0.5), *_flashing(1, 0.5, 0.5)))
"""What no lamp shows for anything else, and all of them together: a question is open."""


def counted(flashes: int) -> Pattern:
    """Return the rhythm of so many flashes and a pause that marks the beginning."""
    words = "1 flash" if flashes == 1 else f"{flashes} flashes"
    return Pattern(words, _flashing(flashes, 0.25, 0.35, 1.9))


class Reason(StrEnum):
    """Why somebody should look; worst first, and only the worst is shown."""

    DAMAGED = "damaged"
    SILENT = "silent"
    DISK = "disk"
    EXPORT = "export"
    SIGN_IN = "sign-in"
    HELD = "held"
    CLOUD = "cloud"
    FULL = "full"
    CLOCK = "clock"
    POWER = "power"
    FAULT = "fault"
    BUTTON = "button"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Sign:
    """How PLEASE LOOK shows a reason, and what it is in words."""

    pattern: Pattern
    words: str
    """On the label, beside the rhythm: reasons that share one are told apart by the page."""
    todo: str


def _sign(code: int, words: str, todo: str) -> Sign:
    return Sign(counted(code), words, todo)


SIGNS: Mapping[Reason, Sign] = MappingProxyType(
    {
        Reason.DAMAGED: Sign(
            FAST,
            "a copy is damaged: act now",
            "Leave the disk as it is and ask for help; the other copy is the one to use.",
        ),
        Reason.DISK: _sign(
            1, "disk missing or wrong", "Plug in the backup disk, or the right one."
        ),
        Reason.EXPORT: _sign(
            2, "no new export came", "Look in the CRM whether it still makes its export."
        ),
        Reason.SIGN_IN: _sign(
            2,
            "sign in at the vendor again",
            "Sign in at the vendor again: Settings on the page lead there.",
        ),
        Reason.HELD: _sign(3, "an export looks wrong", "Look at it, then accept or reject it."),
        Reason.CLOUD: _sign(
            4, "cloud copy refused or late", "Check the internet and sign in to the cloud again."
        ),
        Reason.FULL: _sign(5, "disk nearly full", "Use a larger disk, or make room."),
        Reason.CLOCK: _sign(
            6, "clock not set", "Connect the box to the internet so that it can set its clock."
        ),
        Reason.POWER: _sign(
            6, "power too weak", "Use the power supply that came with the box, without a hub."
        ),
        Reason.SILENT: _sign(
            7,
            "the box does not answer",
            "Switch the box off and on. If that does not help, ask whoever set it up.",
        ),
        Reason.FAULT: _sign(
            7, "something failed inside", "Look at the page, or ask whoever set up the box."
        ),
        Reason.BUTTON: _sign(
            7, "the button is stuck", "Take away what leans on the button, or free it."
        ),
        Reason.OLD: Sign(
            SLOW,
            "a copy is getting old",
            "Nothing yet: it is tried again by itself. Look again tomorrow.",
        ),
    }
)

COPY_MEANINGS: Mapping[Lamp, Mapping[Pattern, str]] = MappingProxyType(
    {
        Lamp.OFFICE: MappingProxyType(
            {
                OFF: "no fresh copy here, or the disk may be unplugged",
                STEADY: "a proved copy is fresh",
                SLOW: "working: leave the disk plugged in",
            }
        ),
        Lamp.CLOUD: MappingProxyType(
            {
                OFF: "no fresh copy in the cloud, or no cloud set up",
                STEADY: "a proved copy is fresh",
                SLOW: "sending",
            }
        ),
    }
)
"""Steady is only ever drawn for a copy that was read back and compared, and is new enough."""
TOGETHER_MEANINGS: Mapping[Pattern, str] = MappingProxyType(
    {ASKING: "the box asks: hold the button for five seconds to say yes; wait to say no"}
)
"""What all three lamps together mean."""
ABOVE_A_QUESTION = frozenset({Reason.DAMAGED, Reason.SILENT})
"""What PLEASE LOOK goes on showing while the other two ask: it is worse than to be asked."""
NOTHING_TO_DO = "nothing to do"
"""What PLEASE LOOK means while it is off."""


def legend(lamp: Lamp) -> Mapping[Pattern, tuple[str, ...]]:
    """Return every rhythm that a lamp has for itself with what it may mean, calm ones first."""
    if lamp is not Lamp.ATTENTION:
        return {pattern: (words,) for pattern, words in COPY_MEANINGS[lamp].items()}
    found: dict[Pattern, tuple[str, ...]] = {OFF: (NOTHING_TO_DO,)}
    for sign in sorted(SIGNS.values(), key=lambda sign: _calmness(sign.pattern)):
        found[sign.pattern] = (*found.get(sign.pattern, ()), sign.words)
    return found


def _calmness(pattern: Pattern) -> int:
    return {SLOW: 0, FAST: 99}.get(pattern, pattern.flashes)


@dataclass(frozen=True, slots=True)
class Feedback:
    """A short answer to somebody at the button, drawn over what the lamps show; a lamp that is not
    named goes on as before.
    """

    tracks: Mapping[Lamp, tuple[Segment, ...]]

    @property
    def seconds(self) -> float:
        """Until the last lamp shows its own rhythm again."""
        return max(sum(each.seconds for each in track) for track in self.tracks.values())


WINK_SECONDS = 0.15
"""How long every lamp is the other way round, at once, when the button is pressed."""
_DARK = (Segment(False, 1.1),)
_TICK = (Segment(False, 0.1), Segment(True, 0.2), *_DARK)
COUNT = Feedback({**dict.fromkeys(Lamp, _DARK), Lamp.OFFICE: _TICK})
"""One more second of holding: every lamp is dark, and OFFICE COPY flashes."""
RELEASED = Feedback({Lamp.OFFICE: (Segment(False, 0.5), *_flashing(2, 0.9, 0.5))})
"""Safe to unplug: OFFICE COPY gives two long winks and goes out."""
CONFIRMED = Feedback(dict.fromkeys(Lamp, (Segment(False, 0.3), *_flashing(1, 1.0, 0.3))))
"""A person at the box confirmed what the page asked."""
LAMP_TEST = Feedback(dict.fromkeys(Lamp, (Segment(True, 1.0), Segment(False, 0.5))))
"""At the start: whoever sees fewer than three lamps knows that one is broken."""
_REPLAY_SECONDS = 3.0


def replayed(reason: Reason) -> Feedback:
    """Return a reason's rhythm once, from its beginning, after a moment of darkness."""
    pattern = SIGNS[reason].pattern
    rounds = max(1, round(_REPLAY_SECONDS / pattern.period_seconds))
    return Feedback({Lamp.ATTENTION: (Segment(False, 0.8), *(pattern.segments * rounds))})


BEEPS: Mapping[str, tuple[Segment, ...]] = MappingProxyType(
    {"look": _flashing(3, 0.15, 0.35), "released": _flashing(2, 0.9, 0.5)}
)
"""What the buzzer says: somebody should look; the disk may be unplugged."""
