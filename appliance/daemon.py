"""The worker's life: one at a time on a machine, started in order, stopped in reverse.

Part of the rim.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from .box import Box
from .config import Settings
from .core.errors import ApplianceError, ConfigError
from .core.events import Event, RunFinished, RunStarted, StepFinished
from .core.model import Trigger
from .engine import memory
from .repositories.program import checked_borg
from .system import process
from .system.files import make_private
from .system.service import Supervisor
from .system.socket import Server
from .worker import Engine

log = logging.getLogger("appliance")

_LOOK_EVERY_SECONDS = 5.0
_READERS = "readers.lock"


class WorkerPresent(ApplianceError):
    """Raised when another worker has the box's state folder."""

    hint = "The daemon is running: `appliance run` asks it. Or wait for the other command to end."


@contextmanager
def only_worker(box: Box) -> Iterator[None]:
    """Be the only worker on this state folder for the length of the block.

    The kernel gives the lock back when we end, however we end. Raise WorkerPresent.
    """
    make_private(box.state)
    with box.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkerPresent("Another backup program is at work on this box.") from None
        yield


@contextmanager
def reading(box: Box) -> Iterator[None]:
    """Use staging and Borg beside a worker for the length of the block.

    Whoever becomes the worker meanwhile clears nothing away: see `start_up`. While a worker looks
    what a sudden end left, which may take the check of a disk, we wait and say so.
    """
    make_private(box.state)
    with (box.state / _READERS).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("Waiting: the box checks its disks after a start. This goes on by itself.")
            fcntl.flock(file, fcntl.LOCK_SH)
        try:
            yield
        finally:
            box.release()


@contextmanager
def _while_nobody_reads(box: Box) -> Iterator[bool]:
    """Whether nobody is `reading`; whoever wants to begin waits for the end of the block."""
    make_private(box.state)
    with (box.state / _READERS).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def serve(box: Box, load: Callable[[], Settings] | None = None, file: Path | None = None) -> None:
    """Run the schedules and answer at the socket until SIGTERM or SIGINT.

    On SIGHUP, when asked at the socket, or when `file` changes, `load` gives a new configuration,
    which is taken over as soon as nothing runs. A thread that ends by itself is a fault: it ends
    the daemon, which systemd starts again.
    """
    stop, again = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: again.set())
    with only_worker(box):
        checked_borg(process.find("borg"), asking=True)
        life: _Life | None = _Life(box, load, file=file)
        while life is not None:
            life = life.lived(stop, again)
    # Only now: systemd takes it for the end of all, and a new configuration is none.
    Supervisor.ours().stopping()


class _Life:
    """The daemon with one configuration; the socket outlives it, for whoever asks meanwhile."""

    def __init__(
        self,
        box: Box,
        load: Callable[[], Settings] | None,
        before: _Life | None = None,
        file: Path | None = None,
    ) -> None:
        self._box, self._load, self._before = box, load, before
        self._file = file
        self.server: Server | None = before.server if before else None
        self.engine: Engine | None = None

    def lived(self, stop: threading.Event, again: threading.Event) -> _Life | None:
        """Live; return the life to go on with, None where it ends for good."""
        with logged(self._box):
            before = self._before.engine if self._before else None
            engine = self.engine = start_up(self._box, self._load, before, self._file)
            over = threading.Event()
            threads = _started(self._box, engine, over)
            self._open(engine)
            failed = not _watch_over(engine, threads, stop, again)
            over.set()
            settings = None if failed or stop.is_set() else engine.next_settings
            if settings is None and self.server is not None:
                self.server.close()
            engine.runner.stop()
            if settings is None:
                engine.opened_backups.end()
                engine.searches.end()
            log.info("daemon=stopped failed=%s", failed)
        if failed:
            raise ApplianceError("A part of the daemon ended by itself; the log says why.")
        return _Life(Box(settings), self._load, self, self._file) if settings else None

    def _open(self, engine: Engine) -> None:
        """Answer at the socket; what was asked of the life before and waits is done in this one."""
        if self.server is None:
            self.server = Server(self._box.socket, engine)
        self.server.serve_for(engine)
        if self._before is not None and self._before.engine is not None:
            engine.take_over(self._before.engine)
            self._before = None
        Supervisor.ours().ready("Waits for the next backup, or makes one.")
        log.info("daemon=ready pid=%d socket=%s", os.getpid(), self._box.socket)


def _watch_over(
    engine: Engine,
    threads: Sequence[threading.Thread],
    stop: threading.Event,
    again: threading.Event,
) -> bool:
    """Wait for the end, or for the moment to take a new configuration over; False at a fault."""
    while not stop.wait(_LOOK_EVERY_SECONDS):
        if not all(thread.is_alive() for thread in threads):
            return False
        if engine.beat():
            Supervisor.ours().alive()
        engine.attendance.tidy()
        engine.look_after_the_machine()
        if again.is_set():
            again.clear()
            with suppress(ConfigError):  # it is in the log, and in status
                engine.reload()
        if engine.gives_way():
            return True
    return True


def start_up(
    box: Box,
    load: Callable[[], Settings] | None = None,
    before: Engine | None = None,
    file: Path | None = None,
) -> Engine:
    """Given the box of the only worker, clear what a crash left and return the engine, which goes
    on for the one `before`.

    Where somebody restores, what looks left over may be theirs: it stays until the next start.
    No disk is attached here: systemd waits minutes for us, and checking one may take an hour.
    """
    if before is None:
        box.staging.wipe_apart()  # only a worker opens such folders, and we are the only one
    with _while_nobody_reads(box) as alone:
        if alone:
            box.staging.wipe()  # first of all: a disk that is full cannot open a ledger
        else:
            log.warning("restoring=under-way what a sudden end left waits for the next start")
        _have_a_waiting_room(box)
        engine = Engine(box, load, before, file)
        engine.attendance.look()
        undisturbed = None if before else partial(_while_nobody_reads, box)
        engine.runner.start_up(alone=alone, undisturbed=undisturbed)
    return engine


def _have_a_waiting_room(box: Box) -> None:
    """Where there are disks, there is a place for what comes while none is here."""
    if box.waiting_room is None or memory.is_enrolled(box.ledger, memory.WAITING_ROOM):
        return
    from .enrolment import make_waiting_room  # noqa: PLC0415 - once in a box's life

    try:
        make_waiting_room(box)
    except ApplianceError as error:
        log.warning("waiting-room=missing %s", error.message)


@contextmanager
def logged(box: Box) -> Iterator[None]:
    """Write a line to the log for each beginning and end, for the length of the block."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    unsubscribe = box.bulletin.subscribe(_log)
    try:
        yield
    finally:
        unsubscribe()


def _started(box: Box, engine: Engine, stop: threading.Event) -> list[threading.Thread]:
    bodies: dict[str, Callable[[], object]] = {
        "worker": engine.runner.work,
        "ticker": partial(engine.ticker.run, stop),
        "messages": partial(engine.messenger.run, stop),
    }
    if engine.attendance.has_disks:
        from .hw import disks  # noqa: PLC0415 - an office without disks needs no udev

        bodies["disks"] = partial(disks.watch, stop, engine.attendance.look)
    if box.inboxes:
        from .sources.arrivals import Arrivals  # noqa: PLC0415 - nor watchdog without an inbox

        arrivals = Arrivals(box.inboxes, partial(engine.start, trigger=Trigger.INBOX))
        bodies["inboxes"] = partial(arrivals.run, stop)
    if engine.desk.file is not None:
        from .config.watching import FileWatch  # noqa: PLC0415 - watchdog is for a daemon alone

        watch = FileWatch(engine.desk.file, engine.reload_if_changed)
        bodies["settings"] = partial(watch.run, stop)
    box.bulletin.subscribe(engine.searches.hear)
    threads = [
        threading.Thread(target=body, name=name, daemon=True) for name, body in bodies.items()
    ]
    for thread in threads:
        thread.start()
    return threads


def _log(event: Event) -> None:
    match event:
        case RunStarted(run):
            log.info("run=%d source=%s trigger=%s begins", run.id, run.source, run.trigger)
        case StepFinished(run_id, _, step):
            seconds = step.duration.total_seconds()
            words = (run_id, step.name, step.target or "-", step.outcome, seconds)
            log.info("run=%d step=%s target=%s outcome=%s seconds=%.1f", *words)
        case RunFinished(run):
            log.info("run=%d source=%s outcome=%s %s", run.id, run.source, run.outcome, run.message)
        case _:
            pass
