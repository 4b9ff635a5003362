"""The messenger: looks how things stand, writes letters, and sends them until they are taken.

Part of the rim. It has a thread of its own, hangs on the bulletin, and can fail without harm: no
Run waits for it. What was said and what waits is one note in the ledger, so a letter is written
down in the same moment as that it was decided; a sudden end may send the one that is on its way
twice, and loses none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event as Flag
from threading import Lock
from typing import Any

from . import deciding
from .box import Box
from .core import message_words, outbox, pins, schedule
from .core.errors import ApplianceError, ConfigError
from .core.events import Event, RunFinished
from .core.message_words import Message, Scene, Week
from .core.messages import Memory, decide, memory_as_json, memory_from_json
from .core.model import Outcome, Run
from .core.outbox import TAKEN, Outbox
from .core.vitals import Condition, Vital
from .engine import memory
from .messaging import address, child
from .messaging.child import Post

NOTE = memory.key(outbox.MESSAGES, memory.BOX)
EVERY = timedelta(minutes=1)
_TURN_SECONDS = 5.0
"""How often the thread looks whether there is something to do."""
PATIENCE = timedelta(minutes=5)
"""How long after the start the clock may not be set yet: until then nothing is decided."""
_RUNS_OF_A_WEEK = 200
_TESTS_AT_ONCE = 3
"""Each is a program of its own, and the box is small."""
_BLIND = "The box cannot judge what to say: nobody hears by message of what goes wrong."
_BLIND_TODO = "Look at this page each day, and ask whoever set up the box."
_BUSY = "A test is under way. Try again in a minute."
_NOBODY = "There is no address that messages go to."
_ADD_ONE = "Add one under Settings, Messages, or as [messages] to the file."
_log = logging.getLogger("appliance")
Send = Callable[[str, Sequence[Post]], Any]


@dataclass(frozen=True, slots=True)
class Noted:
    """What the ledger keeps for messages."""

    said: Memory = field(default_factory=dict)
    box: Outbox = field(default_factory=Outbox)
    weekly: datetime | None = None
    """Up to when the weekly word was given; None: it was never asked for."""
    reminded: datetime | None = None
    """When somebody was last reminded of the disk that is away."""


class Messenger:
    """Messages of one box; it outlives a configuration, as what it sends may take a while."""

    def __init__(
        self, box: Box, status: Callable[[], Mapping[str, Any]], send: Send = child.deliver
    ) -> None:
        """`status` says how things stand, as `core.ports.Appliance.status` does."""
        self._box, self._status, self._send = box, status, send
        self._writing, self._sending, self._testing = Lock(), Lock(), Lock()
        self._wake = Flag()
        self._begun = box.clock.monotonic()
        self._looked = float("-inf")
        self._shown: dict[str, str] = {}
        self._complaints = {"look": "", "send": ""}
        self._unread = ""

    def go_on_with(self, box: Box, status: Callable[[], Mapping[str, Any]]) -> None:
        """Go by another configuration."""
        self._box, self._status = box, status
        self._shown = {}
        self._wake.set()

    def hear(self, event: Event) -> None:
        """A listener: after a Run it is time to look."""
        if isinstance(event, RunFinished):
            self._wake.set()

    def run(self, stop: Flag) -> None:
        """The messages' thread."""
        while not stop.wait(_TURN_SECONDS):
            if self._wake.is_set() or self._is_time():
                self._wake.clear()
                self._looked = self._box.clock.monotonic()
                self._turn()

    def _is_time(self) -> bool:
        return self._box.clock.monotonic() - self._looked >= EVERY.total_seconds()

    def _turn(self) -> None:
        """What waits is sent even where nobody knows what to say."""
        self._tried_to("look", self.look)
        self._tried_to("send", self.send)

    def _tried_to(self, what: str, do: Callable[[], None]) -> None:
        words = ""
        try:
            do()
        except Exception as error:  # noqa: BLE001 - messages may fail, the worker may not
            words = error.message if isinstance(error, ApplianceError) else repr(error)
            if words != self._complaints[what]:
                _log.warning("messages=failed to=%s %s", what, words)
        self._complaints[what] = words

    # -- what is said --------------------------------------------------------------------------

    def look(self) -> None:
        """See how things stand, and write down what is to be said about it."""
        to, clock = self._box.settings.messages.to, self._box.clock
        if not to:
            self._forget_routes()
        if not to or not (clock.is_synchronised() or self._has_waited()):
            return
        status, now = self._status(), clock.now()
        scene = self._scene(status)
        with self._writing:
            before = self._noted()
            after = self._decided(replace(before, box=before.box.only_to(to)), scene, now)
            if after != before:
                self._note(after)

    def _forget_routes(self) -> None:
        """The next address may get the name of one that failed; it does not wait for its sake."""
        with self._writing:
            noted = self._noted()
            if noted.box.routes:
                self._note(replace(noted, box=replace(noted.box, routes={})))

    def _has_waited(self) -> bool:
        return self._box.clock.monotonic() - self._begun >= PATIENCE.total_seconds()

    def _scene(self, status: Mapping[str, Any]) -> Scene:
        ledger = self._box.ledger
        last = {each["source"]: each["last_run"] for each in status["sources"] if each["reasons"]}
        runs = {source: ledger.run(number) for source, number in last.items() if number}
        return Scene(
            status,
            {source: run.faults for source, run in runs.items() if run is not None},
            deciding.facts(self._box),
            [
                each.name
                for each in self._box.settings.repository
                if memory.is_damaged(ledger, each.name)
            ],
        )

    def _decided(self, noted: Noted, scene: Scene, now: datetime) -> Noted:
        troubles = message_words.troubles(scene, self._box.zone, now)
        quiet = self._is_quiet(now)
        is_busy = bool(scene.status["running"] or scene.status["waiting"])
        done = decide(troubles, noted.said, now, is_quiet=quiet, is_busy=is_busy)
        noted = replace(noted, said=done.memory)
        if done.says_something:
            told = message_words.message(self._name, done)
            noted = self._with(noted, told, now, done.is_urgent)
        if not quiet:
            noted = self._with_the_reminder(noted, str(scene.status.get("reminder", "")), now)
        if not quiet and scene.status["clock_trusted"]:
            known = {key for key, said in done.memory.items() if said.is_open}
            wrong = [each.headline for each in troubles if each.key in known]
            noted = self._with_the_weekly_word(noted, scene, wrong, now)
        return noted

    def _is_quiet(self, now: datetime) -> bool:
        local = now.astimezone(self._box.zone).time()
        return pins.is_within(self._box.settings.messages.quiet, local)

    def _with(
        self, noted: Noted, message: Message, now: datetime, is_urgent: bool = False
    ) -> Noted:
        to = self._box.settings.messages.to
        return replace(noted, box=noted.box.put(message.subject, message.body, to, now, is_urgent))

    def _with_the_reminder(self, noted: Noted, words: str, now: datetime) -> Noted:
        """The office chose the day on which it wants to be asked for the disk that is away."""
        slot = schedule.parse(self._box.settings.disks.remind or "after backup").latest(
            self._box.zone, now
        )
        is_told = slot is None or (noted.reminded is not None and slot.due <= noted.reminded <= now)
        if not words or is_told:
            return noted
        return self._with(
            replace(noted, reminded=now), message_words.reminder(self._name, words), now
        )

    def _with_the_weekly_word(
        self, noted: Noted, scene: Scene, wrong: Sequence[str], now: datetime
    ) -> Noted:
        """The first one comes with the first time after it was asked for."""
        when = self._box.settings.messages.weekly
        if not when:
            return replace(noted, weekly=None)
        if noted.weekly is None or noted.weekly > now:
            return replace(noted, weekly=now)
        slot = schedule.parse(when).latest(self._box.zone, now)
        if slot is None or slot.due <= noted.weekly:
            return noted
        state, week = str(scene.status["state"]), self._week(scene, now)
        told = message_words.weekly(self._name, state, wrong, week, scene)
        return self._with(replace(noted, weekly=now), told, now)

    def _week(self, scene: Scene, now: datetime) -> Week:
        runs = [run for each in self._box.settings.source for run in self._runs(each.name, now)]
        changes: dict[str, dict[str, int]] = {}
        for run in runs:
            for table in memory.became(self._box.ledger, run.archive)["tables"]:
                one = changes.setdefault(table["name"], dict.fromkeys(memory.CHANGES, 0))
                for kind in memory.CHANGES:
                    one[kind] += table[kind]
        away = {
            each["name"]: datetime.fromisoformat(each["away_since"]) if each["away_since"] else None
            for each in scene.status.get("disks", ())
            if not each["present"]
        }
        last = max((run.started for run in runs), default=None)
        return Week(len(runs), last, changes, away)

    def _runs(self, source: str, now: datetime) -> list[Run]:
        """The good backups of the last seven days."""
        return [
            run
            for run in self._box.ledger.runs(source, _RUNS_OF_A_WEEK)
            if run.outcome in (Outcome.OK, Outcome.WARNING)
            and run.archive
            and now - timedelta(days=7) < run.started <= now
        ]

    @property
    def _name(self) -> str:
        return self._box.settings.appliance.name

    # -- what is sent --------------------------------------------------------------------------

    def send(self) -> None:
        """Send what waits and may be tried, one address after the other."""
        with self._sending:
            now = self._box.clock.now()
            for name in self._noted().box.due(now, is_quiet=self._is_quiet(now)):
                if name in self._box.settings.messages.to:
                    self._send_to(name)

    def _send_to(self, name: str) -> None:
        now, zone = self._box.clock.now(), self._box.zone
        posts = [
            Post(each.number, each.subject, each.text(zone, now))
            for each in self._noted().box.for_address(name, is_quiet=self._is_quiet(now))
        ]
        for number, why in self._delivered(name, posts):
            self._tried(name, number, why)

    def _delivered(self, name: str, posts: Sequence[Post]) -> Any:
        try:
            to = self._box.secrets.get(name)
        except ConfigError:
            return [(posts[0].number, "secret")]
        if address.problem(to):
            return [(posts[0].number, "address")]
        return self._send(to, posts)

    def _tried(self, name: str, number: int, why: str) -> None:
        """Write down at once what an address took: only a sudden end sends a letter twice."""
        with self._writing:
            noted = self._noted()
            was = noted.box.route(name)
            box = noted.box.tried(name, number, why, self._box.clock.now())
            self._note(replace(noted, box=box))
        if was.why != why:
            _log.info("messages to=%s %s", name, why or "taken")

    def test(self, names: Sequence[str] | None = None) -> list[dict[str, object]]:
        """Send a test message to every address (or to those that are about to be in use), by the
        way that all messages go; return for each how it is shown, whether it was `taken`, and `why`
        not.

        Raise ApplianceError where there is no address, or a test is under way.
        """
        names = self._box.settings.messages.to if names is None else names
        if not names:
            raise ApplianceError(_NOBODY, hint=_ADD_ONE)
        if not self._testing.acquire(blocking=False):
            raise ApplianceError(_BUSY, hint="")
        try:
            seen = self._all_seen(names)
            with ThreadPoolExecutor(min(len(names), _TESTS_AT_ONCE)) as pool:
                return list(pool.map(self._tested, names, seen))
        finally:
            self._testing.release()

    def _tested(self, name: str, seen: str) -> dict[str, object]:
        told = message_words.trial(self._name)
        ((_, why),) = self._delivered(name, [Post(0, told.subject, told.body)])
        self._tried(name, 0, why)
        return {
            "name": name,
            "address": seen,
            "taken": why == TAKEN,
            "why": outbox.WHY.get(why, ""),
        }

    # -- how it goes ---------------------------------------------------------------------------

    def vitals(self) -> tuple[Vital, ...]:
        """Return whether messages are written and get out; nothing where there are none."""
        names = self._box.settings.messages.to
        if not names:
            return ()
        if self._complaints["look"]:
            return (Vital(outbox.MESSAGES, Condition.LOOK, _BLIND, _BLIND_TODO),)
        shown = dict(zip(names, self._all_seen(names), strict=True))
        return (outbox.vital(self._noted().box, shown, self._box.zone, self._box.clock.now()),)

    def facts(self) -> list[dict[str, object]]:
        """Return for each address how it is shown, when it last took something, what waits for it,
        since when it takes nothing and why.
        """
        box, names = self._noted().box, self._box.settings.messages.to
        return [
            {
                "name": name,
                "address": seen,
                "took": _iso(box.route(name).took),
                "waiting": len(box.for_address(name)),
                "failing": _iso(box.route(name).failing),
                "why": outbox.WHY.get(box.route(name).why, ""),
            }
            for name, seen in zip(names, self._all_seen(names), strict=True)
        ]

    def _all_seen(self, names: Sequence[str]) -> list[str]:
        return address.numbered([self._seen(name) for name in names])

    def _seen(self, name: str) -> str:
        """Return how an address is shown; asked for with each status, it is read once."""
        if name not in self._shown:
            try:
                self._shown[name] = address.shown(self._box.secrets.get(name))
            except ConfigError:
                return f"the secret “{name}”"
        return self._shown[name]

    # -- what is remembered --------------------------------------------------------------------

    def _noted(self) -> Noted:
        """Return what is remembered; what cannot be read is begun anew, and said once in the log:
        it holds up neither messages nor the status.
        """
        text = self._box.ledger.noted(NOTE) or "{}"
        try:
            return _parsed(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if text != self._unread:
                _log.warning("messages=forgotten the note cannot be read: %s", type(error).__name__)
            self._unread = text
            return Noted()

    def _note(self, noted: Noted) -> None:
        told = {
            "said": memory_as_json(noted.said),
            "box": outbox.as_json(noted.box),
            "weekly": _iso(noted.weekly),
            "reminded": _iso(noted.reminded),
        }
        self._box.ledger.note(NOTE, json.dumps(told))


def _parsed(told: Mapping[str, Any]) -> Noted:
    weekly, reminded = told.get("weekly"), told.get("reminded")
    return Noted(
        memory_from_json(told.get("said", {})),
        outbox.from_json(told.get("box", {})),
        datetime.fromisoformat(weekly) if weekly else None,
        datetime.fromisoformat(reminded) if reminded else None,
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
