"""One queue and one worker: who waits, who runs, who is tried again and when.

Edge threads only `submit` and `cancel`; `work_one` is called by one thread, or by a test. The
queue lives in memory: slots make the schedule durable, and what a power cut or a shutdown
interrupted is noted in the ledger and begun anew at the next start.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Condition, Event
from typing import Literal

from ..core.errors import (
    ApplianceError,
    Cancelled,
    DiskAbsent,
    DiskReadOnly,
    ExportNotReady,
    SourceUnreachable,
    WrongDisk,
)
from ..core.events import RunQueued
from ..core.model import Outcome, Progress, Run, Trigger
from ..core.pace import goes_on, left
from ..core.ports import Repository, Watch
from .kit import Ended, Kit
from .mirroring import job_name

Work = Callable[[Trigger, Watch, str], Ended]
"""A job's doing: why, who looks, which slot (empty: none)."""
Undisturbed = Callable[[], AbstractContextManager[bool]]
"""Whether nobody else uses the repositories; nobody begins to before the end of the block."""
Answer = Literal["queued", "already waiting", "already running"]

PAUSES = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))
MOST_ATTEMPTS = 6
MOST_DEATHS = 3
STOP_WITHIN = timedelta(seconds=60)
"""Longer than a program is given to end (30 s), shorter than systemd waits (120 s)."""
_JITTER = 0.2
_RESUME = "resume"
_log = logging.getLogger(__name__)


def _by_ourselves() -> AbstractContextManager[bool]:
    return nullcontext(enter_result=True)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue; `not_before` is on the monotonic clock, in seconds."""

    job: str
    trigger: Trigger
    slot: str = ""
    attempt: int = 1
    not_before: float = 0.0


@dataclass(slots=True)
class Current:
    """What runs now and how far it is."""

    job: str
    trigger: Trigger
    started: datetime
    moved: float
    """When it last gave a sign of life, on the monotonic clock in seconds."""
    progress: Progress | None = None
    cancel: Event = field(default_factory=Event)
    stretch: tuple[Progress, float] | None = None
    """Where the present stretch of work began, and when, on the monotonic clock in seconds."""

    def progressed(self, progress: Progress, now: float) -> None:
        """It is so far, at `now` on the monotonic clock."""
        before = self.progress
        if before is None or self.stretch is None or not goes_on(self.stretch[0], before, progress):
            self.stretch = (progress, now)
        self.progress, self.moved = progress, now

    def left(self, now: float) -> timedelta | None:
        """How long the present step will still take; None while nobody can know."""
        if self.progress is None or self.stretch is None:
            return None
        first, began = self.stretch
        return left(first, self.progress, now - began)


@dataclass(slots=True)
class _Errand:
    """What the worker does between two Runs: since when, and how it is ended."""

    moved: float
    cancel: Event = field(default_factory=Event)


class Runner:
    """Runs one job at a time; the same job asked for twice is one Run."""

    def __init__(
        self,
        kit: Kit,
        jobs: Mapping[str, Work],
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._kit = kit
        self._jobs = dict(jobs)
        self._spread = spread
        self._queue: list[Waiting] = []
        self._running: tuple[Waiting, Current] | None = None
        self._errand: _Errand | None = None
        self._maybe_locked: list[Repository] = []
        """Where a sudden end may have left a lock; the worker looks before its next Run."""
        self._undisturbed: Undisturbed = _by_ourselves
        self._parked: set[str] = set()
        self._unfinished: set[str] = set()
        self._stopping = self._on_hold = False
        self._cut: set[str] = set()
        self._too_late: tuple[str, bool] | None = None
        """The job that ran when a disk arrived, and whether that disk lacked something of it."""
        self._changed = Condition()

    def start_up(
        self, *, alone: bool = True, undisturbed: Undisturbed | None = _by_ourselves
    ) -> None:
        """Before the first job, with no other worker alive: tidy up after a sudden end.

        Unfinished Runs become *interrupted* and are begun anew; staged customer data goes, and
        left-over locks do before the first job, while we are `undisturbed`: see `break_locks`.
        Not `alone` (somebody restores), all of that waits for the next start: a Run, a lock and a
        folder that look left over may be theirs. Without `undisturbed` (only the configuration
        is another) there is no lock left, and no disk is touched.
        """
        interrupted = self._cleared() if alone else ()
        if alone and undisturbed is not None:
            self._maybe_locked, self._undisturbed = list(self._kit.repositories), undisturbed
        again = ({run.source for run in interrupted} | set(self._noted())) & set(self._jobs)
        if again - self._unfinished:
            # We may be a command that does one job and ends: the daemon begins the others anew.
            self._unfinished |= again
            self._note()
        for job in sorted(again):
            if not self._keeps_dying(job):
                self.submit(job, Trigger.CATCH_UP)

    def _cleared(self) -> tuple[Run, ...]:
        """Clear what a sudden end left; return the Runs that it cut off."""
        self._kit.staging.wipe()
        return self._kit.ledger.interrupt_unfinished(self._kit.clock.now())

    def break_locks(self) -> None:
        """Remove the locks that a sudden end left, once; the work of whoever runs the jobs.

        A disk is checked before it is mounted, which may take an hour: nobody's start waits for it.
        Where somebody restores, or the work is cut short, the rest is for another time.
        """
        errand = self._begin_errand() if self._maybe_locked else None
        if errand is None:
            return
        try:
            while self._maybe_locked and not errand.cancel.is_set():
                if not self._break_next_lock(errand):
                    break
        finally:
            with self._changed:
                self._errand = None
                self._changed.notify_all()

    def _begin_errand(self) -> _Errand | None:
        with self._changed:
            if self._rests() or self._is_at_work():
                return None
            self._errand = _Errand(self._kit.clock.monotonic())
            return self._errand

    def _break_next_lock(self, errand: _Errand) -> bool:
        """Return whether we might: not while somebody restores."""
        with self._undisturbed() as alone:
            if alone:
                errand.moved = self._kit.clock.monotonic()
                _break_lock(self._maybe_locked[0], Watch(cancel=errand.cancel))
                if not errand.cancel.is_set():
                    del self._maybe_locked[0]
        return alone

    def submit(self, job: str, trigger: Trigger, slot: str = "") -> Answer:
        """Ask for a Run; raise KeyError where there is no such job.

        A job that waits for another attempt runs now; one that waits takes a newer slot along.
        """
        if job not in self._jobs:
            raise KeyError(job)
        with self._changed:
            if self._running is not None and self._running[0].job == job:
                return "already running"
            if (waiting := self._find(job)) is not None:
                self._queue[self._queue.index(waiting)] = _merged(waiting, trigger, slot)
                self._changed.notify_all()
                return "already waiting"
            self._parked.discard(job)
            self._queue.append(Waiting(job, trigger, slot))
            self._changed.notify_all()
        self._kit.publish(RunQueued(job, trigger))
        return "queued"

    def cancel(self, job: str) -> bool:
        """Cancel a waiting or running job; return whether there was one.

        A waiting one is recorded as cancelled, so that its slot does not come back.
        """
        with self._changed:
            if self._running is not None and self._running[0].job == job:
                self._running[1].cancel.set()
                return True
            waiting = self._find(job)
            self._parked.discard(job)
            if waiting is None:
                return False
            self._queue.remove(waiting)
            self._forget(job)
        self._record_cancelled(waiting)
        return True

    def disk_arrived(self, name: str, lacking: Collection[str] = ()) -> None:
        """A disk is there: what waited for one runs, and each job of which it lacks something.

        A Run looks at its beginning who is here: the disk that comes later gets one of its own.
        """
        with self._changed:
            wanted = sorted(self._parked | (set(lacking) & set(self._jobs)))
            if self._running is not None:
                job = self._running[0].job
                lacked_before = self._too_late is not None and self._too_late[1]
                self._too_late = (job, lacked_before or job in wanted)
        _log.info("%s arrived; it is wanted by %s", name, wanted or "nobody")
        for job in wanted:
            self.submit(job, Trigger.DISK)

    def park(self, jobs: Collection[str]) -> None:
        """Given jobs that lack a disk, as far as there are such: have them run when one arrives."""
        with self._changed:
            self._parked |= set(jobs) & set(self._jobs)

    def hold(self) -> None:
        """Work no more until `resume`: what runs is stopped in good order and begun anew then.

        For a moment in which every write is a danger: the power supply gives too little.
        """
        with self._changed:
            if self._on_hold:
                return
            self._on_hold = True
            self._cut_short()

    def resume(self) -> None:
        """Work again, and begin what was cut short anew."""
        with self._changed:
            again = sorted(self._unfinished & set(self._jobs)) if self._on_hold else []
            self._on_hold = False
            self._changed.notify_all()
        for job in again:
            self.submit(job, Trigger.CATCH_UP)

    def current(self) -> Current | None:
        """Return what runs now, as it is at this moment."""
        with self._changed:
            return replace(self._running[1]) if self._running else None

    def moved(self) -> float | None:
        """Return when what is at work, a Run or what comes before one, last gave a sign of life,
        on the monotonic clock in seconds; None where nothing is.
        """
        with self._changed:
            at_work = self._running[1] if self._running else self._errand
            return at_work.moved if at_work else None

    def waiting(self) -> tuple[Waiting, ...]:
        """Return the queue, next first."""
        with self._changed:
            return tuple(sorted(self._queue, key=lambda one: one.not_before))

    def parked(self) -> frozenset[str]:
        """Return the jobs that lack a disk: they run when one arrives."""
        with self._changed:
            return frozenset(self._parked)

    def work_one(self) -> bool:
        """Run the next job that may run now; return whether there was one."""
        self.break_locks()
        with self._changed:
            taken = None if self._rests() or self._is_at_work() else self._next()
            if taken is None:
                return False
            clock = self._kit.clock
            current = Current(taken.job, taken.trigger, clock.now(), clock.monotonic())
            self._queue.remove(taken)
            self._running = (taken, current)
        try:
            self._after(taken, self._do(taken, current))
        finally:
            with self._changed:
                self._running = None
                again, self._too_late = self._is_to_run_for_a_late_disk(), None
                self._changed.notify_all()
            if again:
                self.submit(taken.job, Trigger.DISK)
        return True

    def _is_to_run_for_a_late_disk(self) -> bool:
        """Whether a disk came too late for the Run that ended, and the job is not at its end."""
        if self._too_late is None or self._stopping:
            return False
        job, was_lacking = self._too_late
        return was_lacking or job in self._parked

    def work(self) -> None:
        """The worker thread: job after job until `stop`."""
        while not self._stopping:
            if not self.work_one():
                self._wait()

    def stop(self, within: timedelta = STOP_WITHIN) -> bool:
        """Begin nothing new, cancel what runs, wait for its end; return whether it ended.

        What was cut short here is begun anew at the next start.
        """
        with self._changed:
            self._stopping = True
            self._cut_short()
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._is_at_work(), within.total_seconds())

    def _cut_short(self) -> None:
        if self._errand is not None:
            self._errand.cancel.set()
        if self._running is not None:
            taken, current = self._running
            self._unfinished.add(taken.job)
            self._cut.add(taken.job)
            self._note()
            current.cancel.set()

    def _was_cut_short(self, taken: Waiting, ended: Ended) -> bool:
        """Whether we, not a person, ended it; what is not begun anew later waits its turn now."""
        with self._changed:
            if taken.job not in self._cut or not isinstance(ended.error, Cancelled):
                return False
            self._cut.discard(taken.job)
            if not self._rests():
                self._queue.append(replace(taken, trigger=Trigger.CATCH_UP, not_before=0.0))
            return True

    def _is_at_work(self) -> bool:
        return self._running is not None or self._errand is not None

    def _rests(self) -> bool:
        return self._stopping or self._on_hold

    def _keeps_dying(self, job: str) -> bool:
        """Whether this job took the box down again and again: then it waits for its next slot."""
        last = self._kit.ledger.runs(job, limit=MOST_DEATHS)
        deaths = [run for run in last if run.outcome is Outcome.INTERRUPTED]
        return len(deaths) == MOST_DEATHS

    def _do(self, taken: Waiting, current: Current) -> Ended | None:
        def progressed(progress: Progress) -> None:
            current.progressed(progress, self._kit.clock.monotonic())

        try:
            return self._jobs[taken.job](
                taken.trigger, Watch(progressed, current.cancel), taken.slot
            )
        except Exception:  # noqa: BLE001 - a worker that dies is a box that stands still
            # The ledger itself failed; the worker must outlive it and say so with the next Run.
            _log.exception("a Run of %s could not be recorded", taken.job)
            return None

    def _after(self, taken: Waiting, ended: Ended | None) -> None:
        """Decide what comes of a finished Run: another attempt, waiting for a disk, nothing."""
        if ended is None or self._was_cut_short(taken, ended):
            return
        with self._changed:
            self._forget(taken.job)
            if any(_wants_a_disk(one) for one in (ended.error, *ended.troubles)):
                self._parked.add(taken.job)
            else:
                self._parked.discard(taken.job)
            error = ended.error or _of_a_part(ended)
            if error is not None and (error.retry or _lacks_disk(error)):
                self._try_again(taken, error)
            for mirror in ended.unmirrored:
                self._mirror_later(mirror)
            self._changed.notify_all()

    def _try_again(self, taken: Waiting, error: ApplianceError) -> None:
        if taken.attempt >= MOST_ATTEMPTS and not _lacks_disk(error):
            return
        pause = PAUSES[min(taken.attempt, len(PAUSES)) - 1].total_seconds()
        pause *= self._spread(1 - _JITTER, 1 + _JITTER)
        asked = error.retry_after if isinstance(error, SourceUnreachable) else None
        pause = max(pause, asked.total_seconds() if asked else 0.0)
        not_before = self._kit.clock.monotonic() + pause
        self._queue.append(replace(taken, attempt=taken.attempt + 1, not_before=not_before))
        self._unfinished.add(taken.job)
        self._note()

    def _mirror_later(self, mirror: str) -> None:
        """The backup is good; only its cloud copy is tried again, as a Run of its own."""
        job = job_name(mirror)
        if job in self._jobs and self._find(job) is None:
            not_before = self._kit.clock.monotonic() + PAUSES[0].total_seconds()
            self._queue.append(Waiting(job, Trigger.CATCH_UP, "", 1, not_before))

    def _next(self) -> Waiting | None:
        now = self._kit.clock.monotonic()
        return next((waiting for waiting in self._queue if waiting.not_before <= now), None)

    def _find(self, job: str) -> Waiting | None:
        return next((waiting for waiting in self._queue if waiting.job == job), None)

    def _wait(self) -> None:
        with self._changed:
            if self._stopping or (self._next() is not None and not self._on_hold):
                return
            if self._on_hold:
                self._changed.wait()
                return
            now = self._kit.clock.monotonic()
            soonest = min((waiting.not_before for waiting in self._queue), default=None)
            self._changed.wait(None if soonest is None else max(0.0, soonest - now))

    def _record_cancelled(self, waiting: Waiting) -> None:
        ledger, clock = self._kit.ledger, self._kit.clock
        run = ledger.begin(waiting.job, waiting.trigger, clock.now(), waiting.slot)
        message = "Cancelled while it waited its turn."
        ledger.finish(run.id, Outcome.CANCELLED, clock.now(), message=message)

    def _forget(self, job: str) -> None:
        if job in self._unfinished:
            self._unfinished.discard(job)
            self._note()

    def _note(self) -> None:
        """Make the list of what is still to be done durable; the queue works without it too."""
        try:
            self._kit.ledger.note(_RESUME, json.dumps(sorted(self._unfinished)))
        except ApplianceError as error:
            _log.warning("what is still to be done could not be noted: %s", error.message)

    def _noted(self) -> list[str]:
        jobs: list[str] = json.loads(self._kit.ledger.noted(_RESUME) or "[]")
        self._unfinished = set(jobs) & set(self._jobs)
        return jobs


def _break_lock(repository: Repository, watch: Watch) -> None:
    """Remove our own left-over lock; whatever becomes of that, a disk is let go again."""
    try:
        try:
            repository.break_stale_lock(watch)
        finally:
            repository.release()
    except ApplianceError as error:
        _log.warning("%s: %s", repository.name, error.message)
    except Exception:  # noqa: BLE001 - as for a Run: the worker must outlive it
        _log.exception("whether %s is locked could not be seen", repository.name)


def _of_a_part(ended: Ended) -> ApplianceError | None:
    """Return why a part of an export did not come, where it may come later: the rest is kept."""
    later = SourceUnreachable | ExportNotReady
    return next((one for one in ended.troubles if isinstance(one, later)), None)


def _wants_a_disk(error: ApplianceError | None) -> bool:
    """Such a Run may go well with the next disk that is plugged in, or with this one once more."""
    return isinstance(error, DiskAbsent | DiskReadOnly | WrongDisk)


def _lacks_disk(error: ApplianceError | None) -> bool:
    """Such a Run is tried until the disk is here: it bothers no server, and nothing else does."""
    return isinstance(error, DiskAbsent)


def _merged(waiting: Waiting, trigger: Trigger, slot: str) -> Waiting:
    """A second wish for a waiting job: now, and as many attempts again if the slot is new.

    It says why it runs: as first asked for, or what made it run once more.
    """
    attempt = 1 if slot and slot != waiting.slot else waiting.attempt
    why = trigger if waiting.attempt > 1 else waiting.trigger
    slot = slot or waiting.slot
    return replace(waiting, trigger=why, slot=slot, attempt=attempt, not_before=0.0)
