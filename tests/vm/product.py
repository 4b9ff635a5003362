"""The quick half of the guest: this checkout installed, a disk image, two snapshots of the RAM.

The first has just booted; in the second the box is set up and has made its first backup.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from tests.vm import chroot, places
from tests.vm.guest import AT_WORK, Built, Guest
from tests.vm.office import Office

_DISK_BYTES = 4 << 30
_DAY_SECONDS = 86400
_PARTS = ("appliance", "image", "systemd", "Makefile", "requirements.lock")
_MASKED = [
    "e2scrub_reap.service",
    "systemd-pstore.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty@tty1.service",
    "nginx.service",
    "serial-getty@ttyS0.service",
    "systemd-hwdb-update.service",
    "systemd-random-seed.service",
    "modprobe@.service",
    "systemd-update-utmp.service",
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
]
"""What a guest that lives for minutes does without."""
_FASTEST = {"max_bandwidth": 4 << 30}


def make(folder: Path, debian: Path) -> None:
    """Given Debian, install this checkout in it, and let it boot once for a snapshot."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    _make_disk(part, debian)
    _take_snapshot(Built(debian, part))
    _take_snapshot_at_work(Built(debian, part))
    part.rename(folder)


def _make_disk(part: Path, debian: Path) -> None:
    root = part / "rootfs"
    subprocess.run(["cp", "-a", debian / "rootfs", root], check=True)
    _lay_over(root)
    _install(root)
    disk = part / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(_DISK_BYTES)
    at_once = "lazy_itable_init=0,lazy_journal_init=0"
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-E", at_once, "-d", root, disk]
    subprocess.run(command, check=True)
    shutil.rmtree(root)


def _lay_over(root: Path) -> None:
    """Add what makes a Debian the Pi of our tests."""
    shutil.copytree(places.HERE / "overlay", root, dirs_exist_ok=True)
    units = root / "etc/systemd/system"
    for unit in _MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    chroot.run(root, "groupadd", "--system", "--force", "gpio")
    chroot.run(root, "systemctl", "-q", "enable", "vm-hardware", "vm-ready", "qemu-guest-agent")
    for name in ("etc", "var"):  # else ldconfig, sysusers and more run at the first boot
        (root / name / ".updated").touch()


def _install(root: Path) -> None:
    """Install the product as a customer does, from a copy of this checkout."""
    source = root / "usr/src/appliance"
    source.mkdir(parents=True)
    for name in _PARTS:
        given = places.CHECKOUT / name
        if given.is_dir():
            shutil.copytree(given, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(given, source / name)
    chroot.run(root, "make", "--silent", "-C", "/usr/src/appliance", "install")


def _take_snapshot(built: Built) -> None:
    with Guest(f"snapshot of {built.product.stem}", built) as guest:
        guest.boot()
        guest.sh("sync; echo 3 >/proc/sys/vm/drop_caches; appliance --help", seconds=300)
        _freeze(guest, built.product, behind="disk.raw", kind="raw")


def _take_snapshot_at_work(built: Built) -> None:
    """At noon, far from what is due by night; the disk is pulled out, which no snapshot holds."""
    folder = built.product / AT_WORK
    folder.mkdir()
    with Guest(f"at work of {built.product.stem}", built) as guest:
        guest.resume()
        guest.set_clock(time.time() // _DAY_SECONDS * _DAY_SECONDS + _DAY_SECONDS / 2)
        Office(guest).set_up("stick", "disk-a")
        guest.usb.yank("stick")
        guest.sh("sync; echo 3 >/proc/sys/vm/drop_caches; appliance status --json", seconds=300)
        (folder / "time").write_text(guest.run("date", "+%s"))
        shutil.move(guest.usb.image("stick"), folder)
        _freeze(guest, folder, behind="../frozen.qcow2", kind="qcow2")


def _freeze(guest: Guest, folder: Path, *, behind: str, kind: str) -> None:
    """End a guest; keep its RAM and what its disk has beyond the one behind it."""
    _save_ram(guest, folder / "ram")
    disk = folder / "frozen.qcow2"
    (guest.folder / "disk.qcow2").rename(disk)
    subprocess.run(["qemu-img", "rebase", "-u", "-b", behind, "-F", kind, disk], check=True)


def _save_ram(guest: Guest, file: Path) -> None:
    call = guest.monitor.call
    call("stop")
    call("migrate-set-parameters", **_FASTEST)
    call("migrate", uri=f"exec:cat >'{file}'")
    while (state := call("query-migrate").get("status")) not in ("completed", "failed"):
        time.sleep(0.05)
    if state != "completed":
        raise RuntimeError("the RAM of the guest could not be saved")
    call("quit")
    guest.wait_for_the_end()
