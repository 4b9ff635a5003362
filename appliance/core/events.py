"""The only home of what the bulletin tells: frozen events that lamps, page and messages hear."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Progress, Run, Step, Trigger


@dataclass(frozen=True, slots=True)
class RunQueued:
    """A Run was asked for and waits its turn."""

    source: str
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A Run began."""

    run: Run


@dataclass(frozen=True, slots=True)
class Progressed:
    """A step got further; told often, never stored."""

    run_id: int
    source: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended, well or not."""

    run_id: int
    source: str
    step: Step


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A Run ended and is in the ledger."""

    run: Run


Event = RunQueued | RunStarted | Progressed | StepFinished | RunFinished
