"""The only home of phrasing: sizes, durations, ages, times and outcomes in a layperson's words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from .model import Outcome, Run, StepName, Trigger

_SIZE_UNITS = ("KB", "MB", "GB", "TB", "PB", "EB")
_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

STEPS = {
    StepName.PULL: "fetching the export",
    StepName.UNPACK: "unpacking it",
    StepName.INSPECT: "looking at what changed",
    StepName.ARCHIVE: "storing it",
    StepName.VERIFY: "reading it back to prove it",
    StepName.PRUNE: "letting go of old copies",
    StepName.MIRROR: "copying it to the cloud",
    StepName.REPORT: "reporting",
}
OUTCOMES = {
    Outcome.OK: "done",
    Outcome.WARNING: "done, with a warning",
    Outcome.HELD: "stored, but it looks suspicious and waits for you",
    Outcome.FAILED: "failed",
    Outcome.SKIPPED: "nothing new",
    Outcome.CANCELLED: "stopped on request",
    Outcome.INTERRUPTED: "cut off",
}
_MOST_TABLES = 3
_JOBS = {"mirror": "cloud copy to", "drill": "test restore from", "check": "reading all of"}
"""By what stands before the colon in the name of a job that backs up no source."""
TRIGGERS = {
    Trigger.SCHEDULE: "by the schedule",
    Trigger.BUTTON: "by the button",
    Trigger.PAGE: "from the page",
    Trigger.DISK: "because a disk was plugged in",
    Trigger.INBOX: "because a file was dropped in",
    Trigger.COMMAND: "by command",
    Trigger.CATCH_UP: "catching up",
}


def size(size_bytes: int) -> str:
    """Return a size as disks are labelled, in powers of 1000: `12.3 MB`."""
    if abs(size_bytes) < 1000:
        return plural(size_bytes, "byte")
    value = float(size_bytes)
    units = iter(_SIZE_UNITS)
    unit = "bytes"
    while abs(value) >= 999.95:  # which would be written 1000.0
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Return the count with its noun: `1 contact`, `12 contacts`, `3 copies`."""
    return f"{count:,} {noun if abs(count) == 1 else many or noun + 's'}"


def duration(length: timedelta) -> str:
    """Return a duration in its largest sensible unit: `2 minutes`, `0.4 seconds`."""
    seconds = max(length.total_seconds(), 0.0)
    if seconds < 10:
        return "1 second" if round(seconds, 1) == 1 else f"{seconds:.1f} seconds"
    for unit, each, enough in (
        ("second", 1, 90),
        ("minute", 60, 90 * 60),
        ("hour", 3600, 36 * 3600),
    ):
        if seconds < enough:
            return plural(round(seconds / each), unit)
    return plural(round(seconds / 86400), "day")


def age(length: timedelta) -> str:
    """Return how long ago something was, never more recent than it is: `6 hours ago`."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{plural(minutes, 'minute')} ago"
    if minutes < 48 * 60:
        return f"{plural(minutes // 60, 'hour')} ago"
    return f"{plural(minutes // (24 * 60), 'day')} ago"


def when(moment: datetime, zone: ZoneInfo, now: datetime | None = None) -> str:
    """Return an aware time on the office's clock: `Sat 21 Nov 03:00`.

    Given `now`, another year is written out.
    """
    local = moment.astimezone(zone)
    year = f" {local.year}" if now and now.astimezone(zone).year != local.year else ""
    day = f"{_DAY_NAMES[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
    return f"{day}{year} {local:%H:%M}"


def left(length: timedelta) -> str:
    """Return how long something will still take, never as if one knew it to the second."""
    seconds = length.total_seconds()
    if seconds < 10:
        return "a few seconds left"
    if seconds < 60:
        return f"about {ceil(seconds / 10) * 10} seconds left"
    return f"about {duration(timedelta(minutes=ceil(seconds / 60)))} left"


def near(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return an aware time on the office's clock as one says it: `today 03:00`, `Sat 21 Nov`."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    named = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((local.date() - today).days)
    return f"{named} {local:%H:%M}" if named else when(moment, zone, now)


def job(name: str) -> str:
    """Return what a job does: a source's name for its backup, else `cloud copy to cloud`."""
    kind, _, place = name.partition(":")
    return f"{_JOBS[kind]} {place}" if place and kind in _JOBS else name


def run(run: Run) -> str:
    """Return one line about a Run: `crm-nightly: done in 2 minutes. 12 new contacts`."""
    if run.outcome is None:
        return f"{run.source}: under way"
    line = f"{run.source}: {OUTCOMES[run.outcome]}{_took(run)}."
    return f"{line} {run.message}" if run.message else line


def _took(run: Run) -> str:
    """The steps' own durations: the wall clock may have jumped in between."""
    if run.outcome not in (Outcome.OK, Outcome.WARNING) or not run.steps:
        return ""
    return f" in {duration(sum((step.duration for step in run.steps), timedelta()))}"


def listed(items: list[str]) -> str:
    """Return the items as a person would list them: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def undone(since: Mapping[str, Mapping[str, int]]) -> str:
    """Given how many records of each table were `added`, `changed` and `removed` since a backup,
    night by night, return what loading all of that backup into the CRM would do to it.
    """
    lost = sorted((-one["added"], _up_to(one), name) for name, one in since.items() if one["added"])
    changed, removed = (sum(one[kind] for one in since.values()) for kind in ("changed", "removed"))
    back = f"{max(map(_up_to, since.values()), default='')}{plural(removed, 'removed record')}"
    told = [f"lose {_newer(lost)}"] if lost else []
    told += [f"undo {plural(changed, 'change')}"] if changed else []
    told += [f"bring back {back}"] if removed else []
    if not told:
        return "No record has changed since."
    return f"Loading all of it into the CRM would {listed(told)}."


def _up_to(one: Mapping[str, int]) -> str:
    """Who came in one night and went in another is neither lost nor brought back."""
    return "up to " if one["added"] and one["removed"] else ""


def _newer(lost: list[tuple[int, str, str]]) -> str:
    """The tables that lose most by their names, and the others together."""
    others = -sum(count for count, _, _ in lost[_MOST_TABLES:])
    told = [f"{up_to}{-count:,} newer {name}" for count, up_to, name in lost[:_MOST_TABLES]]
    return listed([*told, f"{plural(others, 'other newer record')}"] if others else told)
