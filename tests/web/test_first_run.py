"""The first run on the page: it goes on where the box is, and shows the sheet once."""

from __future__ import annotations

import re

import pytest

from appliance.core.model import Trigger
from appliance.system.socket import WorkerAbsent
from appliance.web import certificate
from appliance.web.first_run import STEPS
from tests.system.worker import SHEET
from tests.web.conftest import ORIGIN

DISK = {"node": "/dev/sda", "words": "SanDisk Ultra, 64.0 GB", "contents": "FAT", "why_not": ""}
READY = {
    "name": "disk-a",
    "kind": "disk",
    "ready": True,
    "confirmed": False,
    "sheet_open": True,
    "asked": [1, 2],
}


def get(keeper, path="/first-run", **how):
    return keeper.get(path, base_url=ORIGIN, **how)


def post(keeper, path, **form):
    return keeper.post(f"/first-run/{path}", data=form, base_url=ORIGIN)


def asked(box):
    """What was asked of the box, beside what the door has written down."""
    return [each for each in box.asked if each[0] != "note"]


def text_of(answer):
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


def test_a_stranger_sees_nothing_of_it(visitor):
    for path in ("", *(f"/{step.key}" for step in STEPS)):
        assert get(visitor, f"/first-run{path}").location == "/sign-in"


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        ({}, "name"),
        ({"named": True}, "place"),
        ({"named": True, "repositories": [READY]}, "sheet"),
        ({"named": True, "repositories": [READY | {"confirmed": True}]}, "source"),
        (
            {"named": True, "repositories": [READY | {"confirmed": True}], "sources": ["crm"]},
            "backup",
        ),
        (
            {
                "named": True,
                "repositories": [READY | {"confirmed": True}],
                "sources": ["crm"],
                "proved": True,
            },
            "restore",
        ),
    ],
)
def test_it_goes_on_where_the_box_is(keeper, box, facts, key):
    box.beginning |= facts
    assert get(keeper).location == f"/first-run/{key}"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_every_step_says_why_and_no_step_speaks_of_borg(keeper, box, step):
    box.beginning |= {"repositories": [READY], "sources": ["crm"], "attached": [DISK]}
    answer = get(keeper, f"/first-run/{step.key}")
    assert answer.status_code == 200
    assert step.why.count(".") == 1
    page = text_of(answer)
    assert step.why in page.replace("&#39;", "'")
    for word in ("repository", "archive", "prune", "chunk", "borg", "rclone", "mirror", "drill"):
        assert word not in page.lower()


def test_a_wrong_name_loses_nothing_that_was_typed(keeper):
    answer = post(keeper, "name", name="", timezone="Europe/Vienna")
    assert answer.status_code == 400
    assert "1 to 60 letters" in answer.text
    assert "<option selected>Europe/Vienna</option>" in answer.text


def test_a_right_name_leads_to_the_next_step(keeper, box):
    assert post(keeper, "name", name="Front office", timezone="UTC").location == "/first-run"
    assert asked(box) == [("name", "Front office", "UTC")]
    assert get(keeper).location == "/first-run/place"


def test_with_a_button_the_page_asks_for_a_disk_and_the_box_is_where_yes_is_said(keeper, box):
    box.beginning |= {"attached": [DISK], "has_button": True}
    page = get(keeper, "/first-run/place").text
    assert "Use this disk" in page
    assert post(keeper, "place", node="/dev/sda", name="disk-a").location == "/first-run/place"
    assert asked(box) == [("pair", "/dev/sda", "disk-a")]
    box.facts["pairing"] = {"question": "Erase it? Hold the button on the box for five seconds."}
    page = get(keeper, "/first-run/place").text
    assert "Hold the button on the box for five seconds." in page
    assert "Use this disk" not in page, "one question at a time"


def test_without_a_button_it_says_the_exact_command(keeper, box):
    box.beginning |= {"attached": [DISK], "repositories": [READY]}
    page = text_of(get(keeper, "/first-run/place"))
    assert "sudo appliance disk pair /dev/sda --name disk-b" in page
    assert "Use this disk" not in page


def test_a_disk_that_may_not_be_used_says_why(keeper, box):
    box.beginning |= {"attached": [DISK | {"why_not": "It is in use."}], "has_button": True}
    page = get(keeper, "/first-run/place").text
    assert "It is in use." in page
    assert "Use this disk" not in page


def test_the_sheet_is_shown_only_when_asked_for_and_nobody_keeps_it(keeper, box):
    box.beginning["repositories"] = [READY]
    assert SHEET["words"][0] not in get(keeper, "/first-run/sheet").text
    assert get(keeper, "/first-run/sheet", follow_redirects=True).status_code == 200
    assert asked(box) == []
    shown = post(keeper, "sheet", repository="disk-a")
    assert asked(box) == [("sheet", "disk-a")]
    assert "no-store" in shown.headers["Cache-Control"]
    assert all(word in shown.text for word in SHEET["words"])
    assert "<code>borg list REPOSITORY</code>" in shown.text


def test_E10_by_the_sheet_the_page_s_certificate_is_known_again(keeper, box, people):
    box.beginning["repositories"] = [READY]
    assert "Certificate" not in post(keeper, "sheet", repository="disk-a").text
    certificate.ensure(people.folder, ["box"])
    shown = post(keeper, "sheet", repository="disk-a").text
    assert certificate.fingerprint(people.folder) in shown


def test_a_sheet_that_is_not_shown_says_what_to_do(keeper, box):
    box.beginning["repositories"] = [READY]
    box.refuses = True
    answer = post(keeper, "sheet", repository="disk-a")
    assert answer.location == "/first-run/sheet"
    assert "Not now. Hold the button." in get(keeper, "/first-run/sheet").text


def test_two_words_are_asked_back(keeper, box):
    box.beginning["repositories"] = [READY]
    assert "Word 1" in get(keeper, "/first-run/sheet").text
    wrong = post(keeper, "words", repository="disk-a", word=["able", "no"])
    assert wrong.location == "/first-run/sheet"
    assert "not the words" in get(keeper, "/first-run/sheet").text
    right = post(keeper, "words", repository="disk-a", word=["able", "baker"])
    assert right.location == "/first-run"


def test_after_the_first_run_the_button_is_asked_or_the_command_is_said(keeper, box):
    box.beginning |= {
        "repositories": [READY | {"sheet_open": False, "confirmed": True}],
        "has_button": True,
    }
    page = text_of(get(keeper, "/first-run/sheet"))
    assert "sudo appliance sheet disk-a" in page
    assert "Show the sheet" not in page
    post(keeper, "ask", repository="disk-a")
    assert asked(box) == [("ask for sheet", "disk-a")]


def test_the_first_backup_is_pressed_and_seen(keeper, box):
    box.beginning |= {"repositories": [READY], "sources": ["crm"]}
    assert post(keeper, "backup").location == "/first-run/backup"
    assert asked(box) == [("start", "crm", Trigger.PAGE)]
    progress = {"step": "pull", "done": 5, "total": 10, "unit": "bytes", "note": ""}
    box.facts["running"] = {"job": "crm", "started": "", "progress": progress}
    page = get(keeper, "/first-run/backup").text
    assert "fetching the export" in page
    assert 'max="10" value="5"' in page
    assert 'data-again="1"' in page
    assert '<noscript><meta http-equiv="refresh"' in page


def test_a_backup_that_failed_says_so(keeper, box):
    failed = {"source": "crm", "last_outcome": "failed", "last_message": "The login was refused."}
    box.facts["sources"] = [failed]
    box.beginning |= {"repositories": [READY], "sources": ["crm"]}
    assert "crm: The login was refused." in get(keeper, "/first-run/backup").text


def test_a_worker_that_is_away_is_said_in_words(keeper, box, monkeypatch):
    def away():
        raise WorkerAbsent("The worker is not running.")

    monkeypatch.setattr(box, "first_run", away)
    answer = get(keeper, "/first-run/name")
    assert answer.status_code == 503
    assert "The box&#39;s worker does not answer." in answer.text


def test_E8_hostile_names_stay_text(keeper, box):
    evil = '"><script>alert(1)</script>'
    disk = dict.fromkeys(DISK, evil) | {"why_not": ""}
    box.beginning |= {
        "name": evil,
        "attached": [disk],
        "has_button": True,
        "repositories": [READY | {"name": evil}],
        "sources": [evil],
    }
    for step in STEPS:
        assert "<script>alert" not in get(keeper, f"/first-run/{step.key}").text
