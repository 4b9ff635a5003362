"""The panel's mind: what the worker says becomes light, what a finger does becomes a wish.

Part of the rim. Threads of the pin library, of the follower and the main loop all come in here; one
lock keeps them apart, and nothing slow is done under it: whatever asks the worker is an *errand*.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from queue import SimpleQueue
from threading import RLock
from typing import Any
from zoneinfo import ZoneInfo

from .core import drawing, signals
from .core.drawing import Belief, Drawing, Status
from .core.errors import ApplianceError
from .core.face import Face
from .core.gestures import Act, Gestures
from .core.model import Trigger
from .core.pins import is_within
from .core.ports import Appliance, Clock
from .core.signals import OFF, Lamp, Reason
from .hw.panel import NoPanel, Panel, opened
from .panel_map import Known

LONGEST_REST_SECONDS = 10.0
"""So often it looks at the configuration and the time of day while nothing else happens."""
TRY_AGAIN_SECONDS = 60.0
"""How often it looks again whether the machine has pins."""
SHUT_AGAIN_SECONDS = 5.0
"""How often pins that could not be opened are tried again: a process that ends may hold them."""
SHUT_SECONDS = 30.0
"""After so long the panel gives up, so that systemd lights the last-resort lamp."""
SEEN_SECONDS = 1.0
"""So long the lamps must have asked before a press can be an answer."""
Errand = Callable[[], None]
_DARK = dict.fromkeys(Lamp, OFF)
_log = logging.getLogger("appliance")


class FrontPanel:
    """Draws and listens; `woken` is called when the main loop should draw at once."""

    def __init__(
        self,
        connect: Callable[[Path], Appliance],
        clock: Clock,
        pins: Callable[[], Any],
        confirm: Errand,
        woken: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect, self._clock, self._pins = connect, clock, pins
        self._confirm, self._woken = confirm, woken
        self._lock = RLock()
        self._errands: SimpleQueue[Errand | None] = SimpleQueue()
        self._panel: Panel = NoPanel("")
        self._known: Known | None = None
        self._worker: Appliance | None = None
        self._zone = ZoneInfo("UTC")
        self._try_again_at = 0.0
        self._shut_since: float | None = None
        now = clock.monotonic()
        self._face, self._belief = Face(), Belief(now)
        self._gestures = Gestures(now, is_down=False)
        self._released: bool | None = None
        self._worst: Reason | None = None
        self._asked, self._asked_since = "", now

    @property
    def worker(self) -> Appliance:
        """The worker to follow; `use` must have been called."""
        if self._worker is None:
            raise RuntimeError
        return self._worker

    def use(self, known: Known) -> None:
        """Work with these pins and that worker from now on."""
        if known == self._known:
            return
        with self._lock:
            self._worker, self._zone = self._connect(known.socket), known.zone
            before, self._known = self._known, known
        if before is None or before.pins != known.pins:
            self._open()

    def close(self) -> None:
        """Give the pins back and end the errands."""
        self._swapped(NoPanel("")).close()
        self._errands.put(None)

    def pressed(self) -> None:
        """The button went down: say so at once, in this very call."""
        with self._lock:
            now = self._clock.monotonic()
            self._do(self._gestures.pressed(now, self._question(now)), now)
            self._show(now)
        self._woken()

    def released(self) -> None:
        """The button came up."""
        with self._lock:
            now = self._clock.monotonic()
            self._do(self._gestures.released(now, self._question(now)), now)
            self._show(now)
        self._woken()

    def says(self) -> dict[str, object]:
        """Return what the worker should know of us: see `core.vitals.panel`."""
        with self._lock:
            stuck = self._gestures.is_stuck(self._clock.monotonic())
            return {"why_not": self._panel.why_not, "stuck": stuck}

    def heard(self, status: Status) -> None:
        """The worker said how things stand."""
        with self._lock:
            self._belief.heard(status, self._clock.monotonic())
        self._woken()

    def draw(self) -> float:
        """Draw what there is to see now; return in how many seconds to come back at the latest.

        Raise ApplianceError where there are pins that cannot be opened for too long.
        """
        self._try_again()
        self._give_up_if_shut()
        with self._lock:
            now = self._clock.monotonic()
            is_down, asked = self._panel.is_down(), self._question(now)
            self._do(self._gestures.matched(now, is_down=is_down, question=asked), now)
            changes_at = self._show(now)
            due = min(changes_at, self._gestures.due_at(), now + LONGEST_REST_SECONDS)
            if (ends := self._belief.ends_at()) > now:
                due = min(due, ends)
            if self._panel.is_shut:
                due = min(due, self._try_again_at)
        return max(due - now, 0.0)

    def _try_again(self) -> None:
        with self._lock:
            again = self._panel.why_not and self._clock.monotonic() >= self._try_again_at
        if again and self._known is not None and self._known.pins is not None:
            self._open()

    def _give_up_if_shut(self) -> None:
        """Raise ApplianceError once it has tried for long enough: nobody sees these lamps."""
        with self._lock:
            now, panel = self._clock.monotonic(), self._panel
            if not panel.is_shut:
                self._shut_since = None
            elif self._shut_since is None:
                self._shut_since = now
            elif now >= self._shut_since + SHUT_SECONDS:
                raise ApplianceError(panel.why_not)

    def run_errands(self) -> None:
        """The errands' thread: one after the other, until `close`."""
        while (errand := self._errands.get()) is not None:
            self._run(errand)

    def _run(self, errand: Errand) -> None:
        try:
            errand()
        except ApplianceError as error:
            _log.warning("button=in-vain %s %s", error.message, error.detail)
            with self._lock:
                now = self._clock.monotonic()
                self._face.play(signals.replayed(self._worst or Reason.SILENT), now)
            self._woken()

    def _open(self) -> None:
        """Open the pins anew. Not under the lock: the old button's thread may be waiting for it."""
        known = self._known
        why_not = self._panel.why_not
        self._swapped(NoPanel("")).close()
        panel = opened(known.pins if known else None, self.pressed, self.released, self._pins)
        if panel.why_not and panel.why_not != why_not:
            _log.warning("panel=none %s", panel.why_not)
        self._swapped(panel)

    def _swapped(self, panel: Panel) -> Panel:
        """Take another panel; return the one before."""
        with self._lock:
            now = self._clock.monotonic()
            before, self._panel = self._panel, panel
            self._gestures = Gestures(now, is_down=panel.is_down())
            pause = SHUT_AGAIN_SECONDS if panel.is_shut else TRY_AGAIN_SECONDS
            self._try_again_at = now + pause
            if not panel.why_not:
                self._face.play(signals.LAMP_TEST, now)
        return before

    def _question(self, now: float) -> str:
        """Return what is asked and can have been seen: a hold that began before is no answer."""
        open_now = drawing.question(self._belief.status(now), self._clock.now().astimezone(UTC))
        is_seen = open_now == self._asked and now >= self._asked_since + SEEN_SECONDS
        return open_now if is_seen else ""

    def _do(self, acts: tuple[Act, ...], now: float) -> None:
        for act in acts:
            match act:
                case Act.WINK:
                    self._face.wink(now)
                case Act.COUNT:
                    self._face.play(signals.COUNT, now)
                case Act.FORGET:
                    self._face.calm()
                case Act.BACK_UP:
                    self._wish_backup(now)
                case Act.RELEASE:
                    self._wish_release(now)
                case Act.CONFIRM:
                    self._face.play(signals.CONFIRMED, now)
                    self._errands.put(self._confirm)

    def _wish_backup(self, now: float) -> None:
        """Back up, or show once more why that would be in vain."""
        status = self._belief.status(now)
        if drawing.can_back_up(status):
            self._face.calm()
            self._errands.put(lambda: self._back_up(drawing.sources(status)))
        else:
            lacking = Reason.SILENT if status is None else Reason.DISK
            self._face.play(signals.replayed(self._worst or lacking), now)

    def _back_up(self, sources: tuple[str, ...]) -> None:
        for source in sources:
            _log.info("button=tap source=%s %s", source, self.worker.start(source, Trigger.BUTTON))

    def _wish_release(self, now: float) -> None:
        """Ask for the disks; the winks come when they are at rest, whoever asked."""
        if self._released:
            self._face.play(signals.RELEASED, now)
            return
        self._face.calm()
        self._errands.put(lambda: _log.info("button=hold %s", self.worker.eject()))

    def _show(self, now: float) -> float:
        """Light the lamps as they are at `now`; return when that changes."""
        moment = self._clock.now()
        if not self._belief.is_waiting(now):
            self._look(now)
        else:
            self._face.draw(_DARK, now)
        look = self._face.at(now)
        pins = self._known.pins if self._known else None
        local = moment.astimezone(self._zone).time()
        self._panel.show(look.lit, dimmed=is_within(pins.night if pins else None, local))
        quiet = is_within(pins.quiet if pins else None, local)
        self._panel.sound(on=look.sounds and not quiet)
        return look.changes_at

    def _look(self, now: float) -> None:
        """Have the lamps show what is believed now, and notice what is new in it."""
        moment = self._clock.now().astimezone(UTC)
        status = self._belief.status(now)
        also = (Reason.BUTTON,) if self._gestures.is_stuck(now) else ()
        found = drawing.drawn(status, moment, also)
        self._face.draw(found, now)
        self._notice_question(drawing.question(status, moment), now)
        self._notice_reasons(drawing.why(status, moment, also), now)
        if not self._asked:
            self._notice_release(status, found, now)

    def _notice_question(self, asked: str, now: float) -> None:
        """Have nothing lie over the lamps when they begin to ask."""
        if asked == self._asked:
            return
        if asked:
            self._face.calm()
        self._asked, self._asked_since = asked, now

    def _notice_release(self, status: Status | None, found: Drawing, now: float) -> None:
        released = drawing.is_released(status) and found[Lamp.OFFICE] == OFF
        if released and self._released is False:
            self._face.play(signals.RELEASED, now)
            self._face.sound(signals.BEEPS["released"], now)
        self._released = released if status is not None else None

    def _notice_reasons(self, reasons: tuple[Reason, ...], now: float) -> None:
        """Beep where it got worse, unless it is only gentle."""
        worst, before = (reasons[0] if reasons else None), self._worst
        ranks = list(Reason)
        is_worse = worst is not None and (
            before is None or ranks.index(worst) < ranks.index(before)
        )
        if is_worse and worst is not Reason.OLD:
            self._face.sound(signals.BEEPS["look"], now)
        self._worst = worst
