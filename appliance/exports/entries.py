"""What ZIP, gzip and tar have in common: entries, where their bytes lie, and taking them out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ..core.errors import ExportUnsafe
from .budget import Budget
from .original import CHUNK_BYTES

_MOST_AT_ONCE_BYTES = 1 << 20
_CUT = "The export is cut off or damaged."
_CUT_HINT = "Have the vendor make the export again; nothing of this one was kept."


class KeepWhole(Exception):
    """Raised when a container is of a kind that is not opened; says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some of an entry's bytes, as they lie in the container."""

    offset: int
    packed_bytes: int
    size_bytes: int
    is_deflated: bool
    start: int = 0
    """Where it starts in the entry: 0 but for a gzip made of several."""
    likely_level: int = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as a container's directory tells of it."""

    name: str
    """As the vendor wrote it."""
    span: Span
    modified: datetime | None = None
    crc: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """One entry, taken out."""

    name: str
    file: Path
    size_bytes: int
    sha256: str
    modified: datetime | None
    spans: tuple[Span, ...]


def damaged(detail: str) -> ExportUnsafe:
    """Return the error for what is not as its own directory or checksum says."""
    return ExportUnsafe(_CUT, hint=_CUT_HINT, detail=detail)


def take(file: BinaryIO, entry: Entry, budget: Budget) -> Taken:
    """Given an open container and one of its entries, write it out within the budget.

    Raise ExportUnsafe where size or CRC-32 is not what the directory says, DiskFull or Cancelled.
    """
    span = entry.span
    with budget.file() as out:
        for chunk in inflated(file, span) if span.is_deflated else stored(file, span):
            out.write(chunk)
            if out.size_bytes > span.size_bytes:
                break
        if out.size_bytes != span.size_bytes or entry.crc not in (None, out.crc):
            raise damaged(f"{entry.name!a}: size or CRC-32 differs")
    return Taken(entry.name, out.path, out.size_bytes, out.sha256, entry.modified, (entry.span,))


def stored(file: BinaryIO, span: Span) -> Iterator[bytes]:
    """Yield the bytes of a span as they are; fewer where the file ends."""
    file.seek(span.offset)
    left = span.packed_bytes
    while left and (chunk := file.read(min(left, CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


def inflated(file: BinaryIO, span: Span) -> Iterator[bytes]:
    """Yield a span inflated, at most 1 MiB at once; raise ExportUnsafe where it is damaged."""
    inflate = Inflate()
    for chunk in stored(file, span):
        yield from inflate.feed(chunk)
    if not inflate.is_finished:
        raise damaged("a deflate stream has no end")


class Inflate:
    """One raw deflate stream, read in small steps whatever it would grow to."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def is_finished(self) -> bool:
        """Whether the stream has said that it ends."""
        return self._stream.eof

    @property
    def unused(self) -> bytes:
        """What was fed after the stream's end."""
        return self._stream.unused_data

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what comes out of `chunk`; raise ExportUnsafe where it is not deflate."""
        more = True
        while more and not self._stream.eof:
            try:
                out = self._stream.decompress(chunk, _MOST_AT_ONCE_BYTES)
            except zlib.error as error:
                raise damaged(str(error)) from error
            chunk = self._stream.unconsumed_tail
            more = bool(chunk) or len(out) == _MOST_AT_ONCE_BYTES
            yield out
