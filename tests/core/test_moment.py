"""What a person means by a time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from appliance.core import moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-21T10:00:00+00:00"),
        ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00+00:00"),
        ("2026-11-20 09:00", "2026-11-20T08:00:00+00:00"),
        ("2026-07-20 09:00", "2026-07-20T07:00:00+00:00"),
        ("2026-11-20", "2026-11-20T22:59:59.999999+00:00"),
        ("yesterday", "2026-11-20T22:59:59.999999+00:00"),
        ("3 days ago", "2026-11-18T10:00:00+00:00"),
        ("1 Hour Ago", "2026-11-21T09:00:00+00:00"),
    ],
)
def test_a_time_means_the_moment_a_person_has_in_mind(text, expected):
    assert moment.parse(text, BERLIN, NOW) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text", ["", "tomorrowish", "2026-13-01", "-3 days ago", "21.11.2026", "9999999 days ago"]
)
def test_anything_else_is_answered_with_examples(text):
    with pytest.raises(ValueError, match="3 days ago"):
        moment.parse(text, BERLIN, NOW)
