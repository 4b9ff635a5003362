"""The only home of received bytes: names, limits, free space and hash of a pull.

Nothing here is synced to the disk: after a power cut staging is wiped and the pull begins anew.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Protocol

from ..core.errors import DiskFull, ExportUnsafe, SourceUnreachable
from ..core.model import ExportFile, StepName
from ..core.ports import Watch

_ROOM_EVERY_BYTES = 4 << 20
_REPORT_EVERY_SECONDS = 0.1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PART_BYTES = 200  # a name's part stays below every filesystem's 255
_PARTS = 8
_ENDING_BYTES = 20


def clean_name(name: str | bytes) -> str:
    """Given a name that a stranger chose, return it fit for people and for matching.

    The answer has only printable characters, is relative, has no empty, `.` or `..` part, at
    most 8 parts of at most 200 bytes, and is never empty. Cleaning it again changes nothing.
    """
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    printable = "".join(letter if letter.isprintable() else "_" for letter in text)
    parts = [_short(part.strip()) for part in printable.replace("\\", "/").split("/")]
    return "/".join([part for part in parts if part.strip(".")][-_PARTS:]) or "unnamed"


def free_name(name: str, taken: Collection[str]) -> str:
    """Given a name that a stranger chose, return it clean, with a number where it is taken."""
    free = clean = clean_name(name)
    stem, dot, ending = clean.rpartition(".")
    if not stem:
        stem, dot, ending = clean, "", ""
    for number in count(2):
        if free not in taken:
            break
        free = clean_name(f"{stem}-{number}{dot}{ending}")
    return free


def distinct_name(raw: bytes) -> str:
    """Given a file's name in a folder, return it clean; two different names never become one.

    A name that had to be changed gets six letters of its own hash before its ending.
    """
    name = clean_name(raw)
    if name.encode() == raw:
        return name
    mark = hashlib.sha256(raw).hexdigest()[:6]
    stem, dot, ending = name.rpartition(".")
    if not stem or "/" in ending or len(ending.encode()) > _ENDING_BYTES:
        stem, dot, ending = name, "", ""
    return clean_name(f"{stem}~{mark}{dot}{ending}")


def _short(part: str) -> str:
    raw = part.encode()
    if len(raw) <= _PART_BYTES:
        return part
    return raw[:120].decode(errors="ignore") + "~" + raw[-60:].decode(errors="ignore")


class Bounds(Protocol):
    """What a source's settings say about how much may come, and how slowly."""

    @property
    def max_bytes(self) -> int:
        """Of the whole pull."""

    @property
    def reserve_bytes(self) -> int:
        """Room that must stay free."""

    @property
    def min_rate_bytes_per_second(self) -> int:
        """Fewer, over `rate_seconds`, end the pull."""

    @property
    def rate_seconds(self) -> float:
        """Over how long the rate is measured."""


class Landing:
    """Takes the files of one pull into an empty private folder, under numbers of our own.

    `max_bytes` bounds the whole pull, `reserve_bytes` is the room that must stay free. Fewer
    than `min_rate_bytes_per_second` over `rate_seconds` end the pull, and so do `total_seconds`.
    `limit_bytes` is the limit as it was set, where only `max_bytes` of it are left.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        reserve_bytes: int,
        watch: Watch,
        *,
        min_rate_bytes_per_second: int = 0,
        rate_seconds: float = 300.0,
        total_seconds: float | None = None,
        limit_bytes: int | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._limit_bytes = max_bytes if limit_bytes is None else limit_bytes
        self._reserve_bytes = reserve_bytes
        self._watch = watch
        self._clock = clock
        self._rate = _Rate(min_rate_bytes_per_second, rate_seconds, total_seconds, clock)
        self._slowest = (min_rate_bytes_per_second, rate_seconds)
        self._number = 0
        self._total: int | None = None
        self._reported = float("-inf")
        self.received_bytes = 0
        """Over all files, failed ones included."""
        self.files: tuple[ExportFile, ...] = ()
        """What has landed whole, in order."""

    @classmethod
    def within(cls, bounds: Bounds, folder: Path, watch: Watch) -> Landing:
        """Return one that is bounded as a source's settings say."""
        return cls(
            folder,
            bounds.max_bytes,
            bounds.reserve_bytes,
            watch,
            min_rate_bytes_per_second=bounds.min_rate_bytes_per_second,
            rate_seconds=bounds.rate_seconds,
        )

    def expect(self, total_bytes: int) -> None:
        """Announce the size of the whole pull; raise ExportUnsafe or DiskFull if it is too big."""
        self._total = self.received_bytes + total_bytes
        self.check_room(total_bytes)

    def check_room(self, more_bytes: int) -> None:
        """Raise ExportUnsafe or DiskFull where so many more bytes may not or cannot land."""
        if self.received_bytes + more_bytes > self._max_bytes:
            raise ExportUnsafe(
                f"The export is larger than {self._limit_bytes} bytes, the limit set for it.",
                hint="If it really is that large, raise `size` under [source.limits].",
            )
        if more_bytes > self.free_bytes():
            raise DiskFull(
                "There is not enough room to receive the export.",
                hint="Free some space where the box keeps exports while it works on them.",
                detail=f"{more_bytes} bytes more, {self.free_bytes()} free above the reserve",
            )

    @property
    def folder(self) -> Path:
        """Where the files land."""
        return self._folder

    def free_bytes(self) -> int:
        """Return the room left in the folder above the reserve, 0 where there is none."""
        stat = os.statvfs(self._folder)
        return max(0, stat.f_bavail * stat.f_frsize - self._reserve_bytes)

    @contextmanager
    def file(
        self,
        name: str | bytes,
        size_bytes: int | None = None,
        modified: datetime | None = None,
        validator: str = "",
        *,
        is_paced: bool = True,
    ) -> Iterator[Writer]:
        """Yield a writer for one file; on leaving it is whole and in `files`.

        `size_bytes` is what the server announced: fewer or more raise ExportUnsafe. Whatever
        is raised inside, nothing of a failed file is kept. A full disk raises DiskFull. One that is
        not paced is put together from many answers, with any pause in between.
        """
        self._rate.restart(is_paced=is_paced)
        self.check_room(size_bytes or 0)
        with self._opened() as (number, descriptor), _room_or_disk_full():
            writer = Writer(self, descriptor, size_bytes)
            yield writer
            writer.check_whole()
        self.files += (
            ExportFile(
                clean_name(name),
                self._folder / number,
                writer.size_bytes,
                writer.sha256,
                modified,
                validator,
            ),
        )
        self._report(writer.announced, force=True)

    @contextmanager
    def _opened(self) -> Iterator[tuple[str, int]]:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            number, descriptor = self._create(folder)
            try:
                yield number, descriptor
            except BaseException:
                os.unlink(number, dir_fd=folder)
                raise
            finally:
                os.close(descriptor)
        finally:
            os.close(folder)

    def _create(self, folder: int) -> tuple[str, int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            self._number += 1
            number = f"{self._number:04}"
            try:
                with _room_or_disk_full():
                    return number, os.open(number, flags, 0o600, dir_fd=folder)
            except FileExistsError:
                continue  # whatever lies there is not ours to touch

    def received(self, size_bytes: int, announced: int | None) -> None:
        """Count bytes that are about to be written; raise where a limit is passed."""
        self._rate.count(size_bytes)
        before = self.received_bytes // _ROOM_EVERY_BYTES
        if self.received_bytes + size_bytes > self._max_bytes:
            self.check_room(size_bytes)
        self.received_bytes += size_bytes
        if self.received_bytes // _ROOM_EVERY_BYTES != before:
            self.check_room(0 if self.free_bytes() else 1)
        self._report(announced)

    def pace(self) -> Callable[[int], None]:
        """Return what is to be told how many bytes of an answer came that becomes no file: it gives
        signs of life, and raises SourceUnreachable where they are too few.
        """
        rate = _Rate(*self._slowest, None, self._clock)

        def came(size_bytes: int) -> None:
            rate.count(size_bytes)
            self._report(None)

        return came

    def _report(self, announced: int | None, *, force: bool = False) -> None:
        now = self._clock()
        if force or now - self._reported >= _REPORT_EVERY_SECONDS:
            self._reported = now
            total = self._total if self._total is not None else announced
            self._watch.report(StepName.PULL, self.received_bytes, total)


class Writer:
    """Writes and hashes one file of a Landing."""

    def __init__(self, landing: Landing, descriptor: int, announced: int | None) -> None:
        self._landing = landing
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self.announced = announced
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The hash of what was written so far, in hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of the data and return its length; raise as `Landing.file` says."""
        length = len(data)
        if self.announced is not None and self.size_bytes + length > self.announced:
            raise ExportUnsafe("The server sent more than it had announced.")
        self._landing.received(length, self.announced)
        self._hash.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self.size_bytes += length
        return length

    def check_whole(self) -> None:
        """Raise ExportUnsafe where fewer bytes came than were announced."""
        if self.announced is not None and self.size_bytes != self.announced:
            raise ExportUnsafe(
                "The export is cut off: the server sent less than it had announced.",
                detail=f"{self.size_bytes} of {self.announced} bytes",
            )


class _Rate:
    """Ends a pull that drips, or that never ends although bytes keep coming."""

    def __init__(
        self, minimum: int, seconds: float, total: float | None, clock: Callable[[], float]
    ) -> None:
        self._minimum, self._seconds, self._total, self._clock = minimum, seconds, total, clock
        self._started = self._window_start = clock()
        self._window_bytes = 0
        self._is_paced = True

    def restart(self, *, is_paced: bool) -> None:
        """Another file begins: what was before it says nothing of this one."""
        self._is_paced = is_paced
        self._window_start, self._window_bytes = self._clock(), 0

    def count(self, size_bytes: int) -> None:
        """Count bytes that came; raise SourceUnreachable where they are too few."""
        now = self._clock()
        if self._total is not None and now - self._started > self._total:
            raise SourceUnreachable("Receiving the export took longer than allowed.")
        self._window_bytes += size_bytes
        elapsed = now - self._window_start
        if elapsed < self._seconds or not self._is_paced:
            return
        if self._window_bytes < self._minimum * elapsed:
            raise SourceUnreachable(
                "The server sends so slowly that the export would never arrive.",
                detail=f"{self._window_bytes} bytes in {elapsed:.0f} s",
            )
        self._window_start, self._window_bytes = now, 0


@contextmanager
def _room_or_disk_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull("The disk became full while receiving the export.") from error
        raise
