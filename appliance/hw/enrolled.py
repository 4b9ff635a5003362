"""Marks a disk as this box's: done by `appliance init`, once the disk is prepared."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..core.errors import ApplianceError, DiskAbsent, WrongDisk
from ..system import service
from ..system.files import disk_errors, write_durably
from . import disks, marker
from .marker import Marker
from .usb_disk import mount_unit, mounted_at

_README = """This disk holds the encrypted backups of an office: “{box}”, disk {name}.

If you found it, please bring it back. Without the office's emergency sheet nobody can read it.

If it is yours and the box is gone: take the emergency sheet and any computer with Linux, install
borgbackup and zstd, and follow the sheet. The backups are in the folder “appliance”. Do not
format or repair this disk.
"""


def open_up(place: Path, name: str, uuid: str) -> None:
    """Have a prepared disk mounted, marked or not.

    Raise DiskAbsent where it is not plugged in, WrongDisk where another one is mounted there.
    """
    found = disks.with_uuid(uuid)
    if len(found) != 1:
        raise DiskAbsent(f"{name} is not plugged in.", hint="Plug exactly this disk in.")
    if mounted_at(place) is None:
        service.start_unit(mount_unit(place))
    there = mounted_at(place)
    if there is None or there.number != found[0].number:
        raise WrongDisk(f"What is mounted at {place} is another disk.")


def require_ours(place: Path, box_id: str) -> None:
    """Raise WrongDisk where a mounted disk has the mark of another box."""
    before = marker.read(place)
    if before is not None and before.box_id != box_id:
        raise WrongDisk(
            f"This is {before.name} of another box (“{before.box_name}”).",
            hint="`sudo appliance recover` adopts it.",
        )


def mark(place: Path, mark: Marker, key: bytes) -> None:
    """Mark a mounted disk as ours, whatever mark it had: somebody decided that."""
    with disk_errors(place):
        place.chmod(0o700)
    marker.write(place, mark, key)
    _leave_a_note(place, mark.box_name, mark.name)


def _leave_a_note(mount_point: Path, box: str, name: str) -> None:
    """Tell whoever finds the disk what it is; it is not needed, so a full disk is no error."""
    with suppress(ApplianceError):
        text = _README.format(box=box, name=name)
        write_durably(mount_point / "README.txt", text.encode(), 0o644)
