"""One recipe after the other against a vendor that answers as it is told to."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta

import pytest

from appliance.core.errors import (
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
    SourceUnreachable,
)
from appliance.core.model import SeenFile

from .conftest import NOW
from .vendor import files

SEEN = (SeenFile("a.csv", 1, "x"),)
LIST = """
each = ["contacts", "deals"]
[[step]]
url = "/${item}"
query = { limit = 2 }
records = "body.data"
paginate = { next = "body.next", into = "query.cursor" }
to = "${item}.jsonl"
"""
JOB = """
[[step]]
name = "start"
method = "POST"
url = "/exports"
json = { what = "all" }
job = "12h"
save.job = "body.id"

[[step]]
name = "wait"
url = "/exports/${job}"
until = "body.state == 'done'"
fail = "body.state == 'failed'"
every = "15s"
timeout = "2h"
save = { link = "body.link", rows = "body.rows" }

[[step]]
name = "fetch"
url = "${link}"
auth = false
hosts = ["*"]
renew = "wait"
to = "all.csv"
expect.rows = "${rows}"
"""
CSV = b"id,name\r\n1,Ann\r\n2,Bob\r\n"


def packed(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return data.getvalue()


def test_a_list_is_followed_by_its_cursor_and_each_row_is_a_line(vendor, follow):
    vendor.says("/contacts", {"data": [{"id": 1}, {"id": 2}], "next": "b"}, {"data": [{"id": 3}]})
    vendor.says("/deals", {"data": []})

    export = follow(LIST)

    assert files(export) == {
        "contacts.jsonl": b'{"id":1}\n{"id":2}\n{"id":3}\n',
        "deals.jsonl": b"",
    }
    assert vendor.asked == [
        "GET /contacts?limit=2",
        "GET /contacts?limit=2&cursor=b",
        "GET /deals?limit=2",
    ]


@pytest.mark.parametrize("end", [None, "", "null"])
def test_a_cursor_of_nothing_ends_the_list(vendor, follow, end):
    vendor.says("/contacts", {"data": [1], "next": end})
    vendor.says("/deals", {"data": [2], "next": end})

    assert files(follow(LIST))["contacts.jsonl"] == b"1\n"
    assert len(vendor.asked) == 2


def test_a_cursor_that_comes_again_is_an_error(vendor, follow):
    vendor.says("/contacts", {"data": [1], "next": "b"})

    with pytest.raises(ExportUnsafe, match="a page that we had already"):
        follow(LIST)

    assert len(vendor.asked) == 2


def test_a_page_that_says_nothing_is_asked_for_again_and_never_taken_for_the_end(vendor, follow):
    vendor.says("/contacts", {"data": [1], "next": "b"}, (200, b""), {"data": [2]})
    vendor.says("/deals", (200, b"null"))

    with pytest.raises(SourceUnreachable, match="nothing where records should be"):
        follow(LIST)

    assert len(vendor.asked) == 3 + 3


def test_an_error_with_a_good_status_is_told_in_the_vendors_own_words(vendor, follow):
    vendor.says("/contacts", {"error": {"message": "plan has no API"}, "data": []})

    with pytest.raises(SourceRefused, match="plan has no API"):
        follow(LIST)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_page_that_fails_once_is_asked_for_again_alone(vendor, follow, status):
    vendor.says("/contacts", {"data": [1], "next": "b"}, (status, b"oops"), {"data": [2]})
    vendor.says("/deals", {"data": []})

    assert files(follow(LIST))["contacts.jsonl"] == b"1\n2\n"
    assert len(vendor.asked) == 4


def test_a_connection_that_breaks_in_the_middle_of_a_list_is_made_again(vendor, follow):
    vendor.says("/contacts", {"data": [1], "next": "b"}, lambda r: r.cut(), {"data": [2]})
    vendor.says("/deals", {"data": []})

    assert files(follow(LIST))["contacts.jsonl"] == b"1\n2\n"


def test_a_web_page_in_place_of_records_is_refused(vendor, follow):
    vendor.says("/contacts", (200, b"<html>Please sign in</html>"))

    with pytest.raises(SourceRefused, match="web page"):
        follow(LIST)


def test_numbers_and_letters_stay_what_they_are(vendor, follow):
    row = b'{"data":[{"a":1.10,"b":12345678901234567890.123,"c":"\\ud800 \xc3\xa4","d":1e999}]}'
    vendor.says("/contacts", (200, row))
    vendor.says("/deals", {"data": []})

    (line,) = files(follow(LIST))["contacts.jsonl"].splitlines()

    told = json.loads(line)
    assert (told["a"], told["b"], told["d"]) == (1.1, "12345678901234567890.123", "1e999")
    assert told["c"] == "\ud800 ä"


def test_only_and_without_choose_the_items(vendor, follow):
    vendor.says("/contacts", {"data": [1]})

    assert list(files(follow(LIST, only=("c*", "deals"), without=("deals",)))) == ["contacts.jsonl"]

    with pytest.raises(SourceRefused, match="shows no records of the kinds"):
        follow(LIST, only=("nobody",))


def test_what_the_vendor_does_not_let_us_see_is_said_and_the_rest_is_fetched(vendor, follow):
    vendor.says("/contacts", (403, b"no"))
    vendor.says("/deals", {"data": [1]})

    export = follow(LIST + "skip = [403]\n")

    assert list(files(export)) == ["deals.jsonl"]
    assert export.notes == (
        "contacts is not in this backup: The vendor does not let us see it (403).",
    )


COUNTED = """
[[step]]
url = "/rows"
query = { sort = "id" }
records = "body.rows"
paginate = { count = "offset", into = "query.start", start = 0, by = 2, stop = "rows == `0`" }
expect.total = "body.total"
to = "rows.jsonl"
"""


def test_a_list_may_be_counted_and_its_end_is_not_told_by_a_short_page(vendor, follow):
    pages = [{"rows": [1, 2], "total": 4}, {"rows": [3], "total": 4}, {"rows": [4], "total": 4}]
    vendor.says("/rows", *pages, {"rows": [], "total": 4})

    assert files(follow(COUNTED)) == {"rows.jsonl": b"1\n2\n3\n4\n"}
    assert vendor.asked[-1] == "GET /rows?sort=id&start=6"


def test_a_vendor_that_pays_no_heed_to_the_page_is_noticed(vendor, follow):
    vendor.says("/rows", {"rows": [1, 2]})

    with pytest.raises(ExportUnsafe, match="the same page again"):
        follow(COUNTED)


def test_a_page_that_breaks_off_is_asked_for_again(vendor, follow):
    def breaks(request):
        request.answer(200, b'{"data": [', Content_Length="30")
        request.cut()

    vendor.says("/contacts", breaks, {"data": [1]})
    vendor.says("/deals", {"data": []})

    assert files(follow(LIST))["contacts.jsonl"] == b"1\n"


def test_cursors_that_lead_to_the_same_rows_again_are_noticed(vendor, follow):
    vendor.says("/contacts", *({"data": [1], "next": f"n{number}"} for number in range(9)))

    with pytest.raises(ExportUnsafe, match="the same page again"):
        follow(LIST, only=("contacts",))


def test_a_list_that_goes_on_with_nothing_is_noticed(vendor, follow):
    vendor.says("/rows", {"rows": []})

    with pytest.raises(ExportUnsafe, match="nothing on it"):
        follow(COUNTED.replace("rows == `0`", "body.done"))


def test_a_number_goes_into_a_list_of_arguments_as_json_rpc_has_them(vendor, follow):
    vendor.says("/rpc", {"result": [1]}, {"result": []})

    follow("""
[[step]]
method = "POST"
url = "/rpc"
json = { method = "search", params = [[], 0, { limit = 0 }] }
records = "body.result"
paginate = { count = "offset", into = "json.params.1", start = 0, by = 500, stop = "rows == `0`" }
to = "rows.jsonl"
""")

    sent = [json.loads(one.body)["params"] for one in vendor.requests]
    assert sent == [[[], 0, {"limit": 0}], [[], 500, {"limit": 0}]]


@pytest.mark.parametrize(("totals", "is_whole"), [((3, 3), False), ((2, 2), True), ((3, 1), True)])
def test_as_many_rows_as_were_told_must_come(vendor, follow, totals, is_whole):
    vendor.says("/rows", {"rows": [1, 2], "total": totals[0]}, {"rows": [], "total": totals[1]})
    if is_whole:
        assert files(follow(COUNTED)) == {"rows.jsonl": b"1\n2\n"}
        return
    with pytest.raises(ExportUnsafe, match="has 3 records, and 2 came"):
        follow(COUNTED)


def test_a_job_is_started_waited_for_and_fetched(vendor, follow):
    vendor.says("/exports", (202, {"id": 7}))
    done = {"state": "done", "link": "/files/a.csv?sig=1", "rows": 2}
    vendor.says("/exports/7", {"state": "pending", "link": "/not/yet"}, done)
    vendor.says("/files/a.csv", (200, CSV))

    assert files(follow(JOB)) == {"all.csv": CSV}
    assert vendor.requests[0].body == '{"what": "all"}'
    assert vendor.asked[-1] == "GET /files/a.csv?sig=1"


def test_fewer_rows_than_the_vendor_told_are_refused(vendor, follow):
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/a", "rows": 3})
    vendor.says("/a", (200, CSV))

    with pytest.raises(ExportUnsafe, match="has 3 records, and 2 came"):
        follow(JOB)


def test_a_job_that_fails_is_told_and_the_next_pull_starts_another(vendor, follow):
    vendor.says("/exports", {"id": 7}, {"id": 8})
    vendor.says("/exports/7", {"state": "failed", "message": "no room"})
    vendor.says("/exports/8", {"state": "done", "link": "/a", "rows": 2})
    vendor.says("/a", (200, CSV))
    with pytest.raises(SourceRefused, match="no room"):
        follow(JOB)

    assert files(follow(JOB)) == {"all.csv": CSV}

    assert [each for each in vendor.asked if "POST" in each] == ["POST /exports"] * 2


def test_a_vendor_that_is_not_done_is_gone_on_with_and_no_second_job_is_started(
    vendor, follow, monkeypatch
):
    monkeypatch.setattr("appliance.sources.recipe.jobs.LONGEST_WAIT", timedelta(seconds=-1))
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "pending"}, {"state": "done", "link": "/a", "rows": 2})
    vendor.says("/a", (200, CSV))
    with pytest.raises(ExportNotReady, match="still making"):
        follow(JOB)

    assert files(follow(JOB, now=NOW + timedelta(hours=11))) == {"all.csv": CSV}

    assert vendor.asked.count("POST /exports") == 1


@pytest.mark.parametrize("gone", [404, 410])
def test_a_job_that_is_gone_by_the_next_pull_is_started_anew(vendor, follow, gone):
    vendor.says("/exports", {"id": 7}, {"id": 8})
    vendor.says("/exports/7", (500, b""), (500, b""), (500, b""), (500, b""), (gone, b""))
    vendor.says("/exports/8", {"state": "done", "link": "/a", "rows": 2})
    vendor.says("/a", (200, CSV))
    with pytest.raises(SourceUnreachable):
        follow(JOB)

    assert files(follow(JOB)) == {"all.csv": CSV}


def test_an_archived_job_is_not_taken_for_todays(vendor, follow):
    vendor.says("/exports", {"id": 7}, {"id": 8})
    for job in ("7", "8"):
        vendor.says(f"/exports/{job}", {"state": "done", "link": f"/{job}", "rows": 2})
        vendor.says(f"/{job}", (200, CSV))
    follow(JOB)

    follow(JOB)

    assert vendor.asked[-1] == "GET /8"


def test_an_export_that_was_not_archived_is_fetched_again_from_the_same_job(vendor, follow):
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/a", "rows": 2})
    vendor.says("/a", (200, CSV))
    follow(JOB, done=False)

    assert files(follow(JOB)) == {"all.csv": CSV}

    assert vendor.asked.count("POST /exports") == 1


def test_a_start_is_never_sent_twice_where_nobody_knows_whether_it_arrived(vendor, follow):
    vendor.says("/exports", lambda r: r.cut(), {"id": 7})
    recipe = JOB.replace('job = "12h"', 'job = "12h"\ncooldown = "15d"')
    with pytest.raises(SourceUnreachable):
        follow(recipe)

    with pytest.raises(ExportNotReady, match="its answer never came") as caught:
        follow(recipe, now=NOW + timedelta(days=12))
    assert "by itself in 3 days" in caught.value.hint

    assert vendor.asked.count("POST /exports") == 1


def test_a_start_that_was_clearly_refused_may_be_sent_again(vendor, follow):
    vendor.says("/exports", (400, {"message": "not now"}), {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/a", "rows": 2})
    vendor.says("/a", (200, CSV))
    recipe = JOB.replace('job = "12h"', 'job = "12h"\ncooldown = "15d"')
    with pytest.raises(SourceRefused):
        follow(recipe)

    assert files(follow(recipe)) == {"all.csv": CSV}


def test_the_vendors_quota_is_counted_over_pulls(vendor, follow):
    vendor.says("/exports", *({"id": number} for number in range(1, 9)))
    for job in range(1, 9):
        vendor.says(f"/exports/{job}", {"state": "done", "link": f"/{job}", "rows": 2})
        vendor.says(f"/{job}", (200, CSV))
    recipe = 'quota = { starts = 2, per = "24h" }\n' + JOB
    follow(recipe)
    follow(recipe, now=NOW + timedelta(hours=1))

    with pytest.raises(ExportNotReady, match="2 exports in 24 hours") as caught:
        follow(recipe, now=NOW + timedelta(hours=2))

    assert "by itself in 22 hours" in caught.value.hint
    assert follow(recipe, now=NOW + timedelta(hours=25)) is not None


def test_a_clock_that_was_years_ahead_once_stops_nothing_for_years(vendor, follow):
    vendor.says("/exports", {"id": 1}, {"id": 2})
    for job in (1, 2):
        vendor.says(f"/exports/{job}", {"state": "done", "link": f"/{job}", "rows": 2})
        vendor.says(f"/{job}", (200, CSV))
    recipe = JOB.replace('job = "12h"', 'job = "12h"\ncooldown = "1d"')
    follow(recipe, now=NOW + timedelta(days=3650))
    follow(recipe)

    follow(recipe, now=NOW + timedelta(days=2))

    assert vendor.asked.count("POST /exports") == 2


def test_a_link_that_has_died_is_made_anew(vendor, follow):
    vendor.says("/exports", {"id": 7})
    fresh = {"state": "done", "link": "/fresh", "rows": 2}
    vendor.says("/exports/7", {"state": "done", "link": "/dead", "rows": 2}, fresh)
    vendor.says("/dead", (403, b"expired"))
    vendor.says("/fresh", (200, CSV))

    assert files(follow(JOB)) == {"all.csv": CSV}


def test_a_link_that_dies_in_the_middle_is_made_anew_and_gone_on_with(vendor, follow):
    vendor.says("/exports", {"id": 7})
    fresh = {"state": "done", "link": "/fresh", "rows": 2}
    vendor.says("/exports/7", {"state": "done", "link": "/first", "rows": 2}, fresh)
    half = {"Content_Length": str(len(CSV)), "ETag": '"v1"'}
    vendor.says("/first", (200, CSV[:10], half), (403, b"expired"))
    rest = {"Content_Range": f"bytes 10-{len(CSV) - 1}/{len(CSV)}", "ETag": '"v1"'}
    vendor.says("/fresh", (206, CSV[10:], rest))

    assert files(follow(JOB)) == {"all.csv": CSV}
    assert vendor.requests[-1].headers["Range"] == "bytes=10-"


def test_links_that_always_die_are_given_up(vendor, follow):
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/dead", "rows": 2})
    vendor.says("/dead", (410, b""))

    with pytest.raises(SourceRefused, match="dies again and again"):
        follow(JOB)


def test_credentials_go_to_listed_hosts_alone(vendor, follow):
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/a", "rows": 2})
    vendor.says("/a", (200, CSV))

    follow('auth = { kind = "bearer", token = "abc" }\n' + JOB)

    sent = [request.headers["Authorization"] for request in vendor.requests]
    assert sent == ["Bearer abc", "Bearer abc", None]


def test_a_link_to_a_host_that_is_not_listed_is_not_followed(vendor, follow):
    vendor.says("/exports", {"id": 7})
    foreign = vendor_address(follow).replace("localhost", "127.0.0.1")
    vendor.says("/exports/7", {"state": "done", "link": f"{foreign}/a", "rows": 2})
    recipe = JOB.replace('hosts = ["*"]\n', "").replace("auth = false\n", "")

    with pytest.raises(SourceRefused, match="does not list"):
        follow('auth = { kind = "header", name = "X-Key", value = "abc" }\n' + recipe)

    assert "GET /a" not in vendor.asked


def vendor_address(follow) -> str:
    return follow.__closure__[[*follow.__code__.co_freevars].index("home")].cell_contents


def test_several_links_are_fetched_one_by_one_and_one_may_come_without_a_list(vendor, follow):
    recipe = """
    [[step]]
    url = "/shelf"
    empty = [204]
    save.links = "body.links"
    [[step]]
    url = "${links}"
    to = "${url_name}"
    verify = "zip"
    """
    data = packed(a_csv=CSV)
    vendor.says("/files/Data_001.zip", (200, data))
    vendor.says("/files/Data_002.zip", (200, data))
    vendor.says("/shelf", {"links": ["/files/Data_001.zip?t=1", "files/Data_002.zip"]})
    assert list(files(follow(recipe))) == ["Data_001.zip", "Data_002.zip"]

    vendor.says("/shelf", {"links": "/files/Data_001.zip"})
    assert list(files(follow(recipe))) == ["Data_001.zip"]

    vendor.says("/shelf", (204, b""))
    assert follow(recipe).files == ()

    vendor.says("/shelf", {"links": ["/a/Data_001.zip", "/b/Data_001.zip"]})
    vendor.says("/a/Data_001.zip", (200, data))
    vendor.says("/b/Data_001.zip", (200, data))
    assert list(files(follow(recipe))) == ["Data_001.zip", "Data_001-2.zip"]


def test_nothing_is_new_where_the_vendor_says_so_and_something_was_archived(vendor, follow):
    recipe = """
    [[step]]
    url = "/shelf"
    save = { links = "body.links", stamp = "body.made" }
    unchanged = "${stamp}"
    [[step]]
    url = "${links}"
    to = "${url_name}"
    """
    vendor.says("/shelf", {"links": ["/a.csv"], "made": "monday"})
    vendor.says("/a.csv", (200, CSV))
    assert follow(recipe, done=False) is not None  # and was never archived
    assert follow(recipe, seen=SEEN) is not None

    assert follow(recipe, seen=SEEN) is None
    assert follow(recipe) is not None, "no archive to say that of"

    vendor.says("/shelf", {"links": ["/a.csv"], "made": "tuesday"})
    assert follow(recipe, seen=SEEN) is not None


def test_rounds_go_on_while_there_is_more_each_with_a_job_of_its_own(vendor, follow):
    recipe = """
    repeat_while = "token"
    each = ["Contacts"]
    [[step]]
    name = "start"
    method = "POST"
    url = "/read"
    json = { module = "${item}", page_token = "${token?}" }
    job = "12h"
    save.job = "body.id"
    [[step]]
    name = "wait"
    url = "/read/${job}"
    until = "body.state == 'COMPLETED'"
    save = { link = "body.link", token = "body.token" }
    [[step]]
    url = "${link}"
    to = "${item}-${round}.zip"
    """
    vendor.says("/read", {"id": "j1"}, {"id": "j2"})
    vendor.says("/read/j1", {"state": "COMPLETED", "link": "/r/1", "token": "t2"})
    vendor.says("/read/j2", {"state": "COMPLETED", "link": "/r/2", "token": None})
    for number in (1, 2):
        vendor.says(f"/r/{number}", (200, packed(a_csv=CSV)))

    assert list(files(follow(recipe))) == ["Contacts-1.zip", "Contacts-2.zip"]
    bodies = [json.loads(each.body) for each in vendor.requests if each.command == "POST"]
    assert bodies == [{"module": "Contacts"}, {"module": "Contacts", "page_token": "t2"}]

    vendor.says("/read", {"id": "j1"})
    with pytest.raises(ExportUnsafe, match="goes on with what we had"):
        follow(recipe)


def test_what_there_is_may_be_discovered_and_what_is_new_is_announced(vendor, follow):
    recipe = """
    each = "${modules}"
    [[step]]
    once = true
    url = "/modules"
    save.modules = "body.modules[?on].name"
    [[step]]
    url = "/records/${item}"
    records = "body"
    to = "${item}.jsonl"
    """
    vendor.says("/modules", {"modules": [{"name": "A", "on": True}, {"name": "B"}]})
    for name in "AB":
        vendor.says(f"/records/{name}", [1])
    assert list(files(follow(recipe))) == ["A.jsonl"]

    vendor.says("/modules", {"modules": [{"name": "A", "on": True}, {"name": "B", "on": True}]})
    export = follow(recipe)

    assert export.notes == ("There are new kinds of records: B.",)
    assert follow(recipe).notes == ()
    assert vendor.asked.count("GET /modules") == 3


def test_a_name_that_would_lead_elsewhere_is_refused(vendor, follow):
    recipe = LIST.replace('each = ["contacts", "deals"]', 'each = ["../admin"]')

    with pytest.raises(SourceRefused, match="another address"):
        follow(recipe)

    assert vendor.asked == []


def test_an_answer_without_what_is_looked_for_says_that_the_vendor_has_changed(vendor, follow):
    vendor.says("/exports", {"ident": 7})

    with pytest.raises(ExportUnsafe, match="another way than this recipe knows") as caught:
        follow(JOB)

    assert "step start" in caught.value.detail


def test_a_file_of_another_kind_is_refused(vendor, follow):
    recipe = """
    [[step]]
    url = "/dump"
    method = "POST"
    form = { master_pwd = "x", name = "prod" }
    to = "prod.zip"
    expect.type = ["application/zip"]
    verify = "zip:dump.sql"
    """
    vendor.says("/dump", (200, b"<html>wrong password</html>", {"Content_Type": "text/html"}))
    with pytest.raises(SourceRefused, match="web page"):
        follow(recipe)

    vendor.says("/dump", (200, packed(a_csv=CSV), {"Content_Type": "application/zip"}))
    with pytest.raises(ExportUnsafe, match=r"dump\.sql is not in it"):
        follow(recipe)

    good = packed(dump_sql=b"-- PostgreSQL database dump complete\n")
    vendor.says("/dump", (200, good, {"Content_Type": "application/zip"}))
    assert list(files(follow(recipe))) == ["prod.zip"]
    assert vendor.requests[0].body == "master_pwd=x&name=prod"


def test_pages_of_a_file_go_on_by_a_header_and_the_rows_of_all_are_counted(vendor, follow):
    recipe = """
    [[step]]
    name = "describe"
    url = "/job"
    save.rows = "body.rows"
    [[step]]
    url = "/results"
    query = { maxRecords = 2 }
    paginate = { next = 'headers."sforce-locator"', into = "query.locator" }
    to = "Account-${page}.csv"
    expect.rows = "${rows}"
    """
    vendor.says("/job", {"rows": 4})
    vendor.says(
        "/results", (200, CSV, {"Sforce_Locator": "abc"}), (200, CSV, {"Sforce_Locator": "null"})
    )

    export = follow(recipe)

    assert list(files(export)) == ["Account-1.csv", "Account-2.csv"]
    assert vendor.asked[1:] == [
        "GET /results?maxRecords=2",
        "GET /results?maxRecords=2&locator=abc",
    ]
    assert sum(1 for data in files(export).values() for _ in csv.reader(data.decode().split())) == 6


def test_a_table_that_has_no_rows_is_an_empty_file_and_not_asked_for(vendor, follow):
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/a", "rows": 0})

    assert files(follow(JOB)) == {"all.csv": b""}
