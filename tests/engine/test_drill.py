from __future__ import annotations

import pytest

from appliance.core.errors import DiskFull, MirrorUnreachable
from appliance.core.model import Outcome, Trigger
from appliance.core.ports import Watch
from appliance.engine.drill import drill, drill_mirror
from appliance.engine.restore import CloudCopy
from tests.fakes import Box


def three_days(box: Box) -> None:
    for content in ("one", "two", "three"):
        box.back_up(content)
        box.next_day()


def cloud(box: Box) -> CloudCopy:
    return CloudCopy(box.cloud, box.cloud.opened)


def oldest(archives):
    return archives[0]


def test_a_drill_restores_the_newest_and_another_and_leaves_evidence(box: Box) -> None:
    three_days(box)
    ended = drill("disk-a", Trigger.COMMAND, box.kit, Watch(), choose=oldest)
    assert ended.run.outcome is Outcome.OK
    assert ended.run.source == "drill:disk-a"
    assert "2 backups restored from disk-a: 2 files equal" in ended.run.message
    assert [step.size_bytes for step in ended.run.steps if "rebuilt" in step.message] == [5, 3]
    proved = [copy for copy in box.ledger.copies() if copy.verified == box.clock.now()]
    assert len(proved) == 2
    assert list(box.staging.root.iterdir()) == []


def test_a_drill_finds_one_rotten_byte(box: Box) -> None:
    three_days(box)
    box.disk_a.rot(box.disk_a.archives()[0].name)
    ended = drill("disk-a", Trigger.COMMAND, box.kit, Watch(), choose=oldest)
    assert ended.run.outcome is Outcome.FAILED
    assert box.ledger.noted("damaged:disk-a")


def test_a_disk_without_a_backup_yet_is_passed_over_and_nobody_is_blamed(box: Box) -> None:
    run = drill("disk-a", Trigger.SCHEDULE, box.kit, Watch()).run
    assert (run.outcome, run.faults, run.archive) == (Outcome.SKIPPED, (), "")
    assert run.message == "There is nothing on disk-a to restore yet."


def test_a_disk_that_lost_all_its_backups_fails_the_drill(box: Box) -> None:
    three_days(box)
    box.disk_a.held.clear()
    run = drill("disk-a", Trigger.SCHEDULE, box.kit, Watch()).run
    assert run.outcome is Outcome.FAILED
    assert "MirrorRefused" not in run.faults


@pytest.mark.parametrize("is_set_up", [True, False])
def test_a_cloud_that_nothing_was_sent_to_yet_is_passed_over(box: Box, is_set_up: bool) -> None:
    if not is_set_up:
        box.lose_the_ledger()
    run = drill_mirror(cloud(box), Trigger.SCHEDULE, box.kit, Watch()).run
    assert (run.outcome, run.faults) == (Outcome.SKIPPED, ())
    assert run.message == "There is nothing on cloud to restore yet."


def test_a_cloud_copy_of_a_disk_without_a_backup_is_passed_over(box: Box) -> None:
    box.cloud.size_bytes = lambda *_: 100  # the settings of a repository, and no archive
    box.cloud.fetch = lambda _identity, into, _watch: into
    run = drill_mirror(cloud(box), Trigger.SCHEDULE, box.kit, Watch()).run
    assert (run.outcome, run.faults) == (Outcome.SKIPPED, ())


def test_a_cloud_that_lost_all_its_copies_fails_the_drill(box: Box) -> None:
    three_days(box)
    box.cloud.held.clear()
    run = drill_mirror(cloud(box), Trigger.SCHEDULE, box.kit, Watch()).run
    assert (run.outcome, run.faults) == (Outcome.FAILED, ("MirrorRefused",))


def test_with_a_lost_ledger_what_the_cloud_holds_is_restored_all_the_same(box: Box) -> None:
    three_days(box)
    box.lose_the_ledger()
    assert drill_mirror(cloud(box), Trigger.COMMAND, box.kit, Watch()).run.outcome is Outcome.OK


def test_B6_the_cloud_copy_alone_is_restored(box: Box) -> None:
    three_days(box)
    box.disk_a.held.clear()
    ended = drill_mirror(cloud(box), Trigger.SCHEDULE, box.kit, Watch())
    assert ended.run.outcome is Outcome.OK
    assert ended.run.source == "drill:cloud"


def test_B6_an_altered_cloud_copy_fails_the_drill(box: Box) -> None:
    three_days(box)
    for _, files in box.cloud.held.values():
        files["export/a.csv"] = b"altered"
    ended = drill_mirror(cloud(box), Trigger.SCHEDULE, box.kit, Watch())
    assert ended.run.outcome is Outcome.FAILED


def test_a_cloud_that_does_not_answer_fails_the_drill_for_now(box: Box) -> None:
    box.cloud.error = MirrorUnreachable("no answer")
    ended = drill_mirror(cloud(box), Trigger.SCHEDULE, box.kit, Watch())
    assert ended.error is not None
    assert ended.error.retry


def test_a_cloud_copy_that_staging_has_no_room_for_is_not_brought_back(box: Box) -> None:
    three_days(box)
    box.staging.room_bytes = 10
    box.cloud.fetch = lambda *_: pytest.fail("it was fetched all the same")
    ended = drill_mirror(cloud(box), Trigger.SCHEDULE, box.kit, Watch())
    assert isinstance(ended.error, DiskFull)
    assert "are needed" in ended.run.message


def test_room_is_asked_for_before_an_archive_is_taken_out_and_before_it_is_rebuilt(
    box: Box,
) -> None:
    box.back_up("x" * 100)
    box.staging.required.clear()
    drill("disk-a", Trigger.COMMAND, box.kit, Watch())
    taken_out, rebuilt = box.staging.required
    assert taken_out > rebuilt == 100
