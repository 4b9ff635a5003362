"""Exports that look wrong: shown beside the last good one, and decided by a person."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import ORIGIN
from tests.web.offices import OFFICES
from tests.web.people import LOOKERS

HELD = {
    "source": "crm",
    "archive": "crm-2026-11-21T03:00:00Z",
    "time": "2026-11-21T03:00:00+00:00",
    "local": "2026-11-21T04:00:00+01:00",
    "good": "2026-11-20T04:00:00+01:00",
    "good_archive": "crm-2026-11-20T03:00:00Z",
    "reasons": ["412 contacts that were there before are gone (88 are left)."],
    "tables": [
        {"name": "contacts", "rows": 88, "before": 500, "added": 0, "changed": 1, "removed": 412}
    ],
}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def held(box):
    box.waits_for_a_word = [dict(HELD)]
    return box


def get(browser):
    return browser.get("/held/", base_url=ORIGIN)


def decide(browser, word, **form):
    form = {"archive": HELD["archive"], "word": word} | form
    return browser.post("/held/decide", data=form, base_url=ORIGIN)


def text_of(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


def test_why_it_is_held_stands_beside_the_last_good_one(keeper, held):
    assert 'href="/restore/from/crm/crm-2026-11-20T03:00:00Z/"' in get(keeper).text
    said = text_of(get(keeper))
    assert "412 contacts that were there before are gone" in said
    assert "Beside the last good one of Friday 20 November 2026, 04:00" in said
    assert "contacts 500 88 412 0 1" in said


@pytest.mark.parametrize(
    ("word", "is_right", "words"),
    [("right", True, "counts as a good backup"), ("wrong", False, "never counts")],
)
def test_a_word_is_taken_with_its_reason_and_nobody_is_asked_again(
    keeper, held, word, is_right, words
):
    answer = decide(keeper, word, reason=" we moved \n")
    assert answer.status_code == 303
    assert ("decide", HELD["archive"], is_right, "we moved") in held.asked
    said = text_of(get(keeper))
    assert words in said
    assert "None waits for you." in said


def test_what_is_decided_meanwhile_is_said_and_changes_nothing(keeper, held):
    held.refuses = True
    decide(keeper, "right")
    assert "It is not held any more. Look at the list again." in text_of(get(keeper))


def test_who_may_only_look_sees_it_and_decides_nothing(app, visitor, held):
    app.config["WTF_CSRF_ENABLED"] = False
    visitor.post("/sign-in", data={"password": LOOKERS}, base_url=ORIGIN)
    assert "412 contacts" in text_of(get(visitor))
    assert decide(visitor, "right").status_code == 403
    assert not [one for one in held.asked if one[0] == "decide"]


def test_E11_what_a_vendor_writes_runs_nowhere(keeper, held):
    held.waits_for_a_word[0] |= {"source": HOSTILE, "reasons": [HOSTILE], "good": None}
    held.waits_for_a_word[0]["tables"] = [HELD["tables"][0] | {"name": HOSTILE, "before": None}]
    page = get(keeper).text
    assert HOSTILE not in page
    assert "There is no good one yet" in page


def test_a_held_export_is_what_the_first_page_leads_to(keeper, held):
    held.facts = OFFICES["held"]().facts
    assert 'href="/held/"' in keeper.get("/", base_url=ORIGIN).text
