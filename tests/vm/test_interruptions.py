"""Wherever a backup is cut off, by a hand on the plug or by the mains: nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.vm.office import ANY, Office

pytestmark = [pytest.mark.vm, pytest.mark.slow]

DONE_BEFORE = ("", "pull", "inspect", "archive")
"""What was done when it happens, the last of it at the end: from a Run that has just begun to one
whose archive is being read back.
"""
DONE_BEFORE_THE_CLOUD = ("archive,verify", "mirror")
"""Then it sends, or looks at what it sent."""
LARGE_KIBIBYTES = 3000
KEEP_ONE = "[retention]\nlast = 1\ndaily = 1\nweekly = 0\nmonthly = 0\nyearly = 0"
TO_LET_GO = 3


@pytest.fixture
def working(office):
    """The office with its disk plugged in."""
    office.plug("stick")
    office.last_id()
    return office


@pytest.fixture
def mirrored(office):
    """The same, with a cloud that holds all of it."""
    office.serve_a_cloud()
    office.mirror("disk-a")
    office.restart()
    office.plug("stick")
    office.drop("0.csv")
    office.wait_until_proved("cloud", 2)
    office.last_id()
    return office


def test_A7_a_disk_pulled_out_at_each_step_catches_up_when_it_is_back(working):
    cut_at_each(DONE_BEFORE, working, pull_the_disk_out)


def test_A7_a_disk_pulled_out_while_the_cloud_copy_is_made_catches_up_when_it_is_back(mirrored):
    cut_at_each(DONE_BEFORE_THE_CLOUD, mirrored, pull_the_disk_out)


def test_A15_the_mains_fail_at_each_step_and_the_next_boot_makes_it_good(working):
    cut_at_each(DONE_BEFORE, working, cut_the_mains)
    assert sum(run["outcome"] == "interrupted" for run in working.history()) == len(DONE_BEFORE)


def test_A15_the_mains_fail_while_the_cloud_copy_is_made_and_the_next_boot_makes_it_good(mirrored):
    cut_at_each(DONE_BEFORE_THE_CLOUD, mirrored, cut_the_mains)


@pytest.mark.parametrize("cause", ["hand", "mains"])
def test_A7_A15_cut_off_while_old_backups_are_let_go_the_next_round_goes_on_with_it(working, cause):
    office = working
    for number in range(1, TO_LET_GO + 1):
        office.drop(f"{number}.csv")
        office.wait_until_proved("disk-a", number + 1)
    office.last_id()
    office.configure(KEEP_ONE)
    office.restart()
    seen = office.last_id()
    office.drop("newest.csv")
    office.wait_until_within("archive,verify", after=seen)
    {"hand": pull_the_disk_out, "mains": cut_the_mains}[cause](office, seen)
    office.last_id()
    newest = max(office.archives())
    assert office.status()["copies"]["office"] == "fresh"

    office.later(days=8)
    seen = office.last_id()
    office.drop("a-week-later.csv")
    run = office.wait_for_run("ok", after=seen)
    assert list({step["outcome"] for step in run["steps"] if step["name"] == "prune"}) == ["ok"]
    left = office.archives()
    assert newest in left
    assert run["archive"] in left
    assert len(left) < TO_LET_GO + 3
    office.last_id()
    assert not office.is_mounted()


def cut_at_each(done: Sequence[str], office: Office, cut: Callable[[Office, int], None]) -> None:
    """Cut a Run off at each step, and see each time that nothing is lost by it."""
    kept = len(office.archives())
    for number, step in enumerate(done, 1):
        seen = office.last_id()
        office.drop(f"cut-{number}.csv", LARGE_KIBIBYTES)
        office.wait_until_within(step, after=seen)
        cut(office, seen)
        nothing_is_lost(office, kept + number)


def pull_the_disk_out(office: Office, seen: int) -> None:
    office.guest.usb.yank("stick")
    office.wait_for_run(ANY, after=seen)
    assert not office.guest.holds("pgrep -f '[b]org.* (create|check|extract|prune)'")
    office.plug("stick")


def cut_the_mains(office: Office, _seen: int) -> None:
    now = office.guest.time()
    office.guest.power_cut()
    office.guest.power_on(clock=now)


def nothing_is_lost(office: Office, count: int) -> None:
    has_cloud = office.status()["copies"]["cloud"] != "unset"
    for place in ("disk-a", "cloud") if has_cloud else ("disk-a",):
        office.wait_until_proved(place, count)
    office.last_id()
    assert list(office.archives().values()) == [["disk-a"]] * count
    cloud = "fresh" if has_cloud else "unset"
    assert office.status()["copies"] == {"office": "fresh", "cloud": cloud}
    assert not office.is_mounted()
