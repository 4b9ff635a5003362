"""What people look for in all backups on the page: each search under a ticket, gone after a while.

Part of the rim. What is typed and what is found lies in memory alone. One search is at work at a
time, beside Runs: the first one reads each backup once.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from ..box import Box
from ..core.errors import ApplianceError
from ..core.events import Event, RunFinished
from ..core.model import Outcome, Progress
from ..core.ports import Download, Watch
from ..engine.journal import understood
from . import seeking
from .backups import local

SHORTEST_TEXT, LONGEST_TEXT = 3, 200
UNUSED_FOR = timedelta(minutes=15)
_MOST = 20
"""Searches that are remembered."""
_ENDS_WITHIN_SECONDS = 40.0


@dataclass(slots=True)
class _Search:
    source: str
    text: str
    who: str
    used: float
    watch: Watch = field(default_factory=Watch)
    state: Literal["searching", "found", "failed"] = "searching"
    progress: Progress | None = None
    error: ApplianceError | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    thread: threading.Thread | None = None


_STORED = (Outcome.OK, Outcome.WARNING)
_log = logging.getLogger("appliance")


class SoughtRecords:
    """The searches of the last quarter of an hour; every method may be called by any thread."""

    def __init__(self, box: Box, let_go: Callable[[], frozenset[str]]) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._searches: dict[str, _Search] = {}
        self._watch = Watch()
        """Over what nobody waits for."""
        self.go_on_with(box, let_go)

    def go_on_with(self, box: Box, let_go: Callable[[], frozenset[str]]) -> None:
        """Another configuration: what was found stays. `let_go` names the disks not to use."""
        self._box, self._let_go = box, let_go

    def seek(self, source: str, text: str, who: str) -> str:
        """See `core.ports.Appliance.seek`; what the same person looked for before is given up."""
        text = text.strip()
        if not SHORTEST_TEXT <= len(text) <= LONGEST_TEXT:
            raise ApplianceError(
                "This cannot be looked for.", hint=f"Type at least {SHORTEST_TEXT} letters."
            )
        self._box.settings.source_named(source)
        ticket, one = secrets.token_hex(16), _Search(source, text, who, self._now())
        one.watch = Watch(partial(_hear, one))
        with self._lock:
            self._give_up(who)
            self._searches[ticket] = one
            while len(self._searches) > _MOST:
                self._searches.pop(next(iter(self._searches))).watch.cancel.set()
        one.thread = threading.Thread(target=self._search, args=(one,), name="search", daemon=True)
        one.thread.start()
        return ticket

    def facts(self, ticket: str) -> dict[str, object]:
        """Return how far a search is and what it found, as plain JSON values."""
        one = self._one(ticket)
        return {
            "ticket": ticket,
            "source": one.source,
            "text": one.text,
            "state": one.state,
            "progress": _progress(one.progress),
            "sentence": one.error.message if one.error else "",
            "hint": one.error.hint if one.error else "",
            **self._told(one.found),
        }

    def download(self, ticket: str, number: int) -> Download:
        """Return the newest version of a record that was found, by its place in the list."""
        one = self._one(ticket)
        records = one.found.get("records", [])
        if not 0 <= number < len(records):
            raise ApplianceError("There is no such record any more.", hint="Search again.")
        mark = records[number]["mark"]
        name, chunks = seeking.taken(
            seeking.Taking(self._box.settings, one.source, mark, self._let_go())
        )
        return Download(name, chunks)

    def hear(self, event: Event) -> None:
        """A listener: after a backup, a timeline that somebody has use for is brought up to date,
        and forgets what was let go.
        """
        if isinstance(event, RunFinished) and event.run.outcome in _STORED:
            source = event.run.source
            if (self._box.state / seeking.FOLDER / source).is_dir():
                body = partial(self._keep_up, source)
                threading.Thread(target=body, name="timeline", daemon=True).start()

    def _keep_up(self, source: str) -> None:
        """The body of a thread that waits for the child."""
        wanted = seeking.Seeking(self._box.settings, source, let_go=self._let_go())
        try:
            with self._turn:
                seeking.sought(wanted, self._watch)
        except Exception as error:  # noqa: BLE001 - the next search says it
            _log.warning("timeline=old source=%s %s", source, understood(error).message)

    def tidy(self) -> None:
        """Forget what nobody looked at for a while."""
        oldest = self._now() - UNUSED_FOR.total_seconds()
        with self._lock:
            for ticket, one in list(self._searches.items()):
                if one.used < oldest:
                    one.watch.cancel.set()
                    del self._searches[ticket]

    def end(self) -> None:
        """The worker ends: so do the searches."""
        with self._lock:
            searches = list(self._searches.values())
            self._searches.clear()
        self._watch.cancel.set()
        for one in searches:
            one.watch.cancel.set()
        for one in searches:
            if one.thread is not None:
                one.thread.join(_ENDS_WITHIN_SECONDS)

    def _one(self, ticket: str) -> _Search:
        with self._lock:
            if ticket not in self._searches:
                raise ApplianceError("This search is forgotten already.", hint="Search again.")
            one = self._searches[ticket]
            one.used = self._now()
            return one

    def _give_up(self, who: str) -> None:
        for one in self._searches.values():
            if one.who == who and one.state == "searching":
                one.watch.cancel.set()

    def _search(self, one: _Search) -> None:
        """The body of the thread that waits for the child."""
        try:
            with self._turn:
                one.watch.check()
                wanted = seeking.Seeking(self._box.settings, one.source, one.text, self._let_go())
                one.found = seeking.sought(wanted, one.watch)
            one.state = "found"
        except Exception as error:  # noqa: BLE001 - shown to whoever waits for it
            one.error = understood(error)
            one.state = "failed"

    def _told(self, found: Mapping[str, Any]) -> dict[str, object]:
        """Return what was found, with times on the office's clock."""
        if not found:
            return {"records": [], "count": 0, "troubles": [], "newest": None}
        records = [
            record | {"moments": [self._with_local(each) for each in record["moments"]]}
            for record in found["records"]
        ]
        newest = found["newest"] and local(self._box, datetime.fromisoformat(found["newest"]))
        return {**found, "records": records, "newest": newest}

    def _with_local(self, moment: Mapping[str, Any]) -> dict[str, object]:
        return {**moment, "local": local(self._box, datetime.fromisoformat(moment["time"]))}

    def _now(self) -> float:
        return self._box.clock.monotonic()


def _hear(one: _Search, progress: Progress) -> None:
    """How many bytes of one backup were read tells nobody how long all of them take."""
    if progress.unit == "backups" or _is_wait(progress):
        one.progress = progress


def _is_wait(progress: Progress) -> bool:
    return progress.unit == "seconds" or progress.note.startswith("waiting")


def _progress(progress: Progress | None) -> dict[str, object] | None:
    if progress is None:
        return None
    if _is_wait(progress):
        return {"words": progress.note, "done": 0, "total": None}
    words = "Reading each backup that was not read yet"
    return {"words": words, "done": progress.done, "total": progress.total}
