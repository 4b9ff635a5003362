"""Decides whether a disk may be erased; it erases nothing, so the worker may ask it as well."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import WrongDisk
from ..core.model import AttachedDisk
from ..core.words import listed
from .marker import Marker
from .wording import in_words, on_it

OTHER_DISK = "Take another disk; `appliance disk list` shows what is plugged in."
SMALLEST_BYTES = 100_000_000
WORD = "ERASE"
"""What is typed for a disk that shows no serial number."""
_WITHOUT_JOURNAL = frozenset({"vfat", "exfat", "ntfs"})


class NotEmpty(WrongDisk):
    """Raised when a disk holds something: a person may type the word that erases it."""


def word_for(disk: AttachedDisk) -> str:
    """Return what has to be typed before a disk that holds something is erased."""
    return disk.serial or WORD


def require_erasable(
    disk: AttachedDisk, found: Sequence[str], mark: Marker | None, box_id: str, typed: str
) -> None:
    """Raise WrongDisk with the reason and the way out where a disk must not be erased.

    It is NotEmpty where the right word would change that.
    """
    name = in_words(disk)
    if disk.is_system:
        raise WrongDisk(f"{disk.node} ({name}) is what this machine runs from.", hint=OTHER_DISK)
    mounted = [one.mounted_at for one in disk.filesystems if one.mounted_at]
    if mounted:
        words = f"{disk.node} ({name}) is in use at {listed(mounted)}."
        raise WrongDisk(words, hint=f"`umount {mounted[0]}` first, if nobody needs it there.")
    if disk.is_read_only:
        raise WrongDisk(f"{disk.node} ({name}) is locked against writing.", hint=OTHER_DISK)
    if disk.size_bytes < SMALLEST_BYTES:
        raise WrongDisk(f"{disk.node} ({name}) is too small for backups.", hint=OTHER_DISK)
    if mark is not None and mark.box_id != box_id:
        raise WrongDisk(
            f"This is {mark.name} of another box (“{mark.box_name}”), with its backups.",
            hint=f"`sudo appliance recover --from {disk.node}` adopts it as it is.",
        )
    if (disk.filesystems or found) and typed != word_for(disk):
        raise _holds_something(disk, found)


def _holds_something(disk: AttachedDisk, found: Sequence[str]) -> NotEmpty:
    kinds = {one.kind for one in disk.filesystems}
    what = on_it(disk) if disk.filesystems else listed(list(found))
    why = ""
    if kinds & _WITHOUT_JOURNAL:
        why = " The box keeps backups on ext4 only, which survives a power cut."
    return NotEmpty(
        f"{disk.node} ({in_words(disk)}) is not empty: it holds {what}.{why}",
        hint=f"If nobody needs that any more, erase it: add --erase {word_for(disk)}",
    )
