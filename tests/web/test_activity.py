"""Activity: what was done, in words, chosen and page by page, without any script."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from appliance.core.activity_words import KINDS
from appliance.core.errors import ApplianceError
from appliance.core.model import Outcome, Progress, Step, StepName, Trigger
from appliance.system.socket import WorkerAbsent
from tests.web.conftest import ORIGIN

NOW = datetime(2025, 11, 21, 2, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}☃"
NOT_FOR_PEOPLE = ("repository", "archive", "prune", "chunk", "borg", "rclone", "mirror", "drill")


def done(box, source="crm", outcome=Outcome.OK, trigger=Trigger.SCHEDULE, **how):
    run = box.ledger.begin(source, trigger, NOW)
    return box.ledger.finish(run.id, outcome, NOW + timedelta(minutes=2), **how).id


def get(person, address="/activity/", **asked):
    return person.get(address, base_url=ORIGIN, query_string=asked or None)


def headings(page):
    return [unescape(text) for text in re.findall(r'<h2><a href="[^"]*">(.*?)</a></h2>', page)]


def words_of(page):
    """What a person reads: no tags, no addresses, nothing that is folded away."""
    page = re.sub(r"<(details|head)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", " ", page))


def older(page):
    found = re.search(r'<a rel="next" href="([^"]*)">Older</a>', page)
    return unescape(found[1]) if found else None


def test_nothing_was_done_yet(keeper):
    assert "Nothing was done yet." in get(keeper).text


def test_each_entry_says_what_when_why_and_how_it_ended(keeper, box):
    done(box, "drill:disk-a", Outcome.FAILED, message="A file was not whole.", hint="Use disk-b.")
    page = get(keeper).text
    assert headings(page) == ["Test restore from disk-a"]
    assert ">✗</span> failed</p>" in page
    assert '<time datetime="2025-11-21T02:00:00+00:00">Fri 21 Nov 2025 03:00</time>' in page
    assert "by the schedule, took 2 minutes" in page
    assert "A file was not whole." in page
    assert "Use disk-b." in page


def test_newest_first_and_what_runs_is_under_way(keeper, box):
    done(box, "crm")
    done(box, "mirror:cloud", Outcome.SKIPPED)
    box.ledger.begin("restore:crm", Trigger.COMMAND, NOW)
    page = get(keeper).text
    wanted = ["Getting data back from crm", "Cloud copy to cloud", "Backup of crm"]
    assert headings(page) == wanted
    assert "under way" in page


def test_what_a_person_did_is_there_too(keeper, box):
    text = "A wrong password, from 192.0.2.7."
    box.ledger.add_act("page:sign-in", Trigger.PAGE, NOW, Outcome.WARNING, text)
    page = get(keeper, about="person:").text
    assert headings(page) == ["Sign-in"]
    assert "did not go through" in page
    assert "on the page</p>" in page
    assert "took" not in words_of(page)


def test_one_chooses_a_kind_a_source_and_how_it_ended(keeper, box):
    done(box, "crm")
    done(box, "crm", Outcome.FAILED)
    done(box, "site", Outcome.FAILED)
    done(box, "drill:disk-a")
    assert headings(get(keeper, about="drill:").text) == ["Test restore from disk-a"]
    assert headings(get(keeper, about="crm").text) == ["Backup of crm"] * 2
    assert headings(get(keeper, outcome="failed").text) == ["Backup of site", "Backup of crm"]
    page = get(keeper, about="crm", outcome="failed").text
    assert headings(page) == ["Backup of crm"]
    assert '<option value="crm" selected>' in page
    assert '<option value="failed" selected>' in page
    assert "Nothing of that kind yet." in get(keeper, about="site", outcome="held").text


def test_everything_that_can_be_chosen_is_offered_in_words(keeper):
    page = get(keeper).text
    offered = dict(re.findall(r'<option value="([^"]*)">([^<]*)</option>', page))
    assert {f"{kind}:": name for kind, name in KINDS.items()}.items() <= offered.items()
    assert (offered["crm"], offered["site"]) == ("Backup of crm", "Backup of site")
    assert set(Outcome) <= set(offered)
    assert 'method="get"' in page


def test_older_pages_keep_the_choice_and_show_everything_once(keeper, box):
    for n in range(130):
        done(box, "site" if n % 10 else "crm", Outcome.FAILED if n % 2 else Outcome.OK)
    address, seen = "/activity/?about=site&outcome=failed", []
    while address:
        page = get(keeper, address).text
        seen.append(re.findall(r'<h2><a href="/activity/(\d+)">', page))
        address = older(page)
        if address:
            asked = parse_qs(urlsplit(address).query)
            assert (asked["about"], asked["outcome"]) == (["site"], ["failed"])
    assert [len(each) for each in seen] == [50, 15]
    numbers = [int(each) for each in seen[0] + seen[1]]
    assert numbers == sorted(set(numbers), reverse=True)
    assert "There is nothing older." in get(keeper, before=1).text


def test_what_no_one_offers_is_answered_with_a_sentence_and_loses_nothing(keeper, box):
    done(box)
    page = get(keeper, outcome="splendid", before="yesterday", about="crm").text
    assert headings(page) == ["Backup of crm"]
    assert "Nothing ends like that." in page
    for before in ("-1", "0", "9" * 30, "1e3", "", "☃"):
        assert get(keeper, before=before).status_code == 200
    assert get(keeper, about="x" * 100_000).status_code == 200


def test_a_source_that_is_gone_stays_chosen(keeper, box):
    done(box, "before")
    page = get(keeper, about="before").text
    assert '<option value="before" selected>Backup of before</option>' in page


def test_E8_hostile_names_and_words_run_nothing_anywhere(keeper, box):
    number = done(box, f"drill:{HOSTILE}", Outcome.FAILED, message=HOSTILE, hint=HOSTILE)
    run = box.ledger.begin(HOSTILE, Trigger.PAGE, NOW)
    step = Step(StepName.ARCHIVE, NOW, timedelta(), Outcome.OK, HOSTILE, 1, HOSTILE, HOSTILE)
    box.ledger.add_step(run.id, step)
    box.progress[HOSTILE] = Progress(StepName.ARCHIVE, 1, 2, HOSTILE, HOSTILE)
    third = done(box, "crm", detail=HOSTILE, archive=HOSTILE, faults=[HOSTILE])
    answers = [get(keeper), get(keeper, about=HOSTILE, outcome=HOSTILE)]
    answers += [get(keeper, f"/activity/{each}") for each in (number, run.id, third)]
    for answer in answers:
        assert answer.status_code == 200
        assert "<script>" not in answer.text
        assert "<img" not in answer.text
        assert ">49<" not in answer.text
        assert "☃" in answer.text, "it is shown all the same"


def test_the_page_of_a_run_has_its_steps_with_times_and_sizes(keeper, box):
    run = box.ledger.begin("crm", Trigger.BUTTON, NOW)
    for step in (
        Step(StepName.PULL, NOW, timedelta(seconds=12), Outcome.OK, "", 12_300_000),
        Step(StepName.ARCHIVE, NOW, timedelta(seconds=3), Outcome.OK, "disk-a", 40_000),
        Step(
            StepName.VERIFY,
            NOW,
            timedelta(minutes=2),
            Outcome.FAILED,
            "disk-a",
            None,
            "A byte was off.",
            "Use another disk.",
        ),
    ):
        box.ledger.add_step(run.id, step)
    box.ledger.finish(
        run.id, Outcome.FAILED, NOW, message="It went wrong.", detail="rc=81", faults=["DiskFull"]
    )
    page = get(keeper, f"/activity/{run.id}").text
    assert "<h1>Backup of crm</h1>" in page
    steps = [unescape(each) for each in re.findall("<h3>(.*?)</h3>", page)]
    assert steps == ["Fetch", "Store on disk-a", "Read back from disk-a and compare"]
    for text in ("12.3 MB", "12 seconds", "A byte was off.", "Use another disk.", "by the button"):
        assert text in page
    folded = re.search(r"<details>(.*?)</details>", page, re.DOTALL)[1]
    assert "rc=81" in folded
    assert "DiskFull" in folded
    assert "rc=81" not in words_of(page)


def test_a_run_under_way_shows_how_far_it_is_and_can_be_looked_at_again(keeper, box):
    run = box.ledger.begin("crm", Trigger.PAGE, NOW)
    box.progress["crm"] = Progress(StepName.ARCHIVE, 5_000_000, 20_000_000)
    page = get(keeper, f"/activity/{run.id}").text
    assert f'data-live="run" data-run="{run.id}"' in page
    assert "storing it, 5.0 MB of 20.0 MB" in page
    assert 'value="25"' in page
    assert f'<a href="/activity/{run.id}">Look again</a>' in page

    box.ledger.finish(run.id, Outcome.OK, NOW)
    page = get(keeper, f"/activity/{run.id}").text
    assert "data-live" not in page
    assert "Look again" not in page


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress(StepName.PULL, 0), "Now: fetching the export</p>"),
        (Progress(StepName.PULL, 5, 0), "Now: fetching the export, 5 bytes</p>"),
        (Progress(StepName.VERIFY, 3, 9, "files"), "3 of 9 files</p>"),
        (Progress(StepName.VERIFY, 30, 9, "files"), 'value="100"'),
    ],
)
def test_progress_of_any_kind_is_said(keeper, box, progress, said):
    run = box.ledger.begin("crm", Trigger.PAGE, NOW)
    box.progress["crm"] = progress
    assert said in get(keeper, f"/activity/{run.id}").text


@pytest.mark.parametrize("number", ["7", "0", "9" * 40])
def test_no_such_entry_is_a_sentence_with_a_way_back(keeper, number):
    answer = get(keeper, f"/activity/{number}")
    assert answer.status_code == 404
    assert "There is no such entry." in answer.text
    assert 'href="/activity/"' in answer.text


@pytest.mark.parametrize(
    ("error", "status"),
    [(WorkerAbsent("The worker is not running."), 503), (ApplianceError("It refuses."), 404)],
)
def test_a_box_that_does_not_answer_is_said_in_words(keeper, box, monkeypatch, error, status):
    def raising(*_, **__):
        raise error

    for verb, address in (("activity", "/activity/"), ("run", "/activity/1")):
        monkeypatch.setattr(box, verb, raising)
        answer = get(keeper, address)
        assert (answer.status_code, error.message in answer.text) == (status, True)
        assert "Traceback" not in answer.text


def test_E18_a_trail_that_was_changed_is_said_above_all(keeper, box):
    box.trail = "Something that people did is missing in the record, after no. 12."
    assert box.trail in get(keeper).text
    box.trail = ""
    assert 'role="alert"' not in get(keeper).text


def test_none_of_it_is_in_the_tools_own_words(keeper, box):
    for source in ("crm", "drill:disk-a", "mirror:cloud", "check:disk-a", "restore:crm"):
        run = box.ledger.begin(source, Trigger.SCHEDULE, NOW)
        for name in StepName:
            box.ledger.add_step(run.id, Step(name, NOW, timedelta(), Outcome.OK, "disk-a", 1))
        box.ledger.finish(run.id, Outcome.OK, NOW, archive="crm-2025-11-21T02:00:00Z")
    pages = [get(keeper)] + [get(keeper, f"/activity/{each}") for each in range(1, 6)]
    for page in pages:
        said = words_of(page.text).lower()
        assert [word for word in NOT_FOR_PEOPLE if word in said] == []


def test_a_list_asks_the_box_once_and_loads_no_steps(keeper, box, monkeypatch):
    done(box)
    asked, real = [], box.activity

    def activity(*words):
        asked.append(words)
        return real(*words)

    monkeypatch.setattr(box, "activity", activity)
    monkeypatch.setattr(box, "run", lambda run_id: pytest.fail("not needed"))
    get(keeper, about="crm", before=99)
    assert asked == [("crm", "", 99, 50)]


def test_E1_activity_is_for_who_has_signed_in(visitor):
    for address in ("/activity/", "/activity/1"):
        answer = get(visitor, address)
        assert (answer.status_code, answer.location) == (302, "/sign-in")
