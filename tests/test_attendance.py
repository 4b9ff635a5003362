"""Which disks are here, and what follows when one comes, goes or is let go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.attendance import LET_GO_FOR, Attendance
from appliance.core.errors import ApplianceError
from tests.fakes import FakeClock, FakeDisk, FakeLedger


class Office:
    """Two disks, and everything that was heard."""

    def __init__(self) -> None:
        self.disks = {name: FakeDisk(name) for name in ("disk-a", "disk-b")}
        self.box = SimpleNamespace(
            disks=self.disks, ledger=FakeLedger(), clock=FakeClock(), let_go=frozenset()
        )
        self.arrived: list[str] = []
        self.changes = 0
        self.attendance = Attendance(self.box, self.arrived.append, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def plug(self, name: str) -> None:
        self.disks[name].present = True
        self.attendance.look()

    def yank(self, name: str) -> None:
        self.disks[name].pull_out()
        self.attendance.look()

    def facts(self, name: str) -> dict[str, object]:
        return next(one for one in self.attendance.facts() if one["name"] == name)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office()
    for disk in made.disks.values():
        disk.pull_out()
    made.attendance.look()
    return made


def test_who_comes_is_heard_of_once(office: Office) -> None:
    office.plug("disk-a")
    office.attendance.look()
    assert office.arrived == ["disk-a"]
    assert office.attendance.away() == {"disk-b"}


def test_A7_what_uses_a_disk_hears_at_once_that_it_is_gone(office: Office) -> None:
    office.plug("disk-a")
    office.disks["disk-a"].lost.clear()
    office.yank("disk-a")
    assert office.disks["disk-a"].lost.is_set()
    assert office.attendance.away() == {"disk-a", "disk-b"}


def test_how_long_a_disk_is_away_counts_from_when_it_left(office: Office) -> None:
    office.plug("disk-a")
    office.box.clock.forward(timedelta(days=3))
    office.yank("disk-a")
    left = office.box.clock.now()
    office.box.clock.forward(timedelta(days=9))
    assert office.facts("disk-a")["away_since"] == left.isoformat()
    office.plug("disk-a")
    assert office.facts("disk-a")["away_since"] is None


def test_a_disk_that_was_let_go_is_not_used_until_it_was_unplugged(office: Office) -> None:
    office.plug("disk-a")
    office.attendance.let_go()
    assert office.box.let_go == {"disk-a"}
    assert office.attendance.ejected()
    office.yank("disk-a")
    assert office.box.let_go == frozenset()
    assert not office.attendance.ejected()
    office.plug("disk-a")
    assert office.box.let_go == frozenset()


def test_who_forgets_the_disk_he_asked_for_has_a_backup_tonight_all_the_same(office) -> None:
    office.plug("disk-a")
    office.attendance.let_go("disk-a")
    office.box.clock.forward(LET_GO_FOR - timedelta(seconds=1))
    office.attendance.tidy()
    assert office.box.let_go == {"disk-a"}
    office.box.clock.forward(timedelta(seconds=1))
    office.attendance.tidy()
    assert office.box.let_go == frozenset()


def test_a_press_of_the_button_takes_it_back(office: Office) -> None:
    office.plug("disk-a")
    office.attendance.let_go()
    office.attendance.take_back()
    assert office.box.let_go == frozenset()


def test_D19_a_disk_in_use_is_not_called_safe_to_unplug(office: Office) -> None:
    office.plug("disk-a")
    office.disks["disk-a"].mounted = True
    office.attendance.let_go()
    assert not office.attendance.ejected()
    assert office.facts("disk-a")["in_use"] is True
    assert office.facts("disk-a")["at_rest"] is False


def test_D19_another_configuration_mounts_no_disk_in_the_hand_that_pulls_it_out(office) -> None:
    office.plug("disk-a")
    office.attendance.let_go("disk-a")
    office.disks["disk-b"].present = True  # paired just now: that is the other configuration
    next_one = Attendance(office.box, office.arrived.append, lambda: None)
    office.box.let_go = frozenset()
    next_one.go_on_from(office.attendance, frozenset({"disk-a", "disk-b"}))
    office.arrived.clear()
    next_one.look()
    assert office.arrived == ["disk-b"]
    assert office.box.let_go == {"disk-a"}
    office.disks["disk-a"].pull_out()
    next_one.look()
    assert office.box.let_go == frozenset()


def test_D19_a_disk_that_did_not_come_to_rest_is_a_reason_to_look(office: Office) -> None:
    office.plug("disk-a")
    assert office.attendance.restless() is False
    office.disks["disk-a"].flushes = False
    assert office.attendance.restless() is True
    office.disks["disk-a"].mounted = True
    assert office.attendance.restless() is False, "it is at work"


def test_a_disk_nobody_knows_is_not_let_go(office: Office) -> None:
    with pytest.raises(ApplianceError, match="no disk named usb"):
        office.attendance.let_go("usb")


def test_a_ledger_that_cannot_note_it_does_not_keep_a_disk_away(office: Office) -> None:
    office.box.ledger.error = ApplianceError("full")
    office.plug("disk-a")
    assert office.arrived == ["disk-a"]
