"""What Activity calls things: words that anybody in the office understands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from appliance.core import activity_words as words
from appliance.core.model import Outcome, Run, Step, StepName, Trigger

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
NOT_FOR_PEOPLE = ("repository", "archive", "prune", "chunk", "borg", "rclone", "mirror", "drill")


def run(source: str = "crm", outcome: Outcome | None = Outcome.OK, **more: object) -> Run:
    return Run(1, source, Trigger.SCHEDULE, NOW, NOW + timedelta(minutes=2), outcome, **more)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("crm", "Backup of crm"),
        ("drill:disk-a", "Test restore from disk-a"),
        ("mirror:cloud", "Cloud copy to cloud"),
        ("check:disk-a", "Disk read whole: disk-a"),
        ("restore:crm", "Getting data back from crm"),
        ("page:sign-in", "Sign-in"),
        ("page:settings", "Settings"),
        ("command:trust", "Server trusted"),
        ("button:pairing", "Disk made a backup disk"),
        ("page:something-new", "Something new"),
        ("upgrade:now", "upgrade:now"),
        ("drill:a:b", "Test restore from a:b"),
        ("", "Backup of "),
    ],
)
def test_each_thing_that_was_done_has_a_name(source: str, said: str) -> None:
    assert words.what(source) == said


@pytest.mark.parametrize("source", ["x" * 10_000, f"drill:{'x' * 10_000}", f"page:{'x' * 10_000}"])
def test_a_name_of_any_length_stays_a_heading(source: str) -> None:
    assert len(words.what(source)) < 120


def test_what_is_asked_for_is_named_too() -> None:
    assert [words.about(f"{kind}:") for kind in words.Kind] == list(words.KINDS.values())
    assert words.about("crm") == "Backup of crm"
    assert words.about("upgrade:") == "upgrade:"


def test_how_things_ended_says_what_it_means_for_that_thing() -> None:
    assert words.ended(run(outcome=None)) == "under way"
    assert words.ended(run(outcome=Outcome.SKIPPED)) == "nothing new"
    assert words.ended(run("mirror:cloud", Outcome.SKIPPED)) == "there was nothing to do"
    assert words.ended(run(outcome=Outcome.WARNING)) == "done, with a warning"
    assert words.ended(run("page:sign-in", Outcome.WARNING)) == "did not go through"


def test_each_outcome_has_a_word_and_a_shape_of_its_own_beside_its_colour() -> None:
    assert set(words.OUTCOMES) == set(words.MARKS) == set(Outcome)
    assert len(set(words.OUTCOMES.values())) == len(Outcome)
    assert words.mark(None) not in words.MARKS.values()


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(seconds=-1), ""),
        (timedelta(days=400), ""),
    ],
)
def test_a_clock_that_was_set_meanwhile_makes_no_run_take_years(
    length: timedelta, said: str
) -> None:
    assert words.took(Run(1, "crm", Trigger.PAGE, NOW, NOW + length, Outcome.OK)) == said


def test_what_a_person_did_takes_no_time() -> None:
    assert words.took(run("page:sign-in")) == ""
    assert words.took(Run(1, "crm", Trigger.PAGE, NOW)) == ""


def test_one_line_says_it_all() -> None:
    assert words.line(run(message="12 new.")) == "Backup of crm: done in 2 minutes. 12 new."
    assert words.line(run(outcome=Outcome.FAILED)) == "Backup of crm: failed."
    said = words.line(run("page:sign-in", message="By the owner."))
    assert said == "Sign-in: done. By the owner."


def test_each_step_says_what_it_does_and_where() -> None:
    def said(name: StepName, target: str = "") -> str:
        return words.step(Step(name, NOW, timedelta(), Outcome.OK, target))

    assert said(StepName.PULL) == "Fetch"
    assert said(StepName.ARCHIVE, "disk-a") == "Store on disk-a"
    assert said(StepName.VERIFY, "disk-a") == "Read back from disk-a and compare"
    assert said(StepName.MIRROR, "cloud") == "Copy to the cloud (cloud)"
    assert said(StepName.UNPACK, "x") == "Unpack"
    assert all(said(name) and said(name, "there") for name in StepName)


def test_none_of_it_is_in_the_tools_own_words() -> None:
    sources = ["x", *(f"{kind}:x" for kind in words.Kind), "page:x", "command:x", "button:x"]
    texts = [words.what(each) for each in sources] + list(words.KINDS.values())
    texts += [words.ended(run(source, outcome)) for source in sources for outcome in Outcome]
    texts += [words.why(Run(1, "page:x", trigger, NOW)) for trigger in Trigger]
    for name in StepName:
        texts += [words.step(Step(name, NOW, timedelta(), Outcome.OK, to)) for to in ("", "x")]
    assert [each for each in texts if any(word in each.lower() for word in NOT_FOR_PEOPLE)] == []
