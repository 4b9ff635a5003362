from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.errors import DiskFull, RepositoryDamaged
from appliance.core.model import Outcome, StepName, Trigger
from appliance.core.ports import Watch
from appliance.core.retention import Policy
from appliance.engine import pipeline
from tests.fakes import Box, FakeSource

KEEP_TWO = Policy(last=2, daily=0, weekly=0, monthly=0, yearly=0)


@pytest.fixture
def box(box: Box) -> Box:
    box.repositories, box.retention = (box.disk_a,), {"crm": KEEP_TWO}
    return box


def back_up_for(box: Box, days: int) -> None:
    for day in range(days):
        box.back_up(f"{box.clock.now()} {day}")
        box.next_day()


def test_old_archives_go_and_are_no_copies_any_more(box: Box) -> None:
    back_up_for(box, 3)
    assert len(box.disk_a.held) == 2
    assert box.copies("disk-a") == set(box.disk_a.held)


def test_the_cloud_keeps_what_it_has_but_only_what_its_disk_lists_counts(box: Box) -> None:
    back_up_for(box, 3)
    assert len(box.cloud.held) == 2 or len(box.cloud.held) == 3
    assert box.copies("cloud") == set(box.disk_a.held)


def test_A26_what_was_removed_can_be_brought_back_for_a_week(box: Box) -> None:
    calls: list[tuple[int, str]] = []
    for day in range(24):
        box.disk_a.calls.clear()
        back_up_for(box, 1)
        calls += [(day, verb) for verb in box.disk_a.calls if verb in {"delete", "compact"}]
    deletes = [day for day, verb in calls if verb == "delete"]
    for day, verb in calls:
        if verb == "compact":
            assert max(d for d in deletes if d < day) <= day - 7
    assert [verb for _, verb in calls][:3] == ["delete", "compact", "delete"]


def test_A26_compact_waits_for_a_clean_verification(box: Box) -> None:
    back_up_for(box, 9)
    box.clock.forward(timedelta(days=9))
    box.disk_a.calls.clear()
    box.disk_a.errors["hashes"] = RepositoryDamaged("rotten")
    back_up_for(box, 1)
    assert "compact" not in box.disk_a.calls
    assert "delete" not in box.disk_a.calls


@pytest.mark.parametrize("years", [-40, -1, 1, 10, 20])
def test_A10_with_a_wrong_clock_nothing_goes_and_backups_are_taken(box: Box, years: int) -> None:
    box.ledger.note("pruned-at:disk-a", (box.clock.now() - timedelta(days=30)).isoformat())
    box.retention = {}
    back_up_for(box, 8)
    box.retention = {"crm": KEEP_TWO}
    box.disk_a.calls.clear()
    box.clock.time += timedelta(days=365 * years)
    run = box.back_up("new")
    assert run.outcome is Outcome.OK
    assert len(box.disk_a.held) == 9
    assert "delete" not in box.disk_a.calls
    assert "compact" not in box.disk_a.calls


def test_A10_a_server_that_confirms_a_far_clock_lets_retention_work_again(box: Box) -> None:
    box.retention = {}
    back_up_for(box, 8)
    box.retention = {"crm": KEEP_TWO}
    box.clock.time += timedelta(days=365)
    box.source.server_time = box.clock.now()
    box.back_up("new")
    assert "delete" in box.disk_a.calls


def test_A10_a_clock_that_jumps_ahead_during_the_run_removes_nothing(box: Box) -> None:
    box.retention = {}
    back_up_for(box, 8)
    box.retention = {"crm": KEEP_TWO}
    box.source.during = lambda watch: box.clock.forward(timedelta(days=7000))
    box.back_up("new")
    assert "delete" not in box.disk_a.calls


def test_A12_one_sources_retention_never_touches_anothers_archives(box: Box) -> None:
    other = FakeSource("crm-b", {"a.csv": b"other"}, box.power)
    assert pipeline.run(other, Trigger.COMMAND, box.kit, Watch()).outcome is Outcome.OK
    back_up_for(box, 20)
    assert len(box.disk_a.archives("crm-b")) == 1


def test_A13_everything_is_read_once_a_month(box: Box) -> None:
    back_up_for(box, 62)
    assert box.disk_a.calls.count("check") == 2


def test_A13_an_old_disk_with_a_new_ledger_is_read_at_once(box: Box) -> None:
    back_up_for(box, 2)
    box.lose_the_ledger()
    box.disk_a.calls.clear()
    box.back_up("new")
    assert "check" in box.disk_a.calls


def test_A14_damage_found_by_the_check_stops_pruning_and_mirroring(box: Box) -> None:
    back_up_for(box, 5)
    box.clock.forward(timedelta(days=31))
    box.source.server_time = box.clock.now()
    box.disk_a.errors["check"] = RepositoryDamaged("rotten")
    box.disk_a.calls.clear()
    pushed = box.cloud.pushes
    run = box.back_up("new")
    assert run.outcome is Outcome.WARNING
    assert box.ledger.noted("damaged:disk-a")
    assert "delete" not in box.disk_a.calls
    assert box.cloud.pushes == pushed


def test_a_prune_that_fails_leaves_the_backup_good(box: Box) -> None:
    box.disk_a.errors["delete"] = DiskFull("no room to remove")
    back_up_for(box, 2)
    run = box.back_up("new")
    assert run.outcome is Outcome.WARNING
    assert run.archive in box.copies("disk-a")
    assert [step.outcome for step in run.steps if step.name is StepName.PRUNE] == [Outcome.FAILED]


def test_with_an_end_nothing_gets_older_and_nothing_of_it_is_left(box: Box) -> None:
    box.retention = {"crm": Policy(last=99, at_most=timedelta(days=20))}
    for _ in range(60):
        back_up_for(box, 1)
        ages = [box.clock.now() - one.time for one in box.disk_a.archives()]
        assert max(ages) <= timedelta(days=20 + 8), "a round comes once a week"
    assert 20 <= len(box.disk_a.held) <= 29
    assert box.disk_a.compacted_all


def test_without_an_end_little_room_is_not_worth_much_work(box: Box) -> None:
    back_up_for(box, 24)
    assert "compact" in box.disk_a.calls
    assert not box.disk_a.compacted_all


def test_a_held_one_goes_with_its_age_and_the_newest_good_one_never(box: Box) -> None:
    back_up_for(box, 1)
    box.exports.held = ("It looks wrong.",)
    held = box.back_up("held")
    box.exports.held = ()
    assert held.outcome is Outcome.HELD
    box.retention = {"crm": Policy(last=99, at_most=timedelta(days=10))}
    box.clock.forward(timedelta(days=30))
    box.back_up("new")
    assert len(box.disk_a.held) == 1
    box.clock.forward(timedelta(days=30))
    box.back_up("new")
    assert len(box.disk_a.held) == 1, "nothing has changed, and it stays"
