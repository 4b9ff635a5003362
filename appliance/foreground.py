"""Work that a person waits for: run, mirror, restore and drill with something to look at.

Part of the rim. Where the daemon runs it is asked and followed; else the same engine works here.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from .box import Box
from .core.errors import ApplianceError
from .core.events import Event, RunFinished, StepFinished
from .core.model import Archive, Lost, Progress, Run, StepName, TableChanges, Trigger
from .core.ports import Repository, Watch
from .daemon import only_worker, reading, start_up
from .engine.drill import job_name
from .engine.restore import Beside, CloudCopy, Restored, Span, Wish, beside, looked_into, restore
from .exports.between import Between, giving_back
from .exports.pack import packed
from .exports.reading import found_twice
from .exports.tables.alike import Twins
from .screen import Ticker, run_lines, say, step_line, ticker
from .system.socket import Client
from .worker import cloud_copy

_LOOK_EVERY_SECONDS = 0.25
# The log is the daemon's. Here each step's line says it, and the ledger keeps the detail.
logging.getLogger("appliance").addHandler(logging.NullHandler())


def run_now(box: Box, jobs: Sequence[str], trigger: Trigger, *, quiet: bool) -> list[Run]:
    """Given jobs (`SOURCE`, `mirror:NAME`, `drill:NAME`), run one after the other; return the Runs.

    Raise WorkerPresent where another command, not a daemon, is at work.
    """
    client = Client(box.socket)
    if client.is_there():
        return [_followed(box, client, job, trigger, quiet=quiet) for job in jobs]
    with only_worker(box), watched(box, quiet=quiet) as watch:
        engine = start_up(box)
        engine.runner.break_locks()
        return [engine.jobs[job](trigger, watch, "").run for job in jobs]


def give_back(
    box: Box, wish: Wish, into: Path, repository: str | None, mirror: str | None, *, quiet: bool
) -> Restored:
    """Restore what is wished for, from a repository by name, from a mirror, or from any."""
    places = _places(box, repository, mirror)
    make_folder(into)
    with reading(box), watched(box, quiet=quiet, lines=False) as watch:
        return restore(box.kit, places, wish, into, watch)


def changes(
    box: Box, span: Span, only: Sequence[str], *, quiet: bool
) -> Beside[list[TableChanges]]:
    """Return what became of each table between two backups."""
    with reading(box), watched(box, quiet=quiet, lines=False) as watch:

        def look(before: Path, after: Path, work: Path) -> list[TableChanges]:
            return list(Between.of(before, after, work, watch).changes(only))

        return beside(box.kit, _places(box, None, None), span, look, watch)


def twins(box: Box, wish: Wish, *, quiet: bool) -> tuple[dict[str, list[Twins]], Archive]:
    """Return who may be twice in each table of a backup that `wish.only` names, and which it is."""
    with reading(box), watched(box, quiet=quiet, lines=False) as watch:

        def look(archive: Path, work: Path) -> dict[str, list[Twins]]:
            return found_twice(archive, wish.only, work, watch)

        whole = replace(wish, only=())
        return looked_into(box.kit, _places(box, None, None), whole, look, watch)


def give_pack(
    box: Box, wish: Wish, into: Path, repository: str | None, mirror: str | None, *, quiet: bool
) -> tuple[tuple[Path, ...], Archive]:
    """Write all records of a backup, ready for a CRM's import; return the paths, and which it is.

    Raise ApplianceError where there is no such table, or something lies in the folder already.
    """
    places = _places(box, repository, mirror)
    make_folder(into)
    with reading(box), watched(box, quiet=quiet, lines=False) as watch:

        def look(archive: Path, work: Path) -> tuple[Path, ...]:
            return packed(archive, wish.only, into, work, watch)

        found, archive = looked_into(box.kit, places, replace(wish, only=()), look, watch)
    if not found:
        raise ApplianceError("There are no such tables in this backup.")
    return found, archive


def give_lost(
    box: Box, span: Span, wish: Lost, into: Path, repository: str | None, *, quiet: bool
) -> Beside[dict[Path, str]]:
    """Write the records that somebody misses into a folder, as the vendor wrote them; return the
    paths, each with the columns that are not as they came.
    """
    make_folder(into)
    places = _places(box, repository, None)
    with reading(box), watched(box, quiet=quiet, lines=False) as watch:
        return beside(box.kit, places, span, giving_back(wish, into, watch), watch)


def _places(
    box: Box, repository: str | None, mirror: str | None
) -> Sequence[Repository] | CloudCopy:
    if mirror is not None:
        return cloud_copy(box, mirror)
    if repository is not None:
        return [box.repositories[box.settings.repository_named(repository).name]]
    last = [box.waiting_room] if box.waiting_room else []
    return [*box.repositories.values(), *last]


def make_folder(into: Path) -> None:
    """Make the folder that a restore goes into; raise ApplianceError where that cannot be."""
    try:
        into.mkdir(parents=True, exist_ok=True)
        writable = os.access(into, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise ApplianceError(f"{into} cannot be written.", hint="Name another folder with --to.")


def drill_now(box: Box, mirror: str | None, *, quiet: bool) -> list[Run]:
    """Test-restore from each repository, or from a mirror; return the Runs that say so."""
    names = list(box.repositories) if mirror is None else [box.settings.mirror_named(mirror).name]
    return run_now(box, [job_name(name) for name in names], Trigger.COMMAND, quiet=quiet)


@contextmanager
def watched(box: Box, *, quiet: bool, lines: bool = True) -> Iterator[Watch]:
    """Show what the engine does for the length of the block; Ctrl-C and SIGTERM cancel it.

    `lines` are those about finished steps and Runs; `quiet` shows neither them nor bars.
    """
    with ticker(quiet=quiet) as sight:
        watch = Watch(sight.show if quiet else _saying_why_it_waits(sight))
        unsubscribe = box.bulletin.subscribe(
            (lambda event: _show(sight, event)) if lines and not quiet else _ignore
        )
        try:
            with cancelled_by_signals(watch):
                yield watch
        finally:
            unsubscribe()


@contextmanager
def cancelled_by_signals(watch: Watch) -> Iterator[None]:
    """A first Ctrl-C ends the work in good order; the program then says how it ended."""

    def cancel(_: int, __: FrameType | None) -> None:
        watch.cancel.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, cancel) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _saying_why_it_waits(sight: Ticker) -> Callable[[Progress], None]:
    """A wait has nothing to count: its note is a line, written once."""
    said: set[str] = set()

    def show(progress: Progress) -> None:
        if not _is_a_wait(progress):
            sight.show(progress)
        elif progress.note not in said:
            said.add(progress.note)
            sight.line(f"  … {progress.note}")

    return show


def _is_a_wait(progress: Progress) -> bool:
    return progress.unit == "seconds" or progress.note.startswith("waiting")


def _ignore(_: Event) -> None:
    """Nobody reads along."""


def _show(sight: Ticker, event: Event) -> None:
    match event:
        case StepFinished(_, _, step):
            sight.clear()
            sight.line(step_line(step))
        case RunFinished(run):
            for line in run_lines(run):
                sight.line(line)
        case _:
            pass


def _followed(box: Box, client: Client, job: str, trigger: Trigger, *, quiet: bool) -> Run:
    """Ask the daemon for a Run and show it until it ends; Ctrl-C stops looking, not the Run."""
    before = max((run.id for run in box.ledger.runs(job, 1)), default=0)
    answer = client.start(job, trigger)
    if not quiet:
        say(f"{job}: {answer} (Ctrl-C stops looking, `appliance cancel {job}` stops it)")
    at_least = before if answer == "already running" else before + 1
    shown, pause = 0, threading.Event()
    with ticker(quiet=quiet) as sight:
        while True:
            runs = [run for run in box.ledger.runs(job, 1) if run.id >= at_least]
            shown = _show_steps(sight, runs, shown, quiet=quiet)
            if runs and runs[0].outcome is not None:
                break
            _show_progress(sight, client, job)
            pause.wait(_LOOK_EVERY_SECONDS)
    for line in () if quiet else run_lines(runs[0]):
        say(line)
    return runs[0]


def _show_steps(sight: Ticker, runs: Sequence[Run], shown: int, *, quiet: bool) -> int:
    steps = runs[0].steps if runs else ()
    for step in () if quiet else steps[shown:]:
        sight.clear()
        sight.line(step_line(step))
    return len(steps)


def _show_progress(sight: Ticker, client: Client, job: str) -> None:
    running = client.status().get("running")
    if isinstance(running, dict) and running["job"] == job and running["progress"]:
        facts = running["progress"]
        step = StepName(facts["step"])
        sight.show(Progress(step, facts["done"], facts["total"], facts["unit"], facts["note"]))
