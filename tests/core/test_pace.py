"""How long a step will still take: nothing while nobody can know."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.model import Progress, StepName
from appliance.core.pace import goes_on, left


def at(done, total=100, step=StepName.PULL, unit="bytes"):
    return Progress(step, done, total, unit)


@pytest.mark.parametrize(
    ("first", "last", "elapsed", "seconds"),
    [
        (at(0), at(50), 10, 10),
        (at(0), at(25), 10, 30),
        (at(50), at(75), 10, 10),
        (at(0), at(100), 10, 0),
        (at(0), at(120), 10, 0),
        (at(0), at(50), 2, None),
        (at(0), at(0), 600, None),
        (at(0, 10_000), at(10, 10_000), 60, None),
        (at(0, None), at(50, None), 60, None),
        (at(0, 0), at(0, 0), 60, None),
        (at(0, 10**9), at(10**7, 10**9), 10_000, None),
    ],
)
def test_the_rest_takes_as_long_as_the_rate_so_far_says(first, last, elapsed, seconds):
    assert left(first, last, elapsed) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("new", "same"),
    [
        (at(60), True),
        (at(50, 200), True),
        (at(10), False),
        (at(60, step=StepName.VERIFY), False),
        (at(60, unit="files"), False),
    ],
)
def test_another_step_or_another_disk_begins_anew(new, same):
    assert goes_on(at(0), at(50), new) is same
