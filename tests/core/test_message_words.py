"""What messages say, and what they never hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.core.message_words import Scene, Week, message, troubles, weekly
from appliance.core.messages import decide
from appliance.core.signals import SIGNS, Reason

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CUSTOMER = "Anna Meyer, anna@meyer.example"
FORBIDDEN = ("borg", "repository", "archive", "prune", "chunk", "rclone")


def source(name="crm", reasons=("old",), sentence="The last good copy is old.", **more):
    return {
        "source": name,
        "state": "look",
        "reasons": list(reasons),
        "sentence": sentence,
        "todo": "",
        "last_message": "",
    } | more


def status(*sources, vitals=(), configuration=()):
    return {
        "sources": sources,
        "vitals": vitals,
        "configuration": configuration,
        "as_of": NOW.isoformat(),
        "box": {"name": "Front office", "timezone": "Europe/Berlin"},
    }


def vital(name, sentence, reason="", state="look"):
    return {"name": name, "state": state, "sentence": sentence, "todo": "Do.", "reason": reason}


def held(**tables):
    return {
        "source": "crm",
        "archive": "crm-2026-11-24T02:00:00Z",
        "local": "2026-11-24T03:00:00+01:00",
        "good": "2026-11-23T03:00:00+01:00",
        "reasons": [f"contacts lack {CUSTOMER}, which was there before."],
        "tables": [
            {"name": name, "added": 0, "changed": 0, "is_known": True} | told
            for name, told in tables.items()
        ],
    }


def said(scene):
    found = troubles(scene, ZONE, NOW)
    decision = decide(found, {}, NOW)
    return message("Front office", decision)


def test_a_held_export_is_told_with_what_is_gone_in_words() -> None:
    scene = Scene(
        status(source(reasons=["held"], sentence=CUSTOMER, last_message=CUSTOMER)),
        held=[held(contacts={"rows": 3, "before": 415, "removed": 412})],
    )
    out = said(scene)
    assert out.subject == "Front office: please look: an export looks wrong (crm)"
    assert "412 contacts that were here yesterday are gone today (3 are left)" in out.body
    assert "gives them back" in out.body
    assert SIGNS[Reason.HELD].todo in out.body
    assert troubles(scene, ZONE, NOW)[0].is_urgent


def test_a_table_that_is_empty_or_has_no_ids_is_counted_by_its_rows() -> None:
    tables = {
        "contacts": {"rows": 0, "before": 415, "removed": 0},
        "deals": {"rows": 10, "before": 100, "removed": 0, "is_known": False},
    }
    out = said(Scene(status(source(reasons=["held"])), held=[held(**tables)]))
    assert "415 contacts that were here yesterday are gone today (none is left)" in out.body
    assert "90 deals" in out.body


def test_an_export_that_is_held_for_another_reason_can_wait_for_the_morning() -> None:
    tables = {"contacts": {"rows": 415, "before": 415, "removed": 0}}
    scene = Scene(status(source(reasons=["held"])), held=[held(**tables)])
    assert not troubles(scene, ZONE, NOW)[0].is_urgent
    assert "Meyer" not in said(scene).body


@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.DAMAGED])
def test_no_word_of_a_run_a_file_or_a_server_leaves_the_house(reason) -> None:
    said_by_run = f"{CUSTOMER}.csv is no export, says smtp banner"
    sick = source(reasons=[reason], sentence=said_by_run, last_message=said_by_run, todo=CUSTOMER)
    tables = {"contacts": {"rows": 3, "before": 415, "removed": 412}}
    scene = Scene(status(sick), {"crm": ["ExportUnsafe"]}, [held(**tables)])
    decision = decide(troubles(scene, ZONE, NOW), {}, NOW + timedelta(days=2))
    later = decide(troubles(scene, ZONE, NOW), decision.memory, NOW + timedelta(days=4))
    text = message("Office", decision if decision.begun else later).body.lower()
    assert "meyer" not in text
    assert "banner" not in text
    assert not [word for word in FORBIDDEN if word in text]
    assert "what to do: " in text


def test_a_cause_is_told_by_the_kind_of_the_error() -> None:
    sick = source(reasons=["export"], sentence="x", last_message="x")
    assert "refuses the login" in said(Scene(status(sick), {"crm": ["SourceRefused"]})).body


def test_a_disk_that_two_sources_lack_is_one_trouble() -> None:
    both = [source(name, ["disk"], "disk-a is away.") for name in ("crm", "site")]
    (one,) = troubles(Scene(status(*both)), ZONE, NOW)
    assert one.key == "disk"
    assert "crm: disk-a is away." in one.cause
    assert "site: disk-a is away." in one.cause


def test_a_damaged_disk_is_one_trouble_by_its_name_and_cannot_wait() -> None:
    both = [source(name, ["damaged", "held"], CUSTOMER) for name in ("crm", "site")]
    one, *rest = troubles(Scene(status(*both), damaged=["disk-a"]), ZONE, NOW)
    assert (one.key, one.is_urgent) == ("damaged:disk-a", True)
    assert "Meyer" not in one.cause
    assert [each.key for each in rest] == ["held:crm", "held:site"]


def test_the_worst_reason_of_a_source_hides_no_other() -> None:
    sick = source(reasons=["old", "cloud", "disk"], sentence="The last good copy is 3 days old.")
    told = {each.key: each.cause for each in troubles(Scene(status(sick)), ZONE, NOW)}
    assert told == {
        "disk": "It concerns crm.",
        "cloud": "It concerns crm.",
        "old:crm": "crm: The last good copy is 3 days old.",
    }


def test_beside_a_damage_it_is_told_why_the_last_backup_failed() -> None:
    sick = source(reasons=["damaged", "export"], sentence="disk-a. It said x", last_message="x")
    _, export = troubles(Scene(status(sick), {"crm": ["SourceRefused"]}), ZONE, NOW)
    assert "refuses the login" in export.cause


def test_a_damage_of_which_nobody_knows_the_place_cannot_wait_either() -> None:
    (one,) = troubles(Scene(status(source(reasons=["damaged"]))), ZONE, NOW)
    assert one.is_urgent


def test_a_table_s_name_breaks_no_line_and_is_not_long() -> None:
    evil = "contacts\n\nCall 0900-1 now\x1b[0m" + "x" * 200
    tables = {evil: {"rows": 3, "before": 415, "removed": 412}}
    body = said(Scene(status(source(reasons=["held"])), held=[held(**tables)])).body
    changes = {evil: {"added": 2, "changed": 0, "removed": 0}}
    body += weekly("Office", "safe", (), Week(changes=changes), Scene(status())).body
    assert body.count("contacts  Call 0900-1 now [0mxxx") == 2
    assert "x" * 60 not in body
    assert "\x1b" not in body


def test_of_very_much_that_is_wrong_the_rest_is_one_line() -> None:
    many = [source(f"crm-{number}", ["export"]) for number in range(50)]
    out = said(Scene(status(*many)))
    assert out.body.count("What to do") == 20
    assert "And 30 things more" in out.body


def test_what_the_machine_says_of_the_same_thing_is_the_same_trouble() -> None:
    clock = vital("clock", "The clock is not set: backups go on.", "clock")
    waits = source(reasons=["clock"], sentence="The clock is not set yet.")
    (one,) = troubles(Scene(status(waits, vitals=[clock])), ZONE, NOW)
    assert "backups go on" in one.cause


def test_a_disk_that_says_it_fails_is_told_at_once_and_by_night() -> None:
    sick = vital("disk-a: health", "disk-a has 12 sectors that it cannot read.", "disk")
    (one,) = troubles(Scene(status(vitals=[sick])), ZONE, NOW)
    assert (one.is_urgent, one.patience) == (True, timedelta())


def test_that_messages_do_not_get_out_is_not_told_by_message() -> None:
    stuck = vital("messages", "Messages have not got out since Mon.")
    assert (
        troubles(Scene(status(vitals=[stuck, vital("power", "Well.", state="ok")])), ZONE, NOW)
        == []
    )


def test_the_worst_trouble_is_told_first() -> None:
    scene = Scene(
        status(source("a", ["old"]), source("b", ["export"]), configuration=["x: y"]),
        damaged=["disk-a"],
    )
    assert [each.key for each in troubles(scene, ZONE, NOW)] == [
        "export:b",
        "old:a",
        "configuration",
    ]


def test_the_weekly_word_tells_what_the_week_brought() -> None:
    week = Week(
        backups=7,
        last=NOW - timedelta(hours=7),
        changes={
            "contacts": {"added": 12, "changed": 3, "removed": 1},
            "deals": {"added": 0, "changed": 4, "removed": 0},
        },
        away={"disk-b": NOW - timedelta(days=9)},
    )
    out = weekly("Front office", "safe", (), week, Scene(status()))
    assert out.subject == "Front office, this week: Safe"
    assert out.body == (
        "Safe. 7 backups this week, the last one today 03:00; 12 new contacts, 3 changed, "
        "1 removed; deals: 4 changed; disk-b away for 9 days."
    )


def test_the_weekly_word_is_not_called_safe_where_something_is_wrong() -> None:
    out = weekly("Office", "safe", ("no new export came (crm)",), Week(), Scene(status()))
    assert out.body.startswith("Please look: no new export came (crm). No new backup this week")
