"""One disk of the box: attached only while it is used, and only after it has proved itself.

systemd mounts it, checks it and has it flushed, by units that lie ready; we may start and stop
those and nothing else.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

from ..core.errors import ApplianceError, DiskAbsent, DiskReadOnly, WrongDisk
from ..core.ports import Watch
from ..system import service
from ..system.files import make_private, prove_writable
from . import disks, marker
from .disks import Found

_FAULTY = 4
"""fsck's exit codes from here on: it left errors as they are (e2fsck(8))."""
_EXITED = "1"
"""CLD_EXITED in waitid(2): else the status is the number of a signal."""
_KEEP = (
    "Keep the disk as it is: do not format or repair it. What is on it can still be restored; "
    "use another disk for the next backups."
)
_UNLOCK = (
    "Unplug it, slide its lock switch back and plug it in again. If it has none it is worn out: "
    "use another disk for the next backups; what is on it can still be restored."
)


class Units(Protocol):
    """How units are started and stopped; systemd's, or a stand-in of a test with real mounts."""

    def start(self, unit: str, watch: Watch | None = None) -> None:
        """Start a unit and wait until it is active, or has ended well."""

    def stop(self, unit: str) -> None:
        """Stop a unit and wait until it is inactive."""

    def exit_code(self, unit: str) -> int:
        """Return how a oneshot's program ended last."""


class Systemd:
    """The machine's own units."""

    def start(self, unit: str, watch: Watch | None = None) -> None:
        """Start a unit; raise UnitRefused, UnitFailed or Cancelled."""
        service.start_unit(unit, watch)

    def stop(self, unit: str) -> None:
        """Stop a unit; raise UnitRefused or UnitFailed."""
        service.stop_unit(unit)

    def exit_code(self, unit: str) -> int:
        """Return how a oneshot's program ended last, 0 where it did not end by itself."""
        said = service.unit_properties(unit, "ExecMainCode", "ExecMainStatus")
        return int(said.get("ExecMainStatus") or 0) if said.get("ExecMainCode") == _EXITED else 0


def mount_unit(mount_point: Path) -> str:
    """Given a mount point, return its unit's name (systemd.unit(5), "String escaping")."""

    def escaped(character: str) -> str:
        if character == "/":
            return "-"
        plain = character.isascii() and (character.isalnum() or character in ":_.")
        return character if plain else "".join(f"\\x{byte:02x}" for byte in character.encode())

    return "".join(map(escaped, str(mount_point).strip("/"))) + ".mount"


def fsck_unit(uuid: str) -> str:
    """Return the unit that checks a filesystem; its mount unit requires it."""
    return f"appliance-fsck@{uuid}.service"


def flush_unit(uuid: str) -> str:
    """Return the unit that has the disk of a filesystem write its cache out."""
    return f"appliance-flush@{uuid}.service"


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is mounted somewhere."""

    number: tuple[int, int]
    is_read_only: bool


def mounted_at(place: Path, table: Path = Path("/proc/self/mountinfo")) -> Mounted | None:
    """Return what is mounted at a place now, on top of all else; None where nothing is."""
    found = None
    for line in table.read_text(errors="surrogateescape").splitlines():
        fields = line.split()
        if disks.unescaped(fields[4]) != str(place):
            continue
        major, _, minor = fields[2].partition(":")
        options = {*fields[5].split(","), *fields[-1].split(",")}
        found = Mounted((int(major), int(minor)), "ro" in options)
    return found


class UsbDisk:
    """A `core.ports.Disk`: a USB disk known by UUID, serial and our mark on it.

    `key` gives what marks are sealed with, `locks` is a folder of ours: each process that uses the
    disk holds a lock there, and only the last one has it unmounted.
    """

    def __init__(  # noqa: PLR0917 - what a disk is known by
        self,
        name: str,
        uuid: str,
        serial: str,
        mount_point: Path,
        key: Callable[[], bytes],
        locks: Path,
        *,
        find: Callable[[str], Sequence[Found]] = disks.with_uuid,
        units: Units | None = None,
    ) -> None:
        self._name, self._uuid, self._serial = name, uuid, serial
        self._mount_point, self._key, self._locks = mount_point, key, locks
        self._find, self._units = find, units or Systemd()
        self._lost = Event()
        self._lock: int | None = None
        self._rests = True

    @property
    def name(self) -> str:
        """The name of its Repository."""
        return self._name

    @property
    def mount_point(self) -> Path:
        """Where it is mounted while it is used."""
        return self._mount_point

    @property
    def lost(self) -> Event:
        """Set by whoever watches the machine when it is pulled out."""
        return self._lost

    def is_present(self) -> bool:
        """Return whether a filesystem with its UUID is plugged in."""
        return bool(self._find(self._uuid))

    def is_attached(self) -> bool:
        """Return whether something is mounted at its place."""
        return mounted_at(self._mount_point) is not None

    def is_at_rest(self) -> bool:
        """Return whether it may be unplugged: not mounted, and flushed when it last was."""
        return self._rests and not self.is_attached()

    def attach(self, watch: Watch) -> None:
        """Have it checked and mounted, and prove that it is the disk it should be."""
        found = self._the_one()
        if self._lock is not None and self._is_here(found):
            return
        self._require_writable(found)
        self._hold()
        self._lost.clear()
        try:
            if not self._is_here(found):
                self._let_go_of_what_lingers()
                self._mount(watch)
            self._prove(found)
        except BaseException:
            with suppress(ApplianceError):  # what was wrong first is what a person has to know
                self.release()
            raise

    def release(self) -> None:
        """Have it unmounted and flushed, unless another process of ours still uses it."""
        try:
            if self.is_attached():
                self._unmount()
            elif not self._rests:
                self._flush()  # checking it may have written, though it was not mounted then
        finally:
            self._drop()

    def _unmount(self) -> None:
        if self._is_mine_alone():
            self._units.stop(mount_unit(self._mount_point))
            if self.is_attached():
                raise self._restless("it is still mounted")
            self._flush()

    def _the_one(self) -> Found:
        found = self._find(self._uuid)
        if not found:
            raise DiskAbsent(f"{self._name} is not plugged in.")
        if len(found) > 1:
            raise WrongDisk(
                f"Two disks say that they are {self._name}: one is a copy of the other.",
                hint="Unplug the copy; neither is written to while both are here.",
                detail=", ".join(one.node for one in found),
            )
        if self._serial and found[0].serial != self._serial:
            raise WrongDisk(
                f"The disk that says it is {self._name} is another one: its serial number differs.",
                detail=f"expected {self._serial}, found {found[0].serial or 'none'}",
            )
        return found[0]

    def _require_writable(self, found: Found) -> None:
        """Neither fsck nor the flush can work on a disk that takes no writes."""
        if disks.is_write_protected(found.number):
            raise DiskReadOnly(f"{self._name} is write-protected.", hint=_UNLOCK)

    def _is_here(self, found: Found) -> bool:
        there = mounted_at(self._mount_point)
        return there is not None and there.number == found.number

    def _let_go_of_what_lingers(self) -> None:
        """A mount whose device is gone stays until somebody takes it away (D-6)."""
        if self.is_attached():
            self._units.stop(mount_unit(self._mount_point))

    def _mount(self, watch: Watch) -> None:
        self._rests = False
        try:
            self._units.start(mount_unit(self._mount_point), watch)
        except service.UnitFailed as error:
            self._the_one()  # gone meanwhile?
            if self._units.exit_code(fsck_unit(self._uuid)) >= _FAULTY:
                raise DiskReadOnly(
                    f"{self._name} has errors that do not mend by themselves; it was left alone.",
                    hint=_KEEP,
                    detail=error.detail,
                ) from error
            raise DiskReadOnly(
                f"{self._name} could not be opened.", hint=_KEEP, detail=error.detail
            ) from error

    def _prove(self, found: Found) -> None:
        """Compare what is mounted with what should be; then try whether it keeps a file."""
        there = mounted_at(self._mount_point)
        if there is None or there.number != found.number:
            raise WrongDisk(f"What is mounted for {self._name} is another disk.")
        mark = marker.verified(self._mount_point, self._key())
        if (mark.name, mark.uuid, mark.serial) != (self._name, self._uuid, self._serial):
            raise WrongDisk(f"The mark on {self._name} is that of {mark.name}: it is a copy.")
        if there.is_read_only:
            raise DiskReadOnly(f"{self._name} can only be read.", hint=_KEEP)
        self._probe()

    def _probe(self) -> None:
        try:
            if prove_writable(self._mount_point):
                return
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return  # full, and alive
            raise DiskReadOnly(
                f"{self._name} cannot be written to.", hint=_KEEP, detail=str(error)
            ) from error
        raise DiskReadOnly(f"{self._name} does not keep what is written to it.", hint=_KEEP)

    def _flush(self) -> None:
        """The disk's own cache may hide behind its USB bridge (D-9)."""
        if self.is_present():
            try:
                self._units.start(flush_unit(self._uuid))
            except ApplianceError as error:
                if self.is_present():
                    raise self._restless(error.message) from error
        self._rests = True

    def _restless(self, why: str) -> DiskReadOnly:
        return DiskReadOnly(
            f"{self._name} did not come to rest: {why}",
            hint="Do not unplug it while the box is on; switch the box off first.",
        )

    def _hold(self) -> None:
        if self._lock is None:
            make_private(self._locks)
            path = self._locks / f"{self._name}.lock"
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _is_mine_alone(self) -> bool:
        self._hold()
        try:
            fcntl.flock(self._lock or 0, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _drop(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
