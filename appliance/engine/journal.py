"""One Run while it is being written down; the only place where exceptions become Outcomes.

Each step is timed, recorded in the ledger and published. What a doer raises becomes an
ApplianceError here; a ledger that fails is never contained: losing a record fails the Run.
"""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..core.errors import ApplianceError, Cancelled, DiskFull, DiskReadOnly, ToolFailed
from ..core.events import Progressed, RunFinished, RunStarted, StepFinished
from ..core.model import Outcome, Progress, Run, Step, StepName, Trigger
from ..core.ports import Repository, Watch
from . import memory
from .kit import Ended, Kit

T = TypeVar("T")
_log = logging.getLogger(__name__)
_DETAIL_LENGTH = 8000


@dataclass(slots=True)
class Remarks:
    """What a step says about itself while it works."""

    size_bytes: int | None = None
    message: str = ""
    outcome: Outcome = Outcome.OK
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Begun:
    name: StepName
    target: str
    started: datetime
    clock: float


class Journal:
    """Writes one Run down, step by step; `archive`, `message` and `outcome` are its result."""

    def __init__(self, kit: Kit, run: Run, watch: Watch) -> None:
        self._kit = kit
        self._progress = watch.progress
        self.run = run
        self.watch = Watch(self._progressed, watch.cancel)
        self.troubles: list[ApplianceError] = []
        self.unmirrored: list[str] = []
        self.archive = ""
        self.message = ""
        self.hint = ""
        self.outcome = Outcome.OK

    def step(self, name: StepName, work: Callable[[Remarks], T], target: str = "") -> T:
        """Do one part of the Run and record it; what it raises goes on as an ApplianceError."""
        result = self._done(name, work, target)
        if isinstance(result, ApplianceError):
            raise result
        return result

    def attempt(
        self, name: StepName, work: Callable[[Remarks], T], target: str
    ) -> T | ApplianceError:
        """Do a part of the Run that others do not depend on: return its error as a value.

        The Run goes on and ends with a warning. Being cancelled still ends it, and so does a
        ledger that cannot record the step.
        """
        result = self._done(name, work, target)
        if isinstance(result, Cancelled):
            raise result
        if isinstance(result, ApplianceError):
            self.warn(result)
        return result

    def _done(
        self, name: StepName, work: Callable[[Remarks], T], target: str
    ) -> T | ApplianceError:
        begun = _Begun(name, target, self._kit.clock.now(), self._kit.clock.monotonic())
        remarks = Remarks()
        try:
            self.watch.check()
            result = work(remarks)
        except Exception as error:  # noqa: BLE001 - returned as a value, recorded as an Outcome
            meant = understood(error)
            self._record(begun, _failed(meant, remarks.size_bytes))
            return meant
        self._record(begun, remarks)
        return result

    def missed(self, name: StepName, target: str, trouble: ApplianceError) -> None:
        """Record that a part of the Run could not even begin; the Run ends with a warning."""
        begun = _Begun(name, target, self._kit.clock.now(), self._kit.clock.monotonic())
        self._record(begun, _failed(trouble))
        self.warn(trouble)

    def passed_over(self, name: StepName, target: str, why: ApplianceError) -> None:
        """Record that a part of the Run was left out, and that this is no trouble."""
        begun = _Begun(name, target, self._kit.clock.now(), self._kit.clock.monotonic())
        self._record(begun, Remarks(message=why.message, outcome=Outcome.SKIPPED))

    def add(self, words: str) -> None:
        """Say something more in the Run's message."""
        self.message = f"{self.message} {words}".strip()

    def warn(self, trouble: ApplianceError) -> None:
        """Have the Run end with a warning at best."""
        _log.warning("%s: %s", self.run.source, trouble.message)
        self.troubles.append(trouble)

    def finish(self, error: ApplianceError | None = None) -> Ended:
        """Record how the Run ended, publish it and return it whole."""
        outcome = outcome_of(error) if error else self._good_outcome()
        spoken = ([error] if error else []) + self.troubles
        messages = [self.message] if self.message and not error else []
        hints = [self.hint] if self.hint and not error else []
        run = self._kit.ledger.finish(
            self.run.id,
            outcome,
            self._kit.clock.now(),
            archive=self.archive,
            message=" ".join(_once(messages + [one.message for one in spoken])),
            hint=" ".join(_once(hints + [one.hint for one in spoken if one.hint])),
            detail="\n".join(_once([one.detail for one in spoken if one.detail]))[-_DETAIL_LENGTH:],
            faults=_once([type(one).__name__ for one in spoken]),
        )
        self._kit.publish(RunFinished(run))
        return Ended(run, error, tuple(self.troubles), tuple(self.unmirrored))

    def _good_outcome(self) -> Outcome:
        if self.troubles and self.outcome is not Outcome.HELD:
            return Outcome.WARNING
        return self.outcome

    def _record(self, begun: _Begun, remarks: Remarks) -> None:
        step = Step(
            begun.name,
            begun.started,
            timedelta(seconds=max(0.0, self._kit.clock.monotonic() - begun.clock)),
            remarks.outcome,
            begun.target,
            remarks.size_bytes,
            remarks.message,
            remarks.hint,
        )
        self._kit.ledger.add_step(self.run.id, step)
        self._kit.publish(StepFinished(self.run.id, self.run.source, step))

    def _progressed(self, progress: Progress) -> None:
        self._progress(progress)
        self._kit.publish(Progressed(self.run.id, self.run.source, progress))


Story = Callable[[Journal, Path], None]


def record(  # noqa: PLR0917 - what a Run is
    kit: Kit, source: str, trigger: Trigger, watch: Watch, story: Story, slot: str = ""
) -> Ended:
    """Given a story told with a Journal in a staging folder, have it end as a finished Run.

    The folder is wiped whatever happens. Only a ledger that cannot record raises.
    """
    run = kit.ledger.begin(source, trigger, kit.clock.now(), slot)
    kit.publish(RunStarted(run))
    journal = Journal(kit, run, watch)
    try:
        _tell(kit, journal, story)
    except Exception as error:  # noqa: BLE001 - the one place where exceptions become Outcomes
        return journal.finish(understood(error))
    return journal.finish()


def _tell(kit: Kit, journal: Journal, story: Story) -> None:
    folder = kit.staging.open(journal.run.id)
    try:
        story(journal, folder)
    finally:
        _wipe(kit, journal, folder)
        _release(kit, journal)


def _wipe(kit: Kit, journal: Journal, folder: Path) -> None:
    """What is left in staging is plain customer data: a person hears of it."""
    try:
        kit.staging.close(folder)
    except Exception as error:  # noqa: BLE001 - a warning: the Run's own result stands
        journal.warn(understood(error))


def _release(kit: Kit, journal: Journal) -> None:
    """Whoever is used no longer comes to rest; a disk that does not must not be unplugged."""
    for repository in kit.repositories:
        _or_warn(journal, partial(_note_room, kit, repository))
        _or_warn(journal, partial(_let_go, kit, repository))


def _or_warn(journal: Journal, act: Callable[[], None]) -> None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - a warning: the Run's own result stands
        journal.warn(understood(error))


def _let_go(kit: Kit, repository: Repository) -> None:
    try:
        repository.release()
    except ApplianceError as error:
        memory.note_problem(kit.ledger, repository.name, f"{error.message} {error.hint}".strip())
        raise


def _note_room(kit: Kit, repository: Repository) -> None:
    if (room := repository.room()) is not None:
        memory.note_room(kit.ledger, repository.name, *room)


def _failed(error: ApplianceError, size_bytes: int | None = None) -> Remarks:
    return Remarks(size_bytes, error.message, outcome_of(error), error.hint)


def outcome_of(error: ApplianceError) -> Outcome:
    """Given what ended a Run or a step, return the Outcome it means."""
    return Outcome.CANCELLED if isinstance(error, Cancelled) else Outcome.FAILED


def understood(error: Exception) -> ApplianceError:
    """Given anything a doer raised, return it as an error that a person can read."""
    if isinstance(error, ApplianceError):
        return error
    detail = "".join(traceback.format_exception(error))[-_DETAIL_LENGTH:]
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("There is no room left on the disk.", detail=detail)
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return DiskReadOnly("The disk cannot be written any more.", detail=detail)
    if isinstance(error, MemoryError):
        hint = "Restart the box; if it happens again, the export is too large for it."
        return ToolFailed("The box ran out of memory.", hint=hint, detail=detail)
    _log.error("a fault in the program", exc_info=error)
    return ToolFailed("There is a fault in the box's own program.", detail=detail)


def _once(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))
