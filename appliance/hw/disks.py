"""Which disks are plugged into the machine, as udev tells; the only home of pyudev.

A disk gives several events when it comes, the first of them without its filesystem, and a device's
name belongs to another disk tomorrow (research: hotplug under udev 252 to 257). So every event
only means "look again", and what is found is never remembered by its name.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pyudev

from ..core.model import AttachedDisk, Filesystem
from .sysfs import text_of

LOOK_EVERY_SECONDS = 5.0
"""Without any event too: events can be lost, and a disk that is gone must be known in time."""
_SETTLES_SECONDS = 0.3
_SECTOR_BYTES = 512
_NO_DISKS = ("loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd", "mtdblock")
_SYSTEM_MOUNTS = ("/", "/boot", "/boot/firmware", "/usr", "/var", "/home", "/opt", "[SWAP]")
_SYSFS = Path("/sys/class/block")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Block:
    """A block device: a disk or a partition of one."""

    node: str
    parent: str
    """The disk of a partition; empty for a disk."""
    number: tuple[int, int]
    size_bytes: int
    is_read_only: bool
    properties: Mapping[str, str]
    """What udev knows of it: ID_SERIAL_SHORT, ID_FS_UUID ..."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plugged-in filesystem with a UUID that was looked for."""

    node: str
    number: tuple[int, int]
    serial: str


def is_write_protected(number: tuple[int, int]) -> bool:
    """Return whether a block device says that it takes no writes: a lock switch, or worn out."""
    major, minor = number
    return text_of(Path(f"/sys/dev/block/{major}:{minor}/ro")) == "1"


def attached() -> tuple[AttachedDisk, ...]:
    """Return every disk that is plugged in, the system's own too, by its node."""
    return disks_among(tuple(_blocks()), mounts())


def with_uuid(uuid: str) -> tuple[Found, ...]:
    """Return where a filesystem with that UUID is plugged in: two are a disk and its clone."""
    devices = pyudev.Context().list_devices(subsystem="block", ID_FS_UUID=uuid)
    blocks = [_block(device) for device in devices]
    return tuple(
        Found(each.node, each.number, each.properties.get("ID_SERIAL_SHORT", ""))
        for each in blocks
        if each.size_bytes and not _is_no_disk(each.parent or each.node)
    )


def watch(stop: Event, on_change: Callable[[], object]) -> None:
    """Call `on_change` whenever a disk came, went or changed, and now and then, until `stop`."""
    monitor = _monitor()
    while not stop.is_set():
        if monitor is None:
            stop.wait(LOOK_EVERY_SECONDS)
        elif monitor.poll(LOOK_EVERY_SECONDS) is not None:
            on_change()
            while monitor.poll(_SETTLES_SECONDS) is not None:
                pass
        if not stop.is_set():
            on_change()


def _monitor() -> pyudev.Monitor | None:
    try:
        monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        monitor.filter_by("block")
        monitor.start()
    except OSError as error:
        _log.warning("udev tells nothing, so disks are looked for every few seconds: %s", error)
        return None
    return monitor


def disks_among(
    blocks: Sequence[Block], mounted: Mapping[tuple[int, int], str]
) -> tuple[AttachedDisk, ...]:
    """Given block devices and what is mounted by device number, return the disks among them."""
    disks = [block for block in blocks if not block.parent and not _is_no_disk(block.node)]
    return tuple(
        _disk(disk, [each for each in blocks if each.parent == disk.node], mounted)
        for disk in sorted(disks, key=lambda one: one.node)
        if disk.size_bytes
    )


def _disk(
    disk: Block, parts: Sequence[Block], mounted: Mapping[tuple[int, int], str]
) -> AttachedDisk:
    known = disk.properties
    pieces = [disk, *sorted(parts, key=lambda one: one.node)]
    places = [place for piece in pieces if (place := _mounted_at(piece, mounted))]
    return AttachedDisk(
        node=disk.node,
        maker=_words(known.get("ID_VENDOR", "")),
        model=_words(known.get("ID_MODEL", "")),
        serial=known.get("ID_SERIAL_SHORT", ""),
        size_bytes=disk.size_bytes,
        filesystems=tuple(_filesystem(piece, mounted) for piece in _holding(pieces, mounted)),
        is_usb=known.get("ID_BUS") == "usb",
        is_system=any(place in _SYSTEM_MOUNTS for place in places),
        is_read_only=disk.is_read_only,
    )


def _holding(pieces: Sequence[Block], mounted: Mapping[tuple[int, int], str]) -> Sequence[Block]:
    """What holds something: recognised, or in use. A disk with partitions that nobody recognises
    (encrypted without a header, a system udev does not know) is not empty either.
    """
    known = [
        piece
        for piece in pieces
        if piece.properties.get("ID_FS_TYPE") or _mounted_at(piece, mounted)
    ]
    return known or pieces[1:]


def _filesystem(block: Block, mounted: Mapping[tuple[int, int], str]) -> Filesystem:
    known = block.properties
    return Filesystem(
        block.node,
        known.get("ID_FS_TYPE", ""),
        known.get("ID_FS_UUID", ""),
        known.get("ID_FS_LABEL", ""),
        _mounted_at(block, mounted),
    )


def _mounted_at(block: Block, mounted: Mapping[tuple[int, int], str]) -> str:
    """Where it is mounted, or what lies on it (a container, a logical volume) is."""
    return next((mounted[number] for number in _stack_on(block) if number in mounted), "")


def _stack_on(block: Block) -> Iterator[tuple[int, int]]:
    yield block.number
    yield from _held_by(_SYSFS / Path(block.node).name)


def _held_by(device: Path) -> Iterator[tuple[int, int]]:
    """What lies on a device, however deep: a logical volume in a volume group in a container."""
    try:
        for holder in (device / "holders").iterdir():
            major, _, minor = (holder / "dev").read_text().strip().partition(":")
            yield int(major), int(minor)
            yield from _held_by(holder)
    except OSError:
        return  # it is just being pulled out, or taken apart


def mounts(table: Path = Path("/proc/self/mountinfo")) -> dict[tuple[int, int], str]:
    """Return the first place each device is mounted at, by device number; swap is `[SWAP]`."""
    found: dict[tuple[int, int], str] = {}
    for line in table.read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        number = _number(fields[2], after.split()[1])
        place = unescaped(fields[4])
        if number not in found or place == "/":
            found[number] = place
    return found | _swap()


def unescaped(path: str) -> str:
    """Given a path as the kernel writes it in a table, return the path (proc(5): `\\040`)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def _number(said: str, source: str) -> tuple[int, int]:
    """Btrfs says a number of its own making, and which device it stands for only by name."""
    major, _, minor = said.partition(":")
    if major == "0" and source.startswith("/dev/"):
        with suppress(OSError):
            number = Path(unescaped(source)).stat().st_rdev
            return os.major(number), os.minor(number)
    return int(major), int(minor)


def _swap() -> dict[tuple[int, int], str]:
    try:
        lines = Path("/proc/swaps").read_text().splitlines()[1:]
        nodes = [line.split()[0] for line in lines if line.startswith("/dev/")]
        numbers = [Path(node).stat().st_rdev for node in nodes]
    except OSError:
        return {}
    return {(os.major(number), os.minor(number)): "[SWAP]" for number in numbers}


def _blocks() -> Iterator[Block]:
    for device in pyudev.Context().list_devices(subsystem="block"):
        yield _block(device)


def _block(device: pyudev.Device) -> Block:
    parent = device.find_parent("block")
    return Block(
        node=device.device_node or "",
        parent=(parent.device_node or "") if parent is not None else "",
        number=(os.major(device.device_number), os.minor(device.device_number)),
        size_bytes=_attribute(device, "size") * _SECTOR_BYTES,
        is_read_only=bool(_attribute(device, "ro")),
        properties=dict(device.properties),
    )


def _attribute(device: pyudev.Device, name: str) -> int:
    """A device that is just being pulled out has none any more."""
    try:
        return int(device.attributes.get(name) or 0)
    except ValueError:
        return 0


def _is_no_disk(node: str) -> bool:
    return Path(node).name.startswith(_NO_DISKS)


def _words(text: str) -> str:
    return " ".join(text.replace("_", " ").split())
