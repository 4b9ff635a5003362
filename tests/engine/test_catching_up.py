"""A disk that was away, or is new: the night's own backup first, then what it lacks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.errors import DiskAbsent, SourceUnreachable
from appliance.core.model import Outcome, StepName
from appliance.core.ports import Watch
from appliance.core.retention import Policy
from appliance.engine.memory import still_to_bring
from appliance.engine.rotation import WITHIN
from tests.fakes import Box


def days(box: Box, count: int) -> None:
    for _ in range(count):
        box.back_up(f"day {box.clock.now()}")
        box.next_day()


@pytest.fixture
def box(box: Box) -> Box:
    """Ten days on one disk; the other one comes back on the eleventh."""
    box.disk_b.errors["id"] = DiskAbsent("away")
    days(box, 10)
    del box.disk_b.errors["id"]
    return box


def slowly(box: Box, each: timedelta) -> None:
    """Have whatever is taken out of disk-a take its time."""
    extract = box.disk_a.extract

    def take_long(archive, into, watch, paths=()):
        box.clock.seconds += each.total_seconds()
        extract(archive, into, watch, paths)

    box.disk_a.extract = take_long


def test_the_export_is_fetched_and_kept_before_a_fresh_disk_catches_up(box: Box) -> None:
    run = box.back_up("today")
    steps = [(step.name, step.target) for step in run.steps]
    tonight = steps.index((StepName.ARCHIVE, "disk-b"))
    assert run.steps[tonight].message == run.archive
    assert steps.index((StepName.PULL, "")) < 2, "only the newest backup was proved before"
    assert box.disk_b.archives() == box.disk_a.archives()


def test_catching_up_has_an_hour_and_says_what_is_left_for_the_next_run(box: Box) -> None:
    slowly(box, WITHIN / 3)
    first = box.back_up("today")
    assert first.outcome is Outcome.OK
    assert "7 older backups still to bring to disk-b." in first.message
    assert still_to_bring(box.ledger, "crm", "disk-b") == 7
    assert box.disk_b.archives()[-1].name == first.archive
    assert [one.sequence for one in box.disk_b.archives()] == [1, 2, 3, 11]
    second = box.back_up()
    assert second.outcome is Outcome.SKIPPED
    assert "4 older backups still to bring to disk-b." in second.message
    third, fourth = box.back_up("more"), box.back_up("and more")
    assert "to bring" in third.message
    assert "to bring" not in fourth.message
    assert still_to_bring(box.ledger, "crm", "disk-b") == 0
    assert box.disk_b.archives() == box.disk_a.archives()
    assert box.disk_b.contents() == box.disk_a.contents()


def test_one_archive_is_brought_even_where_that_takes_longer_than_the_hour(box: Box) -> None:
    slowly(box, WITHIN * 2)
    for _ in range(10):
        box.back_up()
    assert box.disk_b.archives() == box.disk_a.archives()


def test_an_unchanged_day_brings_the_newest_backup_at_once(box: Box) -> None:
    slowly(box, WITHIN)
    run = box.back_up()
    assert run.outcome is Outcome.SKIPPED
    assert run.archive in box.copies("disk-b")


def test_under_a_new_ledger_an_old_disk_is_read_an_hour_in_each_run(box: Box) -> None:
    box.back_up("today")
    box.lose_the_ledger()
    box.repositories = (box.disk_a,)
    slowly(box, WITHIN / 3)
    first = box.back_up("tonight")
    assert first.outcome is Outcome.WARNING, "the cloud waits until all of it is read"
    assert "7 backups on disk-a still to be read." in first.message
    assert "7 backups on disk-a were not read yet" in first.message
    assert first.archive in box.copies("disk-a")
    later = [box.back_up(f"night {number}") for number in range(3)]
    assert [run.outcome for run in later] == [Outcome.WARNING, Outcome.WARNING, Outcome.OK]
    assert box.copies("disk-a") == set(box.disk_a.held) == box.copies("cloud")


def test_a_new_disk_gets_what_retention_keeps_and_not_what_is_about_to_go(box: Box) -> None:
    box.retention = {"crm": Policy(last=3, daily=0, weekly=0, monthly=0, yearly=0)}
    box.clock.synchronised = False  # so that disk-a keeps them all for now
    box.back_up("today")
    assert [one.sequence for one in box.disk_b.archives()] == [8, 9, 10, 11]
    assert still_to_bring(box.ledger, "crm", "disk-b") == 0


def test_a_new_disk_is_filled_although_the_server_is_gone_for_good(box: Box) -> None:
    box.source.error = SourceUnreachable("Nobody answers.")
    assert box.back_up().outcome is Outcome.FAILED
    assert box.disk_b.archives() == box.disk_a.archives()


def test_somebody_who_cancels_does_not_wait_for_the_disk_to_catch_up(box: Box) -> None:
    watch = Watch()
    box.source.during = lambda _: watch.cancel.set()
    assert box.back_up(watch=watch).outcome is Outcome.CANCELLED
    assert box.disk_b.held == {}
