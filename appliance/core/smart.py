"""The only home of what a disk's own health report (SMART) means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .signals import Reason
from .vitals import Condition, Vital
from .words import age, plural

HOT_CELSIUS = 60
"""Makers allow 60 °C for disks, some solid-state ones 70."""
_NVME_HOT_CELSIUS = 75
_MANY_REPLACED = 50
"""So many spots may have been replaced long ago; with more of them a disk is near its end."""
_WORN_PERCENT = 90
_REPLACE_TODO = (
    "Pair a new disk and use it instead of this one. What is on it is still good: keep it until "
    "the new one has caught up."
)
_SILENT_TODO = (
    "Nothing to do: every backup on it is read back and compared. Another USB case may pass the "
    "disk's own report on."
)


class Answer(StrEnum):
    """What came of asking."""

    TOLD = "told"
    ASLEEP = "asleep"
    SILENT = "silent"
    """Not available: no such report, no way through the USB case, no permission, nonsense."""


@dataclass(frozen=True, slots=True)
class Smart:
    """A disk's answer to the question how it is; None where it says nothing about it."""

    read_at: datetime
    answer: Answer
    passed: bool | None = None
    """Its own verdict over itself."""
    below_threshold: bool = False
    """One of its values says that it will fail, whatever its verdict."""
    test_failed: bool = False
    """Its last test of itself found something."""
    reallocated: int | None = None
    pending: int | None = None
    uncorrectable: int | None = None
    used_percent: int | None = None
    """Of the life of a solid-state disk; may exceed 100."""
    spare_is_low: bool = False
    read_only: bool = False
    temperature_celsius: int | None = None
    is_nvme: bool = False
    why: str = ""
    """For the log: why it is silent."""


def health(
    name: str,
    newest: Smart | None,
    told: Smart | None,
    before: Smart | None,
    now: datetime | None,
) -> Vital:
    """Given a disk's newest answer, the newest one that told something and the one before that,
    judge the disk. `now` is None while the clock is in doubt.
    """
    title = f"{name}: health"
    if newest is None:
        return Vital(title, Condition.UNKNOWN, f"{name} was not asked for its health yet.")
    trouble = _trouble(told, before) if told is not None else ""
    if newest.answer is Answer.SILENT and not trouble:
        sentence = f"{name} does not tell how it is."
        return Vital(title, Condition.UNKNOWN, sentence, _SILENT_TODO)
    if told is None:
        return Vital(title, Condition.UNKNOWN, f"{name} sleeps and could not be asked yet.")
    when = _when(newest, told, now)
    if trouble:
        return Vital(title, Condition.LOOK, f"{name} {trouble}{when}.", _REPLACE_TODO, Reason.DISK)
    if _is_hot(told) and newest is told:
        sentence = f"{name} is too hot ({told.temperature_celsius} °C)."
        return Vital(title, Condition.LOOK, sentence, "Give it air, and no sun and no heater.")
    return Vital(title, Condition.OK, f"{name} says that it is well{when}{_remark(told)}.")


def _when(newest: Smart, told: Smart, now: datetime | None) -> str:
    if newest is told:
        return ""
    if now is None or now < told.read_at:
        return " (when it was asked last)"
    why = "it does not answer now" if newest.answer is Answer.SILENT else "it sleeps"
    return f" (asked {age(now - told.read_at)}; {why})"


def _trouble(told: Smart, before: Smart | None) -> str:
    """Return what is wrong, worst first, as the rest of a sentence; empty where nothing is."""
    if told.passed is False or told.below_threshold:
        return "says that it will fail soon"
    if told.read_only or told.spare_is_low or (told.used_percent or 0) >= _WORN_PERCENT:
        return f"is worn out{_percent(told)}"
    if told.pending or told.uncorrectable:
        spots = max(told.pending or 0, told.uncorrectable or 0)
        return f"has {plural(spots, 'spot')} that it cannot read"
    replaced = told.reallocated or 0
    if replaced >= _MANY_REPLACED:
        return f"had to replace {plural(replaced, 'bad spot')}"
    if before is not None and replaced > (before.reallocated or 0):
        return f"has new bad spots ({replaced} by now)"
    return "failed its own test" if told.test_failed else ""


def _percent(told: Smart) -> str:
    return f" ({told.used_percent} % of its life used)" if told.used_percent else ""


def _is_hot(told: Smart) -> bool:
    limit = _NVME_HOT_CELSIUS if told.is_nvme else HOT_CELSIUS
    return told.temperature_celsius is not None and told.temperature_celsius >= limit


def _remark(told: Smart) -> str:
    if told.reallocated:
        return f"; {plural(told.reallocated, 'spot')} replaced long ago"
    return ""
