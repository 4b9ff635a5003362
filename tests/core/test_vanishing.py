"""What a vendor removes is counted down until it is backed up, however that is held up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.core.evidence import Expectation
from appliance.core.health import State, assess
from appliance.core.message_words import Scene, troubles
from appliance.core.model import Copy, Outcome, Run, Trigger
from appliance.core.schedule import parse
from appliance.core.signals import Reason
from appliance.core.vanishing import Vanishing, from_json
from appliance.status import as_json

BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 11, 21, 2, tzinfo=UTC)
NOW = DUE + timedelta(hours=6)
UNTIL = datetime(2026, 11, 26, 13, tzinfo=UTC)
DAY = timedelta(days=1)
CRM = Expectation("crm", parse("daily at 03:00"), BERLIN, timedelta(hours=6), ("disk-a",))
MADE = DUE + timedelta(minutes=1)
OFFER = Vanishing("crm", UNTIL, MADE)
OLD = Copy("crm-old", "crm", "disk-a", DUE - DAY, DUE)


def run(outcome, archive="", began=DUE, ended=DUE + timedelta(minutes=5), **words):
    return Run(1, "crm", Trigger.SCHEDULE, began, ended, outcome, archive, **words)


def stand(*offers, runs=(), copies=(OLD,), now=NOW, **more):
    expected = replace(CRM, offers=offers or (OFFER,))
    return assess([expected], copies, runs, now, **more).sources[0]


FAILED = run(Outcome.FAILED, message="It broke off.", faults=("SourceUnreachable",))


def test_while_it_is_not_backed_up_the_days_are_counted() -> None:
    assert stand(runs=[FAILED]).sentence == (
        "It broke off. The vendor keeps this export until Thu 26 Nov 14:00 (5 days left)."
    )
    late = stand(runs=[FAILED], now=UNTIL - timedelta(hours=23, minutes=59))
    assert "until tomorrow 14:00 (23 hours left)" in late.sentence
    assert Reason.EXPORT in late.reasons


def test_below_a_day_a_person_is_wanted_and_afterwards_it_is_gone() -> None:
    cut_off = [run(Outcome.INTERRUPTED)]
    fresh = [replace(OLD, time=UNTIL - timedelta(hours=26))]
    calm = stand(runs=cut_off, copies=fresh, now=UNTIL - timedelta(hours=25))
    assert (calm.state, calm.reasons) == (State.SAFE, ())
    assert calm.good_until == UNTIL - timedelta(hours=24), "silence does not go on looking safe"
    urgent = stand(runs=cut_off, copies=fresh, now=UNTIL - timedelta(hours=2))
    assert (urgent.state, urgent.reasons[0]) == (State.LOOK, Reason.EXPORT)
    assert "(2 hours left)" in urgent.sentence
    gone = stand(runs=cut_off, now=UNTIL + DAY)
    assert "This export is gone at the vendor's since yesterday 14:00" in gone.sentence
    assert gone.todo == "Make a new export in the CRM, then back up."


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.WARNING, Outcome.HELD, Outcome.SKIPPED])
def test_a_proved_backup_that_ended_after_it_ends_it(outcome) -> None:
    done = run(outcome, "crm-new")
    here = [OLD, Copy("crm-new", "crm", "disk-a", DUE, DUE)]
    assert stand(runs=[done], copies=here).countdowns == ()
    on_the_box = [OLD, Copy("crm-new", "crm", "on the box", DUE, DUE)]
    assert not stand(runs=[done], copies=on_the_box).countdowns, "no vendor can take that away"
    nowhere = stand(runs=[done])
    assert nowhere.countdowns, "what is proved nowhere is not kept"
    before = replace(done, finished=MADE - timedelta(seconds=1))
    assert stand(runs=[before], copies=here).countdowns
    assert stand(runs=[run(outcome)], copies=here).countdowns, "nothing was fetched"


def test_a_link_stands_until_its_file_is_fetched_whatever_else_is_backed_up() -> None:
    link = replace(OFFER, what="Re Anna Meyer.eml")
    here = [Copy("crm-new", "crm", "disk-a", DUE, DUE)]
    found = stand(link, runs=[run(Outcome.OK, "crm-new")], copies=here)
    assert "A link in the inbox works until Thu 26 Nov 14:00 (5 days left)." in found.sentence
    assert "Meyer" not in found.sentence, "it may stand in a message"
    (told,) = as_json(assess([replace(CRM, offers=(link,))], here, (), NOW))["sources"][0]["offers"]
    assert told == {
        "standing": "kept",
        "what": "Re Anna Meyer.eml",
        "since": MADE.isoformat(),
        "until": UNTIL.isoformat(),
        "left_seconds": int((UNTIL - NOW).total_seconds()),
        "sentence": "The link in Re Anna Meyer.eml works until Thu 26 Nov 14:00 (5 days left).",
    }


def test_while_a_run_is_at_it_nobody_is_wanted() -> None:
    soon = stand(now=UNTIL - timedelta(hours=2), running="crm")
    assert (soon.state, Reason.EXPORT in soon.reasons) == (State.WORKING, False)


def test_what_lives_for_minutes_is_not_told() -> None:
    assert stand(replace(OFFER, until=MADE + timedelta(minutes=5))).countdowns == ()


def test_a_clock_in_doubt_counts_nothing_down() -> None:
    found = stand(now=UNTIL + DAY, clock_trusted=False)
    assert "The vendor keeps this export until Thu 26 Nov 14:00." in found.sentence
    assert Reason.EXPORT not in found.reasons


def test_the_soonest_is_told_first_and_not_too_many() -> None:
    several = [replace(OFFER, until=UNTIL + DAY * n, what=f"{n}.url") for n in (3, 0, 2, 1)]
    found = stand(*several)
    assert [each.about.what for each in found.countdowns] == ["0.url", "1.url", "2.url", "3.url"]
    assert found.sentence.count("works until") == 2


def test_what_cannot_be_understood_of_a_note_is_left_out() -> None:
    good = {"until": UNTIL.isoformat(), "since": MADE.isoformat()}
    assert from_json("crm", {"offer": good, "job": 7}) == (OFFER,)
    assert from_json("crm", {"offers": [good | {"what": "a.url"}, 7, {}]}) == (
        replace(OFFER, what="a.url"),
    )
    wrong = (None, {}, 3, good | {"until": "soon"}, good | {"since": "2026-11-21"})
    for bad in (None, [], {"offers": 3}, *({"offer": each} for each in wrong)):
        assert from_json("crm", bad) == ()


# --- messages -----------------------------------------------------------------------------------


def messages_at(now, *offers, runs=(FAILED,), **more):
    expected = replace(CRM, offers=offers or (OFFER,))
    health = as_json(assess([expected], [OLD], runs, now, **more))
    status = health | {"as_of": now.isoformat(), "box": {"name": "B", "timezone": "Europe/Berlin"}}
    return troubles(Scene(status, {"crm": ["SourceUnreachable"]}), BERLIN, now)


def test_a_message_says_how_long_is_left_and_why_it_is_not_backed_up() -> None:
    early = {each.key: each for each in messages_at(NOW)}
    assert set(early) == {"export:crm", "offer:crm"}
    assert "until Thu 26 Nov 14:00 (5 days left)" in early["offer:crm"].cause
    assert not early["offer:crm"].is_urgent
    (late,) = (each for each in messages_at(UNTIL - timedelta(hours=2)) if "crm" in each.key)
    assert (late.key, late.is_urgent) == ("offer:crm", True)
    assert late.cause == (
        "crm: there is an export that is kept by the vendor until today 14:00 (2 hours left), and"
        " it is not backed up. The server that makes the export does not answer."
    )
    (gone,) = (each for each in messages_at(UNTIL + DAY) if each.key == "gone:crm")
    assert "is gone since yesterday 14:00" in gone.cause


def test_a_message_names_no_file() -> None:
    link = replace(OFFER, what="Re Anna Meyer.eml")
    for now in (NOW, UNTIL - timedelta(hours=2), UNTIL + DAY):
        for each in messages_at(now, link):
            assert "Meyer" not in f"{each.headline} {each.cause} {each.todo}"
