"""What retention would keep is what it keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from appliance.core.foresight import foresee
from appliance.core.retention import Policy

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def nights(count: int, before: datetime = NOW) -> list[datetime]:
    return [before - timedelta(days=each, hours=9) for each in range(count)]


def test_a_new_office_keeps_about_what_the_numbers_say() -> None:
    policy = Policy(last=7, daily=30, weekly=12, monthly=24, yearly=7)
    found = foresee((), policy, BERLIN, NOW)
    assert (found.today, found.go) == (0, 0)
    # 7 newest, 30 days, 12 weeks, the rest of twelve months, the oldest; up to a week waits to go.
    assert 7 + 30 + 12 <= found.in_a_year <= 7 + 30 + 12 + 12 + 1 + 20
    assert found.oldest < NOW + timedelta(days=60)


def test_the_oldest_is_one_of_those_there_are() -> None:
    old = NOW - timedelta(days=900)
    found = foresee([*nights(50), old], Policy(yearly=7), BERLIN, NOW)
    assert found.today == 51
    assert found.oldest == old


def test_with_an_end_it_is_as_with_the_days_themselves() -> None:
    end, week = timedelta(days=60), timedelta(days=7)
    found = foresee(nights(400), Policy(yearly=7, at_most=end), BERLIN, NOW)
    assert found.go == found.today == 400
    assert found.oldest >= NOW + timedelta(days=365) - end - week
    assert found.in_a_year <= foresee(nights(400), Policy(), BERLIN, NOW).in_a_year


def test_smaller_numbers_let_more_go() -> None:
    few = foresee(nights(200), Policy(last=1, daily=0, weekly=0, monthly=1, yearly=0), BERLIN, NOW)
    many = foresee(nights(200), Policy(last=1, daily=400, weekly=0), BERLIN, NOW)
    assert few.go >= 190
    assert many.go < few.go
    assert many.in_a_year > 365
