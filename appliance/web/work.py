"""The blocks about work: what can be asked for, and what goes on right now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..core import words
from ..core.model import Outcome, StepName
from .facts import Facts, Unreadable
from .sight import Seen

_TOLD_FOR = timedelta(minutes=10)
"""So long the page says how the last Run ended."""


@dataclass(frozen=True, slots=True)
class Running:
    """A job at work."""

    job: str
    title: str
    step: str
    percent: int | None
    amount: str
    left: str
    since: str
    is_stopping: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue."""

    job: str
    title: str


@dataclass(frozen=True, slots=True)
class Work:
    """What goes on, and how what went on last has ended."""

    running: Running | None
    waiting: tuple[Waiting, ...]
    ended: str


@dataclass(frozen=True, slots=True)
class Press:
    """What can be backed up now."""

    sources: tuple[str, ...]
    links: tuple[str, ...] = ()
    """Those that take a download link."""


def press(seen: Seen) -> Press:
    """Return which sources there are."""
    takers = seen.status.part("links").names() if "links" in seen.status.told else ()
    return Press(tuple(each.text("source") for each in seen.status.each("sources")), tuple(takers))


def work(seen: Seen) -> Work:
    """Return what goes on."""
    status = seen.status
    running = status.part_or_none("running")
    return Work(
        _running(seen, running) if running else None,
        tuple(Waiting(job, words.job(job)) for job in status.texts("waiting")),
        _ended(seen, status.part_or_none("ended")),
    )


def _running(seen: Seen, facts: Facts) -> Running:
    progress, job = facts.part_or_none("progress"), facts.text("job")
    since = max(seen.now - facts.certain_moment("started"), timedelta())
    left = facts.number("left_seconds")
    return Running(
        job,
        words.job(job),
        _step(progress) if progress else "beginning",
        _percent(progress) if progress else None,
        _amount(progress) if progress else "",
        words.left(timedelta(seconds=left)) if left is not None else "",
        words.duration(timedelta(seconds=int(since.total_seconds()))),
        is_stopping=facts.yes("stopping"),
    )


def _step(progress: Facts) -> str:
    try:
        return words.STEPS[StepName(progress.text("step"))]
    except ValueError:
        raise Unreadable("step") from None


def _percent(progress: Facts) -> int | None:
    done, total = progress.number("done"), progress.number("total")
    if done is None or not total:
        return None
    return min(int(done * 100 / total), 100)


def _amount(progress: Facts) -> str:
    done, total = progress.number("done"), progress.number("total")
    if done is None or progress.text("unit") != "bytes":
        return ""
    so_far = words.size(int(done))
    return f"{so_far} of {words.size(int(total))}" if total else so_far


def _ended(seen: Seen, facts: Facts | None) -> str:
    """Say how the last Run ended, while that is news."""
    if facts is None or seen.now - facts.certain_moment("finished") > _TOLD_FOR:
        return ""
    try:
        outcome = words.OUTCOMES[Outcome(facts.text("outcome"))]
    except ValueError:
        raise Unreadable("outcome") from None
    when = words.near(facts.certain_moment("finished"), seen.zone, seen.now)
    return f"{words.job(facts.text('job'))}, {when}: {outcome}. {facts.text('message')}".strip()
