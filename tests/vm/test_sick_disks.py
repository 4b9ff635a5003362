"""Disks that answer with errors."""

from __future__ import annotations

import pytest

from tests.vm import rhythms
from tests.vm.office import LOOK

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def test_A8_a_disk_whose_writes_fail_is_one_flash_and_is_used_again_once_it_is_well(office):
    guest = office.guest
    office.plug("stick")
    seen = office.last_id()
    guest.usb.sicken("stick", "write")
    office.drop("a.csv", kibibytes=2000)
    run = office.wait_for_run("failed", after=seen)
    assert "disk-a" in run["message"]
    assert run["hint"]
    assert office.status()["reasons"][0] == "disk"
    with guest.header.recorded() as changes:
        guest.run("sleep", "12")
    assert set(rhythms.flashes(changes, LOOK)) == {1}
    guest.usb.yank("stick")
    office.plug("stick")
    office.wait_for_run("ok", after=run["id"])
    office.last_id()
    assert "disk" not in office.status()["reasons"]
    assert not office.is_mounted()
