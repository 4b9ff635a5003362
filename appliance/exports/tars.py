"""The only home of the tar format: lists a tar's files by the standard library's reader."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import RawIOBase
from typing import BinaryIO

from .budget import Limits, TooMuch
from .entries import Entry, KeepWhole, Span, damaged
from .original import CHUNK_BYTES

_BLOCK = 512
_LONGEST_READ_BYTES = 1 << 20
"""tarfile reads long names and extended headers whole, as long as they say they are."""


@dataclass(frozen=True, slots=True)
class Tar:
    """What a tar holds."""

    entries: tuple[Entry, ...]
    """Its regular files, in its order."""
    links: int
    """How many links, devices and the like it holds besides; nothing is made of them."""


def is_tar(head: bytes) -> bool:
    """Given a file's first 512 bytes, say whether they are a tar's first header."""
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def read(file: BinaryIO, size_bytes: int, limits: Limits) -> Tar:
    """Given an open tar, return what it holds.

    Raise ExportUnsafe where it is cut or damaged, KeepWhole where it holds sparse files or a second
    tar after its end.
    """
    entries, links = [], 0
    for info in _infos(file, size_bytes, limits):
        if info.issparse():
            raise KeepWhole("it holds sparse files")
        if info.isreg():
            place = Span(info.offset_data, info.size, info.size, is_deflated=False)
            entries.append(Entry(info.name, place, _modified(info.mtime)))
        elif not info.isdir():
            links += 1
    return Tar(tuple(entries), links)


def _infos(file: BinaryIO, size_bytes: int, limits: Limits) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=_Bounded(file), mode="r:", encoding="utf-8") as tar:
            number = 0
            while (info := tar.next()) is not None:
                number += 1
                if number > limits.max_members:
                    raise TooMuch(f"The export holds more than {limits.max_members:,} files.")
                tar.members.clear()  # type: ignore[attr-defined] # else it keeps them all
                if not info.issparse() and not 0 <= info.size <= size_bytes - info.offset_data:
                    raise damaged(f"{info.name!a}: the tar ends before it does")
                yield info
            _check_end(file, tar.offset)
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        raise damaged(str(error)) from error
    except RecursionError as error:  # a header for a header for a header ...
        raise damaged("too many headers") from error


def _check_end(file: BinaryIO, offset: int) -> None:
    """Tarfile takes a broken header, or none, for the end: it is one only where zeros stand."""
    file.seek(offset)
    block = file.read(_BLOCK)
    if len(block) < _BLOCK or any(block):
        raise damaged("a tar without its end")
    while chunk := file.read(CHUNK_BYTES):
        if any(chunk):
            raise KeepWhole("something follows its end")


def _modified(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


class _Bounded(RawIOBase):
    """A file that does not give more at once than an honest header needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; raise ExportUnsafe where too many are asked for."""
        if not 0 <= size <= _LONGEST_READ_BYTES:
            raise damaged(f"a header of {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as the file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return where the file is."""
        return self._file.tell()
