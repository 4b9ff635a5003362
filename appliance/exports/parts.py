"""The only home of cutting a large member into parts, so that memory stays bounded.

A part of the new version begins where the same part of the old version began, as far as that
place can be found. Correctness never depends on a cut, only the size of the patches does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

PART_BYTES = 32 << 20
"""A part with its predecessor takes 130 to 160 MB to compare (measured with 48 MiB)."""
BLOCK_BYTES = 1 << 20
_ANCHOR_BYTES = 48
_ANCHOR_EVERY_BYTES = 1009
_ANCHORS = 24


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bytes of a file, read a block at a time."""

    file: Path
    start: int
    size_bytes: int

    @property
    def is_all(self) -> bool:
        """Whether this is the whole file."""
        return self.start == 0 and self.size_bytes == self.file.stat().st_size

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in blocks."""
        left = self.size_bytes
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.start)
            while left and (block := stream.read(min(left, BLOCK_BYTES))):
                left -= len(block)
                yield block

    def read(self) -> bytes:
        """Return all of it; only where it is known to be small enough."""
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.start)
            return stream.read(self.size_bytes)


def sha256_of(file: Path) -> str:
    """Given a file, read it and return its SHA-256 in hex."""
    hasher = hashlib.sha256()
    for block in Stretch(file, 0, file.stat().st_size).blocks():
        hasher.update(block)
    return hasher.hexdigest()


@dataclass(frozen=True, slots=True)
class Cut:
    """One part of the new version, and which part of the old one it goes on from, if any."""

    new: Stretch
    old: int | None


def evenly(whole: Stretch, part_bytes: int) -> tuple[Stretch, ...]:
    """Given a stretch, cut it at whole multiples of `part_bytes`.

    What is not half as large again as `part_bytes` stays in one piece, and so does the last. A
    part is a whole number of the repository's own pieces (8 MiB), so that what lies there as one
    file is not stored anew when it becomes parts.
    """
    end = whole.start + whole.size_bytes
    last = end - part_bytes // 2
    return _between([*range(whole.start, max(last, whole.start + 1), part_bytes), end], whole.file)


def follow(old: Sequence[Stretch], new: Stretch, part_bytes: int) -> tuple[Cut, ...]:
    """Given the parts of the old version, cut the new one in the same places.

    A part without bytes is left out; one half as large again as `part_bytes` is cut, and its
    surplus begins anew. `old` are neighbours in one file.
    """
    starts = [new.start]
    end = new.start + new.size_bytes
    for before, part in pairwise(old):
        expected = min(starts[-1] + before.size_bytes, end)
        found = _find(part, new.file, expected, reach=max(before.size_bytes // 4, 64 << 10))
        starts.append(min(max(found, starts[-1]), end))
    cuts: list[Cut] = []
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], end], strict=True)):
        if start < stop:
            first, *surplus = evenly(Stretch(new.file, start, stop - start), part_bytes)
            cuts += [Cut(first, number), *(Cut(each, None) for each in surplus)]
    return tuple(cuts)


def _between(places: Sequence[int], file: Path) -> tuple[Stretch, ...]:
    return tuple(Stretch(file, a, b - a) for a, b in pairwise(places) if a < b)


def _find(part: Stretch, file: Path, expected: int, reach: int) -> int:
    """Return where `part` begins in `file`, looking `reach` around `expected`.

    A few samples of its first bytes are looked for: some rows may be changed or gone.
    """
    from_place = max(0, expected - reach)
    around = Stretch(file, from_place, expected + reach - from_place).read()
    head = Stretch(part.file, part.start, _ANCHORS * _ANCHOR_EVERY_BYTES).read()
    for offset in range(0, min(len(head), part.size_bytes) - _ANCHOR_BYTES, _ANCHOR_EVERY_BYTES):
        anchor = head[offset : offset + _ANCHOR_BYTES]
        place = around.find(anchor)
        if place >= 0 and around.find(anchor, place + 1) < 0:
            return from_place + place - offset
    return expected
