"""A month of nights in minutes: the date jumps, disks are swapped, one stays at home too long."""

from __future__ import annotations

import pytest

from tests.vm.office import Office

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def back_up(office: Office, name: str) -> None:
    seen = office.last_id()
    office.drop(name)
    office.wait_for_run("ok", after=seen)


def test_a_month_of_swapped_disks_and_one_that_is_forgotten_at_home(office):
    office.pair("two", "disk-b")
    office.restart()
    here, away = "two", "stick"
    for week in range(4):
        back_up(office, f"week-{week}.csv")
        office.later(7)
        office.last_id()
        office.guest.usb.yank(here)
        here, away = away, here
        office.plug(here)
    office.plug(away)  # for an evening both are here
    for name in ("disk-a", "disk-b"):
        office.wait_until_proved(name, 5)
    office.last_id()
    assert list(office.archives().values()) == [["disk-a", "disk-b"]] * 5
    assert not office.is_mounted()

    office.guest.usb.yank(away)
    office.later(15)
    back_up(office, "late.csv")  # what else is due meanwhile may wait for the disk at home
    status = office.status()
    (forgotten,) = [disk for disk in status["disks"] if not disk["present"]]
    assert forgotten["away_since"]
    assert "disk" in status["reasons"], status["reasons"]
    assert len(office.archives()) == 6
