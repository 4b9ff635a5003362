from __future__ import annotations

from appliance.core.errors import DiskAbsent, DiskFull, RepositoryDamaged
from appliance.core.model import Outcome
from appliance.core.ports import Watch
from appliance.core.retention import Policy
from appliance.engine import pipeline
from tests.fakes import Box, FakeRepository, FakeSource


def days(box: Box, *contents: str) -> None:
    for content in contents:
        box.back_up(content)
        box.next_day()


def stored(disk: FakeRepository) -> list[bytes]:
    return [files["export/a.csv"] for files in disk.contents()]


def test_F9_a_disk_that_was_away_catches_up_with_the_same_names_times_and_numbers(
    box: Box,
) -> None:
    days(box, "one")
    box.disk_b.errors["id"] = DiskAbsent("away")
    days(box, "two", "three", "four")
    del box.disk_b.errors["id"]
    run = box.back_up("five")
    assert run.outcome is Outcome.OK
    assert box.disk_b.archives() == box.disk_a.archives()
    assert stored(box.disk_b) == [b"one", b"two", b"three", b"four", b"five"]
    assert box.copies("disk-b") == set(box.disk_b.held)


def test_F9_it_catches_up_on_an_unchanged_day_too(box: Box) -> None:
    box.disk_b.errors["id"] = DiskAbsent("away")
    days(box, "one")
    del box.disk_b.errors["id"]
    assert box.back_up().outcome is Outcome.SKIPPED
    assert box.disk_b.archives() == box.disk_a.archives()


def test_disks_taking_turns_each_end_up_with_everything(box: Box) -> None:
    box.mirrors = ()
    for day in range(6):
        box.repositories = (box.disk_a,) if day % 2 else (box.disk_b,)
        if day == 3:
            box.repositories = (box.disk_a, box.disk_b)
        days(box, f"day {day}")
    box.repositories = (box.disk_a, box.disk_b)
    days(box, "last")
    assert stored(box.disk_a) == [f"day {day}".encode() for day in range(6)] + [b"last"]
    assert box.disk_a.archives() == box.disk_b.archives()


def test_what_retention_let_go_on_one_disk_does_not_come_back_from_the_other(box: Box) -> None:
    box.retention = {"crm": Policy(last=2, daily=0, weekly=0, monthly=0, yearly=0)}
    days(box, "one", "two")
    box.disk_b.errors["id"] = DiskAbsent("away")
    days(box, "three")
    del box.disk_b.errors["id"]
    assert stored(box.disk_a) == [b"two", b"three"]
    box.clock.synchronised = False
    box.back_up("four")
    assert stored(box.disk_b) == [b"one", b"two", b"three", b"four"]
    assert stored(box.disk_a) == [b"two", b"three", b"four"]


def test_a_disk_that_cannot_catch_up_is_set_aside_so_that_its_order_stays_right(
    box: Box,
) -> None:
    days(box, "one")
    box.disk_b.errors["id"] = DiskAbsent("away")
    days(box, "two")
    del box.disk_b.errors["id"]
    box.disk_b.errors["create"] = DiskFull("disk-b is full.")
    run = box.back_up("three")
    assert run.outcome is Outcome.WARNING
    assert stored(box.disk_b) == [b"one"]
    assert stored(box.disk_a) == [b"one", b"two", b"three"]
    del box.disk_b.errors["create"]
    box.next_day()
    assert box.back_up("four").outcome is Outcome.OK
    assert stored(box.disk_b) == [b"one", b"two", b"three", b"four"]


def test_A13_a_rotten_archive_is_not_handed_on_and_its_disk_is_marked(box: Box) -> None:
    box.disk_b.errors["id"] = DiskAbsent("away")
    days(box, "one", "two")
    del box.disk_b.errors["id"]
    box.disk_a.rot(box.disk_a.archives()[0].name)
    pushed = box.cloud.pushes
    run = box.back_up("three")
    assert run.outcome is Outcome.WARNING
    assert stored(box.disk_b) == [b"two", b"three"]
    assert box.ledger.noted("damaged:disk-a")
    assert box.cloud.pushes == pushed


def test_a_rotten_newest_archive_on_one_disk_is_taken_from_the_other(box: Box) -> None:
    days(box, "one")
    box.disk_a.rot(box.disk_a.archives()[0].name)
    run = box.back_up("two")
    assert run.outcome is Outcome.WARNING
    assert box.exports.previous[1] is not None
    assert stored(box.disk_b) == [b"one", b"two"]
    assert stored(box.disk_a)[1] == b"two"


def test_with_the_newest_rotten_everywhere_the_backup_happens_without_differences(
    box: Box,
) -> None:
    days(box, "one")
    for disk in (box.disk_a, box.disk_b):
        disk.rot(disk.archives()[0].name)
    run = box.back_up("two")
    assert run.outcome is Outcome.WARNING
    assert box.exports.previous == [None, None]
    assert stored(box.disk_b)[1] == b"two"


def test_the_mark_of_damage_stays_until_a_person_clears_it(box: Box) -> None:
    days(box, "one")
    box.disk_a.errors["id"] = RepositoryDamaged("disk-a cannot be read.")
    days(box, "two")
    del box.disk_a.errors["id"]
    pushed = box.cloud.pushes
    run = box.back_up("three")
    assert run.outcome is Outcome.WARNING
    assert box.cloud.pushes == pushed
    box.ledger.note("damaged:disk-a", "")
    box.next_day()
    assert box.back_up("four").outcome is Outcome.OK
    assert box.cloud.pushes == pushed + 1


def test_archives_that_somebody_else_removed_are_told_and_come_back_from_the_other_disk(
    box: Box,
) -> None:
    days(box, "one", "two")
    gone = box.disk_b.archives()[0].name
    del box.disk_b.held[gone]
    run = box.back_up("three")
    assert run.outcome is Outcome.WARNING
    assert "gone from disk-b" in run.message
    assert box.disk_b.archives() == box.disk_a.archives()
    assert gone in box.copies("disk-b")


def test_what_is_gone_everywhere_is_no_copy(box: Box) -> None:
    days(box, "one", "two")
    gone = box.disk_b.archives()[0].name
    for disk in (box.disk_a, box.disk_b):
        del disk.held[gone]
    box.back_up("three")
    assert gone not in {copy.archive for copy in box.ledger.copies()}


def test_each_source_catches_up_on_its_own_and_disturbs_no_other(box: Box) -> None:
    other = FakeSource("crm-b", {"a.csv": b"other"}, box.power)
    days(box, "one")
    pipeline.run(other, "command", box.kit, Watch())
    box.disk_b.errors["id"] = DiskAbsent("away")
    days(box, "two")
    del box.disk_b.errors["id"]
    days(box, "three")
    assert stored(box.disk_b) == stored(box.disk_a)
    assert len(box.disk_a.archives("crm-b")) == 1
