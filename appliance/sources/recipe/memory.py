"""The only home of what a source remembers of its vendor between pulls: jobs that run there, how
many were started, what was seen last.

A job is noted before it is asked for, and its number before the next request: a start may cost one
of two backups a month, so a pull after a power cut goes on with that job and never starts another.
What holds only for a pull that was archived is noted apart, and counts once `settle` was called.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ...core import words
from ...core.errors import ExportNotReady
from ...core.recipes import Quota
from ...system.files import disk_errors, write_durably

_log = logging.getLogger(__name__)
_LONGEST_BYTES = 16 << 20


class Memory:
    """What is remembered of one source, in a file of its own."""

    def __init__(self, file: Path, clock: Callable[[], datetime]) -> None:
        self._file, self._clock = file, clock
        self._known = _read(file)
        self._new: dict[str, Any] = {"values": {}, "items": None}

    # -- jobs ----------------------------------------------------------------------------------

    def job(self, where: str, within: timedelta) -> Mapping[str, Any] | None:
        """Return the values saved of a job that was started `within` such a time and is not yet
        archived; None where there is none.
        """
        told = self._jobs().get(where)
        if told is None or told["saved"] is None or self._age(told) > within:
            return None
        return dict(told["saved"])

    def started_within(self, where: str, cooldown: timedelta) -> Mapping[str, Any] | None:
        """Return the values of what was started within the cooldown; empty ones where its answer
        never came.
        """
        if not self.cooldown_left(where, cooldown):
            return None
        return dict(self._known["starts"][where]["saved"] or {})

    def cooldown_left(self, where: str, cooldown: timedelta) -> timedelta:
        """Return how long nothing may be started there, zero where something may."""
        told = self._known["starts"].get(where)
        return max(timedelta(), cooldown - self._age(told)) if told else timedelta()

    def begin(self, where: str, quota: Quota | None) -> None:
        """Note that a job is about to be asked for; raise ExportNotReady where it may not be."""
        if quota is not None:
            self.require(1, quota)
        starts = self._counted(quota)
        told = {"at": self._clock().isoformat(), "saved": None}
        self._known["counted"] = [*starts, told["at"]]
        self._jobs()[where] = told
        self._known["starts"][where] = told
        self._write()

    def require(self, needed: int, quota: Quota) -> None:
        """Raise ExportNotReady where so many jobs may not be begun by now."""
        starts = self._counted(quota)
        missing = len(starts) + needed - quota.starts
        if needed and missing > 0:
            raise _too_many(quota, quota.per - self._since(sorted(starts)[missing - 1]))

    def begun(self, where: str, saved: Mapping[str, Any]) -> None:
        """Note what the vendor said of the job that it started."""
        told = {"at": self._clock().isoformat(), "saved": dict(saved)}
        self._jobs()[where] = told
        self._known["starts"][where] = told
        self._write()

    def refused(self, where: str) -> None:
        """The vendor said no: nothing was started."""
        self._jobs().pop(where, None)
        self._known["starts"].pop(where, None)
        del self._known["counted"][-1:]
        self._write()

    def forget(self, where: str) -> None:
        """The job is gone at the vendor's: the next one has to be started anew."""
        self._jobs().pop(where, None)
        self._known["starts"].pop(where, None)
        self._write()

    def may_start(self, quota: Quota | None) -> int | None:
        """Return how many jobs may still be started, None where nobody counts."""
        return None if quota is None else quota.starts - len(self._counted(quota))

    # -- what holds once the pull is archived --------------------------------------------------

    def value(self, where: str) -> Any:
        """Return what was noted of the last pull that was archived."""
        return self._known["values"].get(where)

    def note_value(self, where: str, value: Any) -> None:
        """Note a value of this pull."""
        self._new["values"][where] = value

    def items(self) -> list[str] | None:
        """Return which items the vendor had then; None where nobody knows."""
        found = self._known["items"]
        return None if found is None else list(found)

    def note_items(self, names: list[str]) -> None:
        """Note which items the vendor has."""
        self._new["items"] = names

    def offer(self, until: datetime | None) -> None:
        """Note until when the vendor keeps what this pull is about to fetch."""
        told = None
        if until is not None:
            told = {"until": until.isoformat(), "since": self._clock().isoformat()}
        self._known["offer"] = told
        self._write()

    def keeps_for(self, span: timedelta) -> None:
        """Note for how long the vendor keeps what it has made just now."""
        self.offer(self._clock() + span)

    def seen(self) -> None:
        """Note that times were found ahead of the clock, so that they pass."""
        known = self._known
        told = [each["at"] for part in ("jobs", "starts") for each in known[part].values()]
        before = dict(known["ahead"])
        for each in [*told, *known["counted"]]:
            self._since(each)
        known["ahead"] = {
            at: since for at, since in known["ahead"].items() if at in (*told, *known["counted"])
        }
        if known["ahead"] != before:
            self._write()

    def pulled(self) -> None:
        """The pull is complete: what was noted may be settled."""
        self._known["pulled"] = self._new
        self._write()

    # -- how it is kept ------------------------------------------------------------------------

    def _jobs(self) -> dict[str, Any]:
        jobs: dict[str, Any] = self._known["jobs"]
        return jobs

    def _age(self, told: Mapping[str, Any]) -> timedelta:
        return self._since(told["at"])

    def _since(self, at: str) -> timedelta:
        """Return how long ago something was.

        A clock that was years ahead once must not stop us for years: what is to come began when we
        saw it first. One that is years behind (a board without a battery, before it asked the
        network) must not make us forget: once it is right again, what was noted counts.
        """
        now, ahead = self._clock(), self._known["ahead"]
        if _time(at) <= now:
            return now - _time(at)
        if at not in ahead:
            ahead[at] = now.isoformat()
        return max(timedelta(), now - _time(ahead[at]))

    def _counted(self, quota: Quota | None) -> list[str]:
        times: list[str] = self._known["counted"]
        if quota is None:
            return times[-1000:]
        return [each for each in times if self._since(each) < quota.per]

    def _write(self) -> None:
        _write(self._file, self._known)


def settle(file: Path) -> None:
    """What the last complete pull brought is archived: its jobs are done, its values count."""
    known = _read(file)
    pulled = known.pop("pulled", None)
    if pulled is None:
        return
    known["jobs"], known["offer"] = {}, None
    known["values"] |= pulled["values"]
    known["items"] = pulled["items"] if pulled["items"] is not None else known["items"]
    _write(file, known)


def _write(file: Path, known: Mapping[str, Any]) -> None:
    with disk_errors(file.parent):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(file, json.dumps(known).encode(), 0o600)


def _read(file: Path) -> dict[str, Any]:
    """Return what is known, nothing where the file is not one of ours."""
    empty: dict[str, Any] = {
        "jobs": {},
        "starts": {},
        "counted": [],
        "ahead": {},
        "values": {},
        "items": None,
        "offer": None,
    }
    if not file.exists():
        return empty
    try:
        with disk_errors(file), file.open("rb") as stream:
            said = json.loads(stream.read(_LONGEST_BYTES))
    except (ValueError, RecursionError) as error:
        _log.warning("what was remembered of %s cannot be read: %s", file.stem, error)
        return empty
    return empty | said if isinstance(said, dict) else empty


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _too_many(quota: Quota, wait: timedelta) -> ExportNotReady:
    return ExportNotReady(
        f"The vendor allows {words.plural(quota.starts, 'export')} in {words.duration(quota.per)},"
        " and they are used up.",
        hint=f"It goes on by itself in {words.duration(wait)}; fewer backups a day need fewer"
        " exports.",
    )
