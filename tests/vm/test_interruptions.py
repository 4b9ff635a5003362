"""Wherever a backup is cut off, by a hand on the plug or by the mains: nothing is lost by it."""

from __future__ import annotations

import pytest

from tests.vm.office import ANY, Office

pytestmark = [pytest.mark.vm, pytest.mark.slow]

DONE_BEFORE = ("", "pull", "inspect", "archive", "archive,verify", "mirror")
"""What was done when it happens, the last of it at the end: from a Run that has just begun to one
whose cloud copy is being looked at. Nothing is old enough here to be pruned.
"""
LARGE_KIBIBYTES = 3000


@pytest.fixture
def mirrored(office):
    """The office, with its disk plugged in and mirrored to a cloud."""
    office.serve_a_cloud()
    office.mirror("disk-a")
    office.restart()
    office.plug("stick")
    office.drop("0.csv")
    office.wait_until_proved("cloud", 2)
    office.last_id()
    return office


def test_A7_a_disk_pulled_out_at_each_step_catches_up_when_it_is_back(mirrored):
    office, guest = mirrored, mirrored.guest
    for number, step in enumerate(DONE_BEFORE, 1):
        seen = office.last_id()
        office.drop(f"{number}.csv", LARGE_KIBIBYTES)
        office.wait_until_within(step, after=seen)
        guest.usb.yank("stick")
        office.wait_for_run(ANY, after=seen)
        assert not guest.holds("pgrep -f '[b]org.* (create|check|extract|prune)'")
        office.plug("stick")
        wait_until_nothing_is_lost(office, number + 2)


def test_A15_the_mains_fail_at_each_step_and_the_next_boot_makes_it_good(mirrored):
    office, guest = mirrored, mirrored.guest
    for number, step in enumerate(DONE_BEFORE, 1):
        seen = office.last_id()
        office.drop(f"{number}.csv", LARGE_KIBIBYTES)
        now = guest.time()
        office.wait_until_within(step, after=seen)
        guest.power_cut()
        guest.power_on(clock=now)
        wait_until_nothing_is_lost(office, number + 2)
        assert any(run["outcome"] == "interrupted" and run["id"] > seen for run in office.history())


def wait_until_nothing_is_lost(office: Office, count: int) -> None:
    for place in ("disk-a", "cloud"):
        office.wait_until_proved(place, count)
    office.last_id()
    assert list(office.archives().values()) == [["disk-a"]] * count
    assert office.status()["copies"] == {"office": "fresh", "cloud": "fresh"}
    assert not office.is_mounted()
