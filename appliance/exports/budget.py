"""The only home of limits on unpacking: what an export may grow to, and the files within that."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ..core.errors import DiskFull, ExportUnsafe
from ..core.model import StepName
from ..core.ports import Watch

_FREE_OF_RATIO_BYTES = 64 << 20
_LOOK_EVERY_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What an export may grow to; beyond it is a bomb and ExportUnsafe."""

    max_bytes: int = 64 << 30
    max_members: int = 100_000
    max_depth: int = 2
    """2: a ZIP inside a ZIP is opened too, one inside that stays a file."""
    max_ratio: int = 1000
    """Unpacked to packed, over the whole export, after the first 64 MiB."""
    reserve_bytes: int = 512 << 20
    """Room that stays free on the disk."""
    opens_all: bool = False
    """Whether rather a container is kept twice than one in it left closed."""


class TooMuch(ExportUnsafe):
    """Raised when an export grows beyond its limits."""

    hint = "If the export is right, ask whoever looks after the box to raise its limits."


class Budget:
    """What is left of the limits for one export; makes the files that use it up."""

    def __init__(self, into: Path, packed_bytes: int, limits: Limits, watch: Watch) -> None:
        self.limits = limits
        self.watch = watch
        self._into = into
        self._members = 0
        self._spent = 0
        self._looked = -_LOOK_EVERY_BYTES
        ratio_bytes = _FREE_OF_RATIO_BYTES + packed_bytes * limits.max_ratio
        self._most = min(limits.max_bytes, ratio_bytes)

    def add_member(self) -> None:
        """Count one more file; raise TooMuch where there are too many."""
        self._members += 1
        if self._members > self.limits.max_members:
            message = f"The export holds more than {self.limits.max_members:,} files."
            raise TooMuch(message)

    def spend(self, size_bytes: int) -> None:
        """Count bytes before they are written; raise TooMuch, DiskFull or Cancelled."""
        self._spent += size_bytes
        if self._spent > self._most:
            message = "The export grows far beyond its size when it is unpacked."
            raise TooMuch(message, detail=f"more than {self._most:,} bytes")
        if self._spent - self._looked >= _LOOK_EVERY_BYTES:
            self._looked = self._spent
            self.watch.report(StepName.UNPACK, self._spent)
            self._look_for_room()

    def file(self) -> Written:
        """Return a new empty file under a name of our own; raise TooMuch or DiskFull."""
        self.add_member()
        with told_when_full():
            number, name = tempfile.mkstemp(prefix="", dir=self._into)
        return Written(self, number, Path(name))

    def _look_for_room(self) -> None:
        free = shutil.disk_usage(self._into).free
        if free < self.limits.reserve_bytes:
            raise DiskFull("There is no room left to unpack the export.", detail=f"{free:,} bytes")


class Written:
    """A file being written, its size, SHA-256 and CRC-32 as it grows."""

    def __init__(self, budget: Budget, number: int, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self.crc = 0
        self._sha256 = hashlib.sha256()
        self._budget = budget
        self._file = os.fdopen(number, "wb")

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written so far."""
        return self._sha256.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append; raise TooMuch, DiskFull or Cancelled."""
        self._budget.watch.check()
        self._budget.spend(len(chunk))
        with told_when_full():
            self._file.write(chunk)
        self.size_bytes += len(chunk)
        self.crc = zlib.crc32(chunk, self.crc)
        self._sha256.update(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with told_when_full():
            self._file.close()
        if error is not None:
            self.path.unlink(missing_ok=True)


@contextmanager
def told_when_full() -> Iterator[None]:
    """Turn the system's "no space" into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("There is no room left to unpack the export.") from error
        raise
