"""The only home of how the ledger's rows become values, and times become text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ..core.model import Copy, Outcome, Run, SeenFile, Step, StepName, Tally, Trigger

Row = Sequence[Any]
RUN = "id, source, trigger, started, finished, outcome, archive, message, hint, detail, faults"
STEP = "name, started, duration_us, outcome, target, size_bytes, message, hint"
FILE = "name, size_bytes, sha256, modified, validator"
COPY = "archive, place, source, time, verified"


def run_of(row: Row, steps: Sequence[Step]) -> Run:
    """Given the columns RUN, return the Run."""
    number, source, trigger, started, finished, outcome, *words = row
    archive, message, hint, detail, faults = words
    return Run(
        id=number,
        source=source,
        trigger=Trigger(trigger),
        started=moment(started),
        finished=None if finished is None else moment(finished),
        outcome=None if outcome is None else Outcome(outcome),
        archive=archive,
        message=message,
        hint=hint,
        detail=detail,
        faults=tuple(faults.split()),
        steps=tuple(steps),
    )


def step_of(row: Row) -> Step:
    """Given the columns STEP, return the Step."""
    name, started, duration_us, outcome, target, size_bytes, message, hint = row
    length = timedelta(microseconds=duration_us)
    return Step(
        StepName(name), moment(started), length, Outcome(outcome), target, size_bytes, message, hint
    )


def step_row(step: Step) -> tuple[object, ...]:
    """Given a Step, return the columns STEP."""
    return (
        step.name,
        stamp(step.started),
        step.duration // timedelta(microseconds=1),
        step.outcome,
        storable(step.target),
        step.size_bytes,
        storable(step.message),
        storable(step.hint),
    )


def file_of(row: Row) -> SeenFile:
    """Given the columns FILE, return the SeenFile."""
    name, size_bytes, sha256, modified, validator = row
    when = None if modified is None else moment(modified)
    return SeenFile(name, size_bytes, sha256, when, validator)


def file_row(file: SeenFile) -> tuple[object, ...]:
    """Given a SeenFile, return the columns FILE."""
    when = None if file.modified is None else stamp(file.modified)
    validator = storable(file.validator)
    return (storable(file.name), file.size_bytes, file.sha256, when, validator)


def tally_of(row: Row) -> Tally:
    """Given source, outcome, whether there is an archive, count and newest start, return it."""
    source, outcome, has_archive, count, newest = row
    ended = None if outcome is None else Outcome(outcome)
    return Tally(source, ended, bool(has_archive), count, moment(newest))


def copy_of(row: Row) -> Copy:
    """Given the columns COPY, return the Copy."""
    archive, place, source, time, verified = row
    return Copy(archive, source, place, moment(time), moment(verified))


def copy_row(copy: Copy) -> tuple[object, ...]:
    """Given a Copy, return the columns COPY."""
    return (copy.archive, copy.place, copy.source, stamp(copy.time), stamp(copy.verified))


def storable(text: str) -> str:
    """Return the text as UTF-8 can hold it: a name in no known encoding must not fail a Run."""
    return text.encode(errors="backslashreplace").decode()


def stamp(when: datetime) -> str:
    """Return an aware time as text that sorts: UTC, always with microseconds."""
    if when.tzinfo is None:
        raise ValueError("The ledger takes aware times only.")
    return when.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """Return the aware time that `stamp` wrote."""
    return datetime.fromisoformat(text)
