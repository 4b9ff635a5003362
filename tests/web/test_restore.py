"""Getting something back: the day, the look, the find, the download."""

from __future__ import annotations

import http.client
import re
import threading
from html import escape

import pytest
import waitress.server

from appliance.core.errors import ApplianceError
from appliance.core.ports import Download
from appliance.web import downloads
from appliance.web.calendar import month_of
from tests.system.worker import backup
from tests.web.conftest import ORIGIN, PASSWORD

OPEN = "/restore/opened/ticket/"
HOSTILE = '<img src=x onerror="alert(1)">.csv'
NO_BORG = re.compile(r"\b(repositor|archive|prune|chunk|borg|rclone|mirror|drill)", re.IGNORECASE)


def get(keeper, path):
    return keeper.get(path, base_url=ORIGIN)


def post(keeper, path, **form):
    return keeper.post(path, data=form, base_url=ORIGIN, headers={"Referer": ORIGIN})


def take(keeper, **form):
    """As a browser takes a download: to its end, and then it hangs up."""
    with post(keeper, f"{OPEN}download", password=PASSWORD, **form) as answer:
        return answer, answer.data


@pytest.fixture
def open_one(keeper, box):
    name = box.kept["crm"][0]["name"]
    post(keeper, f"/restore/from/crm/{name}/open")
    return box.open


def test_with_one_source_there_is_nothing_to_choose(keeper, box):
    assert get(keeper, "/restore/").location == "/restore/from/crm/"
    box.kept["site"] = []
    page = get(keeper, "/restore/").text
    assert "/restore/from/crm/" in page
    assert "/restore/from/site/" in page
    assert "There is no backup of it yet." in get(keeper, "/restore/from/site/").text


def test_the_newest_backup_is_one_press_away(keeper, box):
    page = get(keeper, "/restore/from/crm/").text
    assert "Saturday 21 November 2026, 03:00 (6 hours ago)" in page
    action = re.search(r'action="([^"]+/open)"', page)[1]
    answer = post(keeper, action)
    assert (answer.status_code, answer.location) == (303, OPEN)
    assert box.asked[-1][:3] == ("open_backup", "crm", box.kept["crm"][0]["name"])
    assert "Go on with the backup that you have open" in get(keeper, "/restore/from/crm/").text


def test_the_calendar_links_days_that_have_a_backup_and_marks_today(keeper, box):
    box.kept["crm"].append(backup("crm", "2026-11-20T01:00:00"))
    box.kept["crm"].append(backup("crm", "2026-09-03"))
    page = get(keeper, "/restore/from/crm/").text
    assert "<caption>November 2026</caption>" in page
    assert 'aria-label="21 November, 1 backup"' in page
    assert 'aria-label="20 November, 2 backups"' in page
    assert page.count('aria-current="date"') == 1
    assert 'month=2026-09"' in page
    assert "September 2026" in get(keeper, "/restore/from/crm/?month=2026-09").text
    day = get(keeper, "/restore/from/crm/?day=2026-11-20").text
    assert day.count("/restore/from/crm/crm-2026-11-20T") >= 2
    assert ">01:00</a>" in day


@pytest.mark.parametrize("nonsense", ["?month=zzzz", "?day=9999-99-99", "?day=%00", "?month=1-1-1"])
def test_nonsense_in_the_address_shows_the_newest_month(keeper, nonsense):
    answer = get(keeper, f"/restore/from/crm/{nonsense}")
    assert answer.status_code == 200
    assert "November 2026" in answer.text


def test_a_month_starts_on_monday_and_knows_its_neighbours():
    from datetime import date

    days = ["2026-08-31", "2026-10-25", "2026-11-21"]
    month = month_of([backup("crm", day) for day in days], date(2026, 11, 21), "2026-10")
    assert [each.date.weekday() for each in month.weeks[0]] == list(range(7))
    assert (month.words, month.older, month.newer) == ("October 2026", "2026-08", "2026-11")
    assert sum(each.is_in_month for week in month.weeks for each in week) == 31


def test_before_it_is_opened_it_says_how_old_it_is_and_what_would_be_undone(keeper, box):
    old = backup("crm", "2026-11-18T03:00:00", held=True)
    held = backup("crm", "2026-11-19T03:00:00", held=True)
    old |= {"held": False, "newer": 2, "is_last": False}
    old["places"].append({"name": "cloud", "kind": "cloud", "here": True})
    old["places"][0]["here"] = False
    box.kept["crm"] += [held, old]
    page = get(keeper, f"/restore/from/crm/{old['name']}/").text
    assert "This backup was made 3 days ago; 2 newer ones exist." in page, "held ones do not count"
    assert "Loading all of it into the CRM would undo what was done since." in page
    old["since"] = {"contacts": {"added": 14, "changed": 3, "removed": 0}}
    page = get(keeper, f"/restore/from/crm/{old['name']}/").text
    assert "Loading all of it into the CRM would lose 14 newer contacts and undo 3 changes." in page
    assert "disk-a (not plugged in now)" in page
    assert "Open the cloud copy instead" in page
    assert "Held:" in get(keeper, f"/restore/from/crm/{held['name']}/").text
    assert get(keeper, "/restore/from/crm/nothing/").status_code == 409
    assert get(keeper, "/restore/from/nobody/").status_code == 409


def test_while_it_is_opened_the_page_looks_again_by_itself_and_can_be_cancelled(
    keeper, box, open_one
):
    progress = {"words": "Reading it", "done": 5_000_000, "total": 9_000_000, "unit": "bytes"}
    box.open |= {"state": "opening", "progress": progress, "files": []}
    answer = get(keeper, OPEN)
    assert answer.headers["Refresh"] == "1"
    assert "5.0 MB of 9.0 MB" in answer.text
    assert post(keeper, OPEN + "close").location == "/restore/"
    assert box.asked[-1] == ("close_backup", "ticket")
    gone = get(keeper, OPEN)
    assert gone.status_code == 409
    assert "This backup is not open any more." in gone.text


def test_what_failed_is_said_and_the_cloud_copy_is_offered(keeper, box, open_one):
    words = {"sentence": "disk-a is not here.", "hint": "Plug in disk-a", "clouds": ["cloud"]}
    box.open |= {"state": "failed", **words}
    page = get(keeper, OPEN).text
    assert "disk-a is not here." in page
    assert "Plug in disk-a" in page
    assert 'name="cloud" value="cloud"' in page


def test_somebody_else_has_one_open(keeper, box):
    box.refuses = True
    answer = post(keeper, f"/restore/from/crm/{box.kept['crm'][0]['name']}/open")
    assert answer.status_code == 409
    assert "Somebody else has a backup open just now." in answer.text


def test_hostile_names_and_cells_are_text(keeper, box, open_one):
    box.open["files"][0] |= {"path": HOSTILE, "table": HOSTILE}
    box.shown = {
        "kind": "table",
        "header": [HOSTILE],
        "rows": [["\0", "<script>"]],
        "text": "",
        "has_more": True,
        "more_columns": 3,
    }
    find = {"file": 0, "start": 0, "header": [HOSTILE, HOSTILE], "cells": ["<b>", "x"]}
    box.found = {
        "finds": [box.open["files"][0] | find | {"has_bytes": True}],
        "go_on": [0, 77],
        "searched_bytes": 2500,
        "size_bytes": 5000,
    }
    pages = [
        get(keeper, OPEN),
        get(keeper, f"{OPEN}0/"),
        post(keeper, f"{OPEN}find", text=HOSTILE),
        post(keeper, f"{OPEN}download", what="file", file=0, text=HOSTILE),
    ]
    for page in pages:
        assert page.status_code == 200
        assert escape(HOSTILE) in page.text.replace("&#34;", "&quot;")
        assert "<img" not in page.text
        assert not re.search(r"<script(?! src=)", page.text)
    assert "50 % of this backup is searched." in pages[2].text
    assert 'name="place" value="77"' in pages[2].text


def test_what_was_hidden_before_it_was_stored_is_said_beside_the_table(keeper, box, open_one):
    assert "; hidden: " not in get(keeper, OPEN).text
    box.open["files"][0] |= {"hidden": "Phone (masked), Notes (left out)"}
    box.shown = {"kind": "table", "header": ["Id"], "rows": [["1"]], "text": "", "has_more": False}
    assert "hidden: Phone (masked), Notes (left out)" in get(keeper, OPEN).text
    page = get(keeper, f"{OPEN}0/").text
    assert "Never stored as it came: Phone (masked), Notes (left out)." in page


def test_a_search_keeps_the_name_out_of_the_address(keeper, box, open_one):
    assert keeper.get(f"{OPEN}find", base_url=ORIGIN).status_code == 405
    box.refuses = True
    answer = post(keeper, f"{OPEN}find", text="ab")
    assert answer.status_code == 422
    assert "Type at least 3 letters." in answer.text
    assert 'value="ab"' in answer.text, "nothing that was typed is lost"


def chunks(*blocks, error=None):
    yield from blocks
    if error:
        raise error


def test_a_download_asks_for_the_password_and_is_written_down(keeper, box, open_one):
    box.taken = Download("Müller's.csv", chunks(b"a,b\n", b"1,2\n"), 8)
    asked = post(keeper, f"{OPEN}download", what="file", file=0)
    assert "Your password, once more" in asked.text
    wrong = post(keeper, f"{OPEN}download", what="file", file=0, password="no")
    assert wrong.status_code == 403
    assert "That is not the password" in wrong.text
    assert box.asked[-1][:2] == ("note", "password")
    assert box.asked[-1][3] is False
    got, data = take(keeper, what="file", file=0)
    assert data == b"a,b\n1,2\n"
    assert got.mimetype == "application/octet-stream"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.content_length == 8
    note = box.asked[-1]
    assert note[:2] == ("note", "download")
    assert "Müller's.csv" in note[2]
    assert "Saturday 21 November 2026, 03:00 (crm)" in note[2]


def test_two_downloads_at_a_time_the_others_are_told(keeper, box, open_one):
    box.taken = Download("a", chunks(b"1"))
    under_way = [downloads.answer_with(lambda: box.taken, print, print) for _ in range(2)]
    refused, _ = take(keeper, what="file")
    assert refused.status_code == 409
    assert "Wait until one has ended." in refused.text
    for each in under_way:
        each.close()
    box.taken = Download("a", chunks(b"1"))
    assert take(keeper, what="file")[1] == b"1"


@pytest.mark.parametrize("size", [None, 1000])
def test_what_breaks_off_is_no_whole_download_for_the_browser(app, keeper, box, open_one, size):
    """By the server that the page has: the answer ends without its end."""
    error = ApplianceError("The worker went away in the middle.")
    box.taken = Download("big.csv", chunks(b"x" * 100, error=error), size)
    answer = post(keeper, f"{OPEN}download", what="file", file=0, password=PASSWORD)
    server = waitress.server.create_server(answer, port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.effective_port, timeout=30)
    connection.request("GET", "/")
    response = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
    server.close()
    thread.join(10)
    assert box.asked[-1][0] == "note"
    assert "it is not whole" in box.asked[-1][2]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Contacts (2026-11-21).csv", "Contacts (2026-11-21).csv"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"b;\r\nX: y.csv', "a_b___X_ y.csv"),
        ("Müller.csv", "Muller.csv"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("CON.csv", "_CON.csv"),
        ("...", "download"),
        ("日本", "download"),
    ],
)
def test_a_file_is_saved_under_a_safe_name(name, plain):
    header = downloads.disposition(name)
    assert header.startswith(f'attachment; filename="{plain}"; ')
    assert re.fullmatch(r"[ -~]+", header)


def test_E6_nothing_is_opened_closed_found_or_taken_without_the_token(app, keeper, box, open_one):
    app.config["WTF_CSRF_ENABLED"] = True
    name = box.kept["crm"][0]["name"]
    for path in (f"/restore/from/crm/{name}/open", *(OPEN + a for a in ("close", "find"))):
        assert post(keeper, path).status_code == 400
    answer = post(keeper, f"{OPEN}download", what="all", password=PASSWORD)
    assert answer.status_code == 400


def test_E1_a_stranger_sees_nothing_of_it(visitor, app):
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("restore."):
            path = rule.build(dict.fromkeys(rule.arguments, "1"))[1]
            answer = visitor.open(path, method="GET", base_url=ORIGIN)
            assert (answer.status_code, answer.location) in {(302, "/sign-in"), (405, None)}


def test_no_word_of_the_workshop_is_on_these_pages(keeper, box, open_one):
    box.shown = {"kind": "binary", "rows": [], "header": [], "text": "", "has_more": False}
    box.found = {"finds": [], "go_on": None, "searched_bytes": 1, "size_bytes": 1}
    name = box.kept["crm"][0]["name"]
    pages = [
        get(keeper, "/restore/from/crm/"),
        get(keeper, f"/restore/from/crm/{name}/"),
        get(keeper, OPEN),
        get(keeper, f"{OPEN}0/"),
        post(keeper, f"{OPEN}find", text="Ana"),
        post(keeper, f"{OPEN}download", what="all"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert not NO_BORG.search(re.sub(r"<[^>]+>", "", page.text)), page.text


def test_only_who_is_gone_is_one_press_away_from_an_older_backup(keeper, box):
    newest, old = (each["name"] for each in box.kept["crm"])
    assert "Who is gone since then" not in get(keeper, f"/restore/from/crm/{newest}/").text
    page = get(keeper, f"/restore/from/crm/{old}/").text
    assert "Who is gone since then" in page
    post(keeper, f"/restore/from/crm/{old}/open", only="removed")
    assert box.asked[-1][-1] == "removed"
    page = get(keeper, OPEN).text
    assert "Gone since Friday 20 November 2026" in page
    assert "leaves everybody else alone" in page
    assert not NO_BORG.search(re.sub(r"<[^>]*>", " ", page))


def test_where_the_last_that_came_is_held_nobody_is_told_that_it_is_not_there(keeper, box):
    good = box.kept["crm"][0] | {"is_last": False, "last_is_held": True}
    box.kept["crm"] = [backup("crm", "2026-11-21T09:00:00", held=True), good]
    page = get(keeper, f"/restore/from/crm/{good['name']}/").text
    assert "This is the newest good backup" in page
    assert "What came after it is held." in page
    assert "Who is gone since then" in page


def test_beside_a_held_one_nobody_is_told_for_sure_that_they_are_gone(keeper, box, open_one):
    box.open |= {"only": "removed", "last_is_held": True}
    assert "look into your CRM before you load them" in get(keeper, OPEN).text
    box.open["last_is_held"] = False
    assert "look into your CRM before you load them" not in get(keeper, OPEN).text
