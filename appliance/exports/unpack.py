"""The only home of opening what a vendor packed: ZIP, gzip and tar become folders of their names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..core.model import Export
from ..core.ports import Watch
from .original import Recipe


@dataclass(frozen=True, slots=True)
class Limits:
    """What an export may grow to; beyond it is a bomb and ExportUnsafe."""

    max_bytes: int = 64 << 30
    max_members: int = 100_000
    max_depth: int = 2
    """2: a ZIP inside a ZIP is opened too, one inside that stays a file."""
    max_ratio: int = 1000
    """Unpacked to packed, over the whole export, after the first 64 MiB."""
    reserve_bytes: int = 512 << 20
    """Room that stays free on the disk."""


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


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An export with everything opened that could be."""

    members: tuple[Member, ...]
    containers: tuple[Container, ...]
    notes: tuple[str, ...] = ()


def unpack(export: Export, into: Path, limits: Limits, watch: Watch) -> Unpacked:
    """Given an export and an empty folder, open what is packed; raise ExportUnsafe or DiskFull."""
    raise NotImplementedError


def open_spreadsheet(
    member: Member, into: Path, limits: Limits, watch: Watch
) -> tuple[Container, tuple[Member, ...]] | None:
    """Given an XLSX (or another ZIP kept whole), return it opened, or None where its exact bytes
    could not be made again. An outer recipe goes on with `recipe.over(member.path, inner)`.
    """
    raise NotImplementedError
