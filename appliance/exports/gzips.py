"""The only home of the gzip format (RFC 1952), of one member or of many."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from .budget import Budget, Written
from .entries import Inflate, KeepWhole, Span, Taken, damaged
from .original import CHUNK_BYTES

MAGIC = b"\x1f\x8b\x08"
_CRC, _EXTRA, _NAME, _COMMENT, _RESERVED = 2, 4, 8, 16, 0xE0
_LONGEST_FIELD = 64 << 10
_LIKELY_LEVEL = {2: 9, 4: 1}
"""What the byte XFL says of the level."""


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    modified: datetime | None
    likely_level: int


def is_gzip(head: bytes) -> bool:
    """Given a file's first bytes, say whether it is a gzip."""
    return head.startswith(MAGIC) and len(head) > 3 and not head[3] & _RESERVED


def take(file: BinaryIO, budget: Budget) -> Taken:
    """Given an open gzip, write out what is in it, under the name in its header ("" if none).

    Zeros after its end are padding. Raise ExportUnsafe where it is cut or its CRC-32 or size is
    wrong, KeepWhole where something else follows its end, DiskFull or Cancelled.
    """
    first: _Header | None = None
    spans: list[Span] = []
    with budget.file() as out:
        while (header := _header(file, is_first=first is None)) is not None:
            first = first or header
            spans.append(_stream(file, out, header.likely_level))
            if len(spans) > budget.limits.max_members:
                raise KeepWhole("it is made of too many parts")
    if first is None:
        raise damaged("not a gzip")
    return Taken(first.name, out.path, out.size_bytes, out.sha256, first.modified, tuple(spans))


def _header(file: BinaryIO, *, is_first: bool) -> _Header | None:
    """Read one part's header; None where there is no more part."""
    fixed = file.read(10)
    if not is_first and _is_padding(file, fixed):
        return None
    if not is_gzip(fixed):
        if is_first:
            raise damaged("not a gzip")
        raise KeepWhole("something that is no gzip follows its end")
    if len(fixed) < 10:
        raise damaged("a gzip's header is cut")
    flags, seconds = fixed[3], int.from_bytes(fixed[4:8], "little")
    if flags & _EXTRA:
        file.seek(int.from_bytes(file.read(2), "little"), os.SEEK_CUR)
    name = _text(file) if flags & _NAME else b""
    if flags & _COMMENT:
        _text(file)
    if flags & _CRC:
        file.seek(2, os.SEEK_CUR)
    modified = datetime.fromtimestamp(seconds, UTC) if seconds else None
    return _Header(_decoded(name), modified, _LIKELY_LEVEL.get(fixed[8], 6))


def _is_padding(file: BinaryIO, read: bytes) -> bool:
    """Say whether nothing but zeros follows; else the file is where it was."""
    here = file.tell()
    while read and not any(read):
        read = file.read(CHUNK_BYTES)
    file.seek(here)
    return not read


def _text(file: BinaryIO) -> bytes:
    """Read up to a zero byte."""
    here = file.tell()
    text, zero, _ = file.read(_LONGEST_FIELD).partition(b"\0")
    if not zero:
        raise damaged("a gzip's header is cut")
    file.seek(here + len(text) + 1)
    return text


def _decoded(name: bytes) -> str:
    """RFC 1952 says Latin-1; nearly everybody writes UTF-8."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _stream(file: BinaryIO, out: Written, likely_level: int) -> Span:
    """Write one part out, check its trailer, and leave the file behind it."""
    offset, start, crc = file.tell(), out.size_bytes, 0
    inflate = Inflate()
    while not inflate.is_finished:
        chunk = file.read(CHUNK_BYTES)
        if not chunk:
            raise damaged("a gzip has no end")
        for plain in inflate.feed(chunk):
            out.write(plain)
            crc = zlib.crc32(plain, crc)
    file.seek(-len(inflate.unused), os.SEEK_CUR)
    packed_bytes, size_bytes = file.tell() - offset, out.size_bytes - start
    if file.read(8) != struct.pack("<2I", crc, size_bytes & 0xFFFFFFFF):
        raise damaged("a gzip's CRC-32 or size differs")
    return Span(
        offset, packed_bytes, size_bytes, is_deflated=True, start=start, likely_level=likely_level
    )
