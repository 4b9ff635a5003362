"""Erasing where a backup cannot be made again, a disk goes away, or a place says what is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    DiskAbsent,
    DiskFull,
    RepositoryBusy,
    ToolFailed,
)
from appliance.core.model import Outcome
from appliance.core.ports import Watch
from appliance.engine import memory
from appliance.engine.examination import examine
from appliance.engine.register import pending, registered, stuck
from tests.engine.erasures import HER, ask, export, leaves_her, refuse, run, three_days, told_of
from tests.fakes import Box, FakeRepository


@pytest.fixture
def box(box: Box) -> Box:
    """Three days on two disks; she is in the first two of them."""
    three_days(box)
    return box


def picky(box: Box, *refused: int) -> list[str]:
    """Backups that cannot be made again, by their place in the order; return what each of the
    others goes on from, as it is made.
    """
    texts = [files["export/a.csv"].decode() for files in box.disk_a.contents()]
    without, gone_on_from = box.exports.without, []

    def refusing(root: Path, before: Path | None, *more):
        if (root / "export/a.csv").read_text() in [texts[one] for one in refused]:
            refuse()
        gone_on_from.append((before / "export/a.csv").read_text() if before else "")
        return without(root, before, *more)

    box.exports.without = refusing
    return gone_on_from


def cut_off_at(box: Box, number: int) -> None:
    """Somebody stops the first Run that takes this one out, by its place in the order."""
    extract, name = box.disk_a.extract, box.disk_a.archives()[number].name

    def stopped(archive: str, *more) -> None:
        if archive == name:
            box.disk_a.extract = extract
            raise Cancelled("stop")
        extract(archive, *more)

    box.disk_a.extract = stopped


@pytest.mark.parametrize("refused", [0, 1])
def test_what_cannot_be_made_again_is_known_to_the_next_run_too_and_nothing_goes_on_from_it(
    box: Box, refused: int
) -> None:
    ask(box)
    gone_on_from = picky(box, refused)
    cut_off_at(box, 2)
    assert run(box).outcome is Outcome.CANCELLED
    run(box)
    assert not pending(box.ledger, "crm", "disk-a")
    names = [one.name for one in box.disk_a.archives()]
    for disk in (box.disk_a, box.disk_b):
        assert told_of(disk) == [one == refused for one in range(3)]
        assert stuck(box.ledger, "crm", disk.name) == {names[refused]}
    assert not any(HER in text for text in gone_on_from)
    assert gone_on_from[-1], "the newest good one before it is what the last goes on from"


def test_what_could_not_be_made_again_and_can_be_now_is_done_with_the_next_request(
    box: Box,
) -> None:
    ask(box)
    picky(box, 0)
    run(box)
    assert stuck(box.ledger, "crm", "disk-a")
    del box.exports.without
    ask(box, "2,Bo")
    run(box)
    assert told_of(box.disk_a) == [False] * 3
    assert not stuck(box.ledger, "crm", "disk-a")


def test_what_could_not_be_made_again_is_stuck_no_more_when_it_is_gone(box: Box) -> None:
    ask(box)
    picky(box, 0)
    run(box)
    (name,) = stuck(box.ledger, "crm", "disk-a")
    box.ledger.drop_copies("disk-a", [name])
    assert not stuck(box.ledger, "crm", "disk-a")


PASSING = [DiskAbsent, RepositoryBusy, DiskFull, ToolFailed]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: error.__name__)
def test_a_disk_that_fails_in_the_middle_is_not_done_and_the_next_run_goes_on(
    box: Box, error: type[ApplianceError]
) -> None:
    box.repositories = (box.disk_a,)
    ask(box)
    replace_it = box.disk_a.replace

    def pulled_out_afterwards(*what) -> None:
        replace_it(*what)
        box.disk_a.errors |= {"extract": error("It is gone."), "replace": error("It is gone.")}

    box.disk_a.replace = pulled_out_afterwards
    said = run(box).message
    assert "2 backups of crm still to be written anew." not in said, "she is in one of them"
    assert pending(box.ledger, "crm", "disk-a")
    assert not stuck(box.ledger, "crm", "disk-a")
    box.disk_a.replace = replace_it
    box.disk_a.errors.clear()
    run(box)
    assert told_of(box.disk_a) == [False] * 3
    assert not pending(box.ledger, "crm", "disk-a")


def test_a_damaged_backup_stands_in_the_way_of_no_other_until_the_disk_is_found_whole(
    box: Box,
) -> None:
    box.repositories, box.mirrors = (box.disk_a,), ()
    oldest, *_ = box.disk_a.archives()
    _, files = box.disk_a.held[oldest.name]
    whole = files["export/a.csv"]
    box.disk_a.rot(oldest.name)
    ask(box)
    run(box)
    assert told_of(box.disk_a) == [False] * 3, "nothing can be read of the first"
    assert not pending(box.ledger, "crm", "disk-a")
    assert stuck(box.ledger, "crm", "disk-a") == {oldest.name}
    files["export/a.csv"] = whole
    assert examine("disk-a", box.kit, Watch()).run.outcome is Outcome.OK
    assert pending(box.ledger, "crm", "disk-a")
    run(box)
    assert told_of(box.disk_a) == [False] * 3
    assert not stuck(box.ledger, "crm", "disk-a")


def test_without_room_to_work_in_nothing_is_done_nor_given_up(box: Box) -> None:
    ask(box)
    box.staging.room_bytes = 50
    assert run(box).outcome is Outcome.WARNING
    for room in (1 << 40, 0):
        assert bool(pending(box.ledger, "crm", "disk-a")) is (room > 0)
        assert not stuck(box.ledger, "crm", "disk-a")
        box.staging.room_bytes = 1 << 40
        run(box)
    assert told_of(box.disk_a) == told_of(box.disk_b) == [False] * 3


def test_room_that_runs_out_while_one_is_made_again_says_nothing_of_it(box: Box) -> None:
    def without_room(*_: object) -> None:
        raise DiskFull("There is no room left.")

    ask(box)
    box.exports.without = without_room
    run(box)
    assert pending(box.ledger, "crm", "disk-a")
    assert not stuck(box.ledger, "crm", "disk-a")


def test_one_that_still_has_her_when_it_is_made_again_is_put_nowhere(box: Box) -> None:
    ask(box)
    box.exports.without = leaves_her(box)
    run(box)
    assert "replace" not in box.disk_a.calls
    names = [one.name for one in box.disk_a.archives()]
    assert stuck(box.ledger, "crm", "disk-a") == {*names[:2]}


def test_what_a_place_gives_that_says_it_is_done_is_looked_through(box: Box) -> None:
    held = dict(box.disk_a.held)
    box.disk_b.errors["id"] = DiskAbsent("away")
    ask(box)
    run(box)
    oldest = box.disk_a.archives()[0].name
    box.disk_a.held[oldest] = held[oldest]  # however that came to be
    del box.disk_b.errors["id"]
    run(box)
    assert told_of(box.disk_b) == [False] * 3
    assert pending(box.ledger, "crm", "disk-a"), "and it is not believed any more"
    run(box)
    assert told_of(box.disk_a) == [False] * 3


def gone_on_from(box: Box) -> list[str]:
    """What each new backup is compared with, as it is laid out."""
    lay_out, texts = box.exports.lay_out, []

    def told(what, previous: Path | None, *more):
        texts.append((previous / "export/a.csv").read_text() if previous else "")
        return lay_out(what, previous, *more)

    box.exports.lay_out = told
    return texts


def test_the_next_backup_goes_on_from_none_that_could_not_be_made_again(box: Box) -> None:
    box.back_up(export("1,Ann", HER, "4,Di"))
    box.next_day()
    ask(box)
    picky(box, 3)
    run(box)
    assert stuck(box.ledger, "crm", "disk-a")
    bases = gone_on_from(box)
    night = box.back_up(export("1,Ann", "4,Di"))
    assert night.outcome is Outcome.OK
    assert bases == [export("1,Ann", "2,Bo")], "the good one before it"
    box.back_up(export("1,Ann", "4,Di", "5,Ed"))
    assert bases[1:] == [export("1,Ann", "4,Di")]


def test_where_none_could_be_made_again_the_next_backup_goes_on_from_nothing(box: Box) -> None:
    ask(box)
    box.exports.without = refuse
    run(box)
    bases = gone_on_from(box)
    assert box.back_up(export("1,Ann")).outcome is Outcome.OK
    assert bases == [""]


def test_a_newest_backup_that_could_not_be_made_again_is_not_passed_off_as_the_new_one(
    box: Box,
) -> None:
    """The server has nothing new: the disk that lacks it gets one that is made now."""
    box.back_up(export("1,Ann", HER, "4,Di"))
    ask(box)
    picky(box, 3)
    run(box)
    box.source.knows = True
    night = box.back_up()
    assert night.outcome is Outcome.OK
    assert night.archive == box.disk_a.archives()[-1].name


def test_who_is_asked_for_while_a_backup_is_being_made_is_taken_out_of_that_one_too(
    box: Box,
) -> None:
    box.back_up(export("1,Ann", HER))
    box.next_day()
    lay_out = box.exports.lay_out

    def meanwhile(*what):
        box.exports.lay_out = lay_out
        laid_out = lay_out(*what)
        ask(box)
        return laid_out

    box.exports.lay_out = meanwhile
    box.back_up(export("1,Ann", "9,New"))
    (erasure,) = registered(box.ledger, "crm")
    assert erasure.upto > box.disk_a.archives()[-1].sequence
    assert "replace" in box.disk_a.calls
    assert told_of(box.disk_a) == [False] * 5
    assert not pending(box.ledger, "crm", "disk-a")


@pytest.fixture
def new_disk(box: Box) -> FakeRepository:
    """She is asked for, and erased, while the old disk is away and a new one has one backup."""
    box.mirrors = ()
    box.disk_b.errors["id"] = DiskAbsent("away")
    memory.forget_place(box.ledger, "disk-a")
    new = FakeRepository("disk-a", box.power)
    new.identity = "f" * 64
    box.repositories = (new, box.disk_b)
    box.adopt(new)
    box.back_up(export("1,Ann", "2,Bo", "5,Ed"))
    box.next_day()
    ask(box)
    run(box)
    assert not pending(box.ledger, "crm", "disk-a")
    return new


def test_a_disk_that_is_done_is_brought_nothing_that_still_has_her(
    box: Box, new_disk: FakeRepository
) -> None:
    box.disk_b.errors = {"replace": DiskFull("full")}
    night = box.back_up(export("1,Ann", "2,Bo", "6,Fay"))
    assert not any(told_of(new_disk))
    assert "still to bring to disk-a" in night.message
    box.disk_b.errors.clear()
    box.next_day()
    box.back_up(export("1,Ann", "2,Bo", "8,Fay"))
    for disk in (new_disk, box.disk_b):
        assert told_of(disk) == [False] * 6
        assert not pending(box.ledger, "crm", disk.name)


def test_one_that_could_not_be_made_again_stays_where_it_is_and_that_is_said(
    box: Box, new_disk: FakeRepository
) -> None:
    box.disk_a = box.disk_b
    picky(box, 0)
    box.disk_b.errors.clear()
    box.back_up(export("1,Ann", "2,Bo", "6,Fay"))
    box.next_day()
    night = box.back_up(export("1,Ann", "2,Bo", "8,Fay"))
    assert told_of(new_disk) == [False] * 5
    assert told_of(box.disk_b) == [True] + [False] * 5
    words = "1 backup not brought to disk-a: what was to be erased could not be taken out."
    assert night.message.count(words) == 1
    assert "still to bring" not in night.message
    assert night.outcome is Outcome.OK
