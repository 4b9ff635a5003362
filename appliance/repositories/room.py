"""The room a repository keeps free, and the way out when a disk is full all the same (A9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..core.errors import DiskFull, DiskReadOnly, ToolFailed
from .folder import ConfigKeeper, RepositoryFolder
from .program import BorgProgram, Ended
from .verdicts import Verb

MIB = 1 << 20
SEGMENT_BYTES = 64 * MIB
"""Borg wants one whole segment free before it deletes; its own 500 MB make a dead end (M11)."""

_LARGEST_RESERVE_BYTES = 2048 * MIB
_LEAST_RESERVE_BYTES = 10 * MIB  # Borg takes nothing smaller
_SHARE_IN_RESERVE = 20
_BALLAST_BYTES = SEGMENT_BYTES + 32 * MIB
_LARGE_DISK_BYTES = 8192 * MIB


@dataclass(frozen=True, slots=True)
class Room:
    """Segment size, reserve and ballast of one repository.

    `reserve_bytes` None means a twentieth of the disk, at most 2 GiB. `ballast_bytes` is a file
    that is given up when others have filled the disk to the last byte; None means a segment and
    32 MiB on a disk of its own (not the box's) that is larger than 8 GiB.
    """

    borg: BorgProgram
    folder: RepositoryFolder | None
    segment_bytes: int
    reserve_bytes: int | None
    ballast_bytes: int | None

    def settle(self, folder: RepositoryFolder) -> None:
        """Give a new repository its segment size, reserve and ballast."""
        self._configure("max_segment_size", self.segment_bytes)
        self._configure("additional_free_space", self._reserve(folder))
        folder.lay_ballast(self._ballast(folder))

    def keep_reserve(self, folder: RepositoryFolder) -> None:
        """Settle the reserve where it is not the configured one, as long as there is room to."""
        reserve = self._reserve(folder)
        if folder.reserve_bytes() != reserve and folder.free_bytes() > self.segment_bytes:
            self._configure("additional_free_space", reserve)

    def _reserve(self, folder: RepositoryFolder) -> int:
        if self.reserve_bytes is not None:
            return max(_LEAST_RESERVE_BYTES, self.reserve_bytes) if self.reserve_bytes else 0
        share = folder.total_bytes() // _SHARE_IN_RESERVE
        return max(_LEAST_RESERVE_BYTES, min(_LARGEST_RESERVE_BYTES, share))

    def _ballast(self, folder: RepositoryFolder) -> int:
        if self.ballast_bytes is not None:
            return self.ballast_bytes
        own = folder.path.stat().st_dev != self.borg.state.stat().st_dev
        return _BALLAST_BYTES if own and folder.total_bytes() > _LARGE_DISK_BYTES else 0

    def making(self, call: Callable[[], Ended]) -> Ended:
        """Run what frees room; on a full disk give up ballast and reserve for that long."""
        try:
            return self.explaining(call)
        except DiskFull:
            if self.folder is None:
                raise
            with (
                self.folder.ballast_away(self._ballast(self.folder)),
                self._reserve_lowered(self.folder),
            ):
                return self.explaining(call)

    def explaining(self, call: Callable[[], Ended]) -> Ended:
        """Say "full" or "read-only" where the folder itself shows that this was the reason."""
        try:
            return call()
        except (ToolFailed, DiskReadOnly) as error:
            if self.folder is None:
                raise
            if self.folder.is_read_only():
                raise self.borg.failure(DiskReadOnly, error.detail) from error
            if self.folder.free_bytes() < self.segment_bytes:
                raise self.borg.failure(DiskFull, error.detail) from error
            raise

    @contextmanager
    def _reserve_lowered(self, folder: RepositoryFolder) -> Iterator[None]:
        keeper = ConfigKeeper(folder, self.borg.state)
        keeper.keep()
        try:
            self._configure("additional_free_space", 0)
            yield
        finally:
            keeper.bring_back()

    def _configure(self, key: str, value: int) -> None:
        self.borg.run(Verb.CONFIG, [self.borg.target(), key, str(value)])
