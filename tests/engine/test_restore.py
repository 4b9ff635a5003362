"""The way back, over fakes: which archive is chosen, and from which copy it comes."""

from datetime import UTC, datetime, timedelta

import pytest

from appliance.core.errors import ApplianceError, Cancelled, DiskAbsent
from appliance.core.model import Archive, Outcome
from appliance.core.ports import Watch
from appliance.engine.restore import Wish, choose, restore

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
