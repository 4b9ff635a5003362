"""The only home of *gone for sure*: by when no backup holds what is deleted in the CRM today.

The next backup may still hold it, as its export may have been made before. From then on each step
waits at most so long for the one before it: what came later may lean on that version for a while
(`leaning`), the last backup that does so comes to its end, is let go in a round, and its room is
given back in the next one. Where nothing says how old a backup gets there is no such date, for the
other numbers count backups and not days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .retention import Policy
from .words import listed, plural

UNDO = timedelta(days=7)
"""How long what was let go can still be brought back; a round comes no more often than that."""
EXPIRE_EVERY = timedelta(days=7)
"""How often a cloud copy lets go of what its disk no longer has."""
_LONGEST_LEANING = timedelta(days=30)
_LEANING_SHARE = 4
_WAITS = 4
"""Backups by the schedule that one may have to wait for: the next one, the one that leans on
nothing older, and the two that let go and give the room back."""
_WORK = timedelta(days=1)
"""What the backups themselves may take, one behind the other."""
_CLOUD_WAITS = 2
"""The same for the cloud: one notices what the disk no longer has, another one lets go of it."""
_COUNTS = ("last", "daily", "weekly", "monthly", "yearly")
_MONTH, _YEAR = timedelta(days=30.44), timedelta(days=365.25)


def leaning(policy: Policy) -> timedelta | None:
    """Return how long a backup may be stored as a difference from versions that are no longer the
    CRM's; None: as long as it saves room.
    """
    if policy.at_most is None:
        return None
    return min(_LONGEST_LEANING, policy.at_most / _LEANING_SHARE)


def gone_after(
    policy: Policy, wait: timedelta, beside: timedelta = timedelta()
) -> timedelta | None:
    """Given the longest time from one backup to the next, and how long an inbox keeps `beside` its
    backups what was put there, return after how long what is deleted in the CRM is gone for sure
    from a place that is always here; None where nobody can know.
    """
    leant = leaning(policy)
    if policy.at_most is None or leant is None:
        return None
    return max(policy.at_most + leant + UNDO, beside) + UNDO + _WAITS * wait + _WORK


def gone_from_the_cloud(
    gone: timedelta | None, expires: timedelta | None, wait: timedelta
) -> timedelta | None:
    """Given when it is gone from the disk and how long the cloud keeps what the disk no longer has,
    return after how long it leaves the cloud, where no more than usual goes at once.
    """
    if gone is None or expires is None:
        return None
    return gone + expires + 2 * EXPIRE_EVERY + _CLOUD_WAITS * wait


def kept_for_about(policy: Policy) -> timedelta:
    """Return how far the numbers reach back where there is a backup each night."""
    return (
        timedelta(days=policy.last + policy.daily + 7 * policy.weekly)
        + policy.monthly * _MONTH
        + policy.yearly * _YEAR
    )


# --- in words ------------------------------------------------------------------------------------


def numbers(kept: Mapping[str, str]) -> str:
    """Given how many backups stay of each period, and how old they get, say it."""
    parts = [
        f"one a {unit} for {kept[key]} {unit}s"
        for key, unit in (
            ("daily", "day"),
            ("weekly", "week"),
            ("monthly", "month"),
            ("yearly", "year"),
        )
        if kept[key] != "0"
    ]
    then = f", then {listed(parts)}" if parts else ""
    end = f"; none gets older than {kept['at_most']}" if kept.get("at_most") else ""
    return f"Kept: the {kept['last']} newest{then}{end}."


def numbers_of(policy: Policy) -> str:
    """Say how many backups a policy keeps."""
    counts = {key: str(getattr(policy, key)) for key in _COUNTS}
    end = roughly(policy.at_most, exactly=True) if policy.at_most else ""
    return numbers({**counts, "at_most": end})


def of_the_box(policy: Policy, gone: timedelta | None, now: datetime, zone: ZoneInfo) -> str:
    """Given after how long it is gone, say by when what is deleted in the CRM today is gone from
    the box and from what is always here.
    """
    if gone is None:
        about = roughly(kept_for_about(policy))
        return (
            "There is no fixed date, because the numbers count backups and not days. With a backup "
            f"each night, what is deleted in the CRM today is kept for {about} or longer."
        )
    return f"What is deleted in the CRM today is gone for sure by {day(now + gone, zone)}."


CONDITION = (
    "The newest good backup always stays, so these dates hold where a new one comes as often as it "
    "should and is not held."
)
DISKS = (
    "A disk that is away that day still has it: its first backup then lets it go, and another one "
    "a week later or more gives the room back."
)


def of_the_cloud(  # noqa: PLR0917 - what there is to know of it
    name: str,
    expires: timedelta | None,
    gone: timedelta | None,
    wait: timedelta,
    now: datetime,
    zone: ZoneInfo,
) -> str:
    """Say when it leaves a cloud copy, `gone` after which it is gone from the disk."""
    if expires is None:
        return f"The cloud copy {name} keeps it for ever: nothing says when it goes there."
    later = f"{roughly(expires, exactly=True)} longer than its disk"
    leaves = gone_from_the_cloud(gone, expires, wait)
    if leaves is None:
        return f"The cloud copy {name} keeps it {later}."
    return (
        f"The cloud copy {name} keeps it {later}: until about {day(now + leaves, zone)}, or some "
        "weeks more, as at most a fifth of it goes in a week."
    )


def day(moment: datetime, zone: ZoneInfo) -> str:
    """Return the day on which an aware time is surely over: `12 March 2028`."""
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


def roughly(length: timedelta, *, exactly: bool = False) -> str:
    """Return a long time in days, months or years: `90 days`, `about 14 months`."""
    if exactly or length < 3 * _MONTH:
        return plural(round(length / timedelta(days=1)), "day")
    if length < 2 * _YEAR:
        return f"about {plural(round(length / _MONTH), 'month')}"
    return f"about {plural(round(length / _YEAR), 'year')}"
