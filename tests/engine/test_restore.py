"""The way back, over fakes: which archive is chosen, and from which copy it comes."""

from datetime import UTC, datetime, timedelta

import pytest

from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    DiskAbsent,
    DiskFull,
    RepositoryBusy,
)
from appliance.core.model import Archive, Outcome, StepName, Trigger
from appliance.core.ports import Watch
from appliance.engine.restore import FILES, STORED, CloudCopy, Wish, choose, open_up, restore

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


def archive(sequence, *, days_ago=0, held=False):
    time = NOW - timedelta(days=days_ago)
    return Archive(Archive.name_for("crm", time), "crm", time, sequence, "m", held=held)


OLD, MIDDLE, NEW = archive(1, days_ago=3), archive(2, days_ago=2), archive(3)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, NEW),
        (NOW, NEW),
        (NOW - timedelta(seconds=1), MIDDLE),
        (MIDDLE.time, MIDDLE),
        (NOW - timedelta(days=2, seconds=1), OLD),
        (NOW - timedelta(days=9), OLD),
    ],
)
def test_the_newest_at_or_before_a_time_is_chosen_and_the_oldest_where_none_is(at, expected):
    assert choose([NEW, OLD, MIDDLE], at) == expected


def test_a_held_one_is_never_chosen():
    assert choose([OLD, archive(4, held=True)], None) == OLD
    assert choose([archive(4, held=True)], None) is None


def test_the_sequence_decides_where_the_clock_went_back():
    late = archive(9, days_ago=2)

    assert choose([NEW, late], None) == late


def test_nothing_gives_nothing():
    assert choose([], NOW) is None


def wish(**how):
    return Wish("crm", **how)


def restored(box, into, wished=None, watch=None):
    return restore(box.kit, box.repositories, wished or wish(), into, watch or Watch())


def test_files_come_back_and_the_ledger_says_so(box, tmp_path):
    box.back_up("one")

    done = restored(box, tmp_path / "back")

    assert (tmp_path / "back" / "a.csv").read_text() == "one"
    assert done.place == "disk-a"
    run = box.ledger.runs("restore:crm")[0]
    assert (run.outcome, run.archive) == (Outcome.OK, done.archive.name)


def test_a_rotten_copy_is_passed_over_for_the_next_one(box, tmp_path):
    name = box.back_up("one").archive
    box.disk_a.rot(name)

    done = restored(box, tmp_path / "back")

    assert done.place == "disk-b"
    assert (tmp_path / "back" / "a.csv").read_text() == "one"


def test_a_disk_that_is_away_is_passed_over(box, tmp_path):
    box.back_up("one")
    box.disk_a.errors["archives"] = DiskAbsent("disk-a is not here.")

    assert restored(box, tmp_path / "back").place == "disk-b"


def test_what_keeps_the_first_one_out_is_said_where_none_helps(box, tmp_path):
    box.back_up("one")
    for disk in box.repositories:
        disk.errors["archives"] = DiskAbsent(f"{disk.name} is not here.")

    with pytest.raises(DiskAbsent, match="disk-a is not here"):
        restored(box, tmp_path / "back")

    assert box.ledger.runs("restore:crm")[0].outcome is Outcome.FAILED


def test_a_source_without_backups_is_a_sentence(box, tmp_path):
    with pytest.raises(ApplianceError, match="There is no backup of crm on disk-a"):
        restored(box, tmp_path / "back")


def test_a_cancelled_restore_ends_there(box, tmp_path):
    box.back_up("one")
    watch = Watch()
    watch.cancel.set()

    with pytest.raises(Cancelled):
        restored(box, tmp_path / "back", watch=watch)

    assert not (tmp_path / "back").exists()


def test_staging_is_empty_afterwards(box, tmp_path):
    box.back_up("one")
    restored(box, tmp_path / "back")

    assert list((tmp_path / "staging").iterdir()) == []


def opened_up(box, into, archive):
    into.mkdir(exist_ok=True)
    return open_up(box.kit, box.repositories, wish(archive=archive), into, Watch())


def test_one_backup_and_no_other_is_opened_and_what_was_stored_stays(box, tmp_path):
    old = box.back_up("one").archive
    box.clock.forward(timedelta(days=1))
    box.back_up("two")
    done = opened_up(box, tmp_path / "look", old)
    assert done.archive.name == old
    assert (tmp_path / "look" / FILES / "a.csv").read_text() == "one"
    assert (tmp_path / "look" / STORED / "manifest.json").exists()
    run = box.ledger.runs("restore:crm")[0]
    assert (run.trigger, run.outcome, run.archive) == (Trigger.PAGE, Outcome.OK, old)
    assert str(tmp_path) not in run.message


def test_a_backup_that_is_gone_is_not_replaced_by_another(box, tmp_path):
    box.back_up("one")
    with pytest.raises(ApplianceError, match="not on disk-a any more"):
        opened_up(box, tmp_path / "look", "crm-2001-01-01T00:00:00Z")


def test_opening_asks_for_the_room_of_what_it_rebuilds(box, tmp_path):
    archive = box.back_up("one").archive
    box.kit.staging.required.clear()
    opened_up(box, tmp_path / "look", archive)
    stored, rebuilt = box.kit.staging.required
    assert rebuilt == len("one")
    box.kit.staging.room_bytes = min(stored, rebuilt) - 1
    with pytest.raises(DiskFull):
        opened_up(box, tmp_path / "again", archive)


class InUse:
    """Somebody else holds a repository until a moment on the box's clock."""

    def __init__(self, box, disk, until=None):
        self.box, self.disk, self.notes = box, disk, []
        self.until = until
        disk.errors["archives"] = RepositoryBusy(f"{disk.name} is locked.")

    def watch(self):
        return Watch(self.heard)

    def heard(self, progress):
        if progress.unit == "seconds":
            self.notes.append(progress.note)
            self.box.clock.forward(timedelta(seconds=40))
        if self.until is not None and len(self.notes) >= self.until:
            self.disk.errors.clear()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("appliance.engine.restore._LOOK_AGAIN_SECONDS", 0.001)


def test_another_copy_is_taken_before_anybody_waits_for_one_in_use(box, tmp_path):
    box.back_up("one")
    used = InUse(box, box.disk_a)

    assert restored(box, tmp_path / "back", watch=used.watch()).place == "disk-b"
    assert used.notes == []


@pytest.mark.usefixtures("impatient")
def test_the_only_copy_is_waited_for_while_it_is_in_use_and_it_says_so(box, tmp_path):
    box.back_up("one")
    box.repositories = (box.disk_a,)
    used = InUse(box, box.disk_a, until=2)

    assert restored(box, tmp_path / "back", watch=used.watch()).place == "disk-a"
    assert set(used.notes) == {"disk-a is in use. Waiting for it, 2 minutes at most."}


@pytest.mark.usefixtures("impatient")
def test_waiting_ends_after_two_minutes_with_what_to_cancel(box, tmp_path):
    box.back_up("one")
    box.repositories = (box.disk_a,)
    used = InUse(box, box.disk_a)
    box.ledger.begin("mirror:cloud", Trigger.COMMAND, box.clock.now())

    with pytest.raises(RepositoryBusy, match="disk-a is in use") as raised:
        restored(box, tmp_path / "back", watch=used.watch())

    assert "`appliance cancel mirror:cloud`" in raised.value.hint
    assert len(used.notes) == 3


def test_waiting_can_be_cancelled(box, tmp_path):
    box.back_up("one")
    box.repositories = (box.disk_a,)
    box.disk_a.errors["archives"] = RepositoryBusy("locked")
    watch = Watch(lambda progress: watch.cancel.set())

    with pytest.raises(Cancelled):
        restored(box, tmp_path / "back", watch=watch)


def test_B6_a_cloud_copy_is_fetched_into_the_runs_own_folder_as_a_step_of_it(box, tmp_path):
    box.back_up("one")
    box.disk_a.held.clear()
    places = []

    def opened(place):
        places.append(place)
        return box.cloud.opened(place)

    restore(box.kit, CloudCopy(box.cloud, opened), wish(), tmp_path / "back", Watch())

    run = box.ledger.runs("restore:crm")[0]
    assert (tmp_path / "back" / "a.csv").read_text() == "one"
    assert [step.name for step in run.steps] == [StepName.PULL, StepName.VERIFY]
    assert places[0].is_relative_to(tmp_path / "staging" / f"run-{run.id}")
    assert list((tmp_path / "staging").iterdir()) == []


def test_what_staging_has_no_room_for_is_not_taken_out(box, tmp_path):
    box.back_up("x" * 500)
    box.staging.room_bytes = 100

    with pytest.raises(DiskFull, match="are needed"):
        restored(box, tmp_path / "back")

    assert "extract" not in box.disk_a.calls
