from __future__ import annotations

import errno
from dataclasses import replace
from datetime import timedelta

import pytest

from appliance.core import errors
from appliance.core.errors import (
    ApplianceError,
    DiskAbsent,
    DiskFull,
    RepositoryBusy,
    WrongDisk,
)
from appliance.core.events import Progressed, RunFinished, RunStarted, StepFinished
from appliance.core.model import Outcome, StepName, Trigger
from appliance.core.ports import Watch
from appliance.engine.memory import noted_problem
from tests.fakes import START, Box, FakeRepository


def steps(run, name):
    return [step for step in run.steps if step.name is name]


def test_an_export_ends_up_proved_on_both_disks_and_in_the_cloud(box: Box) -> None:
    run = box.back_up()
    assert run.outcome is Outcome.OK
    assert run.archive == "crm-2026-11-21T02:00:00Z"
    for place in ("disk-a", "disk-b", "cloud"):
        assert box.copies(place) == {run.archive}
    for held in (box.disk_a.held, box.disk_b.held, box.cloud.held):
        assert held[run.archive][1]["export/a.csv"] == b"id\n1\n"
    assert len(box.source.settled) == 1


def test_each_step_is_recorded_in_order_with_its_target_and_size(box: Box) -> None:
    run = box.back_up()
    told = [(step.name.value, step.target) for step in run.steps]
    assert told == [
        ("pull", ""),
        ("unpack", ""),
        ("inspect", ""),
        ("archive", "disk-a"),
        ("verify", "disk-a"),
        ("archive", "disk-b"),
        ("verify", "disk-b"),
        ("mirror", "cloud"),
        ("verify", "cloud"),
        ("mirror", "cloud"),
    ]
    assert run.steps[0].size_bytes == 5
    assert all(step.outcome is Outcome.OK for step in run.steps)


def test_F7_durations_are_counted_on_the_monotonic_clock(box: Box) -> None:
    def jump(watch: Watch) -> None:
        box.clock.time -= timedelta(days=400)
        box.clock.seconds += 7

    box.source.during = jump
    run = box.back_up()
    assert run.steps[0].duration == timedelta(seconds=7)


def test_the_bulletin_hears_of_start_progress_steps_and_end(box: Box) -> None:
    run = box.back_up()
    kinds = [type(event) for event in box.events]
    assert kinds[0] is RunStarted
    assert kinds[-1] is RunFinished
    assert kinds.count(StepFinished) == len(run.steps)
    assert Progressed in kinds


def test_the_day_after_is_compared_with_the_day_before(box: Box) -> None:
    first = box.back_up("one")
    box.next_day()
    second = box.back_up("two")
    assert box.exports.previous[0] is None
    assert box.exports.previous[1] is not None
    assert box.disk_a.contents()[0]["export/a.csv"] == b"one"
    assert [archive.name for archive in box.disk_a.archives()] == [first.archive, second.archive]
    assert [archive.sequence for archive in box.disk_a.archives()] == [1, 2]


@pytest.mark.parametrize("knows", [True, False])
def test_an_unchanged_export_is_skipped_and_proved_again(box: Box, knows: bool) -> None:
    box.source.knows = knows
    first = box.back_up()
    box.next_day()
    second = box.back_up()
    assert second.outcome is Outcome.SKIPPED
    assert second.archive == first.archive
    assert len(box.disk_a.held) == 1
    disks = [copy for copy in box.ledger.copies() if copy.place != "cloud"]
    assert {copy.verified for copy in disks} == {START + timedelta(days=1)}


def test_the_same_content_under_a_dated_name_is_unchanged(box: Box) -> None:
    box.source.files = {"backup-11.21.csv": b"x"}
    box.back_up()
    box.source.files = {"backup-11.22.csv": b"x"}
    box.next_day()
    assert box.back_up().outcome is Outcome.SKIPPED


def test_an_export_that_is_as_before_the_last_one_is_stored(box: Box) -> None:
    for data in ("one", "two", "one"):
        assert box.back_up(data).outcome is Outcome.OK
        box.next_day()
    assert len(box.disk_a.held) == 3


@pytest.mark.parametrize("knows", [True, False])
def test_unchanged_is_not_believed_when_the_disks_were_replaced(box: Box, knows: bool) -> None:
    box.source.knows = knows
    box.back_up()
    box.next_day()
    new = FakeRepository("disk-c", box.power)
    box.adopt(new)
    box.repositories, box.mirrors = (new,), ()
    run = box.back_up()
    assert run.outcome is Outcome.OK
    assert new.contents()[0]["export/a.csv"] == b"id\n1\n"


def test_an_emptied_inbox_with_the_newest_backup_on_an_absent_disk_waits_for_it(box: Box) -> None:
    box.source.knows = True
    box.back_up()
    box.source.files = {}
    box.repositories, box.mirrors = (FakeRepository("disk-c", box.power),), ()
    box.adopt(*box.repositories)
    run = box.back_up()
    assert run.outcome is Outcome.FAILED
    assert "not here" in run.message


def test_a_first_pull_that_brings_nothing_fails(box: Box) -> None:
    box.source.knows, box.source.files = True, {}
    assert box.back_up().outcome is Outcome.FAILED


def test_unchanged_but_rotten_is_stored_afresh(box: Box) -> None:
    box.source.knows, box.repositories, box.mirrors = True, (box.disk_a,), ()
    first = box.back_up()
    box.disk_a.rot(first.archive)
    box.next_day()
    second = box.back_up()
    assert second.outcome is Outcome.WARNING
    assert second.archive != first.archive
    assert box.disk_a.contents()[1]["export/a.csv"] == b"id\n1\n"
    assert box.ledger.noted("damaged:disk-a")


@pytest.mark.parametrize(
    "error", [DiskAbsent("disk-b is not there."), WrongDisk("disk-b is not ours.")]
)
def test_one_of_two_disks_away_is_a_warning_that_names_it(box: Box, error: Exception) -> None:
    box.disk_b.errors["id"] = error
    run = box.back_up()
    assert run.outcome is Outcome.WARNING
    assert "disk-b" in run.message
    assert run.hint
    assert box.copies("disk-a") == {run.archive}
    assert box.disk_b.held == {}


def test_no_disk_at_all_fails_before_anything_is_pulled(box: Box) -> None:
    for disk in (box.disk_a, box.disk_b):
        disk.errors["id"] = DiskAbsent(f"{disk.name} is not there.")
    run = box.back_up()
    assert run.outcome is Outcome.FAILED
    assert box.source.pulls == 0


def test_a_busy_disk_is_the_reason_that_passes_by_itself(box: Box) -> None:
    box.disk_a.errors["id"] = DiskAbsent("disk-a is not there.")
    box.disk_b.errors["id"] = RepositoryBusy("disk-b is in use.")
    assert box.back_up().message.startswith("disk-b is in use.")


def test_another_repository_under_the_same_name_is_the_wrong_disk(box: Box) -> None:
    box.back_up("one")
    box.disk_b.identity = "0" * 64
    run = box.back_up("two")
    assert run.outcome is Outcome.WARNING
    assert len(box.disk_b.held) == 1


def test_A1_a_copy_of_a_disk_is_not_written(box: Box) -> None:
    box.disk_b.identity = box.disk_a.identity
    run = box.back_up()
    assert run.outcome is Outcome.WARNING
    assert "copy of disk-a" in run.message
    assert box.disk_b.held == {}


@pytest.mark.parametrize("verb", ["create", "hashes"])
@pytest.mark.parametrize(
    "error",
    [DiskFull("full"), DiskAbsent("gone"), OSError(errno.EIO, "yanked"), KeyError("a bug")],
)
def test_one_disk_failing_does_not_stop_the_other(box: Box, verb: str, error: Exception) -> None:
    box.disk_a.errors[verb] = error
    run = box.back_up()
    assert run.outcome is Outcome.WARNING
    assert box.copies("disk-b") == {run.archive}
    assert box.copies("disk-a") == set()
    assert box.cloud.pushes == 0


def test_both_disks_failing_fails_the_run_and_remembers_nothing(box: Box) -> None:
    for disk in (box.disk_a, box.disk_b):
        disk.errors["create"] = DiskFull("full")
    run = box.back_up()
    assert run.outcome is Outcome.FAILED
    assert box.ledger.last_export("crm") == ()
    assert box.source.settled == []


def test_what_reads_back_differently_is_no_backup(box: Box) -> None:
    box.repositories = (box.disk_a,)
    create = box.disk_a.create

    def bend(archive, layout, watch):
        added = create(archive, layout, watch)
        box.disk_a.rot(archive.name)
        return added

    box.disk_a.create = bend
    run = box.back_up()
    assert run.outcome is Outcome.FAILED
    assert box.copies("disk-a") == set()
    assert box.ledger.noted("damaged:disk-a")
    assert box.cloud.pushes == 0


def test_A17_an_export_in_which_nothing_is_found_is_refused(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out = box.exports.lay_out

    def nothing(export, previous, work, watch):
        layout = lay_out(export, previous, work, watch)
        return replace(layout, stored={"manifest.json": layout.stored["manifest.json"]})

    monkeypatch.setattr(box.exports, "lay_out", nothing)
    run = box.back_up()
    assert run.outcome is Outcome.FAILED
    assert box.disk_a.held == {}


def test_where_nothing_is_offered_the_run_is_skipped_and_confirms_nothing(box: Box) -> None:
    first = box.back_up()
    box.source.files = {}
    for _ in range(300):
        box.next_day()
        run = box.back_up()
        assert (run.outcome, run.archive) == (Outcome.SKIPPED, "")
    assert box.disk_a.archives()[-1].name == first.archive
    assert len(box.source.settled) == 1


def test_an_empty_inbox_does_not_keep_a_disk_from_catching_up(box: Box) -> None:
    box.disk_b.errors["id"] = DiskAbsent("away")
    box.back_up()
    del box.disk_b.errors["id"]
    box.source.files = {}
    assert box.back_up().outcome is Outcome.SKIPPED
    assert box.disk_b.archives() == box.disk_a.archives()


def test_a_disk_that_nobody_set_up_is_not_written_and_init_is_named(box: Box) -> None:
    stranger = FakeRepository("disk-c", box.power)
    box.repositories = (box.disk_a, stranger)
    run = box.back_up()
    assert run.outcome is Outcome.WARNING
    assert "appliance init disk-c" in run.hint
    assert stranger.held == {}
    assert box.ledger.noted("repository-id:disk-c") is None


def test_a_note_of_the_layout_is_a_warning(box: Box) -> None:
    box.exports.notes = ("A table has no id column.",)
    run = box.back_up()
    assert run.outcome is Outcome.WARNING
    assert "no id column" in run.message
    assert box.copies("disk-a") == {run.archive}


def test_a_settle_that_fails_leaves_the_backup_good(box: Box) -> None:
    def refuse(export):
        raise PermissionError("read only inbox")

    box.source.settle = refuse
    run = box.back_up()
    assert run.outcome is Outcome.WARNING
    assert box.copies("disk-a") == {run.archive}


def test_a_clock_that_went_back_onto_a_taken_second_shifts_the_name(box: Box) -> None:
    first = box.back_up("one")
    second = box.back_up("two")
    assert second.archive == "crm-2026-11-21T02:00:01Z"
    assert box.disk_a.held[first.archive][1]["export/a.csv"] == b"one"
    assert box.disk_a.held[second.archive][1]["export/a.csv"] == b"two"


def test_backups_go_on_with_a_clock_in_doubt_and_say_so(box: Box) -> None:
    box.clock.synchronised = False
    run = box.back_up()
    assert run.outcome is Outcome.OK
    assert not box.disk_a.held[run.archive][0].clock_trusted
    assert steps(run, StepName.PRUNE)[0].outcome is Outcome.SKIPPED


def test_F2_a_new_ledger_with_old_disks_goes_on_counting_and_proves_what_it_finds(box: Box) -> None:
    old = box.back_up("one")
    box.lose_the_ledger()
    box.next_day()
    run = box.back_up("two")
    assert run.outcome is Outcome.OK
    assert [archive.sequence for archive in box.disk_a.archives()] == [1, 2]
    assert box.copies("disk-a") == {old.archive, run.archive}


def test_staging_is_wiped_whatever_happens(box: Box) -> None:
    box.back_up()
    box.source.error = RuntimeError("a bug")
    box.back_up()
    assert list(box.staging.root.iterdir()) == []


def test_a_ledger_that_cannot_record_fails_loudly(box: Box) -> None:
    box.ledger.error = ApplianceError("The record could not be used.")
    with pytest.raises(ApplianceError):
        box.back_up()


def test_a_ledger_failing_in_the_middle_is_never_contained_as_a_warning(box: Box) -> None:
    add_copy = box.ledger.add_copy

    def fail(copy):
        raise ApplianceError("The record could not be used.")

    box.ledger.add_copy = fail
    run = box.back_up()
    assert run.outcome is Outcome.FAILED
    box.ledger.add_copy = add_copy
    assert box.back_up().outcome is Outcome.SKIPPED
    assert len(box.disk_a.held) == 1


def test_F11_a_cancelled_run_is_cancelled_and_the_next_one_goes_on(box: Box) -> None:
    watch = Watch()
    box.source.during = lambda _: watch.cancel.set()
    run = box.back_up(watch=watch)
    assert run.outcome is Outcome.CANCELLED
    assert box.disk_a.held == {}
    box.source.during = lambda _: None
    assert box.back_up().outcome is Outcome.OK


def test_F11_cancelled_between_two_disks_the_next_run_finishes_the_second(box: Box) -> None:
    watch, hashes = Watch(), box.disk_a.hashes

    def then_cancel(archive, looking):
        found = hashes(archive, looking)
        watch.cancel.set()
        return found

    box.disk_a.hashes = then_cancel
    assert box.back_up(watch=watch).outcome is Outcome.CANCELLED
    box.disk_a.hashes = hashes
    box.next_day()
    run = box.back_up()
    assert run.outcome is Outcome.SKIPPED
    assert box.disk_a.contents() == box.disk_b.contents()
    assert len(box.disk_b.held) == 1


def every_error() -> list[Exception]:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ApplianceError)
    ]
    ours = [
        kind([errors.Problem("a", "b")]) if kind is errors.ConfigError else kind("went wrong")
        for kind in kinds
    ]
    return [*ours, OSError(errno.ENOSPC, "x"), OSError(5, "x"), MemoryError(), ZeroDivisionError()]


PLACES = ["staging", "id", "archives", "pull", "unpack", "create", "hashes", "extract", "mirror"]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", PLACES)
def test_every_error_in_every_step_ends_in_a_finished_run(
    box: Box, where: str, error: Exception
) -> None:
    box.back_up("one")
    box.next_day()
    if where in {"staging", "pull", "unpack", "mirror"}:
        doers = {"pull": box.source, "unpack": box.exports, "mirror": box.cloud}
        doers.get(where, box.staging).error = error
    else:
        box.disk_a.errors[where] = box.disk_b.errors[where] = error
    run = box.back_up("two")
    assert run.finished is not None
    expected = {Outcome.WARNING} if where in {"mirror", "extract"} else {Outcome.FAILED}
    if isinstance(error, errors.Cancelled):
        expected = {Outcome.CANCELLED}
    assert run.outcome in expected
    assert run.message
    assert list(box.staging.root.iterdir()) == []


def test_a_fault_of_the_program_is_told_in_plain_words_with_the_trace_in_the_detail(
    box: Box,
) -> None:
    box.source.error = ZeroDivisionError("boom")
    run = box.back_up()
    assert "fault in the box's own program" in run.message
    assert "ZeroDivisionError: boom" in run.detail
    assert "boom" not in run.message


def test_a_full_card_is_told_as_a_full_disk(box: Box) -> None:
    box.exports.error = OSError(errno.ENOSPC, "No space left on device")
    run = box.back_up()
    assert "no room" in run.message
    assert run.hint == DiskFull.hint


def test_a_trigger_and_a_slot_are_recorded(box: Box) -> None:
    from appliance.engine.pipeline import run

    done = run(box.source, Trigger.SCHEDULE, box.kit, Watch(), "2026-11-21")
    assert done.trigger is Trigger.SCHEDULE
    assert box.ledger.slots("crm") == {"2026-11-21"}


def test_F2_with_a_new_ledger_the_backup_comes_before_the_reading_of_years(box: Box) -> None:
    for day in range(5):
        box.back_up(f"day {day}")
        box.next_day()
    box.lose_the_ledger()
    run = box.back_up("new")
    kinds = [step.name for step in run.steps if step.target in {"", "disk-a"}]
    before = kinds[: kinds.index(StepName.ARCHIVE)]
    assert before.count(StepName.VERIFY) == 2
    assert box.copies("disk-a") == set(box.disk_a.held)
    assert box.copies("cloud") == set(box.disk_a.held)


@pytest.mark.parametrize(
    "error", [errors.RepositoryDamaged("bent"), errors.ToolFailed("another zlib")]
)
def test_a_backup_before_that_cannot_be_rebuilt_never_stops_tonights(box: Box, error) -> None:
    first = box.back_up("one")
    lay_out = box.exports.lay_out

    def refuse(export, previous, work, watch):
        (work / "half").mkdir()
        if previous is not None:
            raise error
        (work / "half").rmdir()
        return lay_out(export, previous, work, watch)

    box.exports.lay_out = refuse
    box.next_day()
    run = box.back_up("two")
    assert run.outcome is Outcome.WARNING
    assert run.archive
    assert first.archive in run.message
    assert "disk-" in run.message
    assert error.message in run.detail
    assert box.copies("disk-a") == {first.archive, run.archive}
    assert [step.outcome for step in steps(run, StepName.UNPACK)] == [Outcome.OK]


def test_an_export_that_cannot_be_laid_out_by_itself_still_fails(box: Box) -> None:
    box.back_up("one")
    box.exports.error = errors.ToolFailed("no such luck")
    box.next_day()
    run = box.back_up("two")
    assert run.outcome is Outcome.FAILED
    assert "no such luck" in run.message


def test_an_export_that_staging_has_no_room_for_is_refused_before_it_is_unpacked(box: Box) -> None:
    box.source.files = {"a.csv": b"x" * 600}
    box.staging.room_bytes = 1000
    run = box.back_up()
    assert run.outcome is Outcome.FAILED
    assert "1200 bytes are needed" in run.message
    assert box.exports.previous == []
    assert list(box.staging.root.iterdir()) == []


def test_a_backup_before_that_staging_has_no_room_for_is_not_taken_out(box: Box) -> None:
    box.back_up("x" * 5000)
    box.next_day()
    box.staging.room_bytes = 1000
    box.disk_a.calls.clear()
    run = box.back_up("new")
    assert run.outcome is Outcome.WARNING
    assert "bytes are needed" in run.message
    assert "extract" not in box.disk_a.calls


def test_a_disk_whose_room_cannot_be_asked_is_let_go_all_the_same(box: Box) -> None:
    box.disk_a.errors["room"] = OSError("no answer")
    box.back_up()
    assert box.disk_a.released


def test_D19_a_disk_that_does_not_come_to_rest_is_remembered_with_what_to_do(box: Box) -> None:
    box.disk_a.errors["release"] = errors.DiskReadOnly("It is busy.", hint="Switch the box off.")
    assert box.back_up().outcome is Outcome.WARNING
    assert noted_problem(box.ledger, "disk-a") == "It is busy. Switch the box off."
    box.disk_a.errors.clear()
    box.back_up()
    assert not noted_problem(box.ledger, "disk-a")
