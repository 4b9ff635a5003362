"""How a day went: the table of what is known against what is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from appliance.core.days import MEANINGS, SourceDay, Went, judge
from appliance.core.model import Outcome, Tally

DUE = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
GRACE = timedelta(hours=6)
LATER = DUE + timedelta(days=2)


def source(*ended, name="crm", **known):
    tallies = [Tally(name, outcome, has, 1, DUE) for outcome, has in ended]
    return SourceDay(name, tallies, **({"due": DUE, "grace": GRACE} | known))


OK, WARNING, FAILED = (Outcome.OK, True), (Outcome.WARNING, True), (Outcome.FAILED, False)
SAME, EMPTY, HELD = (Outcome.SKIPPED, True), (Outcome.SKIPPED, False), (Outcome.HELD, True)
CANCELLED, CUT, RUNS = (Outcome.CANCELLED, False), (Outcome.INTERRUPTED, False), (None, False)


@pytest.mark.parametrize(
    ("ended", "went", "word"),
    [
        ([OK], Went.COPIED, "proved copy was made"),
        ([WARNING], Went.COPIED, "with a warning"),
        ([SAME], Went.UNCHANGED, "nothing was new"),
        ([FAILED], Went.FAILED, "failed"),
        ([FAILED, OK], Went.COPIED, "proved"),
        ([OK, FAILED], Went.COPIED, "proved"),
        ([SAME, FAILED], Went.UNCHANGED, "nothing was new"),
        ([HELD], Went.HELD, "looked wrong"),
        ([HELD, OK], Went.HELD, "looked wrong"),
        ([(Outcome.HELD, False)], Went.HELD, "looked wrong"),
        ([], Went.LATE, "no backup came"),
        ([EMPTY], Went.LATE, "nothing to fetch"),
        ([(Outcome.WARNING, False)], Went.LATE, "nothing to fetch"),
        ([(Outcome.OK, False)], Went.LATE, "nothing to fetch"),
        ([CANCELLED], Went.LATE, "stopped on request"),
        ([CUT], Went.LATE, "cut off"),
        ([RUNS], Went.OPEN, "under way"),
        ([FAILED, RUNS], Went.OPEN, "under way"),
        ([OK, RUNS], Went.COPIED, "proved"),
    ],
)
def test_a_day_of_one_source_is_told_by_the_best_that_came_of_it(ended, went, word):
    day = judge([source(*ended)], LATER)
    assert day.went is went
    assert word in day.sentence.lower()
    assert day.sentence[0].isupper()
    assert day.sentence.endswith(".")


@pytest.mark.parametrize(
    ("after_due", "went"),
    [
        (timedelta(hours=-1), Went.OPEN),
        (timedelta(0), Went.OPEN),
        (GRACE - timedelta(seconds=1), Went.OPEN),
        (GRACE, Went.LATE),
        (timedelta(days=5), Went.LATE),
    ],
)
def test_what_is_due_is_awaited_until_its_grace_is_over(after_due, went):
    assert judge([source()], DUE + after_due).went is went


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ({"was_off": True}, "off"),
        ({"due": None}, "nothing was due"),
        ({"due": None, "is_before": True}, "before the first"),
    ],
)
def test_a_day_that_owed_nothing_is_no_late_one(known, word):
    day = judge([source(**known)], LATER)
    assert day.went is Went.NONE
    assert word in day.sentence.lower()


def test_nobody_is_called_late_by_a_clock_that_is_not_set():
    assert judge([source()], LATER, clock_trusted=False).went is Went.NONE
    assert judge([source(OK)], LATER, clock_trusted=False).went is Went.COPIED


@pytest.mark.parametrize(
    ("others", "went"),
    [
        ([source(FAILED, name="site")], Went.FAILED),
        ([source(name="site")], Went.LATE),
        ([source(HELD, name="site"), source(FAILED, name="shop")], Went.FAILED),
        ([source(SAME, name="site")], Went.COPIED),
        ([source(name="site", due=None)], Went.COPIED),
        ([source(name="site", was_off=True)], Went.LATE),
    ],
)
def test_a_day_is_as_good_as_its_worst_source_and_names_each(others, went):
    day = judge([source(OK), *others], LATER)
    assert day.went is went
    assert "crm: a proved copy was made" in day.sentence
    assert all(f"{each.source}: " in day.sentence for each in others)


def test_sources_that_went_alike_are_one_sentence():
    day = judge([source(OK), source(OK, name="site")], LATER)
    assert day.sentence == "A proved copy was made."


def test_an_office_without_sources_has_no_backups():
    assert judge([], LATER).went is Went.NONE


def test_every_state_has_its_words():
    assert set(MEANINGS) == set(Went)
    assert len(set(MEANINGS.values())) == 7
