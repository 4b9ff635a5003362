"""Facts about the machine that the box lives on: users, files and their owners, programs, devices.

Everything is looked up below a root folder, so that an installation in another folder (an image
that is being built) can be looked at too. Nothing is judged here.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic

from ..core.errors import ToolFailed
from .process import Limits, TimedOut, find, run

_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS, <linux/fs.h>; the same on every 64-bit machine
_IMMUTABLE = 0x10  # FS_IMMUTABLE_FL
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_ANSWERS_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Owned:
    """Who a file belongs to, by name (or number, where the number has no name), and its mode."""

    user: str
    group: str
    mode: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, or the root folder of another one."""

    root: Path = field(default=Path("/"))

    def at(self, path: str | Path) -> Path:
        """Given a path as that machine's programs write it, return where it lies for us."""
        return self.root / str(path).lstrip("/")

    def runs_systemd(self) -> bool:
        """Return whether systemd is this machine's first process."""
        return self.at("/run/systemd/system").is_dir()

    def users(self) -> dict[str, int]:
        """Return the number of each user by name."""
        return {name: int(fields[1]) for name, fields in self._database("passwd")}

    def groups(self) -> dict[str, int]:
        """Return the number of each group by name."""
        return {name: int(fields[1]) for name, fields in self._database("group")}

    def members(self, group: str) -> frozenset[str]:
        """Return who is named as a member of a group."""
        found = dict(self._database("group")).get(group, ["", "", ""])
        return frozenset(filter(None, found[2].split(",")))

    def _database(self, name: str) -> Iterator[tuple[str, list[str]]]:
        for line in self.at(f"/etc/{name}").read_text(encoding="utf-8").splitlines():
            first, *rest = line.split(":")
            if len(rest) >= 3:
                yield first, rest

    def owned(self, path: Path) -> Owned:
        """Given a file below the root, return whose it is; raise OSError where there is none."""
        found = path.lstat()
        users = {number: name for name, number in self.users().items()}
        groups = {number: name for name, number in self.groups().items()}
        return Owned(
            users.get(found.st_uid, str(found.st_uid)),
            groups.get(found.st_gid, str(found.st_gid)),
            stat.S_IMODE(found.st_mode),
        )

    def free_bytes(self, path: str | Path) -> int:
        """Return the room that is left where a path lies."""
        left = os.statvfs(self.at(path))
        return left.f_bavail * left.f_frsize

    def limits_memory(self) -> bool:
        """Return whether the kernel can limit what a service takes: on a Pi that is an option."""
        with suppress(OSError):
            controllers = self.at("/sys/fs/cgroup/cgroup.controllers").read_text()
            return "memory" in controllers.split()
        return self.at("/sys/fs/cgroup/memory").is_dir()

    def watchdog(self) -> str:
        """Return "active", "inactive", or "" where the machine has no watchdog."""
        with suppress(OSError):
            return self.at("/sys/class/watchdog/watchdog0/state").read_text().strip()
        return "inactive" if self.at("/dev/watchdog0").exists() else ""

    def pin_devices(self) -> tuple[Path, ...]:
        """Return the devices that lamps and button could hang on."""
        return tuple(sorted(self.at("/dev").glob("gpiochip*")))


def is_immutable(folder: Path) -> bool | None:
    """Return whether nothing can be written into a folder; None where its filesystem cannot say."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        answer = bytearray(8)
        fcntl.ioctl(handle, _GET_FLAGS, answer)
    except OSError:
        return None
    finally:
        os.close(handle)
    return bool(int.from_bytes(answer[:4], "little") & _IMMUTABLE)


def version_of(program: str, *arguments: str) -> tuple[int, ...]:
    """Given a program that tells its version, return that; () where it tells none.

    Raise ToolFailed where it is not installed.
    """
    said: list[str] = []
    run([find(program), *arguments], on_line=said.append, limits=Limits(total=_ANSWERS_WITHIN))
    found = _VERSION.search(said[0]) if said else None
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def is_installed(program: str) -> bool:
    """Return whether there is such a program."""
    try:
        find(program)
    except ToolFailed:
        return False
    return True


def seconds_to_find_own_name(limit: timedelta) -> float | None:
    """Return how long this machine takes to look up its own name; None where it does not find it.

    Borg asks for it at every start, and waits as long as it takes.
    """
    began = monotonic()
    try:
        result = run([find("getent"), "ahosts", socket.gethostname()], limits=Limits(total=limit))
    except TimedOut:
        return None
    return monotonic() - began if result.code == 0 else None
