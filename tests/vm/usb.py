"""USB disks made of image files: plugged, pulled out without a goodbye, slow, read-only, sick."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vm.machine import USB_BUS
from tests.vm.wires import Monitor, Refused

_MIB = 1 << 20
_SECTOR_BYTES = 512
_FORMATS = {
    "ext4": ["mke2fs", "-q", "-F", "-t", "ext4", "-L"],
    "exfat": ["mkfs.exfat", "-L"],
    "vfat": ["mkfs.vfat", "-n"],
}
_PARTITION_TYPES = {"exfat": 0x07, "vfat": 0x0C}
_LINUX = 0x83
_EIO = 5
_NODES = ("slow", "raw", "sick", "file")
"""The layers of a plugged disk in QEMU, from the guest's side down; two of them only at need."""
_LET_GO_SECONDS = 10


class Usb:
    """The disks of one guest, each an image file in its folder."""

    def __init__(self, folder: Path, monitor: Callable[[], Monitor]) -> None:
        self._folder = folder
        self._monitor = monitor
        self._plugged: dict[str, dict[str, Any]] = {}

    def image(self, disk: str) -> Path:
        """Return the file that is a disk."""
        return self._folder / f"{disk}.img"

    def fingerprint(self, disk: str) -> str:
        """Return the SHA-256 of every byte of a disk."""
        with self.image(disk).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def make(
        self,
        disk: str,
        *,
        size_mib: int = 64,
        fs: str | None = None,
        label: str = "OFFICE",
        partition: bool = False,
    ) -> None:
        """Make a disk: blank, or with a file system, on the whole or in an MBR partition."""
        content = self._folder / f"{disk}.fs"
        with content.open("wb") as file:
            file.truncate(size_mib * _MIB)
        if fs:
            search = os.environ["PATH"] + ":/usr/sbin:/sbin"
            program = shutil.which(_FORMATS[fs][0], path=search) or _FORMATS[fs][0]
            command = [program, *_FORMATS[fs][1:], label, content]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if partition:
            self._partition(disk, content, _PARTITION_TYPES.get(fs or "", _LINUX))
        else:
            content.rename(self.image(disk))

    def _partition(self, disk: str, content: Path, kind: int) -> None:
        """Put a file system into the only partition of a disk, from 1 MiB on."""
        sectors = content.stat().st_size // _SECTOR_BYTES
        entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", 2048, sectors)
        with self.image(disk).open("wb") as file:
            file.write(bytes(440) + b"OFFI\0\0" + entry + bytes(48) + b"\x55\xaa")
            file.truncate(content.stat().st_size + 2 * _MIB)
        into = ["dd", f"if={content}", f"of={self.image(disk)}", "bs=1M", "seek=1"]
        subprocess.run([*into, "conv=notrunc,sparse", "status=none"], check=True)
        content.unlink()

    def clone(self, disk: str, twin: str) -> None:
        """Copy a disk bit by bit, as a careful person with two docks does."""
        shutil.copyfile(self.image(disk), self.image(twin))

    def plug(
        self,
        disk: str,
        *,
        serial: str | None = None,
        bytes_per_second: int | None = None,
        read_only: bool = False,
    ) -> None:
        """Plug a disk in. `bytes_per_second` makes "in the middle of it" a wide target."""
        call = self._monitor().call
        self._plugged[disk] = {
            "serial": serial,
            "bytes_per_second": bytes_per_second,
            "read_only": read_only,
        }
        node = self._layers(disk, read_only=read_only)
        if bytes_per_second:
            limit = {"bps-total": bytes_per_second}
            call("object-add", qom_type="throttle-group", id=f"{disk}-limit", limits=limit)
            group = f"{disk}-limit"
            node = self._node(disk, "slow", "throttle", throttle_group=group, file=node)
        call("blockdev-add", **node)
        what = {"driver": "usb-storage", "bus": USB_BUS, "removable": True, "id": disk}
        call("device_add", **what, drive=node["node-name"], serial=serial or f"VM-{disk}")

    def plug_again(self) -> None:
        """Plug in what was plugged when the guest lost its power."""
        for disk, how in list(self._plugged.items()):
            self.plug(disk, **how)

    def _layers(self, disk: str, *, read_only: bool) -> dict[str, Any]:
        """Open the image; return the node above it, which can be put on other ground later."""
        name, file = str(self.image(disk)), f"{disk}-file"
        here = {"driver": "file", "filename": name, "cache": {"no-flush": True}}  # as the root disk
        self._monitor().call("blockdev-add", **here, node_name=file, read_only=read_only)
        return self._node(disk, "raw", "raw", file=file, read_only=read_only)

    @staticmethod
    def _node(disk: str, layer: str, driver: str, **more: Any) -> dict[str, Any]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"driver": driver, "node-name": f"{disk}-{layer}", **named}

    def sicken(self, disk: str, operation: str = "write") -> None:
        """From now on each read, write or flush of the plugged disk is an I/O error."""
        error = {"event": "none", "iotype": operation, "errno": _EIO, "once": False}
        sick = self._node(disk, "sick", "blkdebug", image=f"{disk}-file")
        self._monitor().call("blockdev-add", **sick, inject_error=[error | {"immediately": True}])
        self._put_on(disk, "sick")

    def heal(self, disk: str) -> None:
        """Take the sickness away."""
        self._put_on(disk, "file")
        self._monitor().call("blockdev-del", node_name=f"{disk}-sick")

    def _put_on(self, disk: str, ground: str) -> None:
        node = self._node(disk, "raw", "raw", file=f"{disk}-{ground}")
        self._monitor().call("blockdev-reopen", options=[node])

    def yank(self, disk: str) -> None:
        """Pull a disk out: it is gone at once, and keeps what had reached it."""
        self._monitor().call("device_del", id=disk)
        give_up = time.monotonic() + _LET_GO_SECONDS
        while (left := self._nodes(disk)) and time.monotonic() < give_up:
            self._let_go(left[0])
        if left:
            raise TimeoutError(f"QEMU holds on to {left}")
        if self._plugged.pop(disk, {}).get("bytes_per_second"):
            self._monitor().call("object-del", id=f"{disk}-limit")

    def _nodes(self, disk: str) -> list[str]:
        """Return the layers of a disk that QEMU still has, from the guest's side down."""
        found = {node["node-name"] for node in self._monitor().call("query-named-block-nodes")}
        return [f"{disk}-{layer}" for layer in _NODES if f"{disk}-{layer}" in found]

    def _let_go(self, node: str) -> None:
        try:
            self._monitor().call("blockdev-del", node_name=node)
        except Refused:  # the guest's last request is still on its way
            time.sleep(0.05)
