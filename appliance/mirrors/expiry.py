"""Decides which objects may leave the cloud; it does nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from ..core.errors import MirrorRefused
from ..core.model import Removal

LARGEST_SHARE = 0.2


def plan_removal(
    there: AbstractSet[str],
    here: AbstractSet[str],
    older_than: timedelta,
    now: datetime,
    missing_since: Mapping[str, datetime],
) -> Removal:
    """Given the segments (`folder/number`) in the cloud and on the disk, return the Removal.

    Raise MirrorRefused where the disk has none, or the cloud has newer ones than the disk: such a
    disk was emptied or rolled back. The longest missing go first, at most a fifth at a time.
    """
    if not here:
        raise MirrorRefused("The copy on the disk is empty; nothing is removed for that.")
    newest = max(_number(name) for name in here)
    missing = {name: missing_since.get(name, now) for name in there - here}
    if any(_number(name) > newest for name in missing):
        raise MirrorRefused(
            "The cloud holds newer parts than the disk.",
            hint="The disk was set back or replaced; nothing in the cloud was removed.",
        )
    due = sorted(
        (name for name, since in missing.items() if now - since > older_than),
        key=lambda name: (missing[name], _number(name)),
    )
    removed = tuple(due[: int(len(there) * LARGEST_SHARE)])
    return Removal(removed, {n: since for n, since in missing.items() if n not in set(removed)})


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])
