"""The box's vitals put together: from the files of a board to the sentences of `status`."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.core import vitals as core
from appliance.core.errors import DiskFull
from appliance.core.signals import Reason
from appliance.core.smart import Answer, Smart
from appliance.core.vitals import Condition, Vital
from appliance.engine import observations
from appliance.hw.board import Board
from appliance.hw.power import PowerSupply
from appliance.hw.smart import SmartReader
from appliance.system.ledger import SqliteLedger
from appliance.vitals import Vitals
from tests.fakes import FakeClock, FakeLedger
from tests.hw import reports

GB = 10**9
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Box:
    """A board of files, a disk that is asked, a clock, and the vitals made of them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.put("sys/class/hwmon/hwmon1/name", "rpi_volt")
        self.alarm("0")
        self.put("sys/class/thermal/thermal_zone0/type", "cpu-thermal")
        self.put("sys/class/thermal/thermal_zone0/temp", "48312")
        self.put("sys/block/mmcblk0/device/type", "SD")
        self.put("proc/meminfo", "MemTotal: 900000 kB\nMemAvailable: 500000 kB\n")
        self.put("proc/uptime", "3600.00 100.00\n")
        self.put("proc/sys/kernel/random/boot_id", "boot-1\n")
        self.answers = folder / "smart"
        self.answers.mkdir()
        self.report = reports.ata()
        self.asked: list[str] = []
        self.clock, self.ledger = FakeClock(), FakeLedger()
        self.firmware_asked = 0
        self.state = folder
        self.vitals = self.begun()

    def begun(self) -> Vitals:
        """As after a start of the worker."""
        hwmon = self.root / "sys/class/hwmon"
        return Vitals(
            self.ledger,
            self.clock,
            self.state,
            ["disk-a"],
            supply=PowerSupply(hwmon, self.root / "none", self.ask_firmware),
            reader=SmartReader(self.answers, self.start_unit),
            board=Board(self.root),
        )

    def put(self, place: str, text: str) -> None:
        file = self.root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def alarm(self, text: str) -> None:
        self.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", text)

    def ask_firmware(self) -> int | None:
        self.firmware_asked += 1
        return None

    def start_unit(self, device: str) -> None:
        self.asked.append(device)
        new = self.answers / "new"
        new.write_bytes(reports.said(self.report))
        new.rename(self.answers / f"{device}.json")

    def told(self, name: str) -> Vital:
        return next(each for each in self.vitals.read() if each.name == name)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_healthy_box_has_nothing_to_say_unless_it_is_asked_for_everything(box):
    box.vitals.note_start()
    box.vitals.disk_is_here("disk-a", "sda", 100 * GB, 1000 * GB)
    found = box.vitals.read()
    assert core.lines(found) == []
    assert core.reasons(found) == ()
    names = [each.name for each in found]
    assert names == [
        *("power", "temperature", "memory", "system disk", "clock", "restarts", "card"),
        *("disk-a: health", "disk-a: room"),
    ]
    assert len(core.lines(found, everything=True)) == len(names)


def test_D1_under_voltage_is_seen_at_once_and_told_within_a_minute(box):
    assert not box.vitals.under_voltage()
    assert box.told("power").state is Condition.OK
    box.alarm("1")
    assert box.vitals.under_voltage()
    assert box.told("power").state is Condition.OK
    box.clock.forward(MINUTE)
    assert box.told("power").state is Condition.LOOK
    assert core.reasons(box.vitals.read()) == (Reason.POWER,)


def test_who_asks_often_reads_the_machine_once_a_minute(box):
    for _ in range(100):
        box.vitals.read()
    assert box.firmware_asked == 1
    box.clock.forward(MINUTE)
    box.vitals.read()
    assert box.firmware_asked == 2


def test_reading_writes_nothing_so_that_status_may_do_it_without_a_worker(box):
    box.vitals.read()
    box.clock.forward(DAY)
    box.vitals.read()
    assert box.ledger.power.writes == 0


def test_a_disk_is_asked_once_a_day_also_after_a_restart(box):
    for _ in range(3):
        box.vitals.disk_is_here("disk-a", "sda", GB, 1000 * GB)
        box.clock.forward(HOUR)
    assert box.asked == ["sda"]
    box.vitals = box.begun()
    box.vitals.disk_is_here("disk-a", "sdb", GB, 1000 * GB)
    assert box.asked == ["sda"]
    box.clock.forward(DAY)
    box.vitals.disk_is_here("disk-a", "sdb", GB, 1000 * GB)
    assert box.asked == ["sda", "sdb"]


def test_a_clock_that_was_set_back_does_not_keep_a_disk_from_being_asked(box):
    box.vitals.disk_is_here("disk-a", "sda", GB, 1000 * GB)
    box.clock.time -= 365 * DAY
    box.vitals = box.begun()
    box.vitals.disk_is_here("disk-a", "sda", GB, 1000 * GB)
    assert len(box.asked) == 2


def test_what_a_disk_says_is_told_at_once_and_stays_known_when_it_is_away(box):
    assert box.told("disk-a: health").state is Condition.UNKNOWN
    box.report = reports.ata(pending=3)
    box.vitals.disk_is_here("disk-a", "sda", GB, 1000 * GB)
    assert "3 spots that it cannot read" in box.told("disk-a: health").sentence
    box.vitals = box.begun()
    assert box.told("disk-a: health").state is Condition.LOOK
    assert core.reasons(box.vitals.read()) == (Reason.DISK,)


def test_D11_a_case_that_tells_nothing_is_shown_and_not_called_well(box):
    box.report = reports.UNABLE
    box.vitals.disk_is_here("disk-a", "sda", GB, 1000 * GB)
    (line,) = core.lines(box.vitals.read())
    assert line.startswith("disk-a does not tell how it is. Nothing to do:")


def test_the_room_that_is_left_is_known_after_two_weeks_of_runs(box):
    for number in range(15):
        assert "not known yet" in box.told("disk-a: room").sentence
        box.vitals.disk_is_here("disk-a", "sda", (number + 1) * 10 * GB, 360 * GB)
        box.clock.forward(DAY)
    assert "room for about 3 weeks" in box.told("disk-a: room").sentence
    assert core.reasons(box.vitals.read()) == (Reason.FULL,)
    assert observations.weeks_left(box.ledger, "disk-a") == 3


def test_A10_while_the_clock_is_in_doubt_no_day_and_no_start_is_noted(box):
    box.clock.synchronised = False
    box.vitals.note_start()
    box.vitals.disk_is_here("disk-a", "sda", GB, 1000 * GB)
    assert observations.room_of(box.ledger, "disk-a") == ()
    assert observations.starts_of(box.ledger) == ()
    assert box.told("clock").state is Condition.LOOK
    box.clock.synchronised = True
    box.vitals.note_start()
    (started,) = observations.starts_of(box.ledger)
    assert started == box.clock.now() - HOUR


def test_a_box_that_starts_again_and_again_is_told(box):
    for number in range(4):
        box.put("proc/sys/kernel/random/boot_id", f"boot-{number}\n")
        box.vitals = box.begun()
        box.vitals.note_start()
        box.vitals.note_start()
        box.clock.forward(HOUR)
    assert "switched on 4 times" in box.told("restarts").sentence
    box.clock.forward(DAY)
    assert box.told("restarts").state is Condition.OK


def test_a_ledger_that_is_full_ends_no_run(box, caplog):
    box.ledger.error = DiskFull("There is no room left.")
    box.vitals.disk_is_here("disk-a", "sda", GB, 1000 * GB)
    assert "There is no room left." in caplog.text


def test_a_bare_machine_says_that_it_does_not_know(box, tmp_path):
    nothing = tmp_path / "nothing"
    box.vitals = Vitals(
        box.ledger,
        box.clock,
        nothing,
        supply=PowerSupply(nothing, nothing, box.ask_firmware),
        board=Board(nothing),
    )
    states = {each.name: each.state for each in box.vitals.read()}
    unknown = Condition.UNKNOWN
    assert states.pop("clock") is Condition.OK
    assert states.pop("restarts") is Condition.OK
    assert set(states.values()) == {unknown}
    assert core.lines(box.vitals.read()) == []


def test_many_may_ask_at_once_on_the_real_ledger(tmp_path, box):
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    observations.note_smart(ledger, "disk-a", Smart(datetime.now(UTC), Answer.TOLD, passed=True))
    vitals = Vitals(ledger, box.clock, tmp_path, ["disk-a"], board=Board(box.root))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(vitals.read())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(answers)) == 1
    assert len(answers) == 8
    ledger.close()
