"""How long the room on a disk lasts: never nonsense, whatever the days were like."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.room import Filled, growth, room, weeks_left
from appliance.core.signals import Reason
from appliance.core.vitals import Condition

GB = 10**9
TB = 10**12
FIRST = date(2026, 9, 1)


def days(*used_gb: float, size: int = TB, start: date = FIRST) -> list[Filled]:
    return [
        Filled(start + timedelta(days=number), round(used * GB), size)
        for number, used in enumerate(used_gb)
    ]


def steady(count: int, per_day: float, begin: float = 100, size: int = TB) -> list[Filled]:
    return days(*(begin + per_day * number for number in range(count)), size=size)


@pytest.mark.parametrize(
    ("series", "weeks", "state", "words"),
    [
        ([], None, Condition.UNKNOWN, "not known yet"),
        (steady(1, 1), None, Condition.OK, "for how long is not known yet"),
        (steady(14, 1), None, Condition.OK, "for how long is not known yet"),
        (steady(15, 1), 126, Condition.OK, "for more than two years"),
        (steady(15, 2), 62, Condition.OK, "for about 62 weeks"),
        (steady(60, 10, 200), 3, Condition.LOOK, "for about 3 weeks"),
        (steady(60, 10, 340), 1, Condition.LOOK, "for about 1 week at"),
        (steady(60, 10, 390), 0, Condition.LOOK, "for less than a week"),
        (steady(60, 0, 500), None, Condition.OK, "for more than two years"),
        (steady(60, -1, 500), None, Condition.OK, "for more than two years"),
        (steady(60, 0.0001, 500), None, Condition.OK, "for more than two years"),
        (steady(15, 0, 999.5), None, Condition.LOOK, "nearly full"),
        (steady(15, 0, 1200), None, Condition.LOOK, "nearly full (0 bytes free)"),
        (steady(15, 0, 10, size=0), None, Condition.LOOK, "nearly full"),
    ],
)
def test_how_long_the_room_lasts(series, weeks, state, words):
    assert weeks_left(series) == weeks
    vital = room("disk-a", series)
    assert vital.state is state
    assert words in vital.sentence
    assert vital.reason == (Reason.FULL if state is Condition.LOOK else None)
    assert "-1" not in vital.sentence
    assert vital.name == "disk-a: room"


def test_a_few_wild_days_count_nothing():
    wild = {10, 30, 45}
    used = [number + (300 if number in wild else 100) for number in range(60)]
    assert growth(days(*used)) == pytest.approx(GB, rel=0.02)


def test_what_came_at_once_and_stayed_counts_as_growth():
    used = [number + (150 if number >= 30 else 100) for number in range(60)]
    assert GB < growth(days(*used)) < 2 * GB  # 109 GB in 59 days


def test_room_that_is_given_back_every_week_does_not_hide_the_growth():
    saw = [100 + number * 2 - (number // 7) * 7 for number in range(70)]  # +14 -7 each week
    assert growth(days(*saw)) == pytest.approx(GB, rel=0.15)


def test_the_days_on_which_a_new_disk_was_filled_are_forgotten_in_time():
    filling, after = [number * 30 for number in range(20)], [600 + number for number in range(90)]
    assert growth(days(*filling, *after)) == pytest.approx(GB, rel=0.35)


def test_another_disk_or_a_new_beginning_starts_the_count_anew():
    old = steady(60, 5)
    larger = [
        Filled(FIRST + timedelta(days=60 + number), (400 + number) * GB, 4 * TB)
        for number in range(5)
    ]
    assert growth([*old, *larger]) is None
    emptied = days(*(10 + number for number in range(20)), start=FIRST + timedelta(days=60))
    assert growth([*old, *emptied]) == pytest.approx(GB)


def test_a_disk_that_is_away_for_weeks_is_reckoned_by_the_days_between():
    rare = steady(120, 1)[::20]
    assert growth(rare) is None  # six points are too few
    assert growth([*rare, steady(121, 1)[-1]]) == pytest.approx(GB)


POINTS = st.lists(
    st.builds(
        Filled,
        st.dates(date(1970, 1, 1), date(2100, 1, 1)),
        st.integers(-(10**18), 10**18),
        st.integers(-1, 10**18) | st.just(TB),
    ),
    max_size=40,
)


@given(POINTS)
def test_whatever_was_noted_the_answer_is_a_number_of_weeks_or_none(series):
    weeks = weeks_left(series)
    assert weeks is None or 0 <= weeks < 520
    vital = room("disk-a", series)
    assert vital.sentence.endswith((".", ")."))
    assert "week" not in vital.sentence or weeks is not None


@given(
    st.integers(15, 120),
    st.integers(10**6, 10**10),
    st.integers(0, 10**11),
    st.lists(st.integers(0, 119), max_size=3),
)
def test_a_steady_growth_is_found_exactly_in_spite_of_a_few_wild_days(count, daily, begin, wild):
    size = begin + daily * count + 400 * TB
    series = [
        Filled(FIRST + timedelta(days=number), begin + daily * number, size)
        for number in range(count)
    ]
    assert growth(series) == daily
    bent = [
        Filled(each.day, each.used_bytes * 2 - (begin or 0), each.size_bytes)
        if number in wild and count > 60
        else each
        for number, each in enumerate(series)
    ]
    found = growth(bent)
    assert found is None or found == pytest.approx(daily, rel=0.2)


@given(st.integers(1, 10**10), st.integers(0, 10**12), st.permutations(range(20)))
def test_order_and_repetition_of_the_days_do_not_matter(daily, free, order):
    series = [Filled(FIRST + timedelta(days=n), daily * n, daily * 19 + free) for n in range(20)]
    shuffled = [series[number] for number in order]
    assert growth([*shuffled, *series]) == growth(series)
    assert weeks_left(series) == (free // (daily * 7) if free / (daily * 7) < 520 else None)
