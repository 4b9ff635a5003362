"""Why a read failed. The kept data is blamed last: a disk that is marked damaged stays marked.

First the disk has to be there and alive, then the working space has to have room; what is left
is damage only where Borg says so of the stored bytes themselves.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DiskFull, DiskReadOnly, RepositoryDamaged, ToolFailed
from ..core.ports import Watch
from ..system.files import prove_writable
from .folder import RepositoryFolder, free_bytes
from .program import BorgProgram
from .verdicts import Verb

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROOM_FOR_MEMORY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """Where a read writes to, and how many bytes it is to have there in the end."""

    folder: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Faults:
    """Finds out why reading one repository failed. `may_write` is False for a fetched copy."""

    borg: BorgProgram
    folder: RepositoryFolder | None
    may_write: bool

    @contextmanager
    def explained(self, target: Target | None = None) -> Iterator[None]:
        """Raise what a failed read inside really means.

        DiskAbsent or DiskReadOnly where the disk is gone or refuses, DiskFull or DiskReadOnly
        where the working space does; else what was raised.
        """
        try:
            yield
        except (ToolFailed, RepositoryDamaged) as error:
            if type(error) in {ToolFailed, RepositoryDamaged}:  # not: broken off, timed out
                self._blame_the_disk()
            if type(error) is ToolFailed:
                self._blame_the_working_space(target, error.detail)
            raise

    @contextmanager
    def proved(self, flags: list[str], watch: Watch) -> Iterator[None]:
        """As `explained` has left it: raise RepositoryDamaged where Borg finds stored bytes gone.

        A lost file of the repository ends a read like any fault of the program; only reading
        every stored byte tells the two apart. That takes a while, and never happens otherwise.
        """
        try:
            yield
        except ToolFailed as error:
            if type(error) is ToolFailed:
                arguments = ["--repository-only", self.borg.target()]
                self.borg.run(Verb.CHECK, arguments, watch, flags=["--progress", *flags])
            raise

    def _blame_the_disk(self) -> None:
        if self.folder:
            self.folder.id()
            if self.may_write:
                self.folder.probe()

    def _blame_the_working_space(self, target: Target | None, detail: str) -> None:
        if free_bytes(self.borg.state) < _ROOM_FOR_MEMORY_BYTES:
            raise _full(self.borg.state, detail)
        if target is None:
            return
        files = (path for path in target.folder.rglob("*") if path.is_file())
        lacking = target.size_bytes - sum(path.stat().st_size for path in files)
        if free_bytes(target.folder) < lacking:
            raise _full(target.folder, detail)
        try:
            prove_writable(target.folder)
        except OSError as error:
            if error.errno in _FULL:
                raise _full(target.folder, detail) from error
            raise DiskReadOnly(
                f"The working space {target.folder} cannot be written to.", detail=str(error)
            ) from error


def _full(folder: Path, detail: str) -> DiskFull:
    return DiskFull(f"There is no room left in the working space {folder}.", detail=detail)
