"""A repository's folder on this machine, as far as it is ours to touch rather than Borg's.

Whether it is there, alive and the right one; the room kept in reserve; locks left behind.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core.errors import DiskAbsent, DiskReadOnly, RepositoryDamaged, WrongDisk
from ..core.model import COPY_MARKER
from ..system.files import prove_writable, sync_folder, write_durably

_ROOM_FOR_LOCKS_BYTES = 1 << 20

BALLAST = "appliance.ballast"
_ID = re.compile(rb"^id = ([0-9a-f]{64})\s*$", re.MULTILINE)
_RESERVE = re.compile(rb"^additional_free_space = (\d+)\s*$", re.MULTILINE)
_LOCK_NAME = re.compile(r"(?P<host>.+)\.(?P<pid>\d+)-[0-9a-f]+")


class RepositoryFolder:
    """The folder of one repository."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.config = path / "config"

    def id(self) -> str:
        """Return the id that the folder's own `config` names.

        Raise DiskAbsent where there is no repository (an unmounted disk leaves an empty folder),
        RepositoryDamaged where its config is torn.
        """
        try:
            found = _ID.search(self.config.read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DiskAbsent(
                f"“{self.name}” is not there: no copy lies in its folder.", detail=str(error)
            ) from error
        except OSError as error:
            raise DiskReadOnly(f"“{self.name}” cannot be read.", detail=str(error)) from error
        if not found:
            raise RepositoryDamaged(
                f"The settings file of “{self.name}” is torn.",
                hint="Do not write to this disk; its key is on the emergency sheet.",
                detail=f"no id in {self.config}",
            )
        return found[1].decode()

    def exists(self) -> bool:
        """Return whether a repository lies here."""
        return self.config.is_file()

    def refuse_copies(self) -> None:
        """Raise WrongDisk where this is a fetched or hand-made partial copy of a repository."""
        if (self.path / COPY_MARKER).exists() or not (self.path / "nonce").is_file():
            raise WrongDisk(
                f"“{self.name}” is a copy of another disk and is never written to.",
                hint="Restore from it, and let `appliance init` make a new one for backups.",
            )

    def probe(self) -> None:
        """Write a file, sync it, read it back, remove it: a mount may look alive and be dead.

        A full disk passes: it is alive. Raise DiskReadOnly for anything else.
        """
        try:
            if not prove_writable(self.path):
                raise DiskReadOnly(f"“{self.name}” does not keep what is written to it.")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise DiskReadOnly(
                    f"“{self.name}” cannot be written to.", detail=str(error)
                ) from error

    def is_read_only(self) -> bool:
        """Return whether the filesystem refuses all writing."""
        return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)

    def holds_locks(self) -> bool:
        """Return whether a lock, which is a folder and two small files, can be made."""
        return not self.is_read_only() and self.free_bytes() >= _ROOM_FOR_LOCKS_BYTES

    def free_bytes(self) -> int:
        """Return the room that we may use."""
        return free_bytes(self.path)

    def total_bytes(self) -> int:
        """Return the size of the filesystem."""
        stat = os.statvfs(self.path)
        return stat.f_blocks * stat.f_frsize

    def reserve_bytes(self) -> int | None:
        """Return the room that the repository's config reserves; None where it is no number."""
        found = _RESERVE.search(self.config.read_bytes())
        return int(found[1]) if found else None

    def lay_ballast(self, size_bytes: int) -> None:
        """Occupy room that can be given up when the disk is so full that nothing else works."""
        if size_bytes and not (self.path / BALLAST).exists():
            with suppress(OSError), (self.path / BALLAST).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size_bytes)

    @contextmanager
    def ballast_away(self, size_bytes: int) -> Iterator[None]:
        """Give the ballast up for a while."""
        (self.path / BALLAST).unlink(missing_ok=True)
        try:
            yield
        finally:
            self.lay_ballast(size_bytes)

    def lock_hosts(self) -> frozenset[str]:
        """Return the host ids of all locks in this folder, "" for one that cannot be read."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return frozenset(self._exclusive_hosts()) | frozenset(self._roster_hosts())
        return frozenset()

    def _exclusive_hosts(self) -> Iterator[str]:
        folder = self.path / "lock.exclusive"
        for entry in folder.iterdir() if folder.is_dir() else ():
            found = _LOCK_NAME.fullmatch(entry.name)
            yield found["host"] if found else ""

    def _roster_hosts(self) -> Iterator[str]:
        try:
            roster = json.loads((self.path / "lock.roster").read_text())
            for holders in roster.values():
                yield from (str(host) for host, _pid, _thread in holders)
        except (OSError, ValueError, AttributeError, TypeError):
            return  # none, or an empty one after a power cut: Borg itself ignores it


class ConfigKeeper:
    """Changes a repository's `config` for a while and brings back the very same bytes.

    The bytes lie synced in our state meanwhile, so a power cut in between is undone next time.
    """

    def __init__(self, folder: RepositoryFolder, state: Path) -> None:
        self._folder = folder
        self._kept = state / "kept-config" / folder.id()

    def keep(self) -> None:
        """Remember the config as it is."""
        self._kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stat = self._folder.config.stat()
        write_durably(self._kept, self._folder.config.read_bytes())
        os.utime(self._kept, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def bring_back(self) -> None:
        """Put the remembered config back, if there is one."""
        if not self._kept.exists():
            return
        kept, stat = self._kept.read_bytes(), self._kept.stat()
        if _ID.search(kept):  # else the power went while it was being kept: nothing was changed yet
            fresh = self._folder.config.with_name("config.appliance")
            write_durably(fresh, kept)
            os.utime(fresh, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            fresh.replace(self._folder.config)
            sync_folder(self._folder.path)
        self._kept.unlink()


def free_bytes(folder: Path) -> int:
    """Return the room that we may use where a folder lies."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize
