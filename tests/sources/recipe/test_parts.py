"""What is only a part of an export is never taken for the whole."""

from __future__ import annotations

import gzip

import pytest

from appliance.core.errors import (
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
    SourceUnreachable,
)

from .test_following import COUNTED, CSV, JOB, LIST, packed
from .vendor import files

SHELF = """
[[step]]
name = "shelf"
url = "/shelf"
empty = [204]
save.links = "body.links"
[[step]]
url = "${links}"
to = "${url_name}"
empty = [404]
"""


def test_what_was_saved_of_one_item_is_not_known_of_the_next(vendor, follow):
    recipe = """
    repeat_while = "more"
    each = ["contacts", "deals"]
    [[step]]
    url = "/${item}"
    query = { after = "${last?}" }
    save = { more = "body.more", last = "body.rows[-1].id" }
    records = "body.rows"
    to = "${item}-${round}.jsonl"
    """
    for name in ("contacts", "deals"):
        rows = {"rows": [{"id": 7}], "more": "yes"}
        vendor.says(f"/{name}", rows, {"rows": [{"id": 9}]})

    follow(recipe)

    assert vendor.asked == [
        "GET /contacts",
        "GET /contacts?after=7",
        "GET /deals",
        "GET /deals?after=7",
    ]


def test_two_items_of_one_name_have_a_job_each(vendor, follow):
    once = '[[step]]\nonce = true\nurl = "/kinds"\nsave.kinds = "body"\n'
    job = JOB.replace('what = "all"', 'what = "${item.type}"')
    recipe = 'each = "${kinds}"\n' + once + job
    vendor.says("/kinds", [{"name": "x", "type": "1"}, {"name": "x", "type": "2"}])
    vendor.says("/exports", lambda r: r.answer(200, f'{{"id": {r.body[-3]}}}'.encode()))
    for number in (1, 2):
        row = b"id,name\r\n%d,Ann\r\n" % number
        vendor.says(f"/exports/{number}", {"state": "done", "link": f"/{number}", "rows": 1})
        vendor.says(f"/{number}", (200, row))

    told = files(follow(recipe))

    assert sorted(each.split()[1] for each in told.values()) == [b"1,Ann", b"2,Ann"]


def test_an_item_that_is_told_twice_is_fetched_once(vendor, follow):
    vendor.says("/modules", {"modules": ["a", "a"]})
    vendor.says("/a", {"data": [1]})
    once = '[[step]]\nonce = true\nurl = "/modules"\nsave.modules = "body.modules"\n'
    recipe = 'each = "${modules}"\n' + once + LIST.partition("]\n")[2]

    assert list(files(follow(recipe))) == ["a.jsonl"]


@pytest.mark.parametrize("told", [{}, {"modules": [{"x": 1}]}, {"modules": None}])
def test_a_list_of_kinds_that_is_not_there_says_that_the_vendor_has_changed(vendor, follow, told):
    vendor.says("/modules", told)
    recipe = """
    each = "${modules}"
    [[step]]
    once = true
    url = "/modules"
    save.modules = "body.modules"
    [[step]]
    url = "/${item.name}"
    records = "body"
    to = "${item.name}.jsonl"
    """

    with pytest.raises(ExportUnsafe, match="another way than this recipe knows"):
        follow(recipe)


def test_a_list_that_ends_with_a_status_keeps_what_came_before(vendor, follow):
    vendor.says("/contacts", {"data": [1], "next": "b"}, (204, b""))
    vendor.says("/deals", (204, b""))

    assert files(follow(LIST + "empty = [204]\n")) == {
        "contacts.jsonl": b"1\n",
        "deals.jsonl": b"",
    }


def test_a_list_that_ends_with_a_status_is_counted_all_the_same(vendor, follow):
    vendor.says("/rows", {"rows": [1, 2], "total": 4}, (204, b""))

    with pytest.raises(ExportUnsafe, match="has 4 records, and 2 came"):
        follow(COUNTED.replace("expect.total", "empty = [204]\nexpect.total"))


def test_a_vendor_that_says_no_in_the_middle_of_a_list_is_an_error(vendor, follow):
    vendor.says("/contacts", {"data": [1], "next": "b"}, (403, b""))
    vendor.says("/deals", {"data": []})

    with pytest.raises(SourceRefused, match="sent a part and then did not let us see the rest"):
        follow(LIST + "skip = [403]\n")


def test_one_link_of_several_that_leads_to_nothing_ends_not_the_others(vendor, follow):
    vendor.says("/shelf", {"links": ["/a.csv", "/b.csv", "/c.csv"]})
    vendor.says("/a.csv", (200, CSV))
    vendor.says("/c.csv", (200, CSV))

    assert list(files(follow(SHELF))) == ["a.csv", "c.csv"]


@pytest.mark.parametrize("links", [["/a.csv", None], ["/a.csv", ""], "", [{"href": "/a.csv"}]])
def test_a_link_that_is_none_is_not_passed_over(vendor, follow, links):
    vendor.says("/shelf", {"links": links})
    vendor.says("/a.csv", (200, CSV))

    with pytest.raises(ExportUnsafe, match="another way than this recipe knows"):
        follow(SHELF)


def test_links_that_are_taken_back_while_one_is_renewed_are_an_error(vendor, follow):
    vendor.says("/shelf", {"links": ["/a.csv", "/b.csv"]}, (204, b""))
    vendor.says("/a.csv", (200, CSV))
    vendor.says("/b.csv", (410, b""))

    with pytest.raises(SourceRefused, match="has died, and there is no other"):
        follow(SHELF.replace("empty = [404]", 'renew = "shelf"'))


def test_of_renewed_links_the_one_to_the_same_file_is_taken(vendor, follow):
    vendor.says(
        "/shelf",
        {"links": ["/a.csv?t=1", "/b.csv?t=1"]},
        {"links": ["/b.csv?t=2", "/a.csv?t=2", "/new.csv?t=2"]},
    )
    vendor.says("/a.csv", (200, CSV))
    vendor.says("/b.csv", (410, b""), (200, CSV + b"3,Cid\r\n"))
    vendor.says("/new.csv", (200, CSV))

    told = files(follow(SHELF.replace("empty = [404]", 'renew = "shelf"')))

    assert told == {"a.csv": CSV, "b.csv": CSV + b"3,Cid\r\n"}
    assert vendor.asked[-1] == "GET /b.csv?t=2"


def test_renewed_links_of_which_none_can_be_told_for_ours_are_an_error(vendor, follow):
    vendor.says("/shelf", {"links": ["/a", "/b"]}, {"links": ["/x", "/y", "/z"]})
    vendor.says("/a", (410, b""))

    with pytest.raises(ExportUnsafe, match="another way than this recipe knows"):
        follow(SHELF.replace("empty = [404]", 'renew = "shelf"'))


def test_a_file_that_vanishes_while_it_is_fetched_is_not_nothing(vendor, follow):
    half = {"Content_Length": str(len(CSV))}
    vendor.says("/shelf", {"links": "/a.csv"})
    vendor.says("/a.csv", (200, CSV[:10], half), (404, b""))

    with pytest.raises(SourceUnreachable, match="now has it no more"):
        follow(SHELF)


def test_an_answer_that_only_accepts_is_no_file(vendor, follow):
    vendor.says("/dump", (202, {"status": "we are working on it"}))

    with pytest.raises(ExportNotReady, match="no export ready"):
        follow('[[step]]\nurl = "/dump"\nto = "dump.json"\n')


def test_a_key_that_may_see_nothing_is_refused_and_not_nothing_to_fetch(vendor, follow):
    for name in ("contacts", "deals"):
        vendor.says(f"/{name}", (403, b""))

    with pytest.raises(SourceRefused, match="does not let us see anything") as caught:
        follow(
            'recipe = { title = "X", about = "y", scopes = ["read.all"] }\n' + LIST + "skip = [403]"
        )

    assert "It needs: read.all." in caught.value.hint


def test_a_part_that_may_not_be_seen_is_named_as_that_part(vendor, follow):
    vendor.says("/contacts", {"data": [1]})
    vendor.says("/notes/contacts", (403, b""))
    recipe = (
        LIST.replace(', "deals"', "")
        + """
    [[step]]
    name = "notes"
    url = "/notes/${item}"
    skip = [403]
    records = "body"
    to = "${item}-notes.jsonl"
    """
    )

    (note,) = follow(recipe).notes

    assert note.startswith("A part of contacts (notes) is not in this backup: The vendor does not")


def test_rounds_that_turn_in_a_wider_circle_end(vendor, follow):
    recipe = """
    repeat_while = "more"
    [[step]]
    url = "/rows"
    save.more = "body.more"
    records = "body.rows"
    to = "${round}.jsonl"
    """
    turns = [{"rows": [n], "more": "ab"[n % 2]} for n in range(4)]
    vendor.says("/rows", *turns, {"rows": [9]})

    with pytest.raises(ExportUnsafe, match="goes on with what we had"):
        follow(recipe)


def test_members_are_counted_where_one_is_named(vendor, follow):
    vendor.says("/dump", (200, packed(a_csv=CSV)))

    with pytest.raises(ExportUnsafe, match=r"b\.csv is not in it"):
        follow('[[step]]\nurl = "/dump"\nto = "dump.zip"\nverify = "zip:a.csv,b.csv"\n')


@pytest.mark.parametrize("said", [{"message": "maintenance"}, {"data": None}, {"data": {"a": 1}}])
def test_an_answer_without_rows_is_not_an_answer_of_no_rows(vendor, follow, said):
    vendor.says("/contacts", said)

    with pytest.raises(ExportUnsafe, match="another way than this recipe knows"):
        follow(LIST)


def test_a_recipe_may_say_that_nothing_means_no_rows(vendor, follow):
    vendor.says("/contacts", {"data": None})
    vendor.says("/deals", {})

    assert set(files(follow(LIST.replace("body.data", "body.data || `[]`"))).values()) == {b""}


@pytest.mark.parametrize("total", ["3", 3, "3.0"])
def test_a_total_that_is_written_as_text_counts(vendor, follow, total):
    vendor.says("/rows", {"rows": [1, 2], "total": total}, {"rows": [], "total": total})

    with pytest.raises(ExportUnsafe, match="has 3 records, and 2 came"):
        follow(COUNTED)


def test_a_number_of_rows_that_is_none_is_not_passed_over(vendor, follow):
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/a", "rows": "many"})
    vendor.says("/a", (200, CSV))

    with pytest.raises(ExportUnsafe, match="another way than this recipe knows"):
        follow(JOB)


def test_the_link_to_the_next_page_is_asked_as_it_was_told(vendor, follow):
    recipe = """
    [[step]]
    url = "/rows"
    query = { limit = 2, from = 0 }
    records = "body.rows"
    paginate = { next = "body.next", into = "url" }
    to = "rows.jsonl"
    """
    vendor.says("/rows", {"rows": [1], "next": "/rows?from=2&limit=1"}, {"rows": [2]})

    assert files(follow(recipe)) == {"rows.jsonl": b"1\n2\n"}
    assert vendor.asked == ["GET /rows?limit=2&from=0", "GET /rows?from=2&limit=1"]


def test_a_file_whose_headers_say_that_it_failed_is_none(vendor, follow):
    recipe = """
    [[step]]
    url = "/dump"
    to = "all.csv"
    fail = 'headers."x-state" == `"partial"`'
    """
    vendor.says("/dump", (200, CSV, {"X_State": "partial"}))

    with pytest.raises(SourceRefused):
        follow(recipe)


LINES = """
[[step]]
url = "/links"
parse = "lines"
save.links = "body"
[[step]]
url = "${links}"
to = "${url_name}"
"""


def packed_lines(cut: int = 0, tail: bytes = b"") -> tuple:
    data = gzip.compress(b"/a.csv\n/b.csv\n")
    return (200, data[: len(data) - cut] + tail, {"Content_Encoding": "gzip"})


@pytest.mark.parametrize(
    "answer",
    [packed_lines(cut=9), packed_lines(tail=gzip.compress(b"/c.csv\n"))],
    ids=["cut off", "another behind it"],
)
def test_a_packed_list_that_is_not_all_is_refused(vendor, follow, answer):
    for name in "abc":
        vendor.says(f"/{name}.csv", (200, CSV))
    vendor.says("/links", packed_lines())
    assert list(files(follow(LINES))) == ["a.csv", "b.csv"]

    vendor.says("/links", answer)
    with pytest.raises(SourceUnreachable, match="garbled"):
        follow(LINES)


def test_lines_of_which_nobody_knows_the_end_are_refused(vendor, follow):
    def unframed(request):
        request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n/a.csv\n/b.c")
        request.close_connection = True

    vendor.says("/links", unframed)

    with pytest.raises(ExportUnsafe):
        follow(LINES)


def test_kinds_that_are_shown_no_more_are_named_once(vendor, follow):
    recipe = 'each = "${modules}"\n' + DISCOVERED
    vendor.says("/modules", ["a", "b", "c"])
    for name in "abc":
        vendor.says(f"/{name}", [1])
    follow(recipe, without=("c",))
    vendor.says("/modules", ["a"])

    (note,) = follow(recipe, without=("c",)).notes

    assert note.endswith("so they are not in this backup: b.")
    assert follow(recipe, without=("c",)).notes == ()


DISCOVERED = """
[[step]]
once = true
url = "/modules"
save.modules = "body"
[[step]]
url = "/${item}"
records = "body"
to = "${item}.jsonl"
"""


def test_a_name_in_only_that_nothing_has_is_said(vendor, follow):
    vendor.says("/contacts", {"data": [1]})

    (note,) = follow(LIST, only=("contacts", "daels")).notes

    assert note == '`only` of this source names "daels", and no kind of records has this name.'


def test_a_date_that_is_none_stops_nothing(vendor, follow):
    vendor.says("/contacts", {"data": [], "ends": 10**40})
    vendor.says("/deals", {"data": [], "ends": "soon"})

    assert len(files(follow(LIST + 'expires = "body.ends"\n'))) == 2
