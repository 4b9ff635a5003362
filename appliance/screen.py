"""What the command line shows: aligned lines, JSON, and a progress bar where there is a terminal.

Part of the rim. The only home of rich, which is loaded only when a bar is drawn.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .core import words
from .core.activity_words import MARKS
from .core.errors import ApplianceError, ConfigError
from .core.model import Outcome, Progress, Run, Step, StepName
from .core.plain import form
from .core.words import STEPS

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_LONGEST_CELL = 60
_TRICKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys, or writes the other way round: a vendor's words must not (E11)."""


def say(text: str = "") -> None:
    """Write one line for a person, unless nobody reads any more (`appliance history | head`)."""
    _write(_TRICKS.sub("", text))


def _write(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def brief(text: str) -> str:
    """Return what somebody wrote in the CRM on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_CELL else f"{line[:_LONGEST_CELL].rstrip()}…"


def change_line(column: str, old: str, new: str) -> str:
    """Return what became of one field of a record."""
    return f"{brief(column)}: {brief(old) or 'nothing'} -> {brief(new) or 'nothing'}"


def say_json(value: object) -> None:
    """Write a value as JSON for a program: times as ISO, durations in seconds."""
    _write(json.dumps(value, default=form, indent=2, ensure_ascii=False))


def complain(error: ApplianceError) -> None:
    """Write an error for a person to stderr: what is wrong, then what to do."""
    for line in error.message.splitlines() if isinstance(error, ConfigError) else [error.message]:
        _complain(f"{MARKS[Outcome.FAILED]} {line}")
    if error.hint:
        _complain(f"  {error.hint}")
    if error.detail:
        for line in error.detail.splitlines()[-8:]:
            _complain(f"  | {line}")


def _complain(line: str) -> None:
    click.echo(_TRICKS.sub("", line), err=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows in aligned columns under their headings."""
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())


def step_line(step: Step) -> str:
    """Return one line about a finished step: mark, what it did, where, how much, how long."""
    parts = [f"  {MARKS[step.outcome]} {STEPS[step.name]}"]
    if step.target:
        parts.append(f"({step.target})")
    if step.size_bytes is not None:
        parts.append(words.size(step.size_bytes))
    parts.append(f"in {words.duration(step.duration)}")
    line = " ".join(parts)
    return f"{line}: {step.message}" if step.message else line


def run_lines(run: Run) -> Iterator[str]:
    """Yield what there is to say about a finished Run: how it ended, then what to do."""
    outcome = run.outcome or Outcome.INTERRUPTED
    yield f"{MARKS[outcome]} {words.run(run)}"
    if run.hint:
        yield f"  {run.hint}"


class Ticker:
    """Shows progress: bars on a terminal, otherwise nothing but what is said by line."""

    def __init__(self, bars: Bars | None) -> None:
        self._bars = bars
        self._tasks: dict[StepName, TaskID] = {}

    def show(self, progress: Progress) -> None:
        """Move the bar of a step."""
        if self._bars is None:
            return
        if progress.step not in self._tasks:
            self._tasks[progress.step] = self._bars.add_task(
                STEPS[progress.step], total=None, unit=progress.unit
            )
        task = self._tasks[progress.step]
        self._bars.update(task, completed=progress.done, total=progress.total)

    def line(self, text: str) -> None:
        """Write a line above the bars."""
        if self._bars is None:
            say(text)
        else:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def clear(self) -> None:
        """Take the bars away: the step they showed is over."""
        for task in self._tasks.values():
            if self._bars is not None:
                self._bars.remove_task(task)
        self._tasks.clear()


@contextmanager
def ticker(*, quiet: bool = False) -> Iterator[Ticker]:
    """Show progress for the length of the block, on a terminal and unless `quiet`."""
    if quiet or not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield Ticker(None)
        return
    from rich.console import Console  # noqa: PLC0415 - half of `appliance status` otherwise
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        DownloadColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    class Amount(DownloadColumn):
        """Bytes as bytes, anything else as a plain count."""

        def render(self, task: Task) -> Text:
            if task.fields["unit"] == "bytes":
                return super().render(task)
            return Text(f"{task.completed:.0f}/{task.total or 0:.0f} {task.fields['unit']}")

    class Speed(TransferSpeedColumn):
        """Of bytes alone."""

        def render(self, task: Task) -> Text:
            return super().render(task) if task.fields["unit"] == "bytes" else Text()

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        Amount(),
        Speed(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(), transient=True) as bars:
        yield Ticker(bars)


@contextmanager
def spinning(words: str, *, quiet: bool = False) -> Iterator[None]:
    """Show that something is waited for, for the length of the block; a line where there is no
    terminal.
    """
    if quiet or not (sys.stdout.isatty() and sys.stderr.isatty()):
        if not quiet:
            say(f"  … {words}")
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - as for bars

    with Console().status(words):
        yield


def exit_code(outcomes: Sequence[Outcome | None]) -> int:
    """Given how Runs ended, return 0 (fine), 1 (the work failed) or 3 (waits for a person)."""
    good = {Outcome.OK, Outcome.WARNING, Outcome.SKIPPED}
    if all(outcome in good for outcome in outcomes):
        return 0
    return 3 if all(outcome in good | {Outcome.HELD} for outcome in outcomes) else 1


def facts(pairs: Mapping[str, str]) -> None:
    """Write names and values in two aligned columns."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        say(f"  {name.ljust(width)}  {value}")
