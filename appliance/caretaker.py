"""The caretaker looks after the worker's machine: power, vitals, what lies in `done/`, and whether
the vendors still let it in.

Part of the rim. Nothing here may fail a Run or hold it up for long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from threading import Thread

from .box import Box
from .core import vitals
from .core.errors import ApplianceError
from .core.events import Event, StepFinished
from .core.vitals import Vital
from .engine.runner import Runner
from .engine.trust import trusts
from .probing import Probes
from .sources import inbox
from .vitals import Vitals

ENOUGH_AGAIN_FOR = timedelta(seconds=60)
"""How long the power must be well before work goes on: it sags when a disk starts."""
_TIDY_EVERY = timedelta(days=1)
_log = logging.getLogger("appliance")


class Caretaker:
    """Called every few seconds by the daemon's loop, and by the bulletin.

    `changed` is called when something about the machine is worth drawing anew.
    """

    def __init__(self, box: Box, runner: Runner, changed: Callable[[], None]) -> None:
        self._box, self._runner, self._changed = box, runner, changed
        self.vitals = Vitals(box.ledger, box.clock, box.state, tuple(box.disks))
        self.probes = Probes(box, lambda: runner.moved() is not None, changed)
        self._weak_at: float | None = None
        self._tidied_at: float | None = None
        self._asked: set[tuple[int, str]] = set()
        self._complaint = ""
        self._shown: tuple[tuple[str, str], ...] = ()
        self._panel: Mapping[str, object] | None = None
        self._panel_at = box.clock.monotonic()

    def look(self) -> None:
        """See to the power (D-1), and once a day to what lies in the inboxes' `done/` and to the
        sign-ins at vendors.
        """
        self._look_at_the_power()  # first, and whatever becomes of the rest
        errands = (self.vitals.note_start, self._tidy, self.probes.look, self._tell_what_is_new)
        self._complain(" ".join(dict.fromkeys(_trouble_with(each) for each in errands)).strip())

    def hear_panel(self, said: Mapping[str, object]) -> None:
        """The panel asks for news, and says of itself how it is."""
        is_new, self._panel = said != self._panel, said
        self._panel_at = self._box.clock.monotonic()
        if is_new:
            self._changed()

    def read(self) -> tuple[Vital, ...]:
        """Return how the machine stands, its panel too where one is configured."""
        found = self.vitals.read()
        if self._box.settings.panel is None:
            return found
        silent = self._box.clock.monotonic() - self._panel_at
        return (*found, vitals.panel(self._panel, silent))

    def _complain(self, what: str) -> None:
        """Log a trouble when it begins, not every few seconds."""
        if what and what != self._complaint:
            _log.warning("machine=%s", what)
        self._complaint = what

    def hear(self, event: Event) -> None:
        """A listener: while a disk is attached for a Run, see how full and how well it is.

        A disk may take a minute to say how it is: no Run waits for that.
        """
        if not isinstance(event, StepFinished) or event.step.target not in self._box.disks:
            return
        seen = (event.run_id, event.step.target)
        if seen not in self._asked:
            self._asked = {one for one in self._asked if one[0] == event.run_id} | {seen}
            self._look_at_the_disk(event.step.target)

    def _look_at_the_disk(self, name: str) -> None:
        from .hw import disks  # noqa: PLC0415 - an office without disks needs no udev

        room = self._box.repositories[name].room()
        found = disks.with_uuid(str(self._box.settings.repository_named(name).disk))
        if room is not None and len(found) == 1:
            about = (name, Path(found[0].node).name, *room)
            Thread(target=self._ask, args=about, name="health", daemon=True).start()

    def _ask(self, name: str, device: str, used_bytes: int, size_bytes: int) -> None:
        self.vitals.disk_is_here(name, device, used_bytes, size_bytes)
        self._changed()

    def _look_at_the_power(self) -> None:
        now = self._box.clock.monotonic()
        if self.vitals.under_voltage():
            if self._weak_at is None:
                _log.warning("power=weak nothing is written until there is enough")
            self._weak_at = now
            self._runner.hold()
        elif self._weak_at is not None and now - self._weak_at > ENOUGH_AGAIN_FOR.total_seconds():
            _log.info("power=enough")
            self._weak_at = None
            self._runner.resume()

    def _tidy(self) -> None:
        now = self._box.clock.monotonic()
        if self._tidied_at is not None and now - self._tidied_at < _TIDY_EVERY.total_seconds():
            return
        # The clock is set a while after the start: a box that is off at night has its turn too.
        if self._box.inboxes and trusts(self._box.ledger, self._box.clock):
            self._tidied_at = now
            # An inbox may be a share that hangs: the loop must not.
            Thread(target=self._tidy_inboxes, name="tidying", daemon=True).start()

    def _tidy_inboxes(self) -> None:
        for name, settings in self._box.inboxes.items():
            try:
                gone = inbox.tidy(settings, self._box.clock.now(), clock_trusted=True)
            except (ApplianceError, OSError) as error:
                _log.warning("inbox=%s done/ could not be tidied: %s", name, error)
            else:
                _log.info("inbox=%s removed=%d from done/", name, len(gone))

    def _tell_what_is_new(self) -> None:
        shown = tuple((each.name, str(each.state)) for each in self.read())
        if shown != self._shown:
            self._shown = shown
            self._changed()


def _trouble_with(errand: Callable[[], None]) -> str:
    """Run an errand; return what went wrong, empty where nothing did."""
    try:
        errand()
    except ApplianceError as error:
        return error.message
    return ""
