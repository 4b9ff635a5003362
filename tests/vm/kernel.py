"""A kernel and an initrd that start fast under emulation, out of what Debian ships."""

from __future__ import annotations

import io
import lzma
import re
import subprocess
from pathlib import Path

_PACKED = {
    b"\x28\xb5\x2f\xfd": ["zstd", "-dc"],
    b"\xfd7zXZ\0": ["xz", "-dc"],
    b"\x1f\x8b\x08": ["gzip", "-dc"],
}
_ELF = b"\x7fELF"
_FOR_ROOT = ("virtio_blk", "crc16", "mbcache", "jbd2", "ext4")
"""Debian has them as modules, and in this order each finds what it needs."""
_PLAIN = [
    "virtio_blk",
    "ext4",
    "mbcache",
    "jbd2",
    "crc16",
    "usb-storage",
    "uas",
    "xhci-pci",
    "xhci-hcd",
    "usbcore",
    "usb-common",
    "sd_mod",
    "scsi_mod",
    "scsi_common",
    "exfat",
    "vfat",
    "fat",
    "nls_ascii",
    "nls_cp437",
    "nls_utf8",
    "nls_iso8859-1",
    "gpio-sim",
    "configfs",
    "virtio_net",
    "net_failover",
    "failover",
    "i6300esb",
    "virtio_console",
    "virtio_rng",
    "button",
    "fuse",
    "overlay",
    "loop",
    "evdev",
    "softdog",
    "i2c-i801",
    "i2c-smbus",
]
"""What the guest loads: taking .ko.xz apart is slow under emulation."""
_INIT = b"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs d /dev
for m in /m/*.ko; do $b insmod $m; done
while ! $b mount -t ext4 -o noatime /dev/vda /new 2>/dev/null; do :; done
$b mount --move /dev /new/dev
exec $b switch_root /new /sbin/init
"""
_FOLDER, _PROGRAM, _FILE = 0o040755, 0o100755, 0o100644

Tree = dict[str, tuple[int, bytes]]
"""Path in an archive: mode and content."""


def unpack_modules(modules: Path) -> None:
    """Given /usr/lib/modules/VERSION of the guest, store plainly what it will load."""
    wanted = {name.replace("-", "_") for name in _PLAIN}
    for packed in modules.rglob("*.ko.xz"):
        if packed.name.removesuffix(".ko.xz").replace("-", "_") in wanted:
            packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
            packed.unlink()


def elf_kernel(image: Path) -> bytes:
    """Given Debian's bzImage, return the ELF kernel inside, which QEMU starts by PVH.

    Nothing is then unpacked under emulation. Raise ValueError where there is none.
    """
    data = image.read_bytes()
    for magic, program in _PACKED.items():
        for found in re.finditer(re.escape(magic), data):
            part = data[found.start() :]
            unpacked = subprocess.run(program, input=part, capture_output=True, check=False).stdout
            if unpacked.startswith(_ELF):
                return unpacked
    raise ValueError(f"no kernel in {image}")


def initrd(modules: Path, busybox: Path) -> bytes:
    """Return a small archive that finds the root disk and goes there."""
    tree: Tree = dict.fromkeys(("bin", "dev", "proc", "new", "m"), (_FOLDER, b""))
    tree["bin/busybox"] = (_PROGRAM, busybox.read_bytes())
    tree["init"] = (_PROGRAM, _INIT)
    for number, name in enumerate(_FOR_ROOT):
        module = next(modules.rglob(f"{name}.ko"))
        tree[f"m/{number}-{name}.ko"] = (_FILE, module.read_bytes())
    return _cpio(tree)


def _cpio(tree: Tree) -> bytes:
    """Return an uncompressed initramfs archive (cpio's newc format)."""
    out = io.BytesIO()
    for number, (name, (mode, content)) in enumerate(sorted(tree.items()), 1):
        _entry(out, name, mode, content, number)
    _entry(out, "TRAILER!!!", 0, b"", 0)
    return out.getvalue()


def _entry(out: io.BytesIO, name: str, mode: int, content: bytes, inode: int) -> None:
    named = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(named), 0)
    out.write(b"070701" + b"".join(b"%08x" % field for field in fields) + named)
    out.write(b"\0" * (-out.tell() % 4))
    out.write(content)
    out.write(b"\0" * (-out.tell() % 4))
