"""When: F5, F6, F7, against dates from the calendar and clock changes from the tz database."""

from __future__ import annotations

import itertools
import time as clock
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.schedule import (
    LOOK_BACK,
    MOST_MISSED,
    Due,
    Schedule,
    describe,
    due,
    first_moment,
    parse,
)

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "Europe/Berlin",  # an hour, at 02:00 and 03:00
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight
    "Asia/Kathmandu",  # +05:45, never
)
NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
NONE: frozenset[str] = frozenset()


def keys(schedule: Schedule, zone: ZoneInfo, after: datetime, until: datetime) -> list[str]:
    return [slot.key for slot in schedule.slots(zone, after, until)]


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("at", ["00:00", "02:30", "23:45"])
def test_F6_ten_years_have_exactly_one_slot_for_each_date(zone_name: str, at: str) -> None:
    zone = ZoneInfo(zone_name)
    start, end = date(2020, 1, 1), date(2029, 12, 31)
    after = datetime.combine(start, time(), zone) - timedelta(seconds=1)
    until = datetime.combine(end + timedelta(days=1), time(), zone) - timedelta(seconds=1)
    slots = list(parse(f"daily at {at}").slots(zone, after, until))
    wanted = [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]
    assert [slot.key for slot in slots] == wanted
    assert all(a.due < b.due for a, b in itertools.pairwise(slots))
    # its local date is the key's: never on the day before or after
    assert all(slot.due.astimezone(zone).date().isoformat() == slot.key for slot in slots)


def test_F6_in_the_spring_gap_it_runs_when_the_gap_ends() -> None:
    # Germany: 29 March 2026, 02:00 CET becomes 03:00 CEST, that is 01:00 UTC
    slot = parse("daily at 02:30").next(BERLIN, datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert slot is not None
    assert (slot.key, slot.due) == ("2026-03-29", datetime(2026, 3, 29, 1, tzinfo=UTC))


def test_F6_in_the_repeated_hour_it_runs_at_the_first_pass_only() -> None:
    # Germany: 25 October 2026, 03:00 CEST becomes 02:00 CET; 02:30 CEST is 00:30 UTC
    slots = list(
        parse("daily at 02:30").slots(
            BERLIN, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)
        )
    )
    assert [(slot.key, slot.due) for slot in slots] == [
        ("2026-10-25", datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    ]


def test_F6_a_date_that_a_zone_left_out_has_no_slot() -> None:
    # Samoa crossed the date line: 29 December 2011 was followed by the 31st
    apia = ZoneInfo("Pacific/Apia")
    found = keys(
        parse("daily at 03:00"),
        apia,
        datetime(2011, 12, 28, 20, tzinfo=UTC),
        datetime(2012, 1, 1, tzinfo=UTC),
    )
    assert found == ["2011-12-29", "2011-12-31", "2012-01-01"]


@settings(max_examples=150, deadline=None)
@given(
    zone_name=st.sampled_from(ZONES),
    form=st.sampled_from(
        [
            "daily at 02:30",
            "weekdays at 00:15",
            "weekly on sun at 02:00",
            "monthly on 31 at 02:30",
            "every 6 h",
            "every 45 min",
            "30 2 * * *",
            "*/30 * * * *",
            "15 1-3 * * sun",
        ]
    ),
    start=st.timedeltas(timedelta(), timedelta(days=65 * 365)),
    cuts=st.lists(st.integers(0, 40 * 24 * 60), min_size=1, max_size=6),
)
def test_F6_slots_are_the_same_however_the_time_is_cut_up(
    zone_name: str, form: str, start: timedelta, cuts: list[int]
) -> None:
    schedule, zone = parse(form), ZoneInfo(zone_name)
    begin = datetime(1995, 1, 1, tzinfo=UTC) + start
    marks = [begin, *(begin + timedelta(minutes=cut) for cut in sorted(cuts))]
    whole = list(schedule.slots(zone, begin, marks[-1]))
    parts = [slot for a, b in itertools.pairwise(marks) for slot in schedule.slots(zone, a, b)]
    assert parts == whole
    assert len({slot.key for slot in whole}) == len(whole)
    assert all(begin < slot.due <= marks[-1] for slot in whole)
    assert list(schedule.newest_first(zone, begin, marks[-1])) == whole[::-1]


@settings(max_examples=60, deadline=None)
@given(
    zone_name=st.sampled_from(ZONES),
    minutes=st.lists(st.integers(-3000, 5000), min_size=5, max_size=60),
)
def test_F6_F7_jumping_clocks_never_run_a_slot_twice(zone_name: str, minutes: list[int]) -> None:
    schedule, zone = parse("daily at 02:30"), ZoneInfo(zone_name)
    since = now = datetime(2026, 10, 20, tzinfo=UTC)
    taken: frozenset[str] = frozenset()
    for step in minutes:
        now += timedelta(minutes=step)
        found = due(schedule, zone, since, now, taken)
        new = [slot.key for slot in (*found.missed, *filter(None, [found.run]))]
        assert not taken & set(new)
        assert len(set(new)) == len(new)
        taken |= set(new)


def test_F7_a_clock_that_went_back_far_still_backs_up() -> None:
    """The first start was seen by a clock ten years ahead: today's slot does not wait for it."""
    schedule = parse("daily at 03:00")
    found = due(schedule, BERLIN, NOW + timedelta(days=3650), NOW, NONE)
    assert found.run is not None
    assert found.run.key == "2026-11-21"
    assert found.missed == ()
    again = due(schedule, BERLIN, NOW + timedelta(days=3650), NOW, frozenset({"2026-11-21"}))
    assert again == Due()


def test_a_change_of_zone_does_not_run_a_date_twice() -> None:
    schedule, taken = parse("daily at 03:00"), frozenset({"2026-11-21"})
    for zone_name in ("America/Los_Angeles", "Asia/Tokyo"):
        zone = ZoneInfo(zone_name)
        found = due(schedule, zone, NOW - timedelta(hours=22), NOW, taken)
        assert found.run is None or found.run.key != "2026-11-21"


@pytest.mark.parametrize("days_off", [1, 2, 3, 7, 30])
def test_F5_after_days_off_the_newest_runs_and_the_older_were_missed(days_off: int) -> None:
    last = NOW - timedelta(days=days_off)
    taken = frozenset({last.date().isoformat()})
    found = due(parse("daily at 03:00"), BERLIN, NOW - timedelta(days=300), NOW, taken)
    assert found.run is not None
    assert found.run.key == "2026-11-21"
    wanted = [(last.date() + timedelta(days=n)).isoformat() for n in range(1, days_off)]
    assert [slot.key for slot in found.missed] == wanted


def test_F5_an_hour_off_over_the_slot_runs_it() -> None:
    since = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)  # 02:30 in Berlin; back at 03:30
    found = due(parse("daily at 03:00"), BERLIN, since, since + timedelta(hours=1), NONE)
    assert found.run is not None
    assert found.missed == ()


def test_nothing_is_due_before_the_first_slot_or_twice() -> None:
    schedule = parse("daily at 03:00")
    assert due(schedule, BERLIN, NOW, NOW, NONE) == Due()
    assert due(schedule, BERLIN, NOW - timedelta(days=9), NOW, frozenset({"2026-11-21"})) == Due()


@pytest.mark.parametrize("form", ["every 1 min", "* * * * *", "daily at 03:00", "0 3 1 1 *"])
def test_F5_thirty_years_off_take_bounded_work(form: str) -> None:
    began = clock.perf_counter()
    found = due(parse(form), BERLIN, NOW - timedelta(days=30 * 365), NOW, NONE)
    assert clock.perf_counter() - began < 2
    assert found.run is not None
    assert found.run.due > NOW - LOOK_BACK
    assert len(found.missed) <= MOST_MISSED
    assert list(found.missed) == sorted(found.missed, key=lambda slot: slot.due)


def test_monthly_on_31_takes_the_last_day_of_shorter_months() -> None:
    found = keys(
        parse("monthly on 31 at 03:00"),
        BERLIN,
        datetime(2027, 12, 31, tzinfo=UTC),
        datetime(2028, 7, 1, tzinfo=UTC),
    )
    assert found == [
        "2027-12-31",
        "2028-01-31",
        "2028-02-29",
        "2028-03-31",
        "2028-04-30",
        "2028-05-31",
        "2028-06-30",
    ]


def test_weekly_and_weekdays_take_their_days_only() -> None:
    # 21 November 2026 is a Saturday
    week = (NOW, NOW + timedelta(days=7))
    assert keys(parse("weekly on mon,thu at 03:00"), BERLIN, *week) == ["2026-11-23", "2026-11-26"]
    assert keys(parse("weekdays at 19:00"), BERLIN, *week) == [
        f"2026-11-{n}" for n in range(23, 28)
    ]


def test_periods_are_even_across_a_clock_change() -> None:
    slots = list(
        parse("every 6 h").slots(
            BERLIN, datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)
        )
    )
    assert {b.due - a.due for a, b in itertools.pairwise(slots)} == {timedelta(hours=6)}
    assert slots[0].key == "2026-10-24T06:00Z"


def test_after_backup_is_never_due_by_time() -> None:
    schedule = parse("after backup")
    assert schedule.after_backup
    assert schedule.next(BERLIN, NOW) is None
    assert schedule.latest(BERLIN, NOW) is None
    assert due(schedule, BERLIN, NOW - timedelta(days=9), NOW, NONE) == Due()


def test_cron_fields_mean_what_cron_means() -> None:
    # 21 November 2026 is a Saturday; every 20 minutes from 9 to 10 on Mondays
    found = keys(parse("*/20 9 * * mon"), BERLIN, NOW, NOW + timedelta(days=7))
    assert found == ["2026-11-23T09:00", "2026-11-23T09:20", "2026-11-23T09:40"]


def test_29_february_is_found_eight_years_ahead() -> None:
    slot = parse("0 3 29 2 *").next(BERLIN, datetime(2096, 3, 1, tzinfo=UTC))
    assert slot is not None
    assert slot.key == "2104-02-29T03:00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("daily at 03:00", "every day at 03:00"),
        ("Daily  at 3:00", "every day at 03:00"),
        ("weekdays at 19:00", "Monday to Friday at 19:00"),
        ("weekly on mon at 03:00", "every Monday at 03:00"),
        ("weekly on Thursday, mon at 03:00", "every Monday and Thursday at 03:00"),
        ("monthly on 1 at 03:00", "on the 1st of each month at 03:00"),
        (
            "monthly on 31 at 03:00",
            "on the 31st of each month at 03:00 (the last day of shorter months)",
        ),
        ("every 6 h", "every 6 hours"),
        ("every 30 min", "every 30 minutes"),
        ("every 1h", "every hour"),
        ("after backup", "after each backup"),
        ("0 3 * * *", "by the cron fields 0 3 * * *"),
    ],
)
def test_a_schedule_says_in_words_when_it_runs(text: str, words: str) -> None:
    assert describe(parse(text)) == words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dayly at 03:00",
        "daily at 24:00",
        "daily at 3",
        "daily at 03:60",
        "weekly on someday at 03:00",
        "weekly on mon, at 03:00",
        "monthly on 0 at 03:00",
        "monthly on 32 at 03:00",
        "every 0 min",
        "every 99999 d",
        "every 999999 min",
        "0 3 * *",
        "0 3 30 2 *",
        "99 3 * * *",
        "0 3 * * * *",
        "a b c d e",
        "x" * 10_000,
    ],
)
def test_what_is_no_schedule_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"(at 03:00|every 6 h|after backup)"):
        parse(text)


@settings(max_examples=100, deadline=None)
@given(
    zone_name=st.sampled_from(ZONES),
    day=st.dates(date(1990, 1, 1), date(2037, 12, 31)),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_the_first_moment_is_the_first_by_trying_every_minute(
    zone_name: str, day: date, at: time
) -> None:
    zone = ZoneInfo(zone_name)
    wanted = datetime.combine(day, at)
    moment = wanted.replace(tzinfo=UTC) - timedelta(hours=15)
    while (local := moment.astimezone(zone)).date() < day or local.replace(tzinfo=None) < wanted:
        moment += timedelta(minutes=1)
    assert first_moment(day, at, zone) == moment


@pytest.mark.parametrize(
    ("text", "days"),
    [("daily at 03:00", 10), ("weekly on mon at 03:00", 70), ("weekdays at 03:00", 14)],
)
def test_the_span_of_the_next_ten_slots(text: str, days: int) -> None:
    monday = datetime(2026, 6, 1, 3, tzinfo=UTC)
    assert parse(text).span(ZoneInfo("UTC"), monday, 10) == timedelta(days=days)


def test_without_slots_there_is_no_span() -> None:
    assert parse("after backup").span(ZoneInfo("UTC"), datetime.now(UTC), 10) == timedelta()


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("daily at 03:00", 25),  # in the night in which the clock goes back
        ("weekdays at 12:00", 3 * 24 + 1),
        ("monthly on 1 at 12:00", 31 * 24 + 1),
        ("every 6 h", 6),
        ("*/5 8-18 * * 1-5", 61 + 1 / 12),
        ("0 0 29 2 *", (4 * 365 + 1) * 24),
        ("after backup", 0),
    ],
)
def test_the_longest_wait_is_over_the_weekend_or_through_the_clock_change(
    text: str, hours: float
) -> None:
    wait = parse(text).longest_wait(BERLIN, datetime(2026, 6, 3, 12, tzinfo=UTC))
    assert wait == timedelta(hours=hours)
