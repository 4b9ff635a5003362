"""The only home of what a manifest says, as values; `manifest` reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core.model import SeenFile, StoredFile
from .hidden import NOTHING, Hidden
from .original import Recipe


@dataclass(frozen=True, slots=True)
class Chain:
    """One part of a member: a base and the patches that lead to its bytes."""

    links: tuple[str, ...]
    """Path of the base, then of each patch."""
    size_bytes: int
    packed_bytes: int
    """What zstd makes of the base; a new base is due when the patches outweigh it."""
    since: datetime | None = None
    """When its first patch was made: from then on it holds what the export no longer does. None
    where it has none, or it was written by a version that did not say."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What remains of a member to recognise its next version by."""

    shape: str = ""
    """A mark of its columns or keys; empty where it has none."""
    sketch: tuple[int, ...] = ()
    """Hashes of a sample of its content."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One member and where it lies: whole, in chains, or made by a recipe from what is inside."""

    path: str
    size_bytes: int
    sha256: str
    modified: datetime | None = None
    whole: str = ""
    chains: tuple[Chain, ...] = ()
    recipe: Recipe | None = None
    inside: tuple[Kept, ...] = ()
    likeness: Likeness = Likeness()
    hidden: Hidden = NOTHING
    """What of the vendor's file is not in it."""

    @property
    def lies_in(self) -> tuple[str, ...]:
        """The stored files that it needs."""
        links = tuple(link for chain in self.chains for link in chain.links)
        inner = tuple(path for kept in self.inside for path in kept.lies_in)
        return (*((self.whole,) if self.whole else ()), *links, *inner)


@dataclass(frozen=True, slots=True)
class Box:
    """One container: made by a recipe, kept as it came, or given up (neither)."""

    path: str
    size_bytes: int
    sha256: str
    modified: datetime | None = None
    inside: str = ""
    recipe: Recipe | None = None
    original: str = ""
    is_masked: bool = False
    """Whether it was given up because something is hidden that was in it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says about itself."""

    source: str
    pulled_at: datetime
    files: tuple[SeenFile, ...] = ()
    containers: tuple[Box, ...] = ()
    members: tuple[Kept, ...] = ()
    stored: Mapping[str, StoredFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Worth a warning."""
    remarks: tuple[str, ...] = ()
    """Harmless: recorded here and nowhere else."""
    tables: tuple[Mapping[str, Any], ...] = ()
    held: tuple[str, ...] = ()
    """Why a person had to look at it."""
