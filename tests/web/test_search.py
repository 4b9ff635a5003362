"""One record through all backups on the page: the search, what became of it, the download."""

from __future__ import annotations

from appliance.core.ports import Download
from tests.system.worker import AS_OF
from tests.web.conftest import ORIGIN, PASSWORD
from tests.web.test_restore import NO_BORG

FOUND = "/find/search/"
HOSTILE = '<img src=x onerror="alert(1)">'


def moment(kind, day, **fields):
    return {"kind": kind, "local": f"2026-11-{day}T03:00:00", "fields": fields, "archive": "a"}


RECORD = {
    "table": "contacts",
    "id": "zcrm_7",
    "title": "Meyer",
    "moments": [
        moment("there", 18),
        moment("changed", 19, Phone=["030", "031"], Fax=["", HOSTILE]),
        moment("removed", 20),
    ],
    "row": {"Last Name": "Meyer", "Phone": "031"},
    "is_there": False,
    "mark": "ab",
}


def get(keeper, path):
    return keeper.get(path, base_url=ORIGIN)


def post(keeper, path, **form):
    return keeper.post(path, data=form, base_url=ORIGIN, headers={"Referer": ORIGIN})


def sought(keeper, box, **facts):
    box.told_of = facts
    return post(keeper, "/find/", source="crm", text="Meyer")


def test_a_name_is_typed_and_stands_in_no_address(keeper, box):
    assert 'name="text"' in get(keeper, "/find/").text
    answer = sought(keeper, box)
    assert (answer.status_code, answer.location) == (303, FOUND)
    assert box.asked[-1] == ("seek", "crm", "Meyer")


def test_where_there_are_several_sources_one_is_chosen(keeper, box):
    assert "<select" not in get(keeper, "/find/").text
    box.kept["site"] = []
    assert "<option>site</option>" in get(keeper, "/find/").text


def test_while_it_searches_the_page_looks_again_and_says_how_far_it_is(keeper, box):
    progress = {"words": "Reading each backup", "done": 12, "total": 90}
    sought(keeper, box, state="searching", progress=progress)
    answer = get(keeper, FOUND)
    assert answer.headers["Refresh"] == "1"
    assert "12 of 90 backups" in answer.text


def test_what_became_of_a_record_is_told_day_by_day(keeper, box):
    sought(keeper, box, records=[RECORD], count=3, troubles=["One was passed over."], newest=AS_OF)
    answer = get(keeper, FOUND)
    page = " ".join(answer.text.split())
    assert "Refresh" not in answer.headers
    assert "there, in the oldest backup" in page
    assert "Phone: 030 → 031" in page
    assert "<strong>Friday 20 November 2026, 03:00</strong>: gone" in page
    assert "2 more are not shown" in page
    assert "One was passed over." in page
    assert HOSTILE not in page
    assert not NO_BORG.search(page)


def test_what_failed_is_said(keeper, box):
    sought(keeper, box, state="failed", sentence="disk-a is not here.", hint="Plug it in.")
    assert "disk-a is not here. Plug it in." in get(keeper, FOUND).text
    box.refuses = True
    answer = sought(keeper, box)
    assert answer.status_code == 422
    assert "Type at least 3 letters." in answer.text
    assert get(keeper, "/find/other/").status_code == 409


def test_a_record_is_taken_home_with_the_password_once_more(keeper, box):
    sought(keeper, box, records=[RECORD], count=1)
    assert "Your password, once more" in post(keeper, f"{FOUND}download", record="0").text
    wrong = post(keeper, f"{FOUND}download", record="0", password="wrong")
    assert wrong.status_code == 403
    box.taken = Download("Contacts.csv", iter_of(b"Last Name\r\n", b"Meyer\r\n"))
    with post(keeper, f"{FOUND}download", record="0", password=PASSWORD) as answer:
        assert answer.data == b"Last Name\r\nMeyer\r\n"
    assert "Contacts.csv" in answer.headers["Content-Disposition"]
    assert ("download", "record", 0, 0, "") in box.asked
    (noted,) = [each[2] for each in box.asked if each[:2] == ("note", "download")]
    assert "Meyer" not in noted
    assert post(keeper, f"{FOUND}download", record="7").status_code == 409


def iter_of(*blocks):
    yield from blocks
