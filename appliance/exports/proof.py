"""The only home of finding out how a container was made, and of proving that it can be made again.

For each deflated stretch zlib's settings are tried, the likeliest first, each given up at the first
byte that differs. The SHA-256 is taken over what we made ourselves, never over what we read.
A stream that another deflate made (7-Zip, zopfli, Go) has no recipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..core.ports import Watch
from .original import (
    CHUNK_BYTES,
    MAX_SKELETON_BYTES,
    Flow,
    Piece,
    Recipe,
    Settings,
    chunks_of,
    packed,
)

if TYPE_CHECKING:
    from hashlib import _Hash

_LEVELS = (6, 9, 1, 5, 4, 3, 2, 7, 8)
_MEMORIES = (8, 9)
"""zlib's own default (Java, Python, .NET), and the most it takes (libzip, and so PHP)."""
_USUAL = tuple(Settings(level, memory) for level, memory in product(_LEVELS, _MEMORIES))
_MAX_PIECES = 250_000
_MANY_TRIES = 3
"""So many times a stretch's size may be spent on settings that agree only for a while."""


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
    size_bytes: int
    is_deflated: bool
    start: int = 0
    """Where the stretch starts in the member: 0 but for a gzip made of several."""
    likely_level: int = 6


def recipe_for(container: Path, sha256: str, parts: Sequence[Part], watch: Watch) -> Recipe | None:
    """Given a container, its SHA-256 and where its members lie in it, return how to make it.

    None where some stream is not zlib's, or the recipe would be too large. Raise Cancelled.
    """
    size_bytes = container.stat().st_size
    with container.open("rb") as file:
        walk = _Walk(file, watch)
        for part in sorted(parts, key=lambda part: part.offset):
            if not walk.skeleton_until(part.offset) or not walk.add(part):
                return None
        if not walk.skeleton_until(size_bytes) or walk.digest.hexdigest() != sha256:
            return None
        return Recipe(size_bytes, sha256, bytes(walk.skeleton), tuple(walk.pieces))


class _Walk:
    """Goes through a container once, making each stretch anew and hashing what was made."""

    def __init__(self, file: BinaryIO, watch: Watch) -> None:
        self.digest = hashlib.sha256()
        self.skeleton = bytearray()
        self.pieces: list[Piece] = []
        self._file = file
        self._watch = watch
        self._position = 0
        self._last: tuple[Settings, ...] = ()

    def skeleton_until(self, offset: int) -> bool:
        """Keep the bytes up to `offset`; return False where that is too much."""
        size_bytes = offset - self._position
        if size_bytes < 0 or len(self.skeleton) + size_bytes > MAX_SKELETON_BYTES:
            return False
        if size_bytes:
            self._file.seek(self._position)
            kept = self._file.read(size_bytes)
            self.skeleton += kept
            self.digest.update(kept)
            self.pieces.append(Piece(size_bytes))
            self._position = offset
        return len(self.pieces) < _MAX_PIECES

    def add(self, part: Part) -> bool:
        """Make the stretch; return False where we do not know how."""
        spent = 0
        for settings in self._candidates(part):
            digest, agreed = self._make(part, settings)
            if digest is not None:
                self._accept(part, settings, digest)
                return True
            spent += agreed
            if spent > _MANY_TRIES * part.packed_bytes + CHUNK_BYTES:
                break
        return False

    def _candidates(self, part: Part) -> Sequence[Settings | None]:
        if not part.is_deflated:
            return (None,)
        likely = tuple(Settings(part.likely_level, memory) for memory in _MEMORIES)
        return tuple(dict.fromkeys((*self._last, *likely, *_USUAL)))

    def _make(self, part: Part, settings: Settings | None) -> tuple[_Hash | None, int]:
        """Return the digest with this stretch, None if it differs, and how many bytes agreed."""
        digest, agreed = self.digest.copy(), 0
        self._file.seek(part.offset)
        with part.file.open("rb") as file:
            file.seek(part.start)
            for made in packed(Flow(chunks_of(file)).take(part.size_bytes), settings):
                self._watch.check()
                if agreed + len(made) > part.packed_bytes or self._file.read(len(made)) != made:
                    return None, agreed
                digest.update(made)
                agreed += len(made)
        return (digest if agreed == part.packed_bytes else None), agreed

    def _accept(self, part: Part, settings: Settings | None, digest: _Hash) -> None:
        self.digest = digest
        self._last = (settings,) if settings else self._last
        self.pieces.append(Piece(part.size_bytes, part.member, settings, part.start))
        self._position = part.offset + part.packed_bytes
