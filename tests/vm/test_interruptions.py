"""Wherever a backup is cut off, by a hand on the plug or by the mains: nothing is lost by it."""

from __future__ import annotations

import pytest

from tests.vm.office import ANY, Office

pytestmark = [pytest.mark.vm, pytest.mark.slow]

DONE_BEFORE = ("", "pull", "inspect", "archive", "archive,verify", "mirror")
"""What was done when it happens, the last of it at the end: from a Run that has just begun to one
whose cloud copy is being looked at. Nothing is old enough here to be pruned: see below.
"""
LARGE_KIBIBYTES = 3000

KEEP_ONE = "[retention]\nlast = 1\ndaily = 1\nweekly = 0\nmonthly = 0\nyearly = 0"
ENOUGH_TO_LET_GO = 3


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


@pytest.mark.parametrize("by", ["hand", "mains"])
def test_A7_A15_cut_off_while_old_backups_are_let_go_the_newest_stays_and_the_next_round_ends_it(
    office, by
):
    guest = office.guest
    office.plug("stick")
    for number in range(1, ENOUGH_TO_LET_GO + 1):
        office.drop(f"{number}.csv")
        office.wait_until_proved("disk-a", number + 1)
    office.last_id()
    office.configure(KEEP_ONE)
    office.restart()
    seen = office.last_id()
    office.drop("newest.csv")
    office.wait_until_within("archive,verify", after=seen)
    now = guest.time()
    if by == "hand":
        guest.usb.yank("stick")
        office.wait_for_run(ANY, after=seen)
        office.plug("stick")
    else:
        guest.power_cut()
        guest.power_on(clock=now)
    office.last_id()
    newest = max(office.archives())
    assert office.status()["copies"]["office"] == "fresh"

    office.later(days=8)
    office.drop("a-week-later.csv")
    office.wait_until_kept("disk-a", 1)
    office.last_id()
    assert min(office.archives()) > newest
    assert not office.is_mounted()
