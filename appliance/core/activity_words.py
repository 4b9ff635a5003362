"""The only home of what Activity calls things: Runs, their steps and how they ended, for anybody.

A Run's `source` is the name of a source, or `KIND:NAME` for everything else that is written down.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from . import words
from .model import Outcome, Run, Step, StepName, Trigger

ACT = {Trigger.PAGE: "page:", Trigger.COMMAND: "command:", Trigger.BUTTON: "button:"}
"""Before what a person did, where a Run has its source: on the page, by command, at the button."""
_LONGEST_NAME = 80
_LONGEST_TOOK = timedelta(days=30)


class Kind(StrEnum):
    """What a Run is about; the ledger's column `kind` says the same (see `ledger_schema`)."""

    BACKUP = "backup"
    DRILL = "drill"
    MIRROR = "mirror"
    CHECK = "check"
    RESTORE = "restore"
    TIMELINE = "timeline"
    ERASE = "erase"
    PERSON = "person"


KINDS = {
    Kind.BACKUP: "Backups",
    Kind.DRILL: "Test restores",
    Kind.MIRROR: "Cloud copies",
    Kind.CHECK: "Disks read whole",
    Kind.RESTORE: "Getting data back",
    Kind.TIMELINE: "Reading backups for a search",
    Kind.ERASE: "Erasing people",
    Kind.PERSON: "What people did",
}
OUTCOMES = {
    Outcome.OK: "Done",
    Outcome.WARNING: "With a warning",
    Outcome.HELD: "Held for a decision",
    Outcome.FAILED: "Failed",
    Outcome.SKIPPED: "Nothing new",
    Outcome.CANCELLED: "Stopped on request",
    Outcome.INTERRUPTED: "Cut off",
}
"""To choose from."""
MARKS = {
    Outcome.OK: "✓",
    Outcome.WARNING: "!",
    Outcome.HELD: "?",
    Outcome.FAILED: "✗",
    Outcome.SKIPPED: "=",
    Outcome.CANCELLED: "-",
    Outcome.INTERRUPTED: "-",
}
"""The shape of each outcome: none is known by its colour alone."""
UNDER_WAY = "…"
_CALLED = {
    Kind.DRILL: "Test restore from {}",
    Kind.MIRROR: "Cloud copy to {}",
    Kind.CHECK: "Disk read whole: {}",
    Kind.RESTORE: "Getting data back from {}",
    Kind.TIMELINE: "Reading backups of {} for a search",
    Kind.ERASE: "Erasing from the backups of {}",
}
_ACTS = {
    "claim": "Page taken into use",
    "decision": "Decision about a held export",
    "download": "Data downloaded",
    "eject": "Disk let go",
    "link": "Download link given",
    "erasure": "Records erased",
    "pairing": "Disk made a backup disk",
    "password": "Password changed",
    "sheet": "Emergency sheet shown",
    "sign-in": "Sign-in",
    "sign-out": "Sign-out",
    "trust": "Server trusted",
    "vendor": "Sign-in at a vendor's",
}
_STEPS = {
    StepName.PULL: "Fetch",
    StepName.UNPACK: "Unpack",
    StepName.INSPECT: "Look at it",
    StepName.ARCHIVE: "Store",
    StepName.VERIFY: "Read back and compare",
    StepName.PRUNE: "Let old backups go",
    StepName.MIRROR: "Copy to the cloud",
    StepName.REPORT: "Say so",
}
_STEPS_THERE = {
    StepName.PULL: "Fetch the copy from {}",
    StepName.ARCHIVE: "Store on {}",
    StepName.VERIFY: "Read back from {} and compare",
    StepName.PRUNE: "Let old backups go on {}",
    StepName.MIRROR: "Copy to the cloud ({})",
}


def kind_of(source: str) -> str:
    """Given a Run's source, return its Kind; what no Kind is known for is its own."""
    kind, colon, _ = source.partition(":")
    if not colon:
        return Kind.BACKUP
    return Kind.PERSON if f"{kind}:" in ACT.values() else kind


def what(source: str) -> str:
    """Given a Run's source, return what was done: `Backup of crm`, `Sign-in`."""
    kind, name = kind_of(source), source.partition(":")[2]
    if kind == Kind.BACKUP:
        return f"Backup of {_short(source)}"
    if kind == Kind.PERSON:
        return _ACTS.get(name) or _short(name.replace("-", " ").capitalize())
    return _CALLED[Kind(kind)].format(_short(name)) if kind in _CALLED else _short(source)


def about(wish: str) -> str:
    """Given what Activity is asked for, a source or a Kind with a colon, return it in words."""
    kind = wish.removesuffix(":")
    return KINDS[Kind(kind)] if wish.endswith(":") and kind in set(Kind) else what(wish)


def ended(run: Run) -> str:
    """Return how a Run ended, in words."""
    if run.outcome is None:
        return "under way"
    is_backup, is_act = (kind_of(run.source) == each for each in (Kind.BACKUP, Kind.PERSON))
    if is_act and run.outcome is Outcome.WARNING:
        return "did not go through"
    if run.outcome is Outcome.SKIPPED and not is_backup:
        return "there was nothing to do"
    return words.OUTCOMES[run.outcome]


def step_ended(step: Step) -> str:
    """Return how a step ended, in words."""
    return "left out" if step.outcome is Outcome.SKIPPED else words.OUTCOMES[step.outcome]


def mark(outcome: Outcome | None) -> str:
    """Return the shape that stands for how something ended."""
    return MARKS[outcome] if outcome else UNDER_WAY


def why(run: Run) -> str:
    """Return why a Run started, in words."""
    if run.trigger is Trigger.PAGE and kind_of(run.source) == Kind.PERSON:
        return "on the page"
    return words.TRIGGERS[run.trigger]


def took(run: Run) -> str:
    """Return how long a Run took by the wall clock; empty where that says nothing.

    An act takes no time, and a clock that was set meanwhile would make it years.
    """
    if run.finished is None or kind_of(run.source) == Kind.PERSON:
        return ""
    length = run.finished - run.started
    return words.duration(length) if timedelta() <= length <= _LONGEST_TOOK else ""


def line(run: Run) -> str:
    """Return one line about a Run: `Backup of crm: done in 2 minutes. 12 new contacts`."""
    length = took(run) if run.outcome in (Outcome.OK, Outcome.WARNING) else ""
    how = f"{ended(run)} in {length}" if length else ended(run)
    return f"{what(run.source)}: {how}. {run.message}".strip()


def step(step: Step) -> str:
    """Return what a step did and where: `Store on disk-a`."""
    if step.target and step.name in _STEPS_THERE:
        return _STEPS_THERE[step.name].format(_short(step.target))
    return _STEPS[step.name]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
