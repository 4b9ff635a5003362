"""The worker's life: one at a time on a machine, started in order, stopped in reverse.

Part of the rim.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from .box import Box
from .core.errors import ApplianceError
from .core.events import Event, RunFinished, RunStarted, StepFinished
from .core.model import Trigger
from .core.ports import Mirror, Repository, Source
from .core.schedule import Schedule, parse
from .engine import drill, examination, mirroring, pipeline
from .engine.restore import CloudCopy
from .engine.runner import Current, Runner, Work
from .engine.ticker import Ticker
from .repositories.program import checked_borg
from .status import health_of
from .system import process
from .system.files import make_private
from .system.socket import Server

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

    Whoever becomes the worker meanwhile clears nothing away: see `start_up`.
    """
    make_private(box.state)
    with (box.state / _READERS).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def _while_nobody_reads(box: Box) -> Iterator[bool]:
    """Whether nobody is `reading`; whoever wants to begin waits for the end of the block."""
    make_private(box.state)
    with (box.state / _READERS).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("restoring=under-way what a sudden end left waits for the next start")
            yield False
        else:
            yield True


class Engine:
    """The engine in this process, as a `core.ports.Appliance`."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.jobs = _jobs(box)
        self.runner = Runner(box.kit, self.jobs)
        self.ticker = Ticker(box.kit, _schedules(box), self.runner.submit)

    def status(self) -> Mapping[str, object]:
        """Return how things stand, and what runs and waits."""
        box, current = self._box, self.runner.current()
        queue, parked = self.runner.waiting(), self.runner.parked()
        waiting = [each.job for each in queue]
        # What lacks a disk is tried again too, but it is a person who has to plug it in.
        retrying = [each.job for each in queue if each.attempt > 1 and each.job not in parked]
        facts = health_of(
            box.settings,
            box.ledger,
            box.clock,
            running=current.job if current else None,
            waiting=waiting,
            retrying=retrying,
        )
        return {**facts, "running": _running(current), "waiting": waiting}

    def start(self, source: str, trigger: Trigger) -> str:
        """Ask for a Run; raise ApplianceError where there is no such source."""
        if source not in self.jobs:
            raise ApplianceError(f"There is no source named {source}.")
        return self.runner.submit(source, trigger)

    def cancel(self, source: str) -> bool:
        """Cancel a waiting or running Run."""
        return self.runner.cancel(source)


def _running(current: Current | None) -> dict[str, object] | None:
    if current is None:
        return None
    progress = asdict(current.progress) if current.progress else None
    return {"job": current.job, "started": current.started.isoformat(), "progress": progress}


def serve(box: Box) -> None:
    """Run the schedules and answer at the socket until SIGTERM or SIGINT.

    A thread that ends by itself is a fault: it ends the daemon, which systemd starts again.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with only_worker(box), logged(box):
        checked_borg(process.find("borg"), asking=True)
        engine = start_up(box)
        threads = _started(engine, stop)
        server = Server(box.socket, engine)
        log.info("daemon=ready pid=%d socket=%s", os.getpid(), box.socket)
        while not stop.wait(_LOOK_EVERY_SECONDS):
            if not all(thread.is_alive() for thread in threads):
                break
        failed = not stop.is_set()
        stop.set()
        server.close()
        engine.runner.stop()
        log.info("daemon=stopped failed=%s", failed)
    if failed:
        raise ApplianceError("A part of the daemon ended by itself; the log says why.")


def start_up(box: Box) -> Engine:
    """Given the box of the only worker, clear what a crash left and return the engine.

    Where somebody restores, what looks left over may be theirs: it stays until the next start.
    """
    with _while_nobody_reads(box) as alone:
        if alone:
            box.staging.wipe()  # first of all: a disk that is full cannot open a ledger
        engine = Engine(box)
        engine.runner.start_up(alone=alone)
    return engine


@contextmanager
def logged(box: Box) -> Iterator[None]:
    """Write a line to the log for each beginning and end, for the length of the block."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    unsubscribe = box.bulletin.subscribe(_log)
    try:
        yield
    finally:
        unsubscribe()


def _started(engine: Engine, stop: threading.Event) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=engine.runner.work, name="worker", daemon=True),
        threading.Thread(target=engine.ticker.run, args=(stop,), name="ticker", daemon=True),
    ]
    for thread in threads:
        thread.start()
    return threads


def _jobs(box: Box) -> dict[str, Work]:
    """What can be asked for: each source by its name, each mirror as `mirror:NAME`, and the
    test restore from each place as `drill:NAME`; reading a whole repository is `check:NAME`.
    """

    def back_up(source: Source) -> Work:
        return lambda trigger, watch, slot: pipeline.back_up(source, trigger, box.kit, watch, slot)

    def push(mirror: Mirror) -> Work:
        return lambda trigger, watch, slot: mirroring.bring_up_to_date(
            mirror, trigger, box.kit, watch, slot
        )

    jobs = {name: back_up(source) for name, source in box.sources.items()}
    jobs |= {mirroring.job_name(name): push(each) for name, each in box.mirrors.items()}
    return jobs | _drills(box) | _examinations(box)


def _examinations(box: Box) -> dict[str, Work]:
    def of(name: str) -> Work:
        return lambda _, watch, __: examination.examine(name, box.kit, watch)

    return {examination.job_name(name): of(name) for name in box.repositories}


def _drills(box: Box) -> dict[str, Work]:
    def from_repository(name: str) -> Work:
        return lambda trigger, watch, slot: drill.drill(name, trigger, box.kit, watch, slot)

    def from_mirror(name: str) -> Work:
        return lambda trigger, watch, slot: drill.drill_mirror(
            cloud_copy(box, name), trigger, box.kit, watch, slot
        )

    drills = {drill.job_name(name): from_repository(name) for name in box.repositories}
    return drills | {drill.job_name(name): from_mirror(name) for name in box.mirrors}


def cloud_copy(box: Box, mirror: str) -> CloudCopy:
    """Given a mirror's name, return it with how it is opened once it is fetched."""
    section = box.settings.mirror_named(mirror)

    def opened(place: Path) -> Repository:
        return box.read_only(section, place, place.with_name("borg"))

    return CloudCopy(box.mirrors[section.name], opened)


def _schedules(box: Box) -> dict[str, Schedule]:
    sources = {each.name: parse(each.schedule) for each in box.settings.source}
    mirrors = {mirroring.job_name(each.name): parse(each.schedule) for each in box.settings.mirror}
    first = [drill.job_name(each.name) for each in box.settings.repository[:1]]
    clouds = [drill.job_name(each.name) for each in box.settings.mirror]
    monthly, quarterly = parse(drill.OF_THE_FIRST_REPOSITORY), parse(drill.OF_EACH_MIRROR)
    drills = dict.fromkeys(first, monthly) | dict.fromkeys(clouds, quarterly)
    return sources | mirrors | drills


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
