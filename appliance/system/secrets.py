"""The only home of secrets: looked up by name, never shown, never in an environment variable."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import ConfigError, Problem
from .files import disk_errors, write_durably

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_FOLDER = "secret"  # LoadCredential=secret:/etc/appliance/credentials
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Secrets:
    """The secret store: systemd's credentials first, then our own folder of 0600 files."""

    def __init__(self, directory: Path, credentials: Path | None = None) -> None:
        self._directory = directory
        self._credentials = credentials

    @property
    def folder(self) -> Path:
        """Our own folder, in which a new secret is put."""
        return self._directory

    def __repr__(self) -> str:
        return f"Secrets({str(self._directory)!r})"

    def get(self, name: str) -> str:
        """Return a secret, without one trailing newline.

        Raise ConfigError where it is missing, empty, not text or readable by others.
        """
        path = self.file(name)
        try:
            value = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise _problem(name, f"cannot be read ({type(error).__name__}): {path}") from None
        if not value:
            raise _problem(name, f"is empty: {path}")
        return value

    def file(self, name: str) -> Path:
        """Return the file that holds a secret, for a program that reads it itself.

        Raise ConfigError where it is missing or readable by others.
        """
        path = self._find(name)
        if path is None:
            raise _problem(name, f"is missing. Put it, mode 0600, into {self._directory / name}.")
        if path.parent == self._directory and _open_to_others(path):
            raise _problem(name, f"can be read by others. Run: chmod 600 {path}")
        return path

    def has(self, name: str) -> bool:
        """Return whether there is such a secret."""
        return self._find(name) is not None

    def put(self, name: str, value: str) -> None:
        """Store a secret in our own folder; return once it is on the disk.

        Raise ConfigError where its name is not one, else as `write_durably` does.
        """
        _check(name)
        with disk_errors(self._directory):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._directory / name, value.encode() + b"\n", 0o600)

    def put_in_place(self, name: str, value: str) -> None:
        """Write over a secret of our own folder, which needs no room; return once it is on the
        disk. A power cut meanwhile leaves neither. Raise as `put` does.
        """
        _check(name)
        path, data = self._directory / name, value.encode() + b"\n"
        with disk_errors(path), path.open("r+b", buffering=0) as file:
            file.write(data)
            file.truncate(len(data))
            os.fsync(file.fileno())

    def remove(self, name: str) -> None:
        """Forget a secret of our own folder; nothing where there is none."""
        _check(name)
        with disk_errors(self._directory):
            (self._directory / name).unlink(missing_ok=True)

    def own_names(self) -> tuple[str, ...]:
        """Return the names of what lies in our own folder."""
        if not self._directory.is_dir():
            return ()
        return tuple(sorted(path.name for path in self._directory.iterdir() if path.is_file()))

    def _find(self, name: str) -> Path | None:
        _check(name)
        try:
            return next((path for path in self._places(name) if path.is_file()), None)
        except PermissionError:
            raise _problem(name, "lies in a folder that this user may not enter.") from None

    def _places(self, name: str) -> Iterator[Path]:
        """Systemd gives each file of a whole folder the name that our unit has for the folder."""
        if self._credentials is not None:
            yield self._credentials / name
            yield self._credentials / f"{_FOLDER}_{name}"
        yield self._directory / name


def credentials_directory() -> Path | None:
    """Return where systemd hands this service its credentials, if it does."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & _READABLE_BY_OTHERS)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError([Problem("", "A secret's name has only a-z, 0-9, _ and - in it.")])


def _problem(name: str, message: str) -> ConfigError:
    return ConfigError([Problem("", f"The secret “{name}” {message}")])
