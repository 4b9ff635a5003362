"""People are taken out of backups that are there, on every disk, as soon as it is here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from appliance.core.erasure import Erasure
from appliance.core.errors import DiskAbsent, DiskFull
from appliance.core.model import Outcome
from appliance.core.ports import Watch
from appliance.engine import memory
from appliance.engine.register import pending, registered, stuck
from appliance.engine.restore import Wish, restore
from appliance.engine.rotation import WITHIN
from tests.engine.erasures import HER, ask, export, refuse, run, three_days, told_of
from tests.fakes import Box, FakeRepository, PowerCut


@pytest.fixture
def box(box: Box) -> Box:
    """Three days on two disks; she is in the first two of them."""
    three_days(box)
    return box


def test_she_is_in_no_archive_on_any_disk_and_all_else_stays(box: Box) -> None:
    before = box.disk_a.archives()
    assert told_of(box.disk_a) == [True, True, False]
    ask(box)
    done = run(box)
    assert done.outcome is Outcome.OK, done.message
    assert done.message.startswith("2 backups written anew.")
    for disk in (box.disk_a, box.disk_b):
        assert told_of(disk) == [False, False, False]
        after = disk.archives()
        assert [(one.name, one.time, one.sequence) for one in after] == [
            (one.name, one.time, one.sequence) for one in before
        ]
    assert box.disk_a.archives() == box.disk_b.archives()
    assert len(box.copies("disk-a")) == len(box.copies("disk-b")) == 3


def test_each_goes_on_from_the_one_before_it_without_her(box: Box) -> None:
    ask(box)
    box.exports.previous.clear()
    run(box)
    first, second, third = box.exports.previous
    assert first is None
    assert second is not None
    assert third is not None
    assert second != third


def test_what_is_remembered_says_nothing_of_her(box: Box) -> None:
    ask(box)
    (entry,) = registered(box.ledger, "crm")
    assert entry.covers(HER)
    assert not entry.covers("1,Ann")
    assert "Hedwig" not in repr(entry)
    assert not Erasure.of([HER], entry.at, "another", 9).marks & entry.marks


def test_a_second_time_there_is_nothing_to_do(box: Box) -> None:
    ask(box)
    run(box)
    box.disk_a.calls.clear()
    assert run(box).message.startswith("0 backups written anew.")
    assert "replace" not in box.disk_a.calls


def test_a_disk_that_was_away_is_done_when_it_is_back_before_it_gives_anything(box: Box) -> None:
    box.disk_b.errors["id"] = DiskAbsent("away")
    ask(box)
    run(box)
    assert told_of(box.disk_b) == [True, True, False]
    assert pending(box.ledger, "crm", "disk-b")
    box.back_up(export("1,Ann", "2,Bo", "3,Cy"))
    box.next_day()
    del box.disk_b.errors["id"]
    today = box.back_up(export("1,Ann", "3,Cy"))
    assert today.outcome is Outcome.OK, today
    assert told_of(box.disk_b) == told_of(box.disk_a) == [False] * 5
    assert box.disk_a.archives() == box.disk_b.archives()
    assert not pending(box.ledger, "crm", "disk-b")


def test_what_a_disk_that_still_has_her_gives_for_a_difference_is_made_again_first(
    box: Box,
) -> None:
    for disk in (box.disk_a, box.disk_b):
        disk.errors["replace"] = DiskFull("full")
    ask(box)
    assert run(box).outcome is Outcome.WARNING
    box.exports.previous.clear()
    box.back_up(export("1,Ann", "3,Cy"))
    made_again, laid_out, *_ = box.exports.previous
    assert made_again is None
    assert laid_out is not None


def test_a_full_disk_gives_back_the_room_of_what_was_replaced_and_goes_on(box: Box) -> None:
    replace_it, compact = box.disk_a.replace, box.disk_a.compact
    full = [True]

    def replace_if_there_is_room(*what) -> None:
        if full[0]:
            raise DiskFull("full")
        replace_it(*what)

    def make_room(watch, *, all_of_it=False) -> None:
        full[0] = not all_of_it
        compact(watch, all_of_it=all_of_it)

    box.disk_a.replace, box.disk_a.compact = replace_if_there_is_room, make_room
    ask(box)
    run(box)
    assert told_of(box.disk_a) == [False, False, False]
    assert not pending(box.ledger, "crm", "disk-a")


def test_in_the_night_it_takes_an_hour_at_most_and_goes_on_the_next(box: Box) -> None:
    take_out = box.disk_a.extract

    def slowly(*what) -> None:
        box.clock.seconds += WITHIN.total_seconds() * 0.6
        take_out(*what)

    box.disk_a.extract = slowly
    ask(box)
    nights = 0
    while pending(box.ledger, "crm", "disk-a"):
        nights += 1
        assert nights < 9
        before = box.disk_a.calls.count("replace")
        night = box.back_up(export(f"{nights},x"))
        assert box.disk_a.calls.count("replace") - before <= 2
        box.next_day()
    assert nights > 1
    assert "still to be written anew" not in night.message
    assert told_of(box.disk_a)[:3] == [False, False, False]
    assert told_of(box.disk_b)[:3] == [False, False, False]


def test_who_comes_back_later_is_there_on_purpose(box: Box, tmp_path: Path) -> None:
    ask(box)
    run(box)
    box.back_up(export("1,Ann", HER))
    newest = box.disk_a.archives()[-1]
    into = tmp_path / "back"
    into.mkdir()
    restore(box.kit, [box.disk_a], Wish("crm", archive=newest.name), into, Watch())
    assert HER in next(into.iterdir()).read_text()
    ask(box)
    run(box)
    assert told_of(box.disk_a) == [False] * 4


def adopted(box: Box, held) -> FakeRepository:
    """An old disk that somebody adopts under the name of disk-a, with what lies on it."""
    memory.forget_place(box.ledger, "disk-a")
    old = FakeRepository("disk-a", box.power)
    old.identity, old.held = "e" * 64, dict(held)
    box.repositories = (old, box.disk_b)
    box.adopt(old)
    return old


def test_an_old_disk_under_a_name_of_before_is_done_anew_and_so_is_its_cloud(box: Box) -> None:
    held = dict(box.disk_a.held)
    ask(box, at_once=True)
    run(box)
    assert box.cloud.forgets == 1
    old = adopted(box, held)
    box.cloud.held = dict(held)
    assert pending(box.ledger, "crm", "disk-a")
    assert run(box).message.startswith("2 backups written anew.")
    assert told_of(old) == [False] * 3
    assert not pending(box.ledger, "crm", "disk-a")
    assert box.cloud.forgets == 2
    assert box.cloud.held == old.held


def test_until_then_no_restore_gives_her_back(box: Box, tmp_path: Path) -> None:
    ask(box)
    oldest = box.disk_a.archives()[0]
    into = tmp_path / "back"
    into.mkdir()
    restore(box.kit, [box.disk_a], Wish("crm", archive=oldest.name), into, Watch())
    (file,) = into.iterdir()
    assert file.read_text() == export("1,Ann")
    assert told_of(box.disk_a) == [True, True, False]


def test_the_room_comes_back_after_a_week_or_at_once_where_somebody_asked(box: Box) -> None:
    ask(box)
    run(box)
    assert "compact" not in box.disk_a.calls
    ask(box, "1,Ann", at_once=True)
    run(box)
    assert box.disk_a.compacted_all
    assert box.disk_b.compacted_all


def test_after_a_week_the_room_is_given_back_to_the_last_byte(box: Box) -> None:
    ask(box)
    run(box)
    box.disk_a.calls.clear()
    box.clock.forward(timedelta(days=8))
    box.back_up(export("1,Ann", "9,New"))
    assert box.disk_a.compacted_all


@pytest.mark.parametrize("writes", range(1, 9))
def test_cut_off_anywhere_the_next_run_finishes_it(box: Box, writes: int) -> None:
    ask(box)
    box.power.writes, box.power.cut_after = 0, writes
    try:
        run(box)
    except PowerCut:
        box.power.cut_after, box.power.on = None, True
        box.ledger.interrupt_unfinished(box.clock.now())
    box.power.cut_after = None
    today = box.back_up(export("1,Ann", "3,Cy"))
    assert today.outcome in {Outcome.OK, Outcome.WARNING}
    for disk in (box.disk_a, box.disk_b):
        assert told_of(disk) == [False] * 4


def test_a_backup_that_cannot_be_made_again_is_a_warning_and_is_not_called_done(box: Box) -> None:
    ask(box)
    box.exports.without = refuse
    done = run(box)
    assert done.outcome is Outcome.WARNING
    assert told_of(box.disk_a) == [True, True, False]
    names = {one.name for one in box.disk_a.archives()}
    assert stuck(box.ledger, "crm", "disk-a") == names
    for _ in range(40):  # and nothing else is stopped by it, nor done anew each night
        box.next_day()
        night = box.back_up(export(f"{box.clock.now()},x"))
        assert night.outcome is Outcome.OK
    assert "delete" in box.disk_a.calls
    assert box.exports.previous[-1] is not None
    assert not names & {one.name for one in box.disk_a.archives()[-7:]}


def test_the_cloud_keeps_only_what_the_disk_has_now_once_that_gave_up_the_last_byte(
    box: Box,
) -> None:
    ask(box)
    run(box)
    assert not box.cloud.forgets, "the disk can still go back for a week"
    assert pending(box.ledger, "crm", "cloud")
    box.clock.forward(timedelta(days=8))
    box.back_up(export("1,Ann", "9,New"))
    assert box.cloud.forgets == 1
    assert box.cloud.held == box.disk_a.held
    assert not pending(box.ledger, "crm", "cloud")
    box.next_day()
    box.back_up(export("1,Ann", "9,Newer"))
    assert box.cloud.forgets == 1


def test_a_cloud_that_does_not_let_go_is_asked_again_after_a_week(box: Box) -> None:
    ask(box, at_once=True)
    box.cloud.locked = True
    assert run(box).outcome is Outcome.WARNING
    assert pending(box.ledger, "crm", "cloud")
    for _ in range(6):
        box.next_day()
        box.back_up(export(f"{box.clock.now()},x"))
    assert box.cloud.forgets == 1
    box.cloud.locked = False
    box.next_day()
    box.back_up(export("1,Ann", "9,New"))
    assert box.cloud.forgets == 2
    assert not pending(box.ledger, "crm", "cloud")


def test_where_the_room_is_given_back_at_once_the_cloud_follows_at_once(box: Box) -> None:
    ask(box, at_once=True)
    run(box)
    assert box.cloud.forgets == 1
    assert box.cloud.held == box.disk_a.held


def test_who_is_asked_for_while_the_cloud_forgets_is_not_done_there(box: Box) -> None:
    ask(box, at_once=True)
    forget = box.cloud.forget

    def meanwhile(*what) -> int:
        count = forget(*what)
        ask(box, "1,Ann")
        return count

    box.cloud.forget = meanwhile
    run(box)
    first, second = registered(box.ledger, "crm")
    assert pending(box.ledger, "crm", "cloud") == (second,)
    assert first != second


def test_a_cloud_forgets_who_was_in_a_source_that_is_gone_too(box: Box) -> None:
    box.retention.clear()
    ask(box, at_once=True)
    run(box)
    assert pending(box.ledger, "crm", "cloud") == ()
