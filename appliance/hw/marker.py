"""The mark that the box leaves on a disk of its own, sealed so that nobody else can make one.

It is not a secret: it says whose disk this is to whoever finds it. What it protects from is
writing to a disk that only looks like ours: a clone, a swap, a disk of another box.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..core.errors import DiskReadOnly, WrongDisk
from ..system.files import write_durably

FILE = ".appliance-disk.json"
_VERSION = 1
LONGEST_BYTES = 16 * 1024
_LONGEST_WORD = 128


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose disk it is, and which one."""

    box_id: str
    box_name: str
    name: str
    """The disk's name on its box."""
    uuid: str
    """Of the filesystem the marker lies on: a copy on another one is worth nothing."""
    serial: str
    repository_id: str
    paired: datetime


def new_key() -> str:
    """Return a new key to seal markers with, as text for the secret store."""
    return secrets.token_hex(32)


def write(folder: Path, marker: Marker, key: bytes) -> None:
    """Leave a sealed marker in the root folder of a disk, durably."""
    facts = {**asdict(marker), "paired": marker.paired.isoformat(), "version": _VERSION}
    text = json.dumps({**facts, "seal": _seal(facts, key)}, indent=2, sort_keys=True) + "\n"
    write_durably(folder / FILE, text.encode(), 0o644)


def read(folder: Path) -> Marker | None:
    """Return what the marker on a disk says, believed or not; None where there is none.

    Raise DiskReadOnly where the disk does not answer.
    """
    facts = _facts(folder)
    return _marker(facts) if facts else None


def parsed(text: str) -> Marker | None:
    """Given the text of a marker, return what it says, believed or not; None if it is none."""
    facts = _loaded(text)
    return _marker(facts) if facts else None


def verified(folder: Path, key: bytes) -> Marker:
    """Return the marker of a disk; raise WrongDisk where there is none or its seal is not ours,
    DiskReadOnly where the disk does not answer.
    """
    facts = _facts(folder)
    marker = _marker(facts) if facts else None
    if not facts or marker is None:
        raise WrongDisk("This disk does not carry the box's own mark.")
    seal = str(facts.pop("seal", ""))
    if not hmac.compare_digest(seal.encode(), _seal(facts, key).encode()):
        raise WrongDisk(
            f"This disk belongs to another box (“{marker.box_name}”), or its mark was changed.",
            hint="`appliance recover` adopts a disk of a box that is gone; nothing was written.",
        )
    return marker


def _seal(facts: dict[str, Any], key: bytes) -> str:
    said = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, said.encode(), "sha256").hex()


def _facts(folder: Path) -> dict[str, Any] | None:
    try:  # a stranger's disk may have a pipe of this name, which would never answer
        handle = os.open(folder / FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            text = file.read(LONGEST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise DiskReadOnly("The disk cannot be read.", detail=str(error)) from error
    return _loaded(text or b"")


def _loaded(text: str | bytes) -> dict[str, Any] | None:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def _marker(facts: dict[str, Any]) -> Marker | None:
    names = ("box_id", "box_name", "name", "uuid", "serial", "repository_id")
    try:
        words = {name: _printable(str(facts[name])) for name in names}
        return Marker(**words, paired=datetime.fromisoformat(facts["paired"]))
    except (KeyError, TypeError, ValueError):
        return None


def _printable(text: str) -> str:
    """Whoever wrote it: no word of it moves a terminal's cursor or fills a screen."""
    return "".join(filter(str.isprintable, text))[:_LONGEST_WORD]
