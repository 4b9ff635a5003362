"""No disk is here: what comes waits on the box, counts for nothing, and reaches the disks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from appliance.core.errors import DiskAbsent, RepositoryDamaged, SourceUnreachable, WrongDisk
from appliance.core.model import Outcome
from appliance.core.retention import Policy
from appliance.engine.memory import WAITING_ROOM
from tests.fakes import Box, PowerCut

AWAY = DiskAbsent("It is not here.")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path)
    made.have_disks()
    return made


def take_away(box: Box, *disks: str) -> None:
    for repository in box.repositories:
        repository.errors = {"id": AWAY} if repository.name in disks else {}


def test_F9_ten_nights_without_a_disk_are_all_on_both_disks_afterwards(box: Box) -> None:
    box.back_up("day 0")
    take_away(box, "disk-a", "disk-b")
    nights = []
    for night in range(1, 11):
        box.next_day()
        nights.append(box.back_up(f"day {night}"))
    assert {run.outcome for run in nights} == {Outcome.WARNING}
    assert nights[0].faults[0] == "DiskAbsent"
    assert len(box.copies(WAITING_ROOM)) == 10
    take_away(box)
    box.next_day()
    box.back_up("day 11")
    expected = [f"day {n}".encode() for n in range(12)]
    for disk in (box.disk_a, box.disk_b):
        assert [files["export/a.csv"] for files in disk.contents()] == expected
    assert box.waiting_room is not None
    assert not box.waiting_room.held
    assert not box.copies(WAITING_ROOM)


def test_a_night_that_brought_nothing_does_not_say_that_something_was_kept(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    box.source.files = {}
    run = box.back_up()
    assert run.message == "There was nothing to fetch. No backup disk is here."
    assert run.faults == ("DiskAbsent",), "and it runs again when one is plugged in"
    assert "was fetched" not in run.hint


def test_a_server_that_does_not_answer_is_not_said_to_be_kept(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    box.source.error = SourceUnreachable("It does not answer.")
    run = box.back_up()
    assert run.message == "It does not answer. No backup disk is here."


def test_an_unchanged_export_is_said_to_wait_still(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    new = box.back_up("one")
    box.next_day()
    unchanged = box.back_up("one")
    assert new.message.endswith("so this backup was kept on the box itself.")
    assert unchanged.message.endswith("so the newest backup still waits on the box itself.")


def test_what_waits_has_the_same_name_and_time_on_the_disk(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    waiting = box.back_up("one")
    take_away(box, "disk-b")
    box.next_day()
    box.back_up("two")
    first = box.disk_a.archives()[0]
    assert first.name == waiting.archive


def test_where_a_disk_is_here_nothing_goes_to_the_waiting_room(box: Box) -> None:
    take_away(box, "disk-b")
    run = box.back_up("one")
    assert run.outcome is Outcome.OK
    assert box.waiting_room is not None
    assert not box.waiting_room.held


def test_a_disk_whose_turn_it_is_not_is_no_trouble_but_stands_in_the_record(box: Box) -> None:
    take_away(box, "disk-b")
    run = box.back_up("one")
    (step,) = [step for step in run.steps if step.target == "disk-b"]
    assert step.outcome is Outcome.SKIPPED
    assert run.faults == ()


def test_a_disk_that_is_here_and_wrong_is_a_fault_that_nothing_hides(box: Box) -> None:
    take_away(box, "disk-a")
    box.disk_b.errors = {"id": WrongDisk("It is another one.")}
    run = box.back_up("one")
    assert run.outcome is Outcome.FAILED
    assert "WrongDisk" in run.faults
    assert box.waiting_room is not None
    assert not box.waiting_room.held


def test_a_broken_waiting_room_never_stops_a_disk(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    box.back_up("one")
    take_away(box)
    assert box.waiting_room is not None
    box.waiting_room.errors = {"id": RepositoryDamaged("The card is failing.")}
    box.next_day()
    run = box.back_up("two")
    assert run.outcome is Outcome.WARNING
    assert len(box.disk_a.held) == 1


def test_what_waits_is_no_copy_and_the_cloud_does_not_follow_it(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    box.back_up("one")
    assert box.cloud.pushes == 0
    assert {copy.place for copy in box.ledger.copies()} == {WAITING_ROOM}


def test_an_unchanged_export_without_a_disk_is_confirmed_against_what_waits(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    box.back_up("one")
    box.next_day()
    box.back_up("one")
    assert box.waiting_room is not None
    assert len(box.waiting_room.held) == 1
    take_away(box)
    box.next_day()
    box.back_up("one")
    assert len(box.disk_a.held) == len(box.disk_b.held) == 1
    assert not box.waiting_room.held


def test_the_waiting_room_is_emptied_only_of_what_a_disk_has_proved(box: Box) -> None:
    take_away(box, "disk-a", "disk-b")
    box.back_up("one")
    take_away(box, "disk-b")
    box.disk_a.errors = {"create": DiskAbsent("It was pulled out.")}
    box.next_day()
    box.back_up("two")
    assert box.waiting_room is not None
    assert [files["export/a.csv"] for files in box.waiting_room.contents()] == [b"one"]


def test_a_power_cut_at_any_write_while_it_is_emptied_loses_nothing(tmp_path: Path) -> None:
    writes = _drained(tmp_path / "whole", None)
    for cut in range(1, writes + 1):
        _drained(tmp_path / str(cut), cut)


def _drained(root: Path, cut: int | None) -> int:
    box = Box(root)
    box.have_disks()
    take_away(box, "disk-a", "disk-b")
    box.back_up("one")
    box.clock.forward(timedelta(days=1))
    take_away(box)
    begun = box.power.writes
    box.power.cut_after = begun + cut if cut else None
    try:
        box.back_up("two")
    except PowerCut:
        box.power.on, box.power.cut_after = True, None
        box.staging.wipe()
        box.ledger.interrupt_unfinished(box.clock.now())
        box.clock.forward(timedelta(days=1))
        box.back_up("two")
    expected = [b"one", b"two"]
    for disk in (box.disk_a, box.disk_b):
        assert [files["export/a.csv"] for files in disk.contents()] == expected, cut
    return box.power.writes - begun


def test_how_full_a_disk_is_and_how_it_fills_are_two_notes_of_one_ledger(box: Box) -> None:
    from appliance.engine import memory, observations

    day = box.clock.now().date()
    observations.record_room(box.ledger, "disk-a", day, 10, 100)
    memory.note_room(box.ledger, "disk-a", 20, 100)
    assert observations.weeks_left(box.ledger, "disk-a") is None
    assert memory.noted_room(box.ledger, "disk-a") == (20, 100)


def test_what_no_disk_is_to_get_does_not_wait_for_ever(box: Box) -> None:
    box.retention = {"crm": Policy(last=3, daily=0, weekly=0, monthly=0, yearly=0)}
    take_away(box, "disk-a", "disk-b")
    for night in range(10):
        box.back_up(f"night {night}")
        box.next_day()
    assert box.waiting_room is not None
    assert len(box.waiting_room.held) == 10
    take_away(box)
    box.back_up("with a disk")
    assert not box.waiting_room.held
    assert not box.copies(WAITING_ROOM)
    assert len(box.disk_a.held) in (3, 4)


def test_what_waits_past_its_end_is_not_brought_to_a_disk_and_does_not_stay(box: Box) -> None:
    box.retention = {"crm": Policy(last=99, at_most=timedelta(days=15))}
    take_away(box, "disk-a", "disk-b")
    for night in range(30):
        box.back_up(f"night {night}")
        box.next_day()
    take_away(box)
    box.back_up("with a disk")
    assert box.waiting_room is not None
    assert not box.waiting_room.held
    for disk in (box.disk_a, box.disk_b):
        assert all(box.clock.now() - one.time <= timedelta(days=15) for one in disk.archives())


def test_on_a_clock_in_doubt_what_waits_stays(box: Box) -> None:
    box.retention = {"crm": Policy(last=3, daily=0, weekly=0, monthly=0, yearly=0)}
    take_away(box, "disk-a", "disk-b")
    for night in range(6):
        box.back_up(f"night {night}")
        box.next_day()
    take_away(box)
    box.clock.synchronised = False
    box.back_up("with a disk")
    assert box.waiting_room is not None
    assert box.waiting_room.held
