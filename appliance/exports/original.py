"""The only home of recipes: how to make the vendor's exact ZIP, gzip or tar from its members.

A container's bytes are members' bytes, plain or deflated by zlib with settings that we find out,
and a *skeleton*: all the bytes between them (headers, padding, directory, comment), kept as they
are. A recipe exists only where the members, the settings and the skeleton were seen to give the
container's own SHA-256; a stream that another deflate made (7-Zip, zopfli, Go) has none.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import RepositoryDamaged, ToolFailed
from ..core.ports import Watch

CHUNK_BYTES = 64 << 10
MAX_SKELETON_BYTES = 16 << 20
"""Beyond this the recipe would weigh more than it saves."""
MAX_PIECES = 200_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What zlib's deflateInit2 was told; window and strategy are always its defaults."""

    level: int
    memory: int


@dataclass(frozen=True, slots=True)
class Part:
    """Where in a container a stretch of one member's bytes lies."""

    member: str
    """The member's path."""
    file: Path
    """The member's bytes, unpacked."""
    offset: int
    """Where the stretch starts in the container."""
    packed_bytes: int
    start: int
    """Where the stretch starts in the member: 0 but for gzips made of several."""
    size_bytes: int
    is_deflated: bool
    likely_level: int = 6


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a container: of the skeleton (no member), or of a member."""

    size_bytes: int
    """Before deflating."""
    member: str | None = None
    start: int = 0
    settings: Settings | None = None
    """None: as it is."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make one container: its pieces in order."""

    size_bytes: int
    sha256: str
    skeleton: bytes
    pieces: tuple[Piece, ...]
    inner: Mapping[str, Recipe] = field(default_factory=dict)
    """Members that are containers themselves and made by their own recipe."""

    @property
    def members(self) -> tuple[str, ...]:
        """The paths of the files it needs, each once, in order, those of `inner` included."""
        raise NotImplementedError

    def over(self, member: str, recipe: Recipe) -> Recipe:
        """Given the recipe of one of its members, return this recipe without need of that file."""
        return replace(self, inner={**self.inner, member: recipe})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, compact."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """Given what `to_json` returned, return the recipe; raise RepositoryDamaged if it is not."""
        raise NotImplementedError


def recipe_for(
    container: Path, sha256: str, parts: Iterable[Part], watch: Watch
) -> Recipe | None:
    """Given a container and where its members lie in it, return how to make it, proved.

    None where some stream is not zlib's.
    """
    raise NotImplementedError


def rebuild(
    recipe: Recipe, members: Callable[[str], BinaryIO], out: BinaryIO, watch: Watch
) -> None:
    """Write the vendor's exact bytes to `out`.

    `members` opens a member by its path (it is read once, forwards, and closed). Raise ToolFailed
    where the result is not what it was (another zlib than the one that proved the recipe).
    """
    raise NotImplementedError
