"""D-1: what the board says of its supply, from files as a Raspberry Pi's kernel shows them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.core.vitals import Power
from appliance.hw.power import PowerSupply, vcgencmd


class Board:
    """The files of a board below a folder; what the firmware says when it is asked."""

    def __init__(self, folder: Path) -> None:
        self.hwmon, self.firmware = folder / "hwmon", folder / "get_throttled"
        self.mask: int | None = None
        self.asked = 0

    def sensor(self, number: int, name: str, alarm: str | None = None) -> None:
        place = self.hwmon / f"hwmon{number}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "name").write_text(f"{name}\n")
        if alarm is not None:
            (place / "in0_lcrit_alarm").write_text(f"{alarm}\n")

    def ask(self) -> int | None:
        self.asked += 1
        return self.mask

    @property
    def supply(self) -> PowerSupply:
        return PowerSupply(self.hwmon, self.firmware, self.ask)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.mark.parametrize(("alarm", "low"), [("0", False), ("1", True)])
def test_D1_the_kernels_sensor_is_found_by_its_name_and_asks_no_program(board, alarm, low):
    board.sensor(0, "cpu_thermal")
    board.sensor(1, "nvme", "1")
    board.sensor(2, "rpi_volt", alarm)
    assert board.supply.under_voltage() is low
    assert board.asked == 0
    assert board.supply.read() == Power(low, low)


@pytest.mark.parametrize(
    ("alarm", "mask", "power"),
    [
        ("0", 0x0, Power(False, False, False)),
        ("0", 0x50000, Power(False, True, False)),
        ("1", 0x50005, Power(True, True, True)),
        ("1", 0x0, Power(True, True, False)),
        ("0", 0xE0004, Power(False, False, True)),
    ],
)
def test_D1_the_firmware_adds_what_was_since_the_start(board, alarm, mask, power):
    board.sensor(3, "rpi_volt", alarm)
    board.mask = mask
    assert board.supply.read() == power


def test_D1_without_the_sensor_the_firmware_is_asked(board):
    board.mask = 0x50005
    assert board.supply.under_voltage()
    board.mask = 0x50000
    assert not board.supply.under_voltage()


@pytest.mark.parametrize(
    ("text", "power"),
    [
        ("50005\n", Power(True, None, True)),
        ("0\n", Power(False, None, False)),
        ("0x1", Power(True, None, False)),
        ("", Power()),
        ("nonsense", Power()),
        ("123456789abc", Power()),
    ],
)
def test_D1_the_older_file_of_the_kernel_serves_where_nothing_else_does(board, text, power):
    board.firmware.write_text(text)
    assert board.supply.read() == power
    assert board.supply.under_voltage() is bool(power.low_now)


@pytest.mark.parametrize("alarm", ["", "2", "x", None])
def test_D1_a_sensor_that_says_nothing_sensible_is_not_believed_to_say_well(board, alarm):
    board.sensor(0, "rpi_volt", alarm)
    assert board.supply.read() == Power()
    assert board.supply.under_voltage() is False


def test_a_machine_without_any_of_it_says_nothing(board):
    assert board.supply.read() == Power()
    assert board.supply.under_voltage() is False


@pytest.mark.parametrize(
    ("script", "mask"),
    [
        ("echo throttled=0x0", 0),
        ("echo throttled=0x50005", 0x50005),
        ("echo throttled=0x50005; exit 255", None),
        ("echo VCHI initialization failed; exit 255", None),
        ("echo throttled=maybe", None),
        ("true", None),
    ],
)
def test_the_program_is_asked_and_only_a_whole_answer_counts(tmp_path, monkeypatch, script, mask):
    program = tmp_path / "vcgencmd"
    program.write_text(f'#!/bin/sh\ntest "$1" = get_throttled || exit 9\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert vcgencmd() == mask


def test_where_there_is_no_such_program_nothing_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vcgencmd() is None
