"""The backups that somebody has open to look at: one at a time, private, and gone after a while.

Part of the rim. What is open lies rebuilt in a folder of staging that is wiped when the person is
done, when nobody uses it for a quarter of an hour, when a Run needs the room, and when the worker
starts or ends.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..attendance import Attendance
from ..box import Box
from ..core.activity_words import Kind, kind_of
from ..core.errors import ApplianceError, DiskAbsent
from ..core.events import Event, RunStarted
from ..core.model import Progress, StepName
from ..core.ports import Chunks, Download, Watch
from ..core.words import plural
from ..engine.journal import understood
from ..engine.restore import Wish
from ..system.staging import FolderStaging
from . import opening
from .backups import listed, places_of
from .files import OpenedFiles

UNUSED_FOR = timedelta(minutes=15)
_TIMES_THE_EXPORT = 4
"""So much room a Run may want: what it fetches, unpacks, and stores of it."""
_MOST_REMEMBERED = 50
_ENDS_WITHIN_SECONDS = 40.0


class NotOpen(ApplianceError):
    """Raised when a backup that somebody wants to look at is open no more."""

    hint = "Open it again."


@dataclass(slots=True)
class _Opened:
    ticket: str
    who: str
    backup: Mapping[str, Any]
    """As the list of backups has it."""
    source: str
    cloud: str
    only: str
    staging: FolderStaging
    folder: Path
    used: float
    watch: Watch = field(default_factory=Watch)
    state: Literal["opening", "open", "failed"] = "opening"
    progress: Progress | None = None
    error: ApplianceError | None = None
    place: str = ""
    files: OpenedFiles | None = None
    rebuilding: threading.Thread | None = None
    in_use: int = 0
    """How many answers are on their way."""
    why_closed: str = ""

    def is_wanted_by(self, who: str, name: str, cloud: str, only: str) -> bool:
        mine = (self.who, self.backup["name"], self.cloud, self.only)
        return self.state != "failed" and mine == (who, name, cloud, only)


class OpenedBackups:
    """What is open now, if anything; every method may be called by any thread."""

    def __init__(self, box: Box) -> None:
        self._lock = threading.RLock()
        self._one: _Opened | None = None
        self._leaving: list[_Opened] = []
        """Closed, but their child has not ended yet."""
        self._gone: OrderedDict[str, str] = OrderedDict()
        self.go_on_with(box)

    def go_on_with(self, box: Box) -> None:
        """Another configuration: what is open stays open."""
        self._box = box
        box.staging.give_way = self.give_way

    def open(  # noqa: PLR0917 - what is wanted, and who is here
        self, source: str, name: str, who: str, attendance: Attendance, cloud: str, only: str
    ) -> str:
        """See `core.ports.Appliance.open_backup`."""
        if only not in {"", "removed", "changed"}:
            raise ApplianceError("Of a backup there are only removed and changed records.")
        backup = self._backup(source, name, attendance)
        with self._lock:
            one = self._one
            if one is not None and one.is_wanted_by(who, name, cloud, only):
                return one.ticket
            if one is not None and one.who != who and one.state != "failed":
                raise self._taken(one)
            if one is not None:
                self._close(one, "It was closed because you opened another one.")
            self._one = one = self._begin(source, backup, who, cloud, only)
            request = self._request(one, frozenset(attendance.let_go_until()))
            one.rebuilding = threading.Thread(
                target=self._rebuild, args=(one, request), name="opening", daemon=True
            )
            one.rebuilding.start()
            return one.ticket

    def facts(self, ticket: str) -> dict[str, object]:
        """Return how an opened backup is and what is in it, as plain JSON values."""
        with self._used(ticket, though_not_open=True) as one:
            now, time = self._box.clock.now(), datetime.fromisoformat(one.backup["time"])
            contents = one.files.facts() if one.files else {}
            return {
                **one.backup,
                **contents,
                "ticket": ticket,
                "source": one.source,
                "only": one.only,
                "state": one.state,
                "place": one.place,
                "age_seconds": max(int((now - time).total_seconds()), 0),
                "progress": _progress(one.progress),
                "unused_minutes": int(UNUSED_FOR.total_seconds() // 60),
                **self._trouble(one),
            }

    def rows(self, ticket: str, file: int, count: int) -> dict[str, object]:
        """See `core.ports.Appliance.rows`."""
        with self._used(ticket) as one:
            return _files(one).rows(file, count)

    def find(self, ticket: str, text: str, file: int, place: int) -> dict[str, object]:
        """See `core.ports.Appliance.find`."""
        with self._used(ticket) as one:
            return _files(one).find(text, file, place, lambda: bool(one.why_closed))

    def download(self, ticket: str, what: str, file: int, place: int, text: str) -> Download:
        """See `core.ports.Appliance.download`; its bytes end where the backup is closed."""
        with self._used(ticket) as one:
            found = _files(one).download(what, file, place, text)
            return replace(found, chunks=self._while_open(one, found.chunks))

    def close(self, ticket: str, why: str = "You closed it.") -> None:
        """Wipe what is open under this ticket, if it is."""
        with self._lock:
            if self._one is not None and self._one.ticket == ticket:
                self._close(self._one, why)

    def tidy(self) -> None:
        """Close what nobody used for a while, and wipe what should not be there."""
        with self._lock:
            one = self._one
            if one is not None and self._is_forgotten(one):
                self._close(one, "It was closed because nobody used it for a while.")
            self._leaving = [each for each in self._leaving if _is_alive(each)]
            kept = [each.folder for each in [self._one, *self._leaving] if each]
            with suppress(OSError):  # a helper of a worker that died may still be at it
                self._box.staging.wipe_apart(kept)

    def _is_forgotten(self, one: _Opened) -> bool:
        idle = self._box.clock.monotonic() - one.used
        return one.state != "opening" and not one.in_use and idle > UNUSED_FOR.total_seconds()

    def hear(self, event: Event) -> None:
        """A listener: a Run that may lack room gets it before it begins, and what is to be erased
        is not looked at any more.
        """
        if isinstance(event, RunStarted) and kind_of(event.run.source) == Kind.ERASE:
            self._end("It was closed because somebody is erased from the backups.")
        elif isinstance(event, RunStarted) and self._one is not None:
            files = self._box.ledger.last_export(event.run.source)
            wanted = _TIMES_THE_EXPORT * sum(file.size_bytes for file in files)
            if self._box.staging.free_bytes() < wanted:
                self.give_way()

    def give_way(self) -> None:
        """A Run needs the room: close what is open, and return once the room is free."""
        self._end("It was closed because a backup needed the room.")

    def end(self) -> None:
        """The worker ends."""
        self._end("It was closed because the box was started anew.")

    def _end(self, why: str) -> None:
        with self._lock:
            if self._one is not None:
                self._close(self._one, why)
            leaving = list(self._leaving)
        for each in leaving:
            if each.rebuilding is not None:
                each.rebuilding.join(_ENDS_WITHIN_SECONDS)

    def _backup(self, source: str, name: str, attendance: Attendance) -> Mapping[str, Any]:
        """Return a backup as it is listed."""
        backups: Any = listed(self._box, source, attendance.away())["backups"]
        for backup in backups:
            if backup["name"] == name:
                return dict(backup)
        raise ApplianceError("There is no such backup any more.", hint="Choose another day.")

    def _begin(
        self, source: str, backup: Mapping[str, Any], who: str, cloud: str, only: str
    ) -> _Opened:
        ticket, staging = secrets.token_hex(16), self._box.staging
        folder, used = staging.open_apart(ticket), self._box.clock.monotonic()
        one = _Opened(ticket, who, backup, source, cloud, only, staging, folder, used)
        one.watch = Watch(partial(setattr, one, "progress"))
        return one

    def _request(self, one: _Opened, let_go: frozenset[str]) -> opening.Opening:
        known = [place["name"] for place in one.backup["places"]]
        others = [each for each in self._box.repositories if each not in known]
        wish = Wish(one.source, archive=one.backup["name"])
        places = (*known, *others)
        return opening.Opening(
            self._box.settings, wish, one.folder, places, one.cloud, let_go, one.only
        )

    def _rebuild(self, one: _Opened, request: opening.Opening) -> None:
        """The body of the thread that waits for the child."""
        try:
            one.place = opening.rebuild(request, one.watch)
            one.files = OpenedFiles(one.folder, one.backup["local"], one.source)
            state: Literal["open", "failed"] = "open"
        except Exception as error:  # noqa: BLE001 - shown to whoever waits for it
            one.error, state = understood(error), "failed"
        with self._lock:
            one.state, one.used = state, self._box.clock.monotonic()
            if one.why_closed or state == "failed":
                _wipe(one)

    def _close(self, one: _Opened, why: str) -> None:
        self._one, one.why_closed = None, why
        self._gone[one.ticket] = why
        if len(self._gone) > _MOST_REMEMBERED:
            self._gone.popitem(last=False)
        one.watch.cancel.set()
        if one.state == "opening":  # its thread wipes the folder
            self._leaving.append(one)
        else:
            _wipe(one)

    @contextmanager
    def _used(self, ticket: str, *, though_not_open: bool = False) -> Iterator[_Opened]:
        """Raise NotOpen where it is open no more, ApplianceError where it is not yet."""
        with self._lock:
            one = self._one
            if one is None or one.ticket != ticket:
                raise NotOpen(self._gone.get(ticket, "This backup is not open any more."))
            if one.state != "open" and not though_not_open:
                raise NotOpen("This backup is not open yet.", hint="Wait until it is.")
            one.in_use += 1
        try:
            yield one
        finally:
            with self._lock:
                one.in_use, one.used = one.in_use - 1, self._box.clock.monotonic()

    def _while_open(self, one: _Opened, chunks: Chunks) -> Generator[bytes, None, None]:
        with closing(chunks), self._used(one.ticket):
            for chunk in chunks:
                if one.why_closed:
                    raise NotOpen(one.why_closed)
                yield chunk

    def _taken(self, one: _Opened) -> ApplianceError:
        idle = self._box.clock.monotonic() - one.used
        left = max(int((UNUSED_FOR.total_seconds() - idle) // 60), 0) + 1
        return ApplianceError(
            "Somebody else has a backup open just now; only one can be open at a time.",
            hint="It closes when they are done, or by itself: after "
            f"{plural(left, 'minute')} at the latest if they leave it alone.",
        )

    def _trouble(self, one: _Opened) -> dict[str, object]:
        """Return what went wrong in words, and the cloud copies that could be taken instead."""
        places = places_of(self._box, one.source, one.backup["name"])
        mirrors = {each.name for each in self._box.settings.mirror}
        clouds = [] if one.cloud else [name for name in places if name in mirrors]
        if one.error is None:
            return {"sentence": "", "hint": "", "clouds": clouds}
        hint = one.error.hint
        if one.error.detail == DiskAbsent.__name__ and "let go" not in one.error.message:
            disks = [name for name in places if name in self._box.disks]
            hint = f"Plug in {' or '.join(disks) or 'the disk'}"
            hint += ", or take it from the cloud copy." if clouds else " and open it again."
        return {"sentence": one.error.message, "hint": hint, "clouds": clouds}


def _wipe(one: _Opened) -> None:
    with suppress(OSError):  # `tidy` comes by again
        one.staging.close(one.folder)


def _is_alive(one: _Opened) -> bool:
    return one.rebuilding is not None and one.rebuilding.is_alive()


def _files(one: _Opened) -> OpenedFiles:
    if one.files is None:
        raise NotOpen("This backup is not open yet.", hint="Wait until it is.")
    return one.files


_WORDS = {
    StepName.PULL: "Bringing the cloud copy",
    StepName.VERIFY: "Reading it",
    StepName.UNPACK: "Putting its files together",
}


def _progress(progress: Progress | None) -> dict[str, object] | None:
    if progress is None:
        return None
    is_wait = progress.unit == "seconds"
    words = progress.note if is_wait else _WORDS.get(progress.step, "Working")
    return {
        "words": words,
        "done": progress.done,
        "total": progress.total,
        "unit": progress.unit,
    }
