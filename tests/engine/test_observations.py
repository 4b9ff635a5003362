"""What is remembered of the machine: bounded, day by day, and not spoilt by a wrong clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.room import Filled
from appliance.core.smart import Answer, Smart
from appliance.engine import observations
from appliance.engine.observations import Asked
from tests.fakes import FakeLedger

DAY = timedelta(days=1)
FIRST = date(2026, 9, 1)
AT = datetime(2026, 11, 21, 3, tzinfo=UTC)
GB = 10**9
TOLD = Smart(AT, Answer.TOLD, passed=True, reallocated=3, temperature_celsius=31)


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


def test_the_room_on_a_disk_is_remembered_by_day_for_four_months(ledger):
    for number in range(200):
        day = FIRST + number * DAY
        observations.record_room(ledger, "disk-a", day, number * GB, 1000 * GB)
    series = observations.room_of(ledger, "disk-a")
    assert len(series) == 120
    assert series[-1] == Filled(FIRST + 199 * DAY, 199 * GB, 1000 * GB)
    assert series[0].day == FIRST + 80 * DAY
    assert observations.weeks_left(ledger, "disk-a") == 114
    assert observations.room_of(ledger, "disk-b") == ()
    assert observations.weeks_left(ledger, "disk-b") is None


def test_the_last_of_a_day_counts_and_the_same_is_not_written_again(ledger):
    observations.record_room(ledger, "disk-a", FIRST, 1, 10)
    observations.record_room(ledger, "disk-a", FIRST, 2, 10)
    written = ledger.power.writes
    observations.record_room(ledger, "disk-a", FIRST, 2, 10)
    assert ledger.power.writes == written
    assert observations.room_of(ledger, "disk-a") == (Filled(FIRST, 2, 10),)


def test_A10_days_that_a_wrong_clock_noted_are_forgotten_when_it_is_right_again(ledger):
    observations.record_room(ledger, "disk-a", FIRST, 1, 10)
    observations.record_room(ledger, "disk-a", date(2046, 1, 1), 2, 10)
    observations.record_room(ledger, "disk-a", FIRST + DAY, 3, 10)
    days = [each.day for each in observations.room_of(ledger, "disk-a")]
    assert days == [FIRST, FIRST + DAY]


def test_a_disks_answers_are_remembered_with_the_last_that_told_something(ledger):
    assert observations.smart_of(ledger, "disk-a") == Asked()
    asleep = Smart(AT, Answer.ASLEEP)
    observations.note_smart(ledger, "disk-a", asleep)
    assert observations.smart_of(ledger, "disk-a") == Asked(asleep, None, None)
    observations.note_smart(ledger, "disk-a", TOLD)
    known = observations.smart_of(ledger, "disk-a")
    assert known == Asked(TOLD, TOLD, None)
    assert known.newest is known.told
    more = replace(TOLD, read_at=AT + DAY, reallocated=4)
    observations.note_smart(ledger, "disk-a", more)
    assert observations.smart_of(ledger, "disk-a") == Asked(more, more, TOLD)
    late = replace(asleep, read_at=AT + 2 * DAY)
    observations.note_smart(ledger, "disk-a", late)
    assert observations.smart_of(ledger, "disk-a") == Asked(late, more, TOLD)


NUMBER = st.none() | st.integers(0, 1 << 62)


@given(
    st.builds(
        Smart,
        st.datetimes(timezones=st.just(UTC)),
        st.sampled_from(Answer),
        st.none() | st.booleans(),
        st.booleans(),
        st.booleans(),
        NUMBER,
        NUMBER,
        NUMBER,
        NUMBER,
        why=st.text(),
    )
)
def test_an_answer_is_read_back_as_it_was(answer):
    ledger = FakeLedger()
    observations.note_smart(ledger, "disk-a", answer)
    assert observations.smart_of(ledger, "disk-a").newest == answer


def test_an_answer_that_a_later_version_noted_is_understood_as_far_as_we_know_it(ledger):
    observations.note_smart(ledger, "disk-a", TOLD)
    ((key, text),) = ledger._notes.items()
    ledger.note(key, text.replace('"passed": true', '"passed": true, "colour": "blue"'))
    assert observations.smart_of(ledger, "disk-a").newest == TOLD


def test_each_start_is_remembered_once_and_the_last_twenty_of_them(ledger):
    assert observations.starts_of(ledger) == ()
    for number in range(30):
        for _ in range(2):
            observations.note_start(ledger, f"boot-{number}", AT + number * DAY)
    assert observations.starts_of(ledger) == tuple(AT + n * DAY for n in range(10, 30))
    observations.note_start(ledger, "", AT)
    assert len(observations.starts_of(ledger)) == 20


def test_another_disk_of_the_same_name_begins_anew(ledger):
    observations.record_room(ledger, "disk-a", FIRST, 1, 10)
    observations.note_smart(ledger, "disk-a", TOLD)
    observations.forget_disk(ledger, "disk-a")
    assert observations.room_of(ledger, "disk-a") == ()
    assert observations.smart_of(ledger, "disk-a") == Asked()
