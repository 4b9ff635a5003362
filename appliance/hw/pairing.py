"""Making a disk ours: the only code that formats, and nothing that the worker ever loads.

It is a person's act, as root. What would be lost is named first, and whatever is on the disk is
erased only if its serial number was typed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from ..core.errors import ApplianceError, WrongDisk
from ..core.model import AttachedDisk
from ..system import process
from ..system.files import disk_errors, write_durably
from .erasable import OTHER_DISK
from .marker import FILE, LONGEST_BYTES, Marker, parsed
from .sysfs import text_of
from .usb_disk import fsck_unit, mount_unit

LABEL = "APPLIANCE"
_BLOCK_BYTES = 1 << 20
_FEWEST_BLOCKS, _MOST_BLOCKS = 16, 1024
_UNITS = Path("/etc/systemd/system")


def signatures(node: str) -> tuple[str, ...]:
    """Return what `wipefs` recognises on a device, changing nothing."""
    lines: list[str] = []
    result = process.run([process.find("wipefs"), "--no-act", "--json", node], on_line=lines.append)
    if result.code != 0:
        raise ApplianceError(f"{node} cannot be read.", detail=result.tail)
    found = json.loads("\n".join(lines) or "{}").get("signatures", [])
    return tuple(dict.fromkeys(str(one["type"]) for one in found))


@dataclass(frozen=True, slots=True)
class Marked:
    """A filesystem with a mark on it, believed or not."""

    uuid: str
    """The filesystem's own, as udev says."""
    mark: Marker

    @property
    def is_copied(self) -> bool:
        """Whether the mark was made for another filesystem than the one it lies on."""
        return self.mark.uuid != self.uuid


def mark_on(disk: AttachedDisk) -> Marked | None:
    """Return the mark on a disk, believed or not, without mounting it."""
    for one in disk.filesystems:
        if one.kind == "ext4" and (mark := parsed(_read(one.node, FILE))) is not None:
            return Marked(one.uuid, mark)
    return None


def _read(node: str, file: str) -> str:
    """The beginning of a file on an unmounted disk; a stranger's may be as long as the disk."""
    with process.started([process.find("debugfs"), "-R", f"cat /{file}", node]) as running:
        return running.stdout.read(LONGEST_BYTES).decode("utf-8", "replace")


@contextmanager
def the_same(disk: AttachedDisk, look: Callable[[], Sequence[AttachedDisk]]) -> Iterator[None]:
    """Hold on to a disk, so that its name cannot come to mean another one meanwhile.

    Somebody looked at it and answered a question; that takes time, and hands. Raise WrongDisk
    where another one is plugged in there by now, or the same one with something else on it.
    """
    try:
        held = os.open(disk.node, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise WrongDisk(f"{disk.node} is gone.", hint=OTHER_DISK, detail=str(error)) from error
    try:
        if disk not in look():
            raise WrongDisk(
                f"{disk.node} is not what it was a moment ago.",
                hint="Nothing was changed. `appliance disk list` shows what is plugged in now.",
            )
        yield
    finally:
        os.close(held)


def cache_warning(disk: AttachedDisk, blocks: Path = Path("/sys/class/block")) -> str:
    """Return what to know of a disk that seems to keep nothing back, empty where all is well (D-9).

    The kernel sends no flush to a disk that says, or is only assumed, to write everything at once.
    """
    mode = text_of(blocks / Path(disk.node).name / "queue" / "write_cache")
    if mode != "write through" or not disk.is_usb:
        return ""
    return (
        "This disk does not say whether it keeps things in a memory of its own for a while: "
        "never pull it out before the box says that it is safe to."
    )


def burn_in(
    node: str, size_bytes: int, on_progress: Callable[[int, int], None], *, quick: bool = False
) -> None:
    """Write random blocks all over an empty disk, read them back, compare (D-10).

    A disk that pretends to be larger than it is, and a bridge that loses data, are found here.
    Raise WrongDisk.
    """
    wanted = _FEWEST_BLOCKS if quick else size_bytes // 50 // _BLOCK_BYTES
    count = min(max(wanted, _FEWEST_BLOCKS), _MOST_BLOCKS)
    step = (size_bytes - _BLOCK_BYTES) // (count - 1)
    places = [number * step // 4096 * 4096 for number in range(count)]
    said = secrets.token_bytes(_BLOCK_BYTES - 8)
    device = _alone(node)
    try:
        for number, place in enumerate(places):
            os.pwrite(device, number.to_bytes(8, "big") + said, place)
            on_progress(number, 2 * count)
        os.fsync(device)
        os.posix_fadvise(device, 0, 0, os.POSIX_FADV_DONTNEED)
        for number, place in enumerate(places):
            if os.pread(device, _BLOCK_BYTES, place) != number.to_bytes(8, "big") + said:
                raise WrongDisk(
                    f"{node} does not give back what is written to it: do not trust it.",
                    hint=OTHER_DISK,
                )
            on_progress(count + number, 2 * count)
    except OSError as error:
        raise WrongDisk(f"{node} fails.", hint=OTHER_DISK, detail=str(error)) from error
    finally:
        os.close(device)


def _alone(node: str) -> int:
    """The kernel's own word that nobody mounts, swaps to or builds upon any of it."""
    try:
        return os.open(node, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        why = "is in use" if error.errno == errno.EBUSY else "cannot be written to"
        raise WrongDisk(f"{node} {why}.", hint=OTHER_DISK, detail=str(error)) from error


def make_filesystem(node: str, uuid: str, owner: tuple[int, int]) -> None:
    """Erase a disk and make one ext4 filesystem of it, whose root belongs to `owner`."""
    for argv in (
        ["wipefs", "--all", "--quiet", node],
        [
            *("mkfs.ext4", "-q", "-F", "-m", "0", "-L", LABEL, "-U", uuid),
            *("-E", f"root_owner={owner[0]}:{owner[1]}", node),
        ],
    ):
        result = process.run([process.find(argv[0]), *argv[1:]])
        if result.code != 0:
            raise WrongDisk(f"{node} could not be prepared.", hint=OTHER_DISK, detail=result.tail)


def lay_mount_unit(uuid: str, mount_point: Path, name: str, folder: Path = _UNITS) -> Path:
    """Write the disk's mount unit; return its path. Raise ValueError where that is no UUID."""
    path = folder / mount_unit(mount_point)
    uuid = str(UUID(uuid))  # never a line of somebody else's in a unit
    text = _MOUNT.format(name=name, uuid=uuid, place=mount_point, fsck=fsck_unit(uuid))
    write_durably(path, text.encode(), 0o644)
    return path


def uuid_in(mount_point: Path, folder: Path = _UNITS) -> str:
    """Return the UUID that the mount unit of a place names, empty where there is none."""
    try:
        text = (folder / mount_unit(mount_point)).read_text()
    except OSError:
        return ""
    found = re.search(r"^What=/dev/disk/by-uuid/(\S+)$", text, re.MULTILINE)
    return found[1] if found else ""


_MOUNT = """\
# Made by `appliance disk pair`. The worker mounts the disk only while it uses it.
[Unit]
Description=Appliance: the backup disk {name}
Requires={fsck}
After={fsck}

[Mount]
What=/dev/disk/by-uuid/{uuid}
Where={place}
Type=ext4
Options=nosuid,nodev,noexec,noatime,errors=remount-ro,x-systemd.device-bound
LazyUnmount=yes
TimeoutSec=60
"""


def require_empty(mount_point: Path) -> None:
    """Raise ApplianceError where something lies in the place of a disk that is not there."""
    if mount_point.is_dir() and not mount_point.is_mount() and any(mount_point.iterdir()):
        raise ApplianceError(
            f"There is something in {mount_point}, where only the disk should be.",
            hint="Move it away, or take another name for the disk.",
        )


def lay_mount_point(mount_point: Path) -> str:
    """Make the empty folder that nobody can write to while the disk is away (D-5).

    Return a warning where the filesystem cannot hold it so.
    """
    if mount_point.is_mount():
        return ""
    chattr = process.find("chattr")
    if mount_point.exists():
        process.run([chattr, "-i", str(mount_point)])
    mount_point.mkdir(parents=True, exist_ok=True)
    mount_point.chmod(0o555)
    if process.run([chattr, "+i", str(mount_point)]).code == 0:
        return ""
    return f"{mount_point} cannot be locked against writing: the card may fill without a disk."


def take_mount_away(mount_point: Path, folder: Path = _UNITS) -> None:
    """Take back what was laid for a disk: its unit, and its place where that is empty."""
    (folder / mount_unit(mount_point)).unlink(missing_ok=True)
    if mount_point.is_dir() and not mount_point.is_mount():
        process.run([process.find("chattr"), "-i", str(mount_point)])
        with suppress(OSError):  # not empty: it is not ours to judge
            mount_point.rmdir()


def hand_over(place: Path, owner: tuple[int, int]) -> tuple[int, int]:
    """Give what belongs to the owner of a mounted disk to another one; return who had it.

    A disk of another box belongs to a number that is somebody else's, or nobody's, on this one.
    The disk's root folder goes last: what was cut off is taken up again.
    """
    with disk_errors(place):
        there = place.stat()
        before = (there.st_uid, there.st_gid)
        if before == owner:
            return before
        for _, folders, files, handle in os.fwalk(place):
            for name in (*folders, *files):
                if os.stat(name, dir_fd=handle, follow_symlinks=False).st_uid == before[0]:
                    os.chown(name, *owner, dir_fd=handle, follow_symlinks=False)
        os.chown(place, *owner)
        return before
