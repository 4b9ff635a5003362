"""The only home of staging: the private folders that hold an export while a Run works on it, or
while a person looks at what came back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from ..core.errors import ApplianceError, ConfigError, DiskFull, Problem
from ..core.words import size
from .files import disk_errors

_PREFIX = "run-"
_APART = "opened-"


class FolderStaging:
    """Staging in a folder of mode 0700: one folder for each Run, wiped when it ends.

    `reserve_bytes` of the filesystem stay free, whatever a Run wants.
    """

    def __init__(self, root: Path, reserve_bytes: int) -> None:
        self._root = root
        self._reserve_bytes = reserve_bytes
        self.give_way: Callable[[], None] = _nobody_gives_way
        """Called where a Run would find no room: whoever is here for a person's sake goes."""

    def open(self, run_id: int) -> Path:
        """Make an empty private folder for a Run.

        Raise DiskFull where there is no room, ConfigError where the root is not a folder.
        """
        self._prepare()
        if self.free_bytes() <= 0:
            self.give_way()
        if self.free_bytes() <= 0:
            raise DiskFull(f"Less than {size(self._reserve_bytes)} is free in {self._root}.")
        path = self._root / f"{_PREFIX}{run_id}"
        _remove(path)
        with disk_errors(path):
            path.mkdir(mode=0o700)
        return path

    def open_apart(self, name: str) -> Path:
        """Make an empty private folder of no Run, for what a person looks at; `close` ends it."""
        self._prepare()
        path = self._root / f"{_APART}{name}"
        with disk_errors(path):
            path.mkdir(mode=0o700)
        return path

    def wipe_apart(self, but: Collection[Path] = ()) -> None:
        """Remove what people looked at, except for some folders."""
        if self._root.is_dir() and not self._root.is_symlink():
            for path in self._root.glob(f"{_APART}*"):
                if path not in but:
                    _remove(path)

    def close(self, path: Path) -> None:
        """Remove one of our folders and all in it."""
        if path.parent != self._root or not path.name.startswith((_PREFIX, _APART)):
            raise ApplianceError(f"{path} is not one of staging's folders.")
        _remove(path)

    def wipe(self) -> None:
        """At start-up: remove what a crash left behind. Only folders of our own names."""
        if self._root.is_dir() and not self._root.is_symlink():
            for path in self._root.glob(f"{_PREFIX}*"):
                _remove(path)

    def free_bytes(self) -> int:
        """Return the room left above the reserve, 0 where there is none."""
        self._prepare()
        return max(shutil.disk_usage(self._root).free - self._reserve_bytes, 0)

    def require(self, size_bytes: int) -> None:
        """Raise DiskFull, naming what is needed and what is free, where that much does not fit."""
        if size_bytes > self.free_bytes():
            self.give_way()
        free = self.free_bytes()
        if size_bytes > free:
            raise DiskFull(
                f"This needs {size(size_bytes)} in {self._root}, but only {size(free)} is free "
                f"({size(self._reserve_bytes)} are kept in reserve).",
                hint="Free some room there, or name a larger disk as `staging`; nothing is lost.",
            )

    def _prepare(self) -> None:
        if self._root.is_symlink() or self._root.is_file():
            raise ConfigError([Problem("appliance.staging", "must be a folder, not a link.")])
        with disk_errors(self._root):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root.chmod(0o700)


def _nobody_gives_way() -> None:
    """Nobody looks at anything."""


def _remove(path: Path) -> None:
    """Remove a file, a link (not what it points to) or a folder with all in it."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        _make_removable(path)
        shutil.rmtree(path)


def _make_removable(path: Path) -> None:
    """An extracted folder may be write-protected, even against its owner."""
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            below = Path(folder, name)
            if not below.is_symlink():
                below.chmod(0o700)
