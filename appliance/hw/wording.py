"""A disk as a person would name it, and what is on it."""

from __future__ import annotations

from ..core.model import AttachedDisk, Filesystem
from ..core.words import listed, size

_NAMES = {
    "": "something unknown",
    "vfat": "FAT",
    "exfat": "exFAT",
    "ntfs": "NTFS",
    "crypto_LUKS": "an encrypted part",
}


def on_it(disk: AttachedDisk) -> str:
    """Say what is on a disk."""
    found = dict.fromkeys(_filesystem(one) for one in disk.filesystems)
    return listed(list(found)) or "nothing that is known"


def in_words(disk: AttachedDisk) -> str:
    """Name a disk as a person would: `SanDisk Ultra, 64.0 GB`."""
    name = " ".join(filter(None, (disk.maker, disk.model))) or "a disk"
    return f"{name}, {size(disk.size_bytes)}"


def _filesystem(one: Filesystem) -> str:
    label = f" “{one.label}”" if one.label else ""
    return f"{_NAMES.get(one.kind, one.kind)}{label}"
