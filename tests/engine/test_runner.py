from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from itertools import pairwise

import pytest

from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    DiskAbsent,
    DiskReadOnly,
    ExportNotReady,
    MirrorUnreachable,
    RepositoryBusy,
    SourceRefused,
    SourceUnreachable,
    WrongDisk,
)
from appliance.core.events import RunQueued
from appliance.core.model import Outcome, StepName, Trigger
from appliance.core.ports import Watch
from appliance.engine import mirroring, pipeline
from appliance.engine.journal import record
from appliance.engine.kit import Ended
from appliance.engine.runner import MOST_ATTEMPTS, Runner, Work
from tests.fakes import Box

Doing = Callable[[Watch], None]


def nothing(watch: Watch) -> None:
    pass


def job(box: Box, name: str, do: Doing = nothing) -> Work:
    """A job whose Runs are real and whose doing the test says."""
    return lambda trigger, watch, slot: record(
        box.kit, name, trigger, watch, lambda journal, folder: do(journal.watch), slot
    )


def raising(error: Exception) -> Doing:
    def do(watch: Watch) -> None:
        raise error

    return do


def runner_for(box: Box, **doings: Doing) -> Runner:
    jobs = {name: job(box, name, do) for name, do in doings.items()}
    return Runner(box.kit, jobs, spread=lambda low, high: 1.0)


def work_all(runner: Runner) -> int:
    count = 0
    while runner.work_one():
        count += 1
    return count


def test_first_asked_first_run_and_the_queue_is_told(box: Box) -> None:
    runner = runner_for(box, crm=nothing, site=nothing)
    assert runner.submit("site", Trigger.BUTTON) == "queued"
    assert runner.submit("crm", Trigger.SCHEDULE, "2026-11-21") == "queued"
    assert [waiting.job for waiting in runner.waiting()] == ["site", "crm"]
    assert work_all(runner) == 2
    assert [run.source for run in box.ledger.runs()] == ["crm", "site"]
    assert box.ledger.slots("crm") == {"2026-11-21"}
    assert RunQueued("site", Trigger.BUTTON) in box.events


def test_the_same_asked_twice_is_one_run(box: Box) -> None:
    runner = runner_for(box, crm=nothing)
    runner.submit("crm", Trigger.BUTTON)
    assert runner.submit("crm", Trigger.SCHEDULE, "2026-11-21") == "already waiting"
    assert work_all(runner) == 1
    assert box.ledger.slots("crm") == {"2026-11-21"}


def test_asked_while_it_runs_is_already_running_and_seen(box: Box) -> None:
    answers = []

    def ask(watch: Watch) -> None:
        answers.append(runner.submit("crm", Trigger.PAGE))
        watch.report(StepName.PULL, 3, 10)
        answers.append(runner.current())
        answers.append(runner.work_one())

    runner = runner_for(box, crm=ask)
    runner.submit("crm", Trigger.BUTTON)
    assert work_all(runner) == 1
    answer, current, second = answers
    assert answer == "already running"
    assert (current.job, current.trigger, current.progress.done) == ("crm", Trigger.BUTTON, 3)
    assert second is False
    assert runner.current() is None


def test_who_asks_is_told_how_long_the_step_will_still_take(box):
    answers = []

    def ask(watch: Watch) -> None:
        for place in range(2):  # the second disk begins anew
            watch.report(StepName.VERIFY, 0, 100)
            answers.append(runner.current().left(box.clock.monotonic()))
            box.clock.forward(timedelta(seconds=10))
            watch.report(StepName.VERIFY, 50 // (place + 1), 100)
            answers.append(runner.current().left(box.clock.monotonic()))

    runner = runner_for(box, crm=ask)
    runner.submit("crm", Trigger.BUTTON)
    work_all(runner)
    assert answers == [None, timedelta(seconds=10), None, timedelta(seconds=30)]


def test_nobody_can_ask_for_what_does_not_exist(box: Box) -> None:
    with pytest.raises(KeyError):
        runner_for(box, crm=nothing).submit("other", Trigger.PAGE)


def test_F8_a_thousand_requests_in_any_order_never_run_two_at_once(box: Box) -> None:
    inside, most, seed = [0], [0], random.Random(8)

    def count(watch: Watch) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        inside[0] -= 1

    runner = runner_for(box, a=count, b=count, c=count)
    asked = {"queued": 0, "already waiting": 0, "already running": 0}
    lock = threading.Lock()

    def ask(wishes: list[tuple[str, Trigger, str]]) -> None:
        for wish in wishes:
            answer = runner.submit(*wish)
            with lock:
                asked[answer] += 1

    triggers = [Trigger.SCHEDULE, Trigger.BUTTON, Trigger.PAGE, Trigger.DISK]
    wishes = [(seed.choice("abc"), seed.choice(triggers), "") for _ in range(1000)]
    worker = threading.Thread(target=runner.work, daemon=True)
    worker.start()
    askers = [threading.Thread(target=ask, args=(wishes[each::4],)) for each in range(4)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join()
    while runner.waiting():
        runner.work_one()
    assert runner.stop()
    worker.join()
    assert most[0] == 1
    assert sum(asked.values()) == 1000
    assert len(box.ledger.runs(limit=2000)) == asked["queued"]


def test_what_says_retry_is_tried_after_5_15_and_then_every_60_minutes_six_times_in_all(
    box: Box,
) -> None:
    runner = runner_for(box, crm=raising(SourceUnreachable("no answer")))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    pauses = []
    while runner.work_one():
        if not runner.waiting():
            break
        (waiting,) = runner.waiting()
        assert not runner.work_one()
        pauses.append(waiting.not_before - box.clock.monotonic())
        box.clock.forward(timedelta(seconds=pauses[-1]))
    assert pauses == [300, 900, 3600, 3600, 3600]
    assert len(box.ledger.runs()) == MOST_ATTEMPTS


def test_the_pauses_are_spread_so_that_a_thousand_boxes_do_not_knock_at_once(box: Box) -> None:
    runner = Runner(box.kit, {"crm": job(box, "crm", raising(RepositoryBusy("in use")))})
    runner.submit("crm", Trigger.BUTTON)
    runner.work_one()
    assert 240 <= runner.waiting()[0].not_before - box.clock.monotonic() <= 360


def test_C16_how_long_the_server_asked_us_to_wait_is_honoured(box: Box) -> None:
    asked = SourceUnreachable("busy", retry_after=timedelta(hours=3))
    runner = runner_for(box, crm=raising(asked))
    runner.submit("crm", Trigger.BUTTON)
    runner.work_one()
    assert runner.waiting()[0].not_before - box.clock.monotonic() == 3 * 3600


@pytest.mark.parametrize(
    ("trouble", "again"),
    [
        (SourceUnreachable("busy", retry_after=timedelta(hours=3)), 3 * 3600),
        (ExportNotReady("being made"), 300),
        (SourceRefused("login"), None),
    ],
)
def test_a_part_that_did_not_come_is_tried_again_though_the_rest_is_stored(
    box: Box, trouble: ApplianceError, again: int | None
) -> None:
    def do(trigger: Trigger, watch: Watch, slot: str) -> Ended:
        return record(
            box.kit, "crm", trigger, watch, lambda journal, _: journal.warn(trouble), slot
        )

    runner = Runner(box.kit, {"crm": do}, spread=lambda low, high: 1.0)
    runner.submit("crm", Trigger.INBOX)
    runner.work_one()
    now = box.clock.monotonic()
    assert [each.not_before - now for each in runner.waiting()] == [again] * bool(again)


@pytest.mark.parametrize("error", [SourceRefused("login"), ValueError("bug"), Cancelled("stop")])
def test_C16_what_a_person_must_mend_is_not_tried_again(box: Box, error: Exception) -> None:
    runner = runner_for(box, crm=raising(error))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    assert work_all(runner) == 1
    assert runner.waiting() == ()


def test_a_person_who_asks_does_not_wait_for_the_next_attempt(box: Box) -> None:
    runner = runner_for(box, crm=raising(SourceUnreachable("no answer")))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    runner.work_one()
    assert runner.submit("crm", Trigger.BUTTON) == "already waiting"
    assert runner.work_one()


def test_a_new_slot_gives_a_waiting_job_its_attempts_back(box: Box) -> None:
    runner = runner_for(box, crm=raising(SourceUnreachable("no answer")))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    runner.work_one()
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-22")
    assert runner.waiting()[0].attempt == 1
    runner.work_one()
    assert box.ledger.slots("crm") == {"2026-11-21", "2026-11-22"}


@pytest.mark.parametrize("trouble", [DiskAbsent, DiskReadOnly, WrongDisk])
def test_F9_what_lacks_a_disk_runs_when_it_comes(box: Box, trouble: type[ApplianceError]) -> None:
    runner = runner_for(box, crm=raising(trouble("away")), site=nothing)
    for name in ("crm", "site"):
        runner.submit(name, Trigger.SCHEDULE, "2026-11-21")
    work_all(runner)
    assert runner.parked() == {"crm"}
    assert not runner.work_one()
    runner.disk_arrived("disk-a")
    assert [(one.job, one.trigger) for one in runner.waiting()] == [("crm", Trigger.DISK)]


def test_F9_a_disk_that_nobody_announces_is_looked_for_again_and_again_until_it_is_here(
    box: Box,
) -> None:
    looked = []

    def look(watch: Watch) -> None:
        looked.append(box.clock.monotonic())
        if len(looked) < 10:
            raise DiskAbsent("away")

    runner = runner_for(box, crm=look)
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    while runner.work_one() and runner.waiting():
        (waiting,) = runner.waiting()
        box.clock.forward(timedelta(seconds=waiting.not_before - box.clock.monotonic()))
    pauses = [after - before for before, after in pairwise(looked)]
    assert pauses == [300, 900, *[3600] * 7]
    assert runner.parked() == frozenset()
    assert box.ledger.runs()[0].outcome is Outcome.OK


def test_F9_a_newer_slot_takes_the_place_of_the_one_that_waits_for_a_disk(box: Box) -> None:
    runner = runner_for(box, crm=raising(DiskAbsent("away")))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    runner.work_one()
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-22")
    (waiting,) = runner.waiting()
    assert (waiting.slot, waiting.attempt) == ("2026-11-22", 1)
    assert box.ledger.slots("crm") == {"2026-11-21"}


def without_disk_b(box: Box) -> Runner:
    """A runner whose one backup is done, on the disk that is here."""

    def back_up(trigger: Trigger, watch: Watch, slot: str) -> Ended:
        return pipeline.back_up(box.source, trigger, box.kit, watch, slot)

    runner = Runner(box.kit, {"crm": back_up})
    box.disk_b.errors["id"] = DiskAbsent("disk-b is away.")
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    work_all(runner)
    return runner


def test_a_backup_that_went_without_one_of_several_disks_does_not_bother_the_server_again(
    box: Box,
) -> None:
    runner = without_disk_b(box)
    assert runner.waiting() == ()
    assert runner.parked() == {"crm"}


def test_F9_a_backup_that_went_without_one_disk_catches_up_when_it_comes(box: Box) -> None:
    runner = without_disk_b(box)
    assert box.disk_b.held == {}
    del box.disk_b.errors["id"]
    runner.disk_arrived("disk-b")
    work_all(runner)
    assert box.disk_b.archives() == box.disk_a.archives()
    assert runner.parked() == frozenset()


@pytest.mark.parametrize("lacking", [["crm"], []])
def test_F8_a_disk_that_comes_while_the_job_runs_gets_a_run_of_its_own(
    box: Box, lacking: list[str]
) -> None:
    """It was looked for at the beginning: until the next night it would stay without a backup."""
    looked = []

    def look_then_plug(watch: Watch) -> None:
        looked.append(box.clock.monotonic())
        if len(looked) == 1:
            runner.disk_arrived("disk-a", lacking)
            raise DiskAbsent("away")

    runner = runner_for(box, crm=look_then_plug)
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    assert work_all(runner) == 2
    assert [run.trigger for run in box.ledger.runs()] == [Trigger.DISK, Trigger.SCHEDULE]
    assert runner.waiting() == ()


def test_a_disk_that_comes_while_a_job_runs_and_lacks_nothing_makes_no_run(box: Box) -> None:
    runner = runner_for(box, crm=lambda watch: runner.disk_arrived("disk-a"))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    assert work_all(runner) == 1


def test_a_cloud_that_was_away_is_tried_again_by_a_run_of_its_own(box: Box) -> None:
    jobs: dict[str, Work] = {
        "crm": lambda trigger, watch, slot: pipeline.back_up(
            box.source, trigger, box.kit, watch, slot
        ),
        "mirror:cloud": lambda trigger, watch, slot: mirroring.bring_up_to_date(
            box.cloud, trigger, box.kit, watch, slot
        ),
    }
    runner = Runner(box.kit, jobs)
    box.cloud.error = MirrorUnreachable("no answer")
    runner.submit("crm", Trigger.BUTTON)
    work_all(runner)
    assert [one.job for one in runner.waiting()] == ["mirror:cloud"]
    box.cloud.error = None
    box.clock.forward(timedelta(minutes=6))
    work_all(runner)
    assert box.copies("cloud") == set(box.disk_a.held)


def test_F11_a_waiting_run_is_cancelled_and_its_slot_does_not_come_back(box: Box) -> None:
    runner = runner_for(box, crm=nothing)
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    assert runner.cancel("crm")
    assert not runner.cancel("crm")
    assert work_all(runner) == 0
    assert box.ledger.runs()[0].outcome is Outcome.CANCELLED
    assert box.ledger.slots("crm") == {"2026-11-21"}


def test_F11_a_running_run_is_cancelled_and_not_tried_again(box: Box) -> None:
    def cancel_me(watch: Watch) -> None:
        assert runner.cancel("crm")
        watch.check()

    runner = runner_for(box, crm=cancel_me)
    runner.submit("crm", Trigger.BUTTON)
    assert work_all(runner) == 1
    assert box.ledger.runs()[0].outcome is Outcome.CANCELLED


def test_F12_stop_cancels_what_runs_and_the_next_start_begins_it_anew(box: Box) -> None:
    running = threading.Event()

    def wait(watch: Watch) -> None:
        running.set()
        assert watch.cancel.wait(10)
        watch.check()

    runner = runner_for(box, crm=wait)
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    worker = threading.Thread(target=runner.work, daemon=True)
    worker.start()
    assert running.wait(10)
    assert runner.stop()
    worker.join(10)
    assert not worker.is_alive()
    assert box.ledger.runs()[0].outcome is Outcome.CANCELLED

    again = runner_for(box, crm=nothing)
    again.start_up()
    assert [(one.job, one.trigger) for one in again.waiting()] == [("crm", Trigger.CATCH_UP)]
    work_all(again)
    third = runner_for(box, crm=nothing)
    third.start_up()
    assert third.waiting() == ()


def test_F12_an_idle_worker_stops_at_once(box: Box) -> None:
    runner = runner_for(box, crm=nothing)
    worker = threading.Thread(target=runner.work, daemon=True)
    worker.start()
    assert runner.stop(timedelta(seconds=1))
    worker.join(10)
    assert not worker.is_alive()


def test_F3_what_a_power_cut_interrupted_is_begun_anew_with_locks_and_staging_cleared(
    box: Box,
) -> None:
    box.ledger.begin("crm", Trigger.SCHEDULE, box.clock.now(), "2026-11-21")
    (box.staging.open(1) / "customers.csv").write_text("Ada")
    runner = runner_for(box, crm=nothing)
    runner.start_up()
    assert box.ledger.runs()[0].outcome is Outcome.INTERRUPTED
    assert [one.job for one in runner.waiting()] == ["crm"]
    assert list(box.staging.root.iterdir()) == []
    assert runner.work_one()
    assert (box.disk_a.locks_broken, box.disk_b.locks_broken) == (1, 1)


def test_F3_a_command_that_starts_first_does_not_swallow_what_the_daemon_left(box: Box) -> None:
    box.ledger.begin("crm", Trigger.SCHEDULE, box.clock.now(), "2026-11-21")
    runner_for(box, crm=nothing).start_up()  # `appliance run`, for another source
    daemon = runner_for(box, crm=nothing)
    daemon.start_up()
    assert [one.job for one in daemon.waiting()] == ["crm"]
    work_all(daemon)
    later = runner_for(box, crm=nothing)
    later.start_up()
    assert later.waiting() == ()


def test_F3_at_a_start_while_somebody_restores_nothing_of_theirs_is_touched(box: Box) -> None:
    restoring = box.ledger.begin("restore:crm", Trigger.COMMAND, box.clock.now())
    customers = box.staging.open(restoring.id) / "customers.csv"
    customers.write_text("Ada")
    runner = runner_for(box, crm=raising(SourceUnreachable("no answer")))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    runner.work_one()
    again = runner_for(box, crm=nothing)
    again.start_up(alone=False)
    again.break_locks()
    run = box.ledger.run(restoring.id)
    assert run is not None
    assert run.outcome is None
    assert customers.read_text() == "Ada"
    assert box.disk_a.locks_broken == 0
    assert [one.job for one in again.waiting()] == ["crm"], "what is known to be due is done"


def test_a_disk_that_is_away_at_the_start_does_not_hinder_it(box: Box) -> None:
    box.disk_a.errors["break_stale_lock"] = DiskAbsent("away")
    runner = runner_for(box, crm=nothing)
    runner.start_up()
    runner.break_locks()
    assert box.disk_b.locks_broken == 1
    assert box.disk_a.released == 1, "it may have been attached all the same"


def test_D19_another_configuration_attaches_no_disk_for_locks_that_were_cleared_before(
    box: Box,
) -> None:
    runner = runner_for(box, crm=nothing)
    runner.start_up(undisturbed=None)
    runner.break_locks()
    assert (box.disk_a.locks_broken, box.disk_b.locks_broken) == (0, 0)


@pytest.mark.parametrize("error", [RepositoryBusy("in use"), OSError("bug")])
def test_D19_a_disk_whose_lock_cannot_be_broken_is_let_go_and_the_worker_lives(
    box: Box, error: Exception
) -> None:
    box.disk_a.errors["break_stale_lock"] = error
    runner = runner_for(box, crm=nothing)
    runner.start_up()
    assert not runner.work_one()
    assert (box.disk_a.released, box.disk_b.locks_broken) == (1, 1)


def test_A3_locks_are_looked_for_once_before_the_first_job_and_not_by_the_start(box: Box) -> None:
    """A disk is checked first: the start has minutes, the check may take an hour."""
    seen: list[int] = []
    runner = runner_for(box, crm=lambda watch: seen.append(box.disk_a.locks_broken))
    runner.start_up()
    assert box.disk_a.calls == []
    for _ in range(2):
        runner.submit("crm", Trigger.BUTTON)
        work_all(runner)
    assert seen == [1, 1]


def test_F8_no_lock_is_broken_while_somebody_restores_who_began_after_the_start(box: Box) -> None:
    restoring = [True]
    runner = runner_for(box, crm=nothing)
    runner.start_up(undisturbed=lambda: nullcontext(not restoring[0]))
    runner.submit("crm", Trigger.BUTTON)
    assert runner.work_one(), "the backup does not wait for it"
    assert box.disk_a.locks_broken == 0
    restoring.clear()
    restoring.append(False)
    runner.work_one()
    assert (box.disk_a.locks_broken, box.disk_b.locks_broken) == (1, 1)


class LongCheck:
    """A disk whose check takes long, until somebody asks to stop."""

    def __init__(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.patience = 10.0
        self.asked = 0
        monkeypatch.setattr(box.disk_a, "break_stale_lock", self._check)

    def _check(self, watch: Watch) -> None:
        self.asked += 1
        self.begun.set()
        watch.cancel.wait(self.patience)
        watch.check()


def test_D14_a_long_check_is_seen_at_work_and_ends_when_the_worker_is_stopped(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = LongCheck(box, monkeypatch)
    runner = runner_for(box, crm=nothing)
    runner.start_up()
    worker = threading.Thread(target=runner.work, daemon=True)
    worker.start()
    assert check.begun.wait(10)
    assert runner.moved() == box.clock.monotonic()
    assert runner.current() is None, "no Run is at work"
    assert runner.stop()
    assert runner.moved() is None
    worker.join(10)
    assert (worker.is_alive(), box.disk_a.released, box.disk_b.calls) == (False, 1, [])


def test_D1_a_check_that_weak_power_ended_is_made_anew(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = LongCheck(box, monkeypatch)
    runner = runner_for(box, crm=nothing)
    runner.start_up()
    first = threading.Thread(target=runner.work_one, daemon=True)
    first.start()
    assert check.begun.wait(10)
    runner.hold()
    first.join(10)
    assert not runner.work_one()
    assert check.asked == 1
    check.patience = 0.0
    runner.resume()
    runner.work_one()
    assert (check.asked, box.disk_b.locks_broken) == (2, 1)


def test_attempts_that_were_still_to_come_survive_a_restart(box: Box) -> None:
    runner = runner_for(box, crm=raising(SourceUnreachable("no answer")))
    runner.submit("crm", Trigger.SCHEDULE, "2026-11-21")
    runner.work_one()
    again = runner_for(box, crm=nothing)
    again.start_up()
    assert [one.job for one in again.waiting()] == ["crm"]


def test_a_ledger_that_cannot_record_does_not_end_the_worker(box: Box) -> None:
    runner = runner_for(box, crm=nothing)
    runner.submit("crm", Trigger.BUTTON)
    box.ledger.error = ApplianceError("The record could not be used.")
    assert runner.work_one()
    box.ledger.error = None
    runner.submit("crm", Trigger.BUTTON)
    assert runner.work_one()
    assert box.ledger.runs()[0].outcome is Outcome.OK


def test_a_job_that_takes_the_box_down_three_times_waits_for_its_next_slot(box: Box) -> None:
    for day in range(3):
        box.ledger.begin("crm", Trigger.SCHEDULE, box.clock.now(), f"2026-11-{day}")
        runner = runner_for(box, crm=nothing)
        runner.start_up()
        assert len(runner.waiting()) == (1 if day < 2 else 0)


def test_D1_weak_power_ends_what_runs_and_it_is_begun_anew_when_there_is_enough(box: Box) -> None:
    running, ended = threading.Event(), threading.Event()
    times: list[Trigger] = []

    def wait(watch: Watch) -> None:
        running.set()
        if not times:
            assert watch.cancel.wait(10)
            times.append(Trigger.SCHEDULE)
            watch.check()
        ended.set()

    runner = runner_for(box, crm=wait)
    runner.submit("crm", Trigger.SCHEDULE)
    worker = threading.Thread(target=runner.work, daemon=True)
    worker.start()
    assert running.wait(10)
    runner.hold()
    runner.hold()
    assert not ended.is_set()
    runner.submit("crm", Trigger.BUTTON)
    assert not ended.is_set()
    runner.resume()
    assert ended.wait(10)
    runner.stop()
    worker.join(10)


def test_D1_nothing_begins_while_the_power_is_weak(box: Box) -> None:
    runner = runner_for(box, crm=nothing)
    runner.hold()
    runner.submit("crm", Trigger.SCHEDULE)
    assert not runner.work_one()
    runner.resume()
    assert runner.work_one()
