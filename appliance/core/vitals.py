"""The only home of how the machine itself stands: each vital is a sentence for a shopkeeper.

Judgements of what `hw` reads. Nothing that cannot be read is ever called well. The health of a
disk is judged in `core.smart`, the room that is left in `core.room`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .signals import SIGNS, Reason
from .words import plural, size

HOT_CELSIUS = 80.0
"""From here on a Raspberry Pi slows itself down (its documentation, "Thermal control")."""
_BELIEVABLE_CELSIUS = (-40.0, 150.0)
_LEAST_MEMORY_BYTES = 32 << 20
_LEAST_MEMORY_SHARE = 0.04
_LEAST_ROOM_BYTES = 10**9
_LEAST_ROOM_SHARE = 0.1
_LEAST_FILES_SHARE = 0.02
_MANY_STARTS = 4
PANEL_SILENT_SECONDS = 90.0
"""The panel asks every 15 seconds; its own restart, with the lamp test, takes a few."""
_DAY = timedelta(days=1)
_POWER_TODO = (
    "Use the power supply that belongs to the box, straight in the wall socket, and give large "
    "disks a supply of their own."
)
_CARD_TODO = "Put a new card into the box soon; your backups lie on the disks, not on the card."


class Condition(StrEnum):
    """How a part of the machine is."""

    OK = "ok"
    LOOK = "look"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Vital:
    """What can be said about one part of the machine."""

    name: str
    state: Condition
    sentence: str
    todo: str = ""
    """What a person can do; something unknown has it only where that matters."""
    reason: Reason | None = None
    """Why the lamp PLEASE LOOK is on for it, if it is."""
    is_urgent: bool = False
    """Whether nobody may wait with it for the end of the quiet hours."""


@dataclass(frozen=True, slots=True)
class Power:
    """What the board says of its supply; None where it does not say."""

    low_now: bool | None = None
    low_before: bool | None = None
    """Since it was switched on."""
    slowed_now: bool | None = None
    """Throttled: it works slower than it could, for want of voltage or because of heat."""


@dataclass(frozen=True, slots=True)
class Card:
    """A memory card, or memory soldered to the board."""

    kind: str
    """SD or MMC, as the kernel says."""
    life_used_percent: int | None = None
    """The upper end of the tenth it is in: 10 for a new one, 110 when it is past its life."""
    spare_blocks: int | None = None
    """JEDEC's PRE_EOL_INFO: 1 normal, 2 most of them used, 3 nearly none left."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the machine, in bytes."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class SystemDisk:
    """Where the system and the box's own notes lie."""

    free_bytes: int
    size_bytes: int
    free_files_share: float = 1.0
    errors: int = 0
    """How often the filesystem has found itself damaged."""


def power_of(mask: int) -> Power:
    """Given the bits of `vcgencmd get_throttled`, return what they say.

    Bits 0 and 16: under-voltage now and since boot; 2: throttled now (Raspberry Pi's
    documentation of vcgencmd). Bits 1 and 3 are only the usual ways of keeping cool.
    """
    return Power(bool(mask & 1), bool(mask & 1 << 16), bool(mask & 1 << 2))


def power(found: Power) -> Vital:
    """Given what the board says of its supply, judge it."""
    if found.low_now:
        sentence = "The power supply is too weak: the voltage is too low at this moment."
        todo = f"{_POWER_TODO} Backups wait until the voltage is right."
        return Vital("power", Condition.LOOK, sentence, todo, Reason.POWER)
    if found.low_before:
        sentence = "The voltage was too low at times since the box was switched on."
        return Vital("power", Condition.LOOK, sentence, _POWER_TODO)
    if found.low_now is None:
        sentence = "This machine does not tell whether its power supply is strong enough."
        return Vital("power", Condition.UNKNOWN, sentence)
    return Vital("power", Condition.OK, "The power supply is strong enough.")


def temperature(celsius: float | None, found: Power) -> Vital:
    """Given the processor's temperature and what the board says, judge how warm it is."""
    too_hot = bool(found.slowed_now) and not found.low_now
    believable = celsius is not None and _in(celsius, _BELIEVABLE_CELSIUS)
    how = f"{celsius:.0f} °C" if believable else "unknown"
    if too_hot or (believable and celsius is not None and celsius >= HOT_CELSIUS):
        sentence = f"The box is too hot ({how}) and has to work slower."
        todo = "Give it air: nothing on top, no sun, no heater; if it has a fan, it must turn."
        return Vital("temperature", Condition.LOOK, sentence, todo, Reason.FAULT)
    if not believable:
        sentence = "This machine does not tell its temperature."
        return Vital("temperature", Condition.UNKNOWN, sentence)
    return Vital("temperature", Condition.OK, f"The box is not too warm ({how}).")


def clock(*, trusted: bool) -> Vital:
    """Given whether today's date is believed, say so."""
    if trusted:
        return Vital("clock", Condition.OK, "The clock is right.")
    return Vital(
        "clock",
        Condition.LOOK,
        "The clock is not set: backups go on, but nothing old is let go.",
        "Connect the box to the internet so that it can set its clock.",
        Reason.CLOCK,
    )


def memory(found: Memory | None) -> Vital:
    """Given how much memory there is and is available, judge it."""
    if found is None or found.total_bytes <= 0:
        return Vital("memory", Condition.UNKNOWN, "This machine does not tell its memory.")
    least = max(_LEAST_MEMORY_BYTES, round(found.total_bytes * _LEAST_MEMORY_SHARE))
    left = f"{size(found.available_bytes)} of {size(found.total_bytes)}"
    if found.available_bytes < least:
        sentence = f"The box hardly has any memory left ({left})."
        todo = "Switch it off and on. If that does not last, the exports are too large for it."
        return Vital("memory", Condition.LOOK, sentence, todo)
    return Vital("memory", Condition.OK, f"There is enough memory ({left} free).")


def system_disk(found: SystemDisk | None) -> Vital:
    """Given the room and the state of the disk that the system runs from, judge it."""
    name = "system disk"
    if found is None or found.size_bytes <= 0:
        return Vital(name, Condition.UNKNOWN, "The system's own disk cannot be looked at.")
    if found.errors > 0:
        sentence = f"The system's own disk had {plural(found.errors, 'error')}."
        return Vital(name, Condition.LOOK, sentence, _CARD_TODO, Reason.FAULT)
    share = found.free_bytes / found.size_bytes
    full = found.free_bytes < _LEAST_ROOM_BYTES and share < _LEAST_ROOM_SHARE
    left = f"{size(max(found.free_bytes, 0))} of {size(found.size_bytes)}"
    if full or found.free_files_share < _LEAST_FILES_SHARE:
        sentence = f"The system's own disk is nearly full ({left} left)."
        todo = "Remove what is not the box's own from it, or use a larger card."
        return Vital(name, Condition.LOOK, sentence, todo, Reason.FULL)
    return Vital(name, Condition.OK, f"The system's own disk has room ({left} left).")


def card(found: Card) -> Vital:
    """Given what a memory card tells of itself, judge how worn it is."""
    used, spare = found.life_used_percent, found.spare_blocks
    if (spare or 0) >= 3 or (used or 0) > 100:
        return Vital(
            "card", Condition.LOOK, "The memory card is worn out.", _CARD_TODO, Reason.FAULT
        )
    if spare == 2 or (used or 0) > 90:
        sentence = "The memory card is nearly worn out."
        return Vital("card", Condition.LOOK, sentence, _CARD_TODO)
    if not used and not spare:
        sentence = "The memory card does not say how worn it is."
        return Vital("card", Condition.UNKNOWN, sentence)
    how = f"{used - 10} to {used} % of its life used" if used else "spare room is left"
    return Vital("card", Condition.OK, f"The memory card is well ({how}).")


def panel(said: Mapping[str, Any] | None, silent_seconds: float) -> Vital:
    """Given what the panel last said of itself (`why_not` it does not work, whether its button is
    `stuck`; None: nothing yet) and how long ago, judge it. The lamps show their own troubles.
    """
    if silent_seconds > PANEL_SILENT_SECONDS:
        sentence = "The lamps and the button of the box do not answer: do not believe them."
        return Vital("panel", Condition.LOOK, sentence, "Switch the box off and on.")
    if said is None:
        return Vital("panel", Condition.UNKNOWN, "The lamps have not answered yet.")
    if said.get("why_not"):
        sentence = f"The lamps and the button of the box do not work: {said['why_not']}"
        todo = "`sudo appliance doctor` on the box says more."
        return Vital("panel", Condition.LOOK, sentence, todo)
    if said.get("stuck") is True:
        sign = SIGNS[Reason.BUTTON]
        return Vital("panel", Condition.LOOK, "The button of the box is stuck.", sign.todo)
    return Vital("panel", Condition.OK, "The lamps and the button of the box work.")


def trail(fault: str | None) -> Vital:
    """Given what does not fit in the record of what people did (None: not looked at yet), judge."""
    if fault is None:
        return Vital("trail", Condition.UNKNOWN, "The record of what people did is not proved yet.")
    if fault:
        todo = "Somebody got at the box's own files. Change its password, and ask who that was."
        return Vital("trail", Condition.LOOK, fault, todo)
    return Vital("trail", Condition.OK, "The record of what people did is whole.")


def restarts(starts: Sequence[datetime], now: datetime) -> Vital:
    """Given when the box was switched on, judge whether it does so too often."""
    lately = sum(timedelta() <= now - start < _DAY for start in starts)
    if lately < _MANY_STARTS:
        return Vital("restarts", Condition.OK, "The box runs without being interrupted.")
    sentence = f"The box was switched on {lately} times since yesterday."
    todo = "If nobody did that, look whether the plug sits tight and the supply is strong enough."
    return Vital("restarts", Condition.LOOK, sentence, todo, Reason.POWER)


def as_json(vital: Vital) -> dict[str, str]:
    """Return a vital as plain JSON values, for `status`."""
    facts = {"name": vital.name, "state": str(vital.state), "sentence": vital.sentence}
    facts |= {"todo": vital.todo, "reason": str(vital.reason or "")}
    return facts | ({"urgent": "yes"} if vital.is_urgent else {})


def from_json(said: Mapping[str, Any]) -> Vital:
    """Given what `as_json` made, return the vital."""
    reason = Reason(said["reason"]) if said.get("reason") else None
    state = Condition(said["state"])
    urgent = said.get("urgent") == "yes"
    return Vital(said["name"], state, said["sentence"], said["todo"], reason, urgent)


def lines(vitals: Iterable[Vital], *, everything: bool = False) -> list[str]:
    """Return what deserves to be shown: what is not well or matters though it is unknown; or all
    of it.
    """
    shown: list[str] = []
    for vital in vitals:
        matters = vital.state is Condition.LOOK or bool(vital.todo)
        if matters or everything:
            shown.append(f"{vital.sentence} {vital.todo}".strip())
    return shown


def reasons(vitals: Iterable[Vital]) -> tuple[Reason, ...]:
    """Return for what the lamp PLEASE LOOK stands because of these, each once."""
    looked = [each.reason for each in vitals if each.state is Condition.LOOK and each.reason]
    return tuple(dict.fromkeys(looked))


def _in(value: float, span: tuple[float, float]) -> bool:
    return span[0] <= value <= span[1]
