"""Making a disk ours: the only code that formats, and nothing that the worker ever loads.

It is a person's act, as root. What would be lost is named first, and whatever is on the disk is
erased only if its serial number was typed.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.errors import ApplianceError, DiskFull, WrongDisk
from ..core.model import AttachedDisk
from ..core.words import listed
from ..system import process
from ..system.files import write_durably
from .marker import FILE, Marker, parsed
from .usb_disk import fsck_unit, mount_unit
from .wording import in_words, on_it

SMALLEST_BYTES = 100_000_000
LABEL = "APPLIANCE"
WORD = "ERASE"
"""What is typed for a disk that shows no serial number."""
_BLOCK_BYTES = 1 << 20
_FEWEST_BLOCKS, _MOST_BLOCKS = 16, 1024
_WITHOUT_JOURNAL = frozenset({"vfat", "exfat", "ntfs"})
_UNITS = Path("/etc/systemd/system")


class NotEmpty(WrongDisk):
    """Raised when a disk holds something: a person may type the word that erases it."""


def word_for(disk: AttachedDisk) -> str:
    """Return what has to be typed before a disk that holds something is erased."""
    return disk.serial or WORD


def signatures(node: str) -> tuple[str, ...]:
    """Return what `wipefs` recognises on a device and its partitions, changing nothing."""
    lines: list[str] = []
    result = process.run([process.find("wipefs"), "--no-act", "--json", node], on_line=lines.append)
    if result.code != 0:
        raise ApplianceError(f"{node} cannot be read.", detail=result.tail)
    found = json.loads("\n".join(lines) or "{}").get("signatures", [])
    return tuple(dict.fromkeys(str(one["type"]) for one in found))


def mark_on(disk: AttachedDisk) -> Marker | None:
    """Return the mark on a disk, believed or not, without mounting it."""
    for one in disk.filesystems:
        if one.kind == "ext4":
            lines: list[str] = []
            argv = [process.find("debugfs"), "-R", f"cat /{FILE}", one.node]
            process.run(argv, on_line=lines.append)
            if (mark := parsed("\n".join(lines))) is not None:
                return mark
    return None


def require_erasable(
    disk: AttachedDisk, found: Sequence[str], mark: Marker | None, box_id: str, typed: str
) -> None:
    """Raise WrongDisk with the reason and the way out where a disk must not be erased.

    It is NotEmpty where the right word would change that.
    """
    name = in_words(disk)
    if disk.is_system:
        raise WrongDisk(f"{disk.node} ({name}) is what this machine runs from.", hint=_OTHER)
    mounted = [one.mounted_at for one in disk.filesystems if one.mounted_at]
    if mounted:
        words = f"{disk.node} ({name}) is in use at {listed(mounted)}."
        raise WrongDisk(words, hint=f"`umount {mounted[0]}` first, if nobody needs it there.")
    if disk.is_read_only:
        raise WrongDisk(f"{disk.node} ({name}) is locked against writing.", hint=_OTHER)
    if disk.size_bytes < SMALLEST_BYTES:
        raise WrongDisk(f"{disk.node} ({name}) is too small for backups.", hint=_OTHER)
    if mark is not None and mark.box_id != box_id:
        raise WrongDisk(
            f"This is {mark.name} of another box (“{mark.box_name}”), with its backups.",
            hint=f"`sudo appliance recover --from {disk.node}` adopts it as it is.",
        )
    if (disk.filesystems or found) and typed != word_for(disk):
        raise _holds_something(disk, found)


_OTHER = "Take another disk; `appliance disk list` shows what is plugged in."


def _holds_something(disk: AttachedDisk, found: Sequence[str]) -> NotEmpty:
    kinds = {one.kind for one in disk.filesystems}
    what = on_it(disk) if disk.filesystems else listed(list(found))
    why = ""
    if kinds & _WITHOUT_JOURNAL:
        why = " The box keeps backups on ext4 only, which survives a power cut."
    return NotEmpty(
        f"{disk.node} ({in_words(disk)}) is not empty: it holds {what}.{why}",
        hint=f"If nobody needs that any more, erase it: add --erase {word_for(disk)}",
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
    device = os.open(node, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
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
                    hint=_OTHER,
                )
            on_progress(count + number, 2 * count)
    except OSError as error:
        raise WrongDisk(f"{node} fails.", hint=_OTHER, detail=str(error)) from error
    finally:
        os.close(device)


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
            raise DiskFull(f"{node} could not be prepared.", hint=_OTHER, detail=result.tail)


def lay_mount_unit(uuid: str, mount_point: Path, name: str, folder: Path = _UNITS) -> Path:
    """Write the disk's mount unit; return its path."""
    path = folder / mount_unit(mount_point)
    text = _MOUNT.format(name=name, uuid=uuid, place=mount_point, fsck=fsck_unit(uuid))
    write_durably(path, text.encode(), 0o644)
    return path


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
