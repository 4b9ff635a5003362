"""What unpacking gives: files, the containers they lay in, and sentences for the Run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .hidden import NOTHING, Hidden
from .original import Recipe


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an export, unpacked."""

    path: str
    """Safe, relative, `/`-separated, unique in the export: `Data_001.zip/Leads_001.csv`."""
    file: Path
    """Where its bytes lie."""
    size_bytes: int
    sha256: str
    modified: datetime | None = None
    hidden: Hidden = NOTHING
    """What of the vendor's file is not in it any more."""


@dataclass(frozen=True, slots=True)
class Container:
    """A ZIP, gzip or tar that became a folder of its name."""

    path: str
    file: Path
    """The vendor's own bytes."""
    size_bytes: int
    sha256: str
    members: tuple[str, ...]
    """Paths of what lies directly in it, Members and inner Containers, in its own order."""
    recipe: Recipe | None
    """How to make exactly these bytes from Members (those of inner Containers included);
    None: keep `file`, or do without."""
    modified: datetime | None = None
    inside: str = ""
    """The path of the Container it lies in; what lies in another needs no recipe of its own."""
    is_masked: bool = False
    """Whether something is hidden that was in it: then its own bytes must not be kept."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An export with everything opened that could be."""

    members: tuple[Member, ...]
    containers: tuple[Container, ...]
    notes: tuple[str, ...] = ()
    """What a person must look at: something may be missing."""
    remarks: tuple[str, ...] = ()
    """What is only recorded: every byte is kept, and tomorrow it will be the same."""
