"""When the box says something, played through with a clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from appliance.core.messages import (
    MOST_IN_A_WEEK,
    WELL_FOR,
    Decision,
    Trouble,
    decide,
    memory_as_json,
    memory_from_json,
)

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DISK = Trouble("disk", "disk missing or wrong", "crm: it was not there.", "Plug it in.")
HELD = Trouble("held:crm", "an export looks wrong (crm)", "412 are gone.", "Look.", is_urgent=True)
OLD = Trouble("old:crm", "a copy is getting old (crm)", "It is old.", "Look.", patience=DAY)
VOLTAGE = Trouble("part:power", "The voltage was low", "It was.", "Use another.", is_lasting=False)


class Life:
    """One box: what is wrong now, and what was said so far."""

    def __init__(self) -> None:
        self.now = START
        self.memory = {}
        self.said: list[tuple[datetime, Decision]] = []

    def look(self, *troubles: Trouble, quiet: bool = False, busy: bool = False) -> Decision:
        # Through JSON, as it lies in the ledger between two looks.
        kept = memory_from_json(memory_as_json(self.memory))
        done = decide(troubles, kept, self.now, is_quiet=quiet, is_busy=busy)
        self.memory = done.memory
        if done.says_something:
            self.said.append((self.now, done))
        return done

    def live(self, length: timedelta, *troubles: Trouble, each: timedelta = HOUR, **how) -> None:
        until = self.now + length
        while self.now < until:
            self.now += each
            self.look(*troubles, **how)


@pytest.fixture
def life() -> Life:
    return Life()


def test_F14_one_trouble_is_one_message_and_a_reminder_each_week(life) -> None:
    assert life.look(DISK).begun == (DISK,)
    life.live(6 * DAY + 23 * HOUR, DISK)
    assert len(life.said) == 1
    life.live(2 * HOUR, DISK)
    life.live(6 * DAY, DISK)
    assert [bool(done.lasting) for _, done in life.said] == [False, True]
    life.live(2 * DAY, DISK)
    assert len(life.said) == 3


def test_all_is_well_again_is_said_once_and_not_within_the_first_hour(life) -> None:
    life.look(DISK)
    life.live(WELL_FOR - MINUTE, each=MINUTE)
    assert len(life.said) == 1
    life.live(3 * DAY)
    (_, first), (_, last) = life.said
    assert (first.over, last.over) == ((), (DISK.headline,))


def test_nobody_is_told_that_all_is_well_who_was_not_told_of_a_trouble(life) -> None:
    life.live(23 * HOUR, OLD)
    life.live(3 * DAY)
    assert life.said == []


def test_what_mostly_mends_itself_is_told_when_it_does_not(life) -> None:
    life.live(DAY + 2 * HOUR, OLD)
    assert [done.begun for _, done in life.said] == [(OLD,)]


def test_a_second_trouble_is_told_and_all_is_well_only_after_both(life) -> None:
    life.look(DISK)
    life.now += HOUR
    assert life.look(DISK, HELD).begun == (HELD,)
    life.live(DAY, HELD)
    assert len(life.said) == 2
    life.live(2 * HOUR)
    assert set(life.said[-1][1].over) == {DISK.headline, HELD.headline}


@pytest.mark.parametrize("here", [MINUTE, 20 * MINUTE, 5 * HOUR, DAY])
@pytest.mark.parametrize("away", [MINUTE, 20 * MINUTE, 5 * HOUR, DAY])
def test_F14_a_disk_that_comes_and_goes_for_a_week_makes_three_messages_at_most(
    life, here: timedelta, away: timedelta
) -> None:
    while life.now < START + timedelta(days=28):
        life.live(away, DISK, each=min(away, 30 * MINUTE))
        life.live(here, each=min(here, 30 * MINUTE))
    times = [when for when, _ in life.said]
    for first in times:
        within = [when for when in times if first <= when < first + timedelta(days=7)]
        assert len(within) <= MOST_IN_A_WEEK
    assert times[-1] > START + timedelta(days=14)  # nor is it forgotten


def test_whoever_hears_no_more_of_it_this_week_is_told_so(life) -> None:
    for _ in range(3):
        life.live(HOUR, DISK)
        life.live(3 * HOUR)
    assert [bool(done.restless) for _, done in life.said] == [False, False, True]


def test_the_last_word_is_right_in_the_end(life) -> None:
    for _ in range(10):
        life.live(HOUR, DISK)
        life.live(3 * HOUR)
    life.live(timedelta(days=9))
    assert life.said[-1][1].over == (DISK.headline,)


def test_in_quiet_hours_only_what_cannot_wait_is_said_the_rest_at_their_end(life) -> None:
    life.live(8 * HOUR, DISK, HELD, quiet=True)
    assert [done.begun for _, done in life.said] == [(HELD,)]
    life.look(DISK, HELD)
    assert life.said[-1][1].begun == (DISK,)


def test_what_is_over_before_the_quiet_hours_are_is_never_told(life) -> None:
    life.live(3 * HOUR, DISK, quiet=True)
    life.live(5 * HOUR, quiet=True)
    life.live(DAY)
    assert life.said == []


def test_while_something_runs_nobody_is_told_that_all_is_well(life) -> None:
    life.look(DISK)
    life.live(5 * HOUR, busy=True)
    assert len(life.said) == 1
    life.look()
    assert life.said[-1][1].over


def test_what_lights_no_lamp_is_told_once_and_is_not_in_the_way_of_all_is_well(life) -> None:
    life.look(VOLTAGE, DISK)
    life.live(3 * HOUR, VOLTAGE)
    assert life.said[-1][1].over == (DISK.headline,)
    life.live(timedelta(days=30), VOLTAGE)
    assert len(life.said) == 2


def test_a_clock_that_went_back_a_year_neither_silences_nor_floods(life) -> None:
    life.look(DISK)
    life.now -= timedelta(days=365)
    life.live(timedelta(days=8), DISK)
    assert 2 <= len(life.said) <= 3


def test_what_is_remembered_stays_small(life) -> None:
    for number in range(500):
        life.look(Trouble(f"held:{number}", "h", "c", "t"))
        life.now += MINUTE
    life.live(2 * HOUR)
    assert len(life.memory) <= 60
    life.live(8 * DAY)
    assert life.memory == {}


def test_however_much_is_wrong_each_is_told_once(life) -> None:
    many = [Trouble(f"export:{number}", "h", "c", "t") for number in range(200)]
    life.live(5 * HOUR, *many, each=MINUTE)
    assert len(life.said) == 1


def test_what_comes_back_is_told_though_something_else_was_wrong_all_the_time(life) -> None:
    life.live(DAY, DISK, HELD)
    life.live(2 * DAY, DISK)
    assert len(life.said) == 1
    life.live(DAY, DISK, HELD)
    assert [done.begun for _, done in life.said] == [(DISK, HELD), (HELD,)]
    life.live(3 * HOUR)
    assert set(life.said[-1][1].over) == {DISK.headline, HELD.headline}


def test_what_comes_back_and_goes_in_quiet_hours_is_said_to_be_over_in_the_end(life) -> None:
    life.look(DISK)
    life.live(3 * HOUR, quiet=True)
    life.live(HOUR, DISK, quiet=True)
    life.live(2 * HOUR, quiet=True)
    life.look()
    assert life.said[-1][1].over == (DISK.headline,)


def test_what_comes_back_beside_another_trouble_is_told_three_times_a_week_at_most(life) -> None:
    for _ in range(20):
        life.live(2 * HOUR, DISK, OLD)
        life.live(2 * HOUR, OLD)
    assert sum(DISK in done.begun for _, done in life.said) == MOST_IN_A_WEEK


def test_what_cannot_wait_is_told_once_a_day_even_where_it_was_told_too_often(life) -> None:
    for _ in range(24):  # of four hours each
        life.live(2 * HOUR, DISK, HELD)
        life.live(2 * HOUR, DISK)
    times = [when for when, done in life.said if HELD in done.begun]
    assert 5 <= len(times) <= 7
    assert all(b - a >= DAY for a, b in pairwise(times[2:]))


def test_what_gets_worse_is_told_at_once(life) -> None:
    life.live(DAY, replace(HELD, is_urgent=False, cause="It looks wrong."))
    assert len(life.said) == 1
    assert life.look(HELD, quiet=True).begun == (HELD,)
    life.live(DAY, replace(HELD, is_urgent=False))
    life.live(DAY, HELD)
    assert len(life.said) == 2
