"""What is remembered of the machine from day to day: the keys of the ledger's notes for it.

Each is one note that does not grow: of the room on a disk after a Run, of its health once a day,
of a start once, of the last try of a sign-in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from ..core import room
from ..core.ports import Ledger
from ..core.room import MOST_DAYS, Filled
from ..core.smart import Answer, Smart
from .memory import BOX, key

_ROOM = "room"
_SMART = "smart"
_STARTS = "starts"
_SIGN_IN = "sign-in"
_MOST_STARTS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a disk's own health report."""

    newest: Smart | None = None
    told: Smart | None = None
    """The newest answer that told something."""
    before: Smart | None = None
    """The one before that."""


@dataclass(frozen=True, slots=True)
class Probed:
    """How the last try of a source's sign-in went, outside of a backup."""

    at: datetime
    refused: str = ""
    """What the vendor's no was in words; empty where there was none."""
    count: int = 0
    """How often the vendor had let the box in until then: each time after it is news."""


def note_probe(ledger: Ledger, source: str, found: Probed) -> None:
    """Remember how a try went."""
    facts = {"at": found.at.isoformat(), "refused": found.refused, "count": found.count}
    ledger.note(key(_SIGN_IN, source), json.dumps(facts))


def probe_of(ledger: Ledger, source: str) -> Probed | None:
    """Return how the last try went; None where there was none."""
    facts = json.loads(ledger.noted(key(_SIGN_IN, source)) or "null")
    if facts is None:
        return None
    return Probed(datetime.fromisoformat(facts["at"]), facts["refused"], facts["count"])


def record_room(ledger: Ledger, name: str, day: date, used_bytes: int, size_bytes: int) -> None:
    """Remember how full a disk was on a day; call it with a trusted date only.

    What was noted of later days came from a clock that was wrong. Weeks are reckoned from it, so a
    day must be true; how full a disk is now, on any clock, is in `memory.note_room`.
    """
    series = room_of(ledger, name)
    here = Filled(day, used_bytes, size_bytes)
    if here in series:
        return
    kept = [each for each in series if each.day < day][1 - MOST_DAYS :]
    rows = [(each.day.isoformat(), each.used_bytes, each.size_bytes) for each in (*kept, here)]
    ledger.note(key(_ROOM, name), json.dumps(rows))


def room_of(ledger: Ledger, name: str) -> tuple[Filled, ...]:
    """Return how full a disk was, by day."""
    rows = json.loads(ledger.noted(key(_ROOM, name)) or "[]")
    return tuple(Filled(date.fromisoformat(day), used, size) for day, used, size in rows)


def weeks_left(ledger: Ledger, name: str) -> int | None:
    """Return for how many weeks a disk's room lasts; None where that is not known."""
    return room.weeks_left(room_of(ledger, name))


def note_smart(ledger: Ledger, name: str, answer: Smart) -> None:
    """Remember a disk's answer."""
    known = smart_of(ledger, name)
    told = answer if answer.answer is Answer.TOLD else known.told
    before = known.told if answer.answer is Answer.TOLD else known.before
    facts = [_dumped(each) for each in (answer, told, before)]
    ledger.note(key(_SMART, name), json.dumps(facts))


def smart_of(ledger: Ledger, name: str) -> Asked:
    """Return what is known of a disk's health."""
    facts = json.loads(ledger.noted(key(_SMART, name)) or "[null, null, null]")
    newest, told, before = map(_loaded, facts)
    return Asked(told if newest == told else newest, told, before)


def note_start(ledger: Ledger, boot_id: str, started: datetime) -> None:
    """Remember that the box was switched on; the same start is noted once."""
    starts = _starts(ledger)
    if not boot_id or any(known == boot_id for known, _ in starts):
        return
    rows = [*starts, (boot_id, started.isoformat())][-_MOST_STARTS:]
    ledger.note(key(_STARTS, BOX), json.dumps(rows))


def starts_of(ledger: Ledger) -> tuple[datetime, ...]:
    """Return when the box was switched on, oldest first, as far as the time was trusted."""
    return tuple(datetime.fromisoformat(started) for _, started in _starts(ledger))


def forget_disk(ledger: Ledger, name: str) -> None:
    """Another disk has this name now."""
    for kind in (_ROOM, _SMART):
        ledger.note(key(kind, name), "")


def _starts(ledger: Ledger) -> Sequence[tuple[str, str]]:
    rows: list[tuple[str, str]] = json.loads(ledger.noted(key(_STARTS, BOX)) or "[]")
    return rows


def _dumped(smart: Smart | None) -> dict[str, object] | None:
    return None if smart is None else asdict(smart) | {"read_at": smart.read_at.isoformat()}


def _loaded(facts: dict[str, object] | None) -> Smart | None:
    if facts is None:
        return None
    known = {name: value for name, value in facts.items() if name in Smart.__slots__}
    known["read_at"] = datetime.fromisoformat(str(facts["read_at"]))
    known["answer"] = Answer(str(facts["answer"]))
    return Smart(**known)  # type: ignore[arg-type] # as `_dumped` wrote them
