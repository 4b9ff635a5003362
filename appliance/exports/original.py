"""The only home of recipes: how to make the vendor's exact ZIP, gzip or tar from its members.

A container's bytes are members' bytes, plain or deflated by zlib with settings that `proof` found
out, and a *skeleton*: all the bytes between them (headers, padding, directory, comment), kept as
they are. Whatever zlib this machine has, the result is compared with the container's SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from ..core.errors import RepositoryDamaged, ToolFailed
from ..core.ports import Watch

CHUNK_BYTES = 64 << 10
MAX_SKELETON_BYTES = 16 << 20
"""Beyond this a recipe would weigh more than it saves."""


class NotReproduced(ToolFailed):
    """Raised when a recipe gives other bytes than the vendor's: this zlib deflates otherwise."""

    hint = "Restore without the original: the files that were in it are all there."


@dataclass(frozen=True, slots=True)
class Settings:
    """What zlib's deflateInit2 was told; window and strategy are always its defaults."""

    level: int
    memory: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a container: of the skeleton (no member), or of a member."""

    size_bytes: int
    """Before deflating."""
    member: str | None = None
    settings: Settings | None = None
    """None: as it is."""
    start: int = 0
    """Where it starts in the member: 0 but for a gzip made of several."""


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
        """The paths of the files it needs, each once, those of `inner` recipes included."""
        needed: dict[str, None] = {}
        for path in dict.fromkeys(piece.member for piece in self.pieces):
            if path is not None:
                leaves = self.inner[path].members if path in self.inner else (path,)
                needed |= dict.fromkeys(leaves)
        return tuple(needed)

    def over(self, member: str, recipe: Recipe) -> Recipe:
        """Given the recipe of a member, return this recipe without need of that member's file."""
        inner = {path: known.over(member, recipe) for path, known in self.inner.items()}
        if any(piece.member == member for piece in self.pieces):
            inner[member] = recipe
        return replace(self, inner=inner)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, compact: a piece is a number of bytes of the skeleton, or
        `[member, size]`, `[member, size, level, memory]`, or that and where it starts.
        """
        numbers: dict[str, int] = {}
        pieces = [_piece_to_json(piece, numbers) for piece in self.pieces]
        value: dict[str, Any] = {
            "size": self.size_bytes,
            "sha256": self.sha256,
            "members": list(numbers),
            "pieces": pieces,
            "skeleton": base64.b64encode(zlib.compress(self.skeleton, 9)).decode(),
        }
        if self.inner:
            value["inner"] = {path: recipe.to_json() for path, recipe in self.inner.items()}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """Given what `to_json` returned, return the recipe; raise RepositoryDamaged if it is not
        one.
        """
        try:
            return _recipe_from_json(value)
        except (LookupError, TypeError, ValueError, AttributeError, zlib.error) as error:
            message = "The record of how to make the vendor's original cannot be read."
            raise RepositoryDamaged(message, detail=repr(error)) from error


def rebuild(
    recipe: Recipe, members: Callable[[str], BinaryIO], out: BinaryIO, watch: Watch
) -> None:
    """Write the vendor's exact bytes to `out`.

    `members` opens a member by its path: it is read once, forwards, and closed. Raise
    NotReproduced where the result is not what it was (another zlib than the recipe's).
    """
    digest = hashlib.sha256()
    with closing(_made(recipe, members)) as chunks:
        for chunk in chunks:
            watch.check()
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != recipe.sha256:
        raise NotReproduced(
            "The vendor's original could not be put together again byte for byte.",
            detail=f"zlib {zlib.ZLIB_RUNTIME_VERSION}: {digest.hexdigest()}, not {recipe.sha256}",
        )


class Flow:
    """Bytes that come in chunks, taken in stretches; what is cut off goes to the next stretch."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.position = 0
        self._chunks = chunks
        self._rest = b""

    def take(self, size_bytes: int) -> Iterator[bytes]:
        """Yield the next bytes in chunks of CHUNK_BYTES; fewer where there are no more."""
        while size_bytes > 0 and (chunk := self._next(min(size_bytes, CHUNK_BYTES))):
            self.position += len(chunk)
            size_bytes -= len(chunk)
            yield chunk

    def _next(self, size_bytes: int) -> bytes:
        while len(self._rest) < size_bytes and (more := next(self._chunks, b"")):
            self._rest += more
        chunk, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        return chunk


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield an open file's bytes to its end."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def packed(chunks: Iterable[bytes], settings: Settings | None) -> Iterator[bytes]:
    """Yield the chunks deflated with these settings, or as they are."""
    if settings is None:
        yield from chunks
        return
    deflate = zlib.compressobj(settings.level, zlib.DEFLATED, -zlib.MAX_WBITS, settings.memory)
    for chunk in chunks:
        if out := deflate.compress(chunk):
            yield out
    yield deflate.flush()


def _made(recipe: Recipe, opener: Callable[[str], BinaryIO]) -> Generator[bytes, None, None]:
    """Yield the container's bytes."""
    skeleton, members = Flow(iter((recipe.skeleton,))), _Members(recipe, opener)
    with closing(members):
        for piece in recipe.pieces:
            if piece.member is None:
                yield from skeleton.take(piece.size_bytes)
            else:
                flow = members.flow(piece.member, piece.start)
                yield from packed(flow.take(piece.size_bytes), piece.settings)


class _Members:
    """Gives a recipe's members in its order, one open at a time."""

    def __init__(self, recipe: Recipe, opener: Callable[[str], BinaryIO]) -> None:
        self._recipe = recipe
        self._opener = opener
        self._member: str | None = None
        self._chunks: Generator[bytes, None, None] | None = None
        self._flow = Flow(iter(()))

    def flow(self, member: str, start: int) -> Flow:
        """Return the member's bytes from `start` on."""
        if member != self._member or start < self._flow.position:
            self._open(member)
        for _ in self._flow.take(start - self._flow.position):
            pass  # read over: it may come from a program that cannot seek
        return self._flow

    def _open(self, member: str) -> None:
        self.close()
        if member in self._recipe.inner:
            self._chunks = _made(self._recipe.inner[member], self._opener)
        else:
            self._chunks = _opened(self._opener, member)
        self._member, self._flow = member, Flow(self._chunks)

    def close(self) -> None:
        """Close the member that is open."""
        if self._chunks is not None:
            self._chunks.close()


def _opened(opener: Callable[[str], BinaryIO], member: str) -> Generator[bytes, None, None]:
    with opener(member) as file:
        yield from chunks_of(file)


def _piece_to_json(piece: Piece, numbers: dict[str, int]) -> int | list[int]:
    if piece.member is None:
        return piece.size_bytes
    value = [numbers.setdefault(piece.member, len(numbers)), piece.size_bytes]
    if piece.settings:
        value += [piece.settings.level, piece.settings.memory]
        value += [piece.start] if piece.start else []
    return value


def _piece_from_json(value: int | list[int], members: list[str]) -> Piece:
    if isinstance(value, int):
        return Piece(value)
    number, size_bytes, *how = value
    settings = Settings(how[0], how[1]) if how else None
    return Piece(size_bytes, members[number], settings, how[2] if len(how) > 2 else 0)


def _recipe_from_json(value: Mapping[str, Any]) -> Recipe:
    members = [str(path) for path in value["members"]]
    inflate = zlib.decompressobj()
    skeleton = inflate.decompress(base64.b64decode(value["skeleton"]), MAX_SKELETON_BYTES + 1)
    if len(skeleton) > MAX_SKELETON_BYTES:
        raise ValueError(len(skeleton))
    inner = value.get("inner", {}).items()
    return Recipe(
        size_bytes=int(value["size"]),
        sha256=str(value["sha256"]),
        skeleton=skeleton,
        pieces=tuple(_piece_from_json(piece, members) for piece in value["pieces"]),
        inner={str(path): _recipe_from_json(recipe) for path, recipe in inner},
    )
