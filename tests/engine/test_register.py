"""What was asked to be erased, how far that is in each place, and whose last byte is owed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.errors import DiskAbsent
from appliance.engine import memory, register
from tests.engine.erasures import HER, ask, export, run, three_days, told_of
from tests.fakes import Box


@pytest.fixture
def box(box: Box) -> Box:
    three_days(box)
    return box


def a_week_later(box: Box) -> None:
    box.clock.forward(timedelta(days=8))
    box.back_up(export("1,Ann", f"9,{box.clock.now()}"))


def test_the_last_byte_is_owed_to_whom_it_is_not_given_up_yet_and_to_nobody_else(box: Box) -> None:
    first = ask(box)
    run(box)
    assert register.owed(box.ledger, "crm", "disk-a") == (first,)
    a_week_later(box)
    assert register.owed(box.ledger, "crm", "disk-a") == ()
    box.next_day()
    second = ask(box, "1,Ann")
    assert register.owed(box.ledger, "crm", "disk-a") == ()
    run(box)
    assert register.owed(box.ledger, "crm", "disk-a") == (second,)
    assert register.owes_the_last_byte(box.ledger, "disk-a")
    a_week_later(box)
    assert register.owed(box.ledger, "crm", "disk-a") == ()
    assert not register.owes_the_last_byte(box.ledger, "disk-a")


def test_what_is_owed_of_one_source_is_not_of_another(box: Box) -> None:
    ask(box)
    run(box)
    a_week_later(box)
    register.owe_the_last_byte(box.ledger, "site", "disk-a")
    assert register.owes_the_last_byte(box.ledger, "disk-a")
    assert register.owed(box.ledger, "crm", "disk-a") == ()


def test_where_nothing_had_to_be_written_anew_nothing_is_owed(box: Box) -> None:
    ask(box)
    run(box)
    a_week_later(box)
    ask(box, "99,Nobody")
    run(box)
    assert register.owed(box.ledger, "crm", "disk-a") == ()


def test_the_box_itself_gives_back_its_room_at_once(box: Box) -> None:
    """There is no week of waiting where a disk takes all of it away anyway."""
    box.have_disks()
    box.disk_a.errors["id"] = box.disk_b.errors["id"] = DiskAbsent("away")
    box.back_up(export("1,Ann", HER, "5,Eve"))
    box.next_day()
    ask(box)
    run(box)
    assert box.waiting_room is not None
    assert told_of(box.waiting_room) == [False]
    assert box.waiting_room.compacted_all
    assert not register.pending(box.ledger, "crm", memory.WAITING_ROOM)
    assert register.owed(box.ledger, "crm", memory.WAITING_ROOM) == ()
