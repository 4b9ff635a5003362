"""Phrasing: what a layperson reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.core import words
from appliance.core.model import Outcome, Run, Step, StepName, Trigger

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (12_300_000, "12.3 MB"),
        (999_949, "999.9 KB"),
        (999_950, "1.0 MB"),
        (4 * 10**12, "4.0 TB"),
        (10**18, "1.0 EB"),
    ],
)
def test_sizes_are_written_as_disks_are_labelled(size_bytes: int, said: str) -> None:
    assert words.size(size_bytes) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(), "0.0 seconds"),
        (timedelta(seconds=0.44), "0.4 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=59), "59 seconds"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(minutes=61), "61 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(days=3), "3 days"),
        (timedelta(seconds=-5), "0.0 seconds"),
    ],
)
def test_durations_use_one_unit(length: timedelta, said: str) -> None:
    assert words.duration(length) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=6, minutes=59), "6 hours ago"),
        (timedelta(hours=47), "47 hours ago"),
        (timedelta(hours=49), "2 days ago"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_ages_are_whole_units_gone_by(length: timedelta, said: str) -> None:
    assert words.age(length) == said


def test_times_are_the_offices() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert words.when(NOW, berlin) == "Sat 21 Nov 03:00"
    assert words.when(NOW, berlin, NOW + timedelta(days=300)) == "Sat 21 Nov 2026 03:00"
    assert words.when(NOW, ZoneInfo("America/Los_Angeles")) == "Fri 20 Nov 18:00"


def test_plurals_and_lists() -> None:
    assert words.plural(1, "contact") == "1 contact"
    assert words.plural(0, "contact") == "0 contacts"
    assert words.plural(12_345, "contact") == "12,345 contacts"
    assert words.plural(2, "copy", "copies") == "2 copies"
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_every_outcome_step_and_trigger_has_words_without_borgs() -> None:
    assert set(words.OUTCOMES) == set(Outcome)
    assert set(words.STEPS) == set(StepName)
    assert set(words.TRIGGERS) == set(Trigger)
    said = " ".join([*words.OUTCOMES.values(), *words.STEPS.values(), *words.TRIGGERS.values()])
    for borgs in ("repository", "archive", "prune", "chunk"):
        assert borgs not in said


def test_F7_a_run_took_what_its_steps_took_whatever_the_clock_did() -> None:
    step = Step(StepName.PULL, NOW, timedelta(minutes=1), Outcome.OK)
    jumped = NOW + timedelta(days=3650)
    run = Run(
        1, "crm", Trigger.SCHEDULE, NOW, jumped, Outcome.OK, message="12 new.", steps=(step,) * 2
    )
    assert words.run(run) == "crm: done in 2 minutes. 12 new."


def test_a_run_under_way_or_failed_says_so() -> None:
    assert words.run(Run(1, "crm", Trigger.SCHEDULE, NOW)) == "crm: under way"
    failed = Run(1, "crm", Trigger.SCHEDULE, NOW, NOW, Outcome.FAILED, message="No answer.")
    assert words.run(failed) == "crm: failed. No answer."


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a few seconds left"),
        (9.9, "a few seconds left"),
        (11, "about 20 seconds left"),
        (59, "about 60 seconds left"),
        (61, "about 2 minutes left"),
        (119, "about 2 minutes left"),
        (7000, "about 2 hours left"),
    ],
)
def test_nobody_claims_to_know_the_end_to_the_second(seconds: float, said: str) -> None:
    assert words.left(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0, "today 03:00"), (-4, "yesterday 23:00"), (24, "tomorrow 03:00"), (72, "Tue 24 Nov 03:00")],
)
def test_a_near_time_is_said_as_people_say_it(hours: int, said: str) -> None:
    assert words.near(NOW + timedelta(hours=hours), ZoneInfo("Europe/Berlin"), NOW) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crm", "crm"),
        ("mirror:cloud", "cloud copy to cloud"),
        ("drill:disk-a", "test restore from disk-a"),
        ("check:disk-a", "reading all of disk-a"),
        ("page:sign-in", "page:sign-in"),
    ],
)
def test_a_job_is_called_by_what_it_does(name: str, said: str) -> None:
    assert words.job(name) == said


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ({}, "No record has changed since."),
        ({"contacts": (0, 0, 0)}, "No record has changed since."),
        ({"contacts": (14, 0, 0)}, "would lose 14 newer contacts."),
        ({"contacts": (0, 1, 0)}, "would undo 1 change."),
        (
            {"deals": (2, 1, 0), "contacts": (9, 2, 1)},
            (
                "would lose up to 9 newer contacts and 2 newer deals, undo 3 changes"
                " and bring back up to 1 removed record."
            ),
        ),
        (
            {"a": (5, 0, 0), "b": (4, 0, 0), "c": (3, 0, 0), "d": (2, 0, 0), "e": (1, 0, 0)},
            "would lose 5 newer a, 4 newer b, 3 newer c and 3 other newer records.",
        ),
    ],
)
def test_what_loading_an_old_backup_would_do(
    since: dict[str, tuple[int, int, int]], said: str
) -> None:
    kinds = ("added", "changed", "removed")
    counts = {name: dict(zip(kinds, one, strict=True)) for name, one in since.items()}
    assert words.undone(counts).removeprefix("Loading all of it into the CRM ") == said
