"""By when something is gone for sure: the date that is told is kept, in any life of a box."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core import forgetting
from appliance.core.forgetting import UNDO, gone_after, gone_from_the_cloud, leaning
from appliance.core.model import Archive
from appliance.core.retention import Policy, doomed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def traces_are_gone(policy: Policy, wait: timedelta, deleted: int, lag: bool, phase: int) -> int:
    """Play a box through, a backup each `wait`: somebody is deleted just after backup `deleted`
    (the next one still has them where the vendor's export is a `lag` behind). Return the number of
    the backup with which the last trace was gone from the disk.

    A backup holds them where its export does, or where it leans on a version that did; what was let
    go is there until its room is given back. The order is the box's own (`engine.upkeep`).
    """
    kept: list[Archive] = []
    holding: set[int] = set()
    let_go: set[int] = set()
    pruned: datetime | None = None
    since: datetime | None = None  # when the chain that leans on a version with them began to
    for number in range(phase, 10**5):
        now = NOW + number * wait
        has = number <= deleted + lag
        if not has and since is None:
            since = now
        leant = leaning(policy)
        assert leant is not None
        leans = not has and since is not None and abs(now - since) <= leant
        if has or leans:
            holding.add(number)
        kept.append(Archive(str(number), "", now, number + 1, ""))
        if pruned is None or now - pruned >= UNDO:
            if pruned is not None:
                holding -= let_go
                let_go, pruned = set(), None
            gone = doomed(kept, policy, BERLIN, {each.name for each in kept}, now)
            if gone:
                kept = [each for each in kept if each not in gone]
                let_go, pruned = {int(each.name) for each in gone}, now
        if not holding and not has:
            return number
    raise AssertionError("never")


@settings(max_examples=60, deadline=None)
@given(
    end=st.integers(1, 150),
    every=st.sampled_from([1, 1, 2, 7]),
    deleted=st.integers(0, 30),
    lag=st.booleans(),
)
def test_the_date_that_is_told_is_kept(end: int, every: int, deleted: int, lag: bool) -> None:
    policy, wait = Policy(last=3, daily=999, at_most=end * DAY), every * DAY
    last = traces_are_gone(policy, wait, deleted, lag, phase=0)
    told = gone_after(policy, wait)
    assert told is not None
    assert (last - deleted) * wait <= told
    assert (last - deleted) * wait >= policy.at_most, "nor is it told far too late"


def test_it_is_the_end_and_little_more() -> None:
    assert gone_after(Policy(at_most=400 * DAY), DAY) == (400 + 30 + 14 + 4 + 1) * DAY
    assert gone_after(Policy(at_most=20 * DAY), DAY) == (20 + 5 + 14 + 4 + 1) * DAY
    assert gone_after(Policy(at_most=20 * DAY), DAY, beside=90 * DAY) == (90 + 7 + 4 + 1) * DAY


def test_by_counts_alone_there_is_no_date() -> None:
    assert gone_after(Policy(), DAY) is None
    assert leaning(Policy()) is None
    said = forgetting.of_the_box(Policy(), None, NOW, BERLIN)
    assert said.startswith("There is no fixed date")
    assert "for about 9 years or longer" in said


@pytest.mark.parametrize(
    ("gone", "expires", "left"),
    [(None, 90 * DAY, None), (40 * DAY, None, None), (40 * DAY, 90 * DAY, (40 + 90 + 16) * DAY)],
)
def test_the_cloud_comes_after_its_disk(gone, expires, left) -> None:
    assert gone_from_the_cloud(gone, expires, DAY) == left


def test_each_is_said_in_words() -> None:
    policy = Policy(last=1, daily=7, weekly=0, monthly=0, yearly=0, at_most=400 * DAY)
    assert forgetting.numbers_of(policy) == (
        "Kept: the 1 newest, then one a day for 7 days; none gets older than 400 days."
    )
    said = forgetting.of_the_box(policy, 100 * DAY, NOW, BERLIN)
    assert "gone for sure by 1 March 2027" in said
    for expires, words in ((None, "for ever"), (90 * DAY, "90 days longer than its disk.")):
        assert words in forgetting.of_the_cloud("cloud", expires, None, DAY, NOW, BERLIN)
    told = forgetting.of_the_cloud("cloud", 90 * DAY, 100 * DAY, DAY, NOW, BERLIN)
    assert "until about 15 June 2027" in told


def test_a_long_time_is_said_roughly() -> None:
    said = [forgetting.roughly(days * DAY) for days in (1, 40, 200, 700, 800, 3460)]
    assert said == [
        "1 day",
        "40 days",
        "about 7 months",
        "about 23 months",
        "about 2 years",
        "about 9 years",
    ]
