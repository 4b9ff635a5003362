"""What the kernel says of the machine, from files as it shows them, and from this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.core.vitals import Card, Memory
from appliance.hw.board import Board
from appliance.hw.card import cards


def put(root: Path, **files: str) -> None:
    for place, text in files.items():
        file = root / place.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def zone(root: Path, number: int, kind: str, temp: str) -> None:
    base = f"sys__class__thermal__thermal_zone{number}__"
    put(root, **{f"{base}type": kind, f"{base}temp": temp})


def test_the_warmest_part_near_the_processor_counts(tmp_path):
    assert Board(tmp_path).temperature_celsius() is None
    zone(tmp_path, 0, "cpu-thermal\n", "48312\n")
    zone(tmp_path, 1, "iwlwifi_1\n", "99000\n")
    zone(tmp_path, 2, "x86_pkg_temp\n", "51000\n")
    zone(tmp_path, 3, "cpu-thermal\n", "nonsense\n")
    (tmp_path / "sys/class/thermal/thermal_zone4").mkdir()
    assert Board(tmp_path).temperature_celsius() == 51.0


def test_memory_as_proc_says_it(tmp_path):
    assert Board(tmp_path).memory() is None
    put(tmp_path, proc__meminfo="MemTotal:  476108 kB\nMemFree: 1 kB\nMemAvailable:   301284 kB\n")
    assert Board(tmp_path).memory() == Memory(476108 * 1024, 301284 * 1024)
    put(tmp_path, proc__meminfo="MemTotal:  476108 kB\n")
    assert Board(tmp_path).memory() is None


def test_this_machine_answers():
    machine = Board()
    memory, disk = machine.memory(), machine.system_disk(Path("/"))
    assert memory is not None
    assert 0 < memory.available_bytes <= memory.total_bytes
    assert disk is not None
    assert 0 <= disk.free_bytes <= disk.size_bytes
    assert 0 <= disk.free_files_share <= 1
    assert len(machine.boot_id()) == 36
    assert (machine.uptime_seconds() or 0) > 0


def test_a_folder_that_is_away_cannot_be_looked_at(tmp_path):
    assert Board().system_disk(tmp_path / "none") is None


@pytest.mark.parametrize(("text", "errors"), [("3\n", 3), ("0\n", 0), ("x", 0), (None, 0)])
def test_the_errors_that_the_filesystem_noted_in_itself(tmp_path, text, errors):
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    block = tmp_path / "sys/devices/mmc/block/mmcblk0/mmcblk0p2"
    block.mkdir(parents=True)
    link = tmp_path / "sys/dev/block" / number
    link.parent.mkdir(parents=True)
    link.symlink_to(block)
    if text is not None:
        put(tmp_path, sys__fs__ext4__mmcblk0p2__errors_count=text)
    disk = Board(tmp_path).system_disk(tmp_path)
    assert disk is not None
    assert disk.errors == errors


@pytest.mark.parametrize(
    ("text", "seconds"), [("12.34 5.0\n", 12.34), ("x 5.0\n", None), ("", None)]
)
def test_for_how_long_it_has_been_on(tmp_path, text, seconds):
    assert Board(tmp_path).uptime_seconds() is None
    put(tmp_path, proc__uptime=text)
    assert Board(tmp_path).uptime_seconds() == seconds


@pytest.mark.parametrize(
    ("files", "card"),
    [
        (("SD", None, None), Card("SD")),
        (("MMC", "0x01 0x02", "0x01"), Card("MMC", 20, 1)),
        (("MMC", "0x01 0x00", "0x01"), Card("MMC", 10, 1)),
        (("MMC", "0x00 0x00", "0x00"), Card("MMC")),
        (("MMC", "0x0b 0x02", "0x03"), Card("MMC", 110, 3)),
        (("MMC", "nonsense", "0xff"), Card("MMC")),
    ],
)
def test_how_worn_a_card_says_it_is(tmp_path, files, card):
    for name, text in zip(("type", "life_time", "pre_eol_info"), files, strict=True):
        if text is not None:
            put(tmp_path, **{f"mmcblk0__device__{name}": f"{text}\n"})
    (tmp_path / "mmcblk0boot0").mkdir()
    (tmp_path / "mmcblk0p1").mkdir()
    (tmp_path / "sda").mkdir()
    assert cards(tmp_path) == (card,)


def test_a_machine_without_a_card_has_none(tmp_path):
    assert cards(tmp_path) == ()
    assert cards(tmp_path / "none") == ()
