"""A look at a source by a recipe: what a backup would bring, and nothing started."""

from __future__ import annotations

import json

import pytest

from appliance.core.errors import SourceRefused
from appliance.core.ports import Watch
from appliance.sources.recipe import pull as by_recipe
from appliance.sources.sight import Sight

from .test_following import CSV, JOB, LIST


@pytest.fixture
def look(follow, monkeypatch):
    """Look by the text of a recipe, in the way that `follow` pulls."""

    def look(text: str, **settings) -> Sight:
        sight = Sight()
        monkeypatch.setattr(
            by_recipe, "pull", lambda told, *_: by_recipe.look(told, sight, Watch())
        )
        follow(text, **settings)
        return sight

    return look


def checks(sight: Sight) -> list[tuple]:
    return [(each["what"], each["ok"], each["says"]) for each in sight.checks]


def test_the_first_page_of_each_list_is_asked_for(vendor, look):
    vendor.says("/contacts", {"data": [1, 2], "next": "b"})
    vendor.says("/deals", {"data": []})

    sight = look(LIST)

    assert checks(sight) == [
        ("contacts", True, "2 records on the first page"),
        ("deals", True, "0 records on the first page"),
    ]
    assert sight.confirmed
    assert len(vendor.asked) == 2


def test_what_the_user_may_not_see_is_said_with_what_it_needs(vendor, look):
    vendor.says("/contacts", (403, b""))
    vendor.says("/deals", {"data": [1]})

    first, second = checks(
        look('recipe = { title = "X", about = "y", scopes = ["read.all"] }\n' + LIST)
    )

    assert first[:2] == ("contacts", False)
    assert "does not let us in" in first[2]
    assert first[2].endswith("It needs: read.all.")
    assert second[1]


def test_no_job_is_started_and_what_is_left_of_the_quota_is_told(vendor, look):
    sight = look('quota = { starts = 2, per = "24h" }\n' + JOB)

    assert checks(sight) == [
        (
            "The vendor",
            True,
            "an export is started there when a backup is made; a test does not",
        )
    ]
    assert sight.note == "2 exports may still be started now."
    assert vendor.asked == []


def test_a_file_is_begun_and_not_read(vendor, look):
    vendor.says("/shelf", {"links": ["/a.csv", "/b.csv"]})
    vendor.says("/a.csv", (200, CSV))
    recipe = """
    [[step]]
    url = "/shelf"
    save.links = "body.links"
    [[step]]
    url = "${links}"
    to = "${url_name}"
    """

    sight = look(recipe)

    assert checks(sight) == [("The vendor", True, "2 files")]
    assert [(each["name"], each["size_bytes"]) for each in sight.files] == [("a.csv", len(CSV))]


def test_a_login_that_fails_ends_the_look(vendor, look):
    vendor.says("/modules", (401, b""))
    recipe = (
        """
    each = "${modules}"
    [[step]]
    once = true
    url = "/modules"
    save.modules = "body"
    """
        + LIST.partition("\n[[step]]")[0].replace('each = ["contacts", "deals"]', "")
        + """
    [[step]]
    url = "/${item}"
    records = "body"
    to = "${item}.jsonl"
    """
    )

    with pytest.raises(SourceRefused, match="does not let us in"):
        look(recipe)


def test_a_look_remembers_nothing(vendor, look, tmp_path):
    vendor.says("/contacts", {"data": [1]})
    vendor.says("/deals", {"data": [1]})

    look(LIST)

    assert not (tmp_path / "recipes").exists()


def test_a_job_that_is_started_once_is_not_started_by_a_look(vendor, look, tmp_path):
    recipe = JOB.replace("[[step]]", "[[step]]\nonce = true", 2)

    told = checks(look(recipe))

    assert told == [
        ("The vendor", True, "an export is started there when a backup is made; a test does not")
    ]
    assert vendor.asked == []
    assert not (tmp_path / "recipes").exists()


def test_what_is_listed_once_is_not_kept_by_a_look(vendor, look, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vendor.says("/users", {"data": [1]})
    once = '[[step]]\nonce = true\nurl = "/users"\nrecords = "body.data"\nto = "users.jsonl"\n'
    for name in ("contacts", "deals"):
        vendor.says(f"/{name}", {"data": []})

    each, steps = LIST.split("[[step]]")
    look(each + once + "[[step]]" + steps)

    assert not list(tmp_path.glob("0*"))


def test_a_look_by_a_clock_that_is_behind_changes_no_memory(vendor, follow, look, tmp_path):
    vendor.says("/exports", {"id": 7})
    vendor.says("/exports/7", {"state": "done", "link": "/a", "rows": 2})
    vendor.says("/a", (200, CSV))
    memory = tmp_path / "recipes" / "crm.json"
    memory.parent.mkdir()
    ahead = {"at": "2999-01-01T00:00:00+00:00", "saved": {"job": 7}}
    memory.write_text(json.dumps({"jobs": {"/1/start": ahead}, "counted": [ahead["at"]]}))
    before = memory.read_bytes()

    look(JOB)

    assert memory.read_bytes() == before


def test_rows_that_are_not_there_are_no_success(vendor, look):
    vendor.says("/contacts", {"message": "maintenance"})
    vendor.says("/deals", {"data": []})

    assert [each[1] for each in checks(look(LIST))] == [False, True]
