"""The only home of what the kernel says of the machine: warmth, memory, system disk, starts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..core.vitals import Memory, SystemDisk
from .sysfs import entries, text_of

_ZONES = re.compile(r"cpu|soc|pkg_temp|acpitz|k10temp", re.IGNORECASE)
"""Thermal zones of the processor or of the board, not of a battery or a radio."""


class Board:
    """The board we run on, below a root that a test may set elsewhere."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._sys, self._proc = root / "sys", root / "proc"
        self.block = self._sys / "block"
        """Where the kernel shows its disks and cards."""

    def temperature_celsius(self) -> float | None:
        """Return the temperature of the warmest part near the processor, None if none is told."""
        told = [
            int(text) / 1000
            for zone in entries(self._sys / "class/thermal", "thermal_zone*")
            if _ZONES.search(text_of(zone / "type"))
            and re.fullmatch(r"-?\d{1,7}", text := text_of(zone / "temp"))
        ]
        return max(told, default=None)

    def memory(self) -> Memory | None:
        """Return how much memory there is and is available."""
        found = dict(
            re.findall(r"^(\w+):\s+(\d+) kB$", text_of(self._proc / "meminfo"), re.MULTILINE)
        )
        try:
            return Memory(int(found["MemTotal"]) * 1024, int(found["MemAvailable"]) * 1024)
        except KeyError:
            return None

    def system_disk(self, folder: Path) -> SystemDisk | None:
        """Given a folder, return how the filesystem is that holds it."""
        try:
            found, device = os.statvfs(folder), folder.stat().st_dev
        except OSError:
            return None
        return SystemDisk(
            found.f_bavail * found.f_frsize,
            found.f_blocks * found.f_frsize,
            found.f_favail / found.f_files if found.f_files else 1.0,
            self._errors(device),
        )

    def boot_id(self) -> str:
        """Return what is another one after each start, empty where it is not told."""
        return text_of(self._proc / "sys/kernel/random/boot_id")

    def uptime_seconds(self) -> float | None:
        """Return for how long the machine has been on."""
        first = text_of(self._proc / "uptime").partition(" ")[0]
        return float(first) if re.fullmatch(r"\d+(\.\d+)?", first) else None

    def _errors(self, device: int) -> int:
        """How often an ext4 filesystem has noted an error in itself since it was last checked."""
        number = f"{os.major(device)}:{os.minor(device)}"
        name = (self._sys / "dev/block" / number).resolve().name
        text = text_of(self._sys / "fs/ext4" / name / "errors_count")
        return int(text) if re.fullmatch(r"\d{1,10}", text) else 0
