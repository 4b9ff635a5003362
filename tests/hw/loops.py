"""USB disks of files: real ext4 on loop devices, really checked, mounted and taken away.

What udev and systemd do on a box is done here by hand; everything else is the real thing.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from appliance.core.ports import Watch
from appliance.hw import marker
from appliance.hw.disks import Found
from appliance.hw.marker import Marker
from appliance.hw.usb_disk import UsbDisk, flush_unit, fsck_unit, mount_unit, mounted_at
from appliance.system.service import UnitFailed

KEY = b"the box's own key"
A = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"
_NEIGHBOURS_SECONDS = 30
B = "11111111-2222-4333-8444-555555555555"


def run(*argv: object, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(one) for one in argv], check=check, capture_output=True)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_image(path: Path, uuid: str, size: str = "16M") -> Path:
    """An empty ext4 filesystem with a UUID."""
    run("truncate", "-s", size, path)
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-U", uuid, path)
    return path


@dataclass
class Machine:
    """Ports that images are plugged into, and units that mount what is plugged in."""

    root: Path
    plugged: dict[str, list[Found]] = field(default_factory=dict)
    loops: list[str] = field(default_factory=list)
    places: dict[str, tuple[str, Path]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    fsck_code: int = 0
    read_only: bool = False

    def plug(self, image: Path, uuid: str, serial: str = "", *options: str) -> str:
        node = run("losetup", "--find", "--show", *options, image).stdout.decode().strip()
        number = Path(node).stat().st_rdev
        found = Found(node, (os.major(number), os.minor(number)), serial)
        self.loops.append(node)
        self.plugged.setdefault(uuid, []).append(found)
        return node

    def pull_out(self, uuid: str) -> None:
        """The device is gone for whoever looks; a mount of it lingers."""
        self.plugged.pop(uuid, None)

    def find(self, uuid: str) -> list[Found]:
        return self.plugged.get(uuid, [])

    def disk(self, name: str, uuid: str, serial: str = "") -> UsbDisk:
        place = self.root / name
        place.mkdir(exist_ok=True)
        self.places[mount_unit(place)] = (uuid, place)
        locks = self.root / "locks"
        return UsbDisk(name, uuid, serial, place, lambda: KEY, locks, find=self.find, units=self)

    def paired(self, disk: str, on: str, serial: str = "", /, **other: str) -> Path:
        """An image with our mark on it, as `appliance disk pair` leaves it."""
        image = make_image(self.root / f"{disk}.img", on)
        place = self.root / "at-pairing"
        place.mkdir(exist_ok=True)
        run("mount", "-o", "loop", image, place)
        facts = {"name": disk, "uuid": on, "serial": serial} | other
        mark = Marker("box", "Front office", repository_id="0" * 64, paired=NOW, **facts)
        marker.write(place, mark, KEY)
        run("umount", place)
        return image

    def start(self, unit: str, watch: Watch | None = None) -> None:
        if watch is not None:
            watch.check()
        self.started.append(unit)
        if unit not in self.places:
            return
        uuid, place = self.places[unit]
        found = self.find(uuid)
        if not found:
            raise UnitFailed("no device")
        if mounted_at(place) is not None:
            return  # an active unit is not started anew
        self.fsck_code = self._fsck(found[0].node)
        if self.fsck_code >= 4:
            raise UnitFailed("dependency failed")
        options = "nosuid,nodev,noexec,noatime,errors=remount-ro"
        options += ",ro" if self.read_only else ""
        if run("mount", "-o", options, found[0].node, place, check=False).returncode:
            raise UnitFailed("mount failed")

    @staticmethod
    def _fsck(node: str) -> int:
        """A test beside us that has a mount namespace of its own may keep ours for a while."""
        give_up = time.monotonic() + _NEIGHBOURS_SECONDS
        while True:
            ended = run("fsck.ext4", "-p", node, check=False)
            if b"is in use" not in ended.stdout or time.monotonic() > give_up:
                return ended.returncode
            time.sleep(0.1)

    def stop(self, unit: str) -> None:
        self.started.append(f"stop {unit}")
        run("umount", self.places[unit][1])

    def exit_code(self, unit: str) -> int:
        assert unit in {fsck_unit(A), fsck_unit(B)}
        return self.fsck_code

    def flushed(self, uuid: str) -> bool:
        return flush_unit(uuid) in self.started

    def close(self) -> None:
        for _, place in self.places.values():
            run("umount", "-l", place, check=False)
        for node in self.loops:
            run("losetup", "-d", node, check=False)


NOW = datetime(2026, 11, 21, tzinfo=UTC)
