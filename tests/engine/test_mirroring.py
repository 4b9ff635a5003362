from __future__ import annotations

from datetime import timedelta

from appliance.core.errors import DiskAbsent, MirrorRefused, MirrorUnreachable, RepositoryDamaged
from appliance.core.model import Outcome, StepName, Trigger
from appliance.core.ports import Watch
from appliance.engine import mirroring, pipeline
from appliance.engine.memory import cloud_keeps
from tests.fakes import Box


def push(box: Box):
    return mirroring.bring_up_to_date(box.cloud, Trigger.SCHEDULE, box.kit, Watch(), "2026-11-21")


def test_B3_the_mirror_comes_after_every_verification(box: Box) -> None:
    run = box.back_up()
    names = [step.name for step in run.steps if (step.name, step.target) != ("verify", "cloud")]
    assert names.index(StepName.MIRROR) > max(
        index for index, name in enumerate(names) if name is StepName.VERIFY
    )


def test_B3_nothing_that_failed_its_verification_is_mirrored(box: Box) -> None:
    box.back_up("one")
    box.next_day()
    box.disk_a.errors["hashes"] = RepositoryDamaged("rotten")
    run = box.back_up("two")
    assert run.outcome is Outcome.WARNING
    assert box.cloud.pushes == 1
    assert len(box.cloud.held) == 1


def test_B2_a_disk_that_was_emptied_costs_the_cloud_nothing(box: Box) -> None:
    box.back_up("one")
    box.disk_a.held.clear()
    box.next_day()
    box.back_up("two")
    assert len(box.cloud.held) == 2


def test_a_cloud_that_does_not_answer_is_a_warning_and_worth_another_try(box: Box) -> None:
    box.cloud.error = MirrorUnreachable("no answer")
    ended = pipeline.back_up(box.source, Trigger.COMMAND, box.kit, Watch())
    assert ended.run.outcome is Outcome.WARNING
    assert ended.unmirrored == ("cloud",)
    assert box.copies("disk-a") == {ended.run.archive}


def test_a_cloud_that_refuses_is_a_warning_and_not_tried_again(box: Box) -> None:
    box.cloud.error = MirrorRefused("no")
    ended = pipeline.back_up(box.source, Trigger.COMMAND, box.kit, Watch())
    assert ended.run.outcome is Outcome.WARNING
    assert ended.unmirrored == ()


def test_a_mirror_run_of_its_own_brings_what_is_missing(box: Box) -> None:
    box.mirrors = ()
    first = box.back_up()
    ended = push(box)
    assert ended.run.outcome is Outcome.OK
    assert ended.run.source == "mirror:cloud"
    assert box.copies("cloud") == {first.archive}
    assert box.ledger.slots("mirror:cloud") == {"2026-11-21"}


def test_a_mirror_run_without_its_disk_waits_for_it(box: Box) -> None:
    box.disk_a.errors["id"] = DiskAbsent("away")
    ended = push(box)
    assert isinstance(ended.error, DiskAbsent)
    assert box.cloud.pushes == 0


def test_a_damaged_disk_is_not_mirrored_by_a_run_of_its_own_either(box: Box) -> None:
    box.mirrors = ()
    box.back_up()
    box.ledger.note("damaged:disk-a", "rotten")
    ended = push(box)
    assert isinstance(ended.error, RepositoryDamaged)
    assert box.cloud.pushes == 0


def test_a_mirror_run_proves_what_nobody_proved_first(box: Box) -> None:
    box.mirrors = ()
    run = box.back_up()
    box.lose_the_ledger()
    box.disk_a.rot(run.archive)
    assert push(box).run.outcome is Outcome.FAILED
    assert box.cloud.pushes == 0


def test_B8_a_quiet_day_looks_at_the_cloud_once(box: Box) -> None:
    box.back_up("one")
    pushes = box.cloud.pushes
    for _ in range(5):
        box.clock.forward(timedelta(hours=1))
        assert box.back_up().outcome is Outcome.SKIPPED
    assert box.cloud.pushes == pushes
    box.next_day()
    for _ in range(3):
        box.clock.forward(timedelta(hours=1))
        box.back_up()
    assert box.cloud.pushes == pushes + 1
    seen = {copy.verified for copy in box.ledger.copies() if copy.place == "cloud"}
    assert max(seen).date() == box.clock.now().date()


def test_B8_a_token_that_died_on_quiet_days_is_said(box: Box) -> None:
    box.back_up("one")
    box.cloud.error = MirrorRefused("The cloud refused.")
    box.next_day()
    run = box.back_up()
    assert run.outcome is Outcome.WARNING
    assert "The cloud refused." in [step.message for step in run.steps]


def test_B4_the_key_is_tried_at_first_and_then_monthly(box: Box) -> None:
    assert cloud_keeps(box.ledger, "cloud") is None
    box.back_up("one")
    assert cloud_keeps(box.ledger, "cloud") is False
    box.cloud.keeps = True
    for day in range(29):
        box.next_day()
        box.back_up(f"{day}")
    assert (box.cloud.tries, cloud_keeps(box.ledger, "cloud")) == (1, False)
    box.next_day()
    box.back_up("a month later")
    assert (box.cloud.tries, cloud_keeps(box.ledger, "cloud")) == (2, True)


def expiring(box: Box) -> Box:
    """A box whose cloud still has an archive that its disks let go."""
    box.cloud.expires_after = timedelta(days=90)
    first = box.back_up("one").archive
    box.next_day()
    box.back_up("two")
    for disk in box.repositories:
        del disk.held[first]
    return box


def test_what_the_disk_let_go_leaves_the_cloud_so_much_later(box: Box) -> None:
    expiring(box)
    for days in (8, 29, 29, 29, 29):
        box.clock.forward(timedelta(days=days))
        box.back_up(f"after {days}")

    assert [len(known) for known in box.cloud.expiries] == [0, 0, 1, 1, 1, 1]
    assert set(box.cloud.held) == set(box.disk_a.held)


def test_the_cloud_is_looked_over_once_a_week(box: Box) -> None:
    expiring(box)
    for _ in range(14):
        box.next_day()
        box.back_up(f"{box.clock.now()}")

    assert len(box.cloud.expiries) == 3


def test_nothing_leaves_the_cloud_on_a_clock_in_doubt(box: Box) -> None:
    expiring(box)
    box.clock.synchronised = False
    box.clock.forward(timedelta(days=200))
    box.back_up("later")

    assert len(box.cloud.expiries) == 1
    assert len(box.cloud.held) == 3


def test_a_cloud_without_expiry_keeps_everything(box: Box) -> None:
    expiring(box).cloud.expires_after = None
    box.cloud.expiries.clear()
    box.clock.forward(timedelta(days=900))
    box.back_up("later")

    assert box.cloud.expiries == []


def test_a_day_without_news_sends_what_the_cloud_still_lacks(box: Box) -> None:
    box.cloud.error = MirrorUnreachable("no answer")
    first = box.back_up()
    box.cloud.error = None
    box.next_day()

    assert box.back_up().outcome is Outcome.SKIPPED
    assert box.copies("cloud") == {first.archive}


def test_the_whole_cloud_copy_is_compared_once_a_month(box: Box) -> None:
    for day in range(62):
        box.back_up(f"day {day // 9}")
        box.next_day()

    assert box.cloud.compared == 3
    assert box.ledger.noted("compared-at:cloud")


def test_a_cloud_that_differs_is_named_in_a_warning_and_no_copy_until_it_compares(
    box: Box,
) -> None:
    first = box.back_up("one")
    archive, _ = box.cloud.held[first.archive]
    box.cloud.held[first.archive] = (archive, {"export/a.csv": b"rotten"})
    box.clock.forward(timedelta(days=31))
    run = box.back_up("two")
    assert run.outcome is Outcome.WARNING
    assert "The cloud copy cloud does not count" in run.message
    assert run.archive in box.copies("disk-a")
    assert box.copies("cloud") == set()

    box.cloud.held[first.archive] = box.disk_a.held[first.archive]
    box.next_day()
    assert box.back_up().outcome is Outcome.SKIPPED
    assert box.copies("cloud") == set(box.disk_a.held)
