"""What the lamps show for a status, and when it is not to be believed.

The worker says how things stand; the panel watches the worker. A copy is drawn as fresh only while
fresh news arrives that is consistent in itself: a worker that is dead, frozen or lying darkens both
copies and lights PLEASE LOOK. Whatever is missing from a status speaks against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .model import StepName
from .signals import ABOVE_A_QUESTION, ASKING, OFF, SIGNS, SLOW, STEADY, Lamp, Pattern, Reason

Status = Mapping[str, Any]
"""See `core.ports.Appliance.status`; of what is in it nothing is taken for granted."""
Drawing = Mapping[Lamp, Pattern]

BELIEVED_SECONDS = 55.0
"""So long old news stands for the present: a dead worker is seen within a minute."""
_UPLOADS = "mirror:"
_CLOUD_STATES = ("unset", "none", "fresh", "old")
_OFFICE_STATES = _CLOUD_STATES[1:]


def drawn(status: Status | None, now: datetime, also: tuple[Reason, ...] = ()) -> Drawing:
    """Given the last believed status (None: there is none), return what each lamp shows.

    `also` holds reasons that only the panel itself can see.
    """
    found = why(status, now, also)
    attention = SIGNS[found[0]].pattern if found else OFF
    if status is None or not is_consistent(status, now):
        return {Lamp.OFFICE: OFF, Lamp.CLOUD: OFF, Lamp.ATTENTION: attention}
    if question(status, now):
        keeps = found[:1] and found[0] in ABOVE_A_QUESTION
        return dict.fromkeys(Lamp, ASKING) | ({Lamp.ATTENTION: attention} if keeps else {})
    return {Lamp.OFFICE: _office(status), Lamp.CLOUD: _cloud(status), Lamp.ATTENTION: attention}


def why(status: Status | None, now: datetime, also: tuple[Reason, ...] = ()) -> tuple[Reason, ...]:
    """Return why somebody should look, worst first."""
    told = {Reason.SILENT}
    if status is not None and is_consistent(status, now):
        told = _told(status) or _implied(status)
    return tuple(reason for reason in Reason if reason in told or reason in also)


def is_consistent(status: Status, now: datetime) -> bool:
    """Return whether a status can be true at `now`: the worker moves, *safe* has not run out."""
    return _is_alive(status, BELIEVED_SECONDS) and _still_holds(status, now)


def is_released(status: Status | None) -> bool:
    """Return whether a person let the disks go and each may be unplugged: at rest, unused."""
    return status is not None and status.get("ejected") is True and _all_at_rest(status)


def can_back_up(status: Status | None) -> bool:
    """Return whether a backup would find a place: a disk that is here, or one that is no disk."""
    if status is None:
        return False
    disks = _dicts(status.get("disks"))
    if any(disk.get("present") is True for disk in disks):
        return True  # also one that was let go: who taps now wants it used again
    no_places = {str(disk.get("name")) for disk in disks} | set(_mapping(status.get("mirrors")))
    return any(set(_mapping(each.get("places"))) - no_places for each in _sources(status))


def sources(status: Status | None) -> tuple[str, ...]:
    """Return the names of all that can be backed up."""
    found = _sources(status) if status is not None else []
    return tuple(each["source"] for each in found if isinstance(each.get("source"), str))


def question(status: Status | None, now: datetime) -> str:
    """Return what a held button would confirm; empty where nothing is asked, or not believed."""
    if status is None or not is_consistent(status, now):
        return ""
    asked = _mapping(status.get("pairing")).get("question")
    return asked if isinstance(asked, str) else ""


class Belief:
    """The last news from the worker, and since when they have been moving."""

    def __init__(self, since: float) -> None:
        self._status: Status | None = None
        self._moved = since
        """When, on the monotonic clock, `as_of` last went forward. The start counts as news: at
        boot the worker needs its time."""

    def heard(self, status: Status, at: float) -> None:
        """Take news in; what repeats an old time, or goes back in time, is none."""
        before = _time(self._status.get("as_of")) if self._status is not None else None
        told = _time(status.get("as_of"))
        self._status = status
        if told is not None and (before is None or told > before):
            self._moved = at

    def status(self, at: float) -> Status | None:
        """Return the last status while it is to be believed; None after that."""
        fresh = at < self.ends_at() and self._status is not None
        return self._status if fresh else None

    def is_waiting(self, at: float) -> bool:
        """Return whether nothing was heard yet, and nothing had to be."""
        return self._status is None and at < self._moved + BELIEVED_SECONDS

    def ends_at(self) -> float:
        """Return when, on the monotonic clock, the last news stop being believed."""
        alive = _seconds(self._status.get("alive_seconds")) if self._status is not None else 0.0
        return self._moved + BELIEVED_SECONDS - (alive or 0.0)


def good_until(status: Status | None) -> datetime | None:
    """Return until when the status itself says that it holds."""
    return _time(status.get("good_until")) if status is not None else None


def _office(status: Status) -> Pattern:
    if (_works(status) and not _uploads(status)) or _is_any_used(status):
        return SLOW
    if status.get("ejected") is True:
        return OFF if _all_at_rest(status) else SLOW
    return STEADY if _is_fresh(status, "office") else OFF


def _cloud(status: Status) -> Pattern:
    if _works(status) and _uploads(status):
        return SLOW
    return STEADY if _is_fresh(status, "cloud") else OFF


def _told(status: Status) -> set[Reason]:
    """The reasons in the status; one that we do not know is a fault like any other."""
    told = status.get("reasons")
    if not isinstance(told, list) or not _copies_are_known(status):
        return {Reason.FAULT}
    known = {str(reason): reason for reason in Reason}
    return {known.get(str(each), Reason.FAULT) for each in told}


def _implied(status: Status) -> set[Reason]:
    """What no reasons were given for must not look well all the same."""
    state, copies = status.get("state"), _mapping(status.get("copies"))
    if status.get("clock_trusted") is not True:
        return {Reason.CLOCK}
    if state == "held":
        return {Reason.HELD}
    if state not in ("safe", "working", "waiting", "getting old", "look"):
        return {Reason.FAULT}
    is_old = state in ("look", "getting old") or "old" in copies.values()
    return {Reason.OLD} if is_old else set()


def _copies_are_known(status: Status) -> bool:
    copies = _mapping(status.get("copies"))
    return copies.get("office") in _OFFICE_STATES and copies.get("cloud") in _CLOUD_STATES


def _is_fresh(status: Status, place: str) -> bool:
    """Whether a copy is as new as it should be; without a clock nobody can say so."""
    known = _copies_are_known(status) and status.get("clock_trusted") is True
    return known and _mapping(status.get("copies")).get(place) == "fresh"


def _works(status: Status) -> bool:
    return bool(_mapping(status.get("running")))


def _uploads(status: Status) -> bool:
    running = _mapping(status.get("running"))
    step = _mapping(running.get("progress")).get("step")
    return step == StepName.MIRROR or str(running.get("job")).startswith(_UPLOADS)


def _is_any_used(status: Status) -> bool:
    """Whether a disk is mounted, for an upload or somebody's restore as well: no time to unplug."""
    disks = status.get("disks")
    return isinstance(disks, list) and any(_mapping(each).get("in_use") is True for each in disks)


def _all_at_rest(status: Status) -> bool:
    disks = status.get("disks")
    return isinstance(disks, list) and all(
        disk.get("present") is False
        or (disk.get("at_rest") is True and disk.get("in_use") is False)
        for disk in (_mapping(each) for each in disks)
    )


def _is_alive(status: Status, within_seconds: float) -> bool:
    alive = _seconds(status.get("alive_seconds"))
    return alive is not None and alive < within_seconds


def _still_holds(status: Status, now: datetime) -> bool:
    """Whether the time is not past until which the worker called itself safe."""
    if status.get("clock_trusted") is not True:
        return True  # nobody can say what is past; PLEASE LOOK says that the clock is not set
    until = _time(status.get("good_until"))
    return now <= until if until is not None else status.get("state") != "safe"


def _sources(status: Status) -> list[Mapping[str, Any]]:
    return _dicts(status.get("sources"))


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> float | None:
    """A span as JSON has it; None for anything else, also what is below zero or no number."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if isinstance(value, int | float) and good else None


def _time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
