"""The only home of the question "which of yesterday's files is this one's earlier version?".

Vendors put dates, counters and ids into names, so a plain name proves nothing and a changed one
neither. A name counts with those blanked; then columns, or keys, and a sketch of the content.
A wrong answer costs room, never correctness: a patch that saves nothing is not kept.
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path

from .contents import Kept, Likeness
from .unpack import Member

SKETCH_SIZE = 32
_HEAD_BYTES = 256 << 10
_BLOCK_BYTES = 64 << 10
_BLOCKS = 8
_MAX_PAIRS = 20_000
"""A group of names with more pairs than this (thousands of photos) goes by whole names only."""

# A sample that an insertion before it does not move: what follows every 32nd byte value or so.
_SHINGLE = re.compile(rb"[\x11\x31\x51\x71\x91\xb1\xd1\xf1](?=(.{16}))", re.DOTALL)
_DATE = re.compile(
    r"(?<!\d)(?:20\d\d([-._/]?)\d\d\1\d\d|\d\d([-._/])\d\d\2(?:20)?\d\d)"
    r"(?:[-._ T]*(?:\d\d[-._:]?\d\d(?:[-._:]?\d\d)?|\d(?:[-._:]\d\d){2})(?: ?[AP]M)?Z?)?(?!\d)"
)
_ID = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|(?<![0-9A-Za-z])(?=[0-9A-Za-z]*\d)(?=[0-9A-Za-z]*[A-Za-z])[0-9A-Za-z]{12,}(?![0-9A-Za-z])"
    r"|(?<!\d)\d{9,}(?!\d)"
)
_KEY = re.compile(rb'"((?:[^"\\]|\\.){1,80})"\s*:')


def undated(path: str) -> str:
    """Given a path, return it with dates, times and ids blanked: `hubspot-contacts-#.csv`."""
    return _ID.sub("#", _DATE.sub("#", path))


def uncounted(path: str) -> str:
    """Given a path, return it with every number blanked too: `Contacts_#.csv`."""
    return re.sub(r"\d+", "#", undated(path))


def likeness(file: Path, size_bytes: int) -> Likeness:
    """Given a file, read at most 1 MiB of it and return what to recognise its next version by."""
    with file.open("rb") as stream:
        samples = []
        for offset, length in _windows(size_bytes):
            stream.seek(offset)
            samples.append(stream.read(length))
    hashes = {
        _scrambled(zlib.crc32(found.group(1)))
        for sample in samples
        for found in _SHINGLE.finditer(sample)
    }
    return Likeness(_shape(samples[0]), tuple(sorted(heapq.nsmallest(SKETCH_SIZE, hashes))))


def pair(
    members: Sequence[Member],
    earlier: Sequence[Kept],
    look: Callable[[Member], Likeness],
) -> dict[str, Kept]:
    """Given today's members and yesterday's, return each member's predecessor by its path.

    `look` gives a member's likeness and is asked only where the content is not the same. Each
    predecessor is used once; the likelier pair comes first.
    """
    pairs: dict[str, Kept] = {}
    used: set[str] = set()
    for member, kept in _same(members, earlier, used):
        pairs[member.path] = kept
    rest = [member for member in members if member.path not in pairs]
    left = [kept for kept in earlier if kept.path not in used]
    if not left:
        return pairs
    looks = {member.path: look(member) for member in rest}
    scored = [
        (_score(member, looks[member.path], kept), member.path, kept.path, kept)
        for member, kept in _candidates(rest, left, looks)
    ]
    for score, path, old_path, kept in sorted(scored, key=lambda entry: (-entry[0], *entry[1:3])):
        if score >= 1 and path not in pairs and old_path not in used:
            pairs[path] = kept
            used.add(old_path)
    return pairs


def _windows(size_bytes: int) -> Iterator[tuple[int, int]]:
    yield 0, min(size_bytes, _HEAD_BYTES)
    if size_bytes <= _HEAD_BYTES:
        return
    for number in range(1, _BLOCKS + 1):
        offset = _HEAD_BYTES + (size_bytes - _HEAD_BYTES) * number // (_BLOCKS + 1)
        yield offset, _BLOCK_BYTES
    yield max(_HEAD_BYTES, size_bytes - _HEAD_BYTES), _HEAD_BYTES


def _scrambled(number: int) -> int:
    """Spread neighbouring checksums, so that the smallest are a fair sample."""
    return (number * 0x9E3779B1 ^ number >> 15) & 0xFFFFFFFF


def _shape(head: bytes) -> str:
    """Return a mark of the columns of a CSV or the keys of a JSON, or nothing."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] in b"{[" and text:
        keys = sorted(set(_KEY.findall(text[:4096])))
        return f"{zlib.crc32(b' '.join(keys)):08x}" if keys else ""
    line, newline, _ = text.partition(b"\n")
    if newline and len(line) < 64 << 10 and max(map(line.count, (b",", b";", b"\t", b"|"))) >= 1:
        return f"{zlib.crc32(line.strip()):08x}" if b"\0" not in line else ""
    return ""


def _same(
    members: Sequence[Member], earlier: Sequence[Kept], used: set[str]
) -> Iterator[tuple[Member, Kept]]:
    """Yield what has the same bytes as before, under the same name where there is a choice."""
    by_hash: dict[str, list[Kept]] = defaultdict(list)
    for kept in earlier:
        by_hash[kept.sha256].append(kept)
    for member in members:
        left = [kept for kept in by_hash.get(member.sha256, ()) if kept.path not in used]
        if left:
            kept = min(left, key=lambda kept: (kept.path != member.path, kept.path))
            used.add(kept.path)
            yield member, kept


def _candidates(
    members: Sequence[Member], earlier: Sequence[Kept], looks: dict[str, Likeness]
) -> Iterator[tuple[Member, Kept]]:
    """Yield each pair that shares a name, blanked or not, columns, or some content; once."""
    seen: set[tuple[str, str]] = set()
    for of_member, of_kept in _features(looks):
        olds: dict[Hashable, list[Kept]] = defaultdict(list)
        news: dict[Hashable, list[Member]] = defaultdict(list)
        for kept in earlier:
            for feature in of_kept(kept):
                olds[feature].append(kept)
        for member in members:
            for feature in of_member(member):
                news[feature].append(member)
        for feature in news.keys() & olds.keys():
            if len(news[feature]) * len(olds[feature]) > _MAX_PAIRS:
                continue
            for member, kept in product(news[feature], olds[feature]):
                if (member.path, kept.path) not in seen:
                    seen.add((member.path, kept.path))
                    yield member, kept


Features = tuple[
    Callable[[Member], Iterable[Hashable]],
    Callable[[Kept], Iterable[Hashable]],
]


def _features(looks: dict[str, Likeness]) -> tuple[Features, ...]:
    return (
        (lambda new: [new.path], lambda old: [old.path]),
        (lambda new: [undated(new.path)], lambda old: [undated(old.path)]),
        (lambda new: [uncounted(new.path)], lambda old: [uncounted(old.path)]),
        (
            lambda new: [looks[new.path].shape] if looks[new.path].shape else [],
            lambda old: [old.likeness.shape] if old.likeness.shape else [],
        ),
        (lambda new: looks[new.path].sketch, lambda old: old.likeness.sketch),
    )


def _score(member: Member, look: Likeness, kept: Kept) -> float:
    """Return how likely `kept` is the version before `member`: 1 or more is likely enough.

    Content weighs most: a name moves between files when a vendor counts anew.
    """
    shared = len(set(look.sketch) & set(kept.likeness.sketch))
    score = 4 * shared / max(1, min(len(look.sketch), len(kept.likeness.sketch)))
    score += 1 if look.shape and look.shape == kept.likeness.shape else 0
    if member.path == kept.path:
        return score + 1.5
    if undated(member.path) == undated(kept.path):
        return score + 1.4
    return score + 1 if uncounted(member.path) == uncounted(kept.path) else score
