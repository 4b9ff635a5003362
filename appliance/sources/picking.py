"""The only home of which files of a folder are an export, and of whether they hold still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from time import monotonic

from ..core.errors import ExportNotReady
from ..core.model import SeenFile, StepName
from ..core.ports import Watch

_UNFINISHED = (
    *(".part", ".filepart", ".tmp", ".temp", ".partial"),
    *(".crdownload", ".download", ".opdownload"),  # Chrome, Safari, Opera
)
_LOCK_PREFIX = "~$"  # beside a file that is open in an Office program
_LITTER = ("thumbs.db", "desktop.ini")  # what Windows leaves in a shared folder
_GLANCE_SECONDS = 2.0
"""Between two looks at a file that has not changed for long."""
_LOOK_EVERY_SECONDS = 10.0
_PATIENCE = 5
"""So many times `stable_for` a growing file is watched before the next try is left to the Run."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One regular file in a folder."""

    name: str
    """Cleaned, for people and matching."""
    raw: bytes
    """As the folder has it."""
    size_bytes: int
    modified: datetime


def unseen(entries: Sequence[Entry], seen: Sequence[SeenFile]) -> tuple[Entry, ...]:
    """Return the entries that no earlier Run archived with this name, size and time."""
    known = {(file.name, file.size_bytes, file.modified) for file in seen}
    return tuple(
        entry for entry in entries if (entry.name, entry.size_bytes, entry.modified) not in known
    )


def instant(seconds: float) -> datetime:
    """Given seconds since 1970, return the aware time; one beyond the calendar becomes its end."""
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def is_candidate(name: str, pick: Sequence[str]) -> bool:
    """Given a file's name, say whether it can be an export: wanted, finished and not hidden."""
    lower = name.lower()
    if name.startswith((".", _LOCK_PREFIX)) or lower.endswith(_UNFINISHED) or lower in _LITTER:
        return False
    return any(fnmatchcase(lower, pattern.lower()) for pattern in pick)


def newest_of(entries: Sequence[Entry], newest: int) -> tuple[Entry, ...]:
    """Return the `newest` entries by modification time (0: all), newest last."""
    ordered = sorted(entries, key=lambda entry: (entry.modified, entry.name))
    return tuple(ordered[-newest:] if newest else ordered)


def wait_until_still(
    look: Callable[[], tuple[Entry, ...]],
    is_old: Callable[[Entry], bool],
    stable_for: timedelta,
    watch: Watch,
    *,
    some_will_do: bool = False,
    clock: Callable[[], float] = monotonic,
) -> tuple[Entry, ...]:
    """Look until what was chosen has held still; return it.

    What `is_old` (proved to have rested for `stable_for`) needs one more glance; anything else
    has to hold still for `stable_for` before our own eyes. With `some_will_do` what still grows
    then is left for the next Run. Raise ExportNotReady when the patience ends, Cancelled when
    somebody asked.
    """
    needed, started = stable_for.total_seconds(), clock()
    since: dict[Entry, float] = {}
    while True:
        chosen, now = look(), clock()
        since = {entry: since.get(entry, now) for entry in chosen}
        rest = {entry: _rest(is_old, entry, needed) - (now - since[entry]) for entry in chosen}
        still = tuple(entry for entry in chosen if rest[entry] <= 0)
        if len(still) == len(chosen) or (some_will_do and still and now - started > needed):
            return still
        if now - started > needed * _PATIENCE:
            raise ExportNotReady("The export was still growing when we stopped watching it.")
        watch.report(StepName.PULL, 0, note="waiting until the export holds still")
        watch.cancel.wait(min(max(rest.values()), _LOOK_EVERY_SECONDS))


def _rest(is_old: Callable[[Entry], bool], entry: Entry, needed: float) -> float:
    if needed <= _GLANCE_SECONDS:
        return needed
    return _GLANCE_SECONDS if is_old(entry) else needed
