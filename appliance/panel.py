"""The panel's process: lamps and button beside the worker, and beside whatever happens to it.

Part of the rim. It rests until the next edge of a lamp, a finger or news from the worker, and
starts no programs: a child would inherit the pins.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .core.errors import ApplianceError
from .core.signals import SIGNS, Lamp, Reason
from .front_panel import FrontPanel
from .hw.panel import Panel, of_this_machine, opened
from .panel_map import MapFile, kept_folder
from .system import bus
from .system.clock import SystemClock
from .system.service import Supervisor
from .system.socket import Client

PAIR_UNIT = "appliance-pair.service"
FOLLOW_SECONDS = 15.0
"""How long the worker is asked to wait for something new: several such fit into a minute."""
BREATH_SECONDS = 0.5
"""Between two pieces of news: a worker that has some all the time is drawn twice a second."""
RETRY_SECONDS = 2.0
_LAST_RESORT_EVERY_SECONDS = 5.0
_LAST_RESORT_TRIES = 3
_log = logging.getLogger("appliance")


class Alarm:
    """Wakes up the main loop, from any thread and from a signal."""

    def __init__(self) -> None:
        self._handle = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._handle, select.POLLIN)

    def ring(self) -> None:
        """Have `wait` return now."""
        os.eventfd_write(self._handle, 1)

    def wait(self, seconds: float) -> None:
        """Return when it rang, or after so many seconds."""
        if self._poll.poll(max(seconds, 0.0) * 1000):
            os.eventfd_read(self._handle)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._handle)


class Follower:
    """Asks the worker for news, again and again."""

    def __init__(self, front: FrontPanel, stop: threading.Event) -> None:
        self._front, self._stop = front, stop
        self._version = 0

    def follow_once(self) -> float:
        """Wait for news and hand them on; return how long to pause before the next question."""
        try:
            said = self._front.says()
            status = self._front.worker.follow(self._version, FOLLOW_SECONDS, said)
        except ApplianceError:
            return RETRY_SECONDS
        version = status.get("version")
        self._version = version if isinstance(version, int) else 0
        self._front.heard(status)
        return BREATH_SECONDS

    def run(self) -> None:
        """The follower's thread."""
        while not self._stop.wait(self.follow_once()):
            pass


class Stop:
    """Asked for by SIGTERM or SIGINT, or by whoever keeps the panel as a part of itself."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.alarm = Alarm()

    def on_signals(self) -> None:
        """Stop when the process is told to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask())

    def ask(self) -> None:
        """End the loop."""
        self.asked.set()
        self.alarm.ring()


def serve(configuration: Path) -> None:
    """Be the panel until told to stop; raise ApplianceError where a part of it ends by itself."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    stop, file = Stop(), MapFile(configuration.absolute(), kept_folder())
    stop.on_signals()
    with in_our_own_folder():
        live(file, stop, of_this_machine, Supervisor.ours())


def live(
    file: MapFile, stop: Stop, pins: Callable[[], Any], supervisor: Supervisor | None = None
) -> None:
    """Draw and listen until somebody asks to stop.

    Raise ApplianceError where a part ended by itself, or the pins cannot be opened.
    """
    supervisor = supervisor or Supervisor()
    confirm = partial(bus.start_unit, PAIR_UNIT)
    front = FrontPanel(Client, SystemClock(), pins, confirm, stop.alarm.ring)
    front.use(file.first())
    threads = _started(front, stop.asked)
    supervisor.ready("Lamps and button.")
    try:
        while not stop.asked.is_set() and all(thread.is_alive() for thread in threads):
            if (changed := file.changed()) is not None:
                front.use(changed)
            rest = front.draw()
            supervisor.alive()
            stop.alarm.wait(rest)
    finally:
        failed = not stop.asked.is_set()
        stop.asked.set()
        supervisor.stopping()
        front.close()
    if failed:
        raise ApplianceError("A part of the panel ended by itself; the log says why.")


def _started(front: FrontPanel, stop: threading.Event) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=Follower(front, stop).run, name="follower", daemon=True),
        threading.Thread(target=front.run_errands, name="errands", daemon=True),
    ]
    for thread in threads:
        thread.start()
    return threads


def last_resort(configuration: Path) -> None:
    """Light PLEASE LOOK until told to stop: what runs while the panel itself cannot."""
    stop, file = Stop(), MapFile(configuration.absolute(), kept_folder())
    stop.on_signals()
    with in_our_own_folder():
        ask_to_look(file, stop, of_this_machine)


def ask_to_look(file: MapFile, stop: Stop, pins: Callable[[], Any]) -> None:
    """Show that the box does not answer, on the last pins that are known, until told to stop.

    Raise ApplianceError where they cannot be opened: another is to light the lamp then.
    """
    panel, clock = _opened_at_last(file, stop, pins), SystemClock()
    begun, pattern = clock.monotonic(), SIGNS[Reason.SILENT].pattern
    while not stop.asked.is_set():
        is_lit, rest = pattern.at(clock.monotonic() - begun)
        panel.show({**dict.fromkeys(Lamp, False), Lamp.ATTENTION: is_lit}, dimmed=False)
        stop.alarm.wait(rest or _LAST_RESORT_EVERY_SECONDS)
    panel.close()


def _opened_at_last(file: MapFile, stop: Stop, pins: Callable[[], Any]) -> Panel:
    """Try a few times: perhaps the panel that died has not let go of its pins yet."""
    known = file.first().pins
    panel = opened(known, _nothing, _nothing, pins)
    for _ in range(_LAST_RESORT_TRIES - 1):
        if not panel.is_shut or stop.asked.is_set():
            break
        stop.alarm.wait(_LAST_RESORT_EVERY_SECONDS)
        panel = opened(known, _nothing, _nothing, pins)
    if panel.is_shut:
        raise ApplianceError(panel.why_not)
    return panel


def _nothing() -> None:
    """Nobody listens to the button while the panel is dead."""


@contextmanager
def in_our_own_folder(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """D15: lgpio makes a pipe where it works, so that is no folder of anybody else's."""
    before = Path.cwd()
    with ExitStack() as made:
        folder = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        os.chdir(folder or made.enter_context(TemporaryDirectory(prefix="appliance-panel-")))
        made.callback(os.chdir, before)
        yield
