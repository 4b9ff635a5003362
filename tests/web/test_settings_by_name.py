"""A source is added by the name of its CRM: all that an office must know stands before the form."""

from __future__ import annotations

import html
import re

import pytest

from appliance.config import load, recipes
from appliance.system.socket import WorkerAbsent
from tests.test_desk import CANARY
from tests.test_offers import with_own
from tests.web.conftest import ORIGIN
from tests.web.test_settings import FORBIDDEN, HOSTILE, office, room, text_of

__all__ = ["office", "room"]
HUBSPOT = "/source/new/recipe?recipe=hubspot"


def test_crms_stand_first_by_title_and_beside_them_the_other_ways(office):
    page = office.get("/source/new")
    titles = re.findall(r'recipe\?recipe=[^"]*">([^<]*)</a>', page)
    assert len(titles) == len(recipes.shelf())
    assert titles == sorted(titles, key=str.casefold)
    assert page.index(titles[-1]) < page.index("A folder on a server (SFTP)")
    fragile = re.search(r"Salesforce, weekly Data Export</a>\s*<span[^>]*>([^<]*)</span>", page)
    assert fragile[1] == "May break any day"
    assert page.count("May break any day") == 1
    assert 'href="#others"' in page
    assert "then=" not in page


def test_each_says_plainly_what_to_do_what_is_missing_and_labels_every_field(office):
    for name in recipes.shelf():
        says_all(office, name, recipes.named(name).recipe)


def says_all(office, name, head):
    page = office.get(f"/source/new/recipe?recipe={name}")
    assert office.status == 200
    text = text_of(page)
    for words in (*head.office, *head.scopes, *head.missing, head.quota, head.about, head.fragile):
        assert " ".join(words.split()) in text
    assert page.index("What to do there first") < page.index("What is not in this backup")
    assert page.index("What is not in this backup") < page.index('name="name"')
    for link in head.documents:
        assert f'<a href="{link}" rel="noreferrer">' in page
    assert FORBIDDEN.findall(text) == [], name
    assert "${" not in page, name
    named = re.findall(r'<(?:input|select|textarea) id="([^"]*)"', page)
    assert len(named) == len(set(named))
    assert set(named) == set(re.findall(r'<label for="([^"]*)"', page))
    assert office.form["name"] == name
    assert len(page.encode()) < 24 * 1024


def test_three_fields_make_a_source_that_is_looked_at_and_saved(office, room):
    office.get(HUBSPOT)
    seen = [office.press("look", name="crm-two", token=CANARY, only="contacts\r\ndeals")]
    assert "HubSpot: crm-two" in text_of(seen[0])
    assert "Access token is stored" in text_of(seen[0])
    assert "Only these kinds of records contacts, deals" in text_of(seen[0])
    seen.append(office.press("back"))
    assert re.search(r"<details open><summary>Only some kinds of records", seen[1])
    assert "<details><summary>Seldom changed" in seen[1]
    office.press("look")
    office.press("save")
    assert (office.status, office.location) == (302, "/settings/")
    seen.append(office.get("/"))
    assert "HubSpot, every day at 03:00" in seen[2]
    source = load(room.file).source_named("crm-two")
    assert (source.recipe, source.only) == ("hubspot", ("contacts", "deals"))
    assert CANARY not in "".join(seen)
    (run,) = room.box.ledger.runs("page:settings")
    assert "Source crm-two added: Access token is stored" in run.message


def test_what_is_wrong_stands_beside_its_field_and_a_closed_part_opens_for_it(office):
    office.get(HUBSPOT)
    page = office.press("look", host="https://x/y", only=HOSTILE, grace="soon")
    assert office.status == 422
    assert "it is missing: Access token" in page
    for key in ("token", "host", "grace"):
        assert re.search(rf'id="field-{key}"[^>]*aria-invalid="true"', page)
        assert f'id="problem-{key}"' in page
    assert "<details open><summary>Seldom changed" in page
    assert "<details><summary>What to do there first" in page, "out of the way now"
    assert office.form["only"] == HOSTILE
    data = {**office.form, "do": "look"}
    answer = office.client.post(f"/settings{HUBSPOT}", data=data, base_url=ORIGIN).text
    assert "<script>alert" not in answer


def test_a_name_is_offered_that_no_other_source_has(office, room):
    assert office.get(HUBSPOT)
    office.press("look", token="x1")
    office.press("save")
    office.get(HUBSPOT)
    assert office.form["name"] == "hubspot-2"


def test_a_stored_secret_is_not_shown_and_wanted_anew_for_another_server(office, room):
    page = office.get("/source/crm")
    assert "crm: HubSpot" in page
    assert "Kept; type to replace it" in page
    assert "${secret" not in page
    assert "name" not in office.form
    page = office.press("look", host="evil.example")
    assert re.search(r'id="problem-token"><strong>Please look:</strong> type it again', page)
    page = office.press("look", host="evil.example", token="another")
    assert "HubSpot's address : api.hubapi.com → becomes evil.example" in text_of(page)


def test_a_vendor_s_folder_asks_for_what_is_left(office, room):
    office.get("/source/new/recipe?recipe=cpanel")
    assert office.form["pick"] == "backup-*.tar.gz"
    page = office.press("look", host="web.example.org", user="u", password=CANARY)
    assert "cPanel backup: cpanel" in text_of(page)
    office.press("save")
    assert load(room.file).source_named("cpanel").stable_for.total_seconds() == 300
    assert "cPanel backup, every day" in office.get("/")
    assert "cpanel: cPanel backup" in office.get("/source/cpanel")
    office.press("look")
    assert office.location == "/settings/", "as it stands it changes nothing"


def test_one_that_the_file_must_change_says_so_and_can_be_taken_out(office, room):
    file = with_own(room)
    assert "A recipe of your own: " in office.get("/source/new")
    assert f"{file}" in office.page
    office.get(f"/source/new/recipe?recipe={file}")
    assert office.status == 200
    assert "does not say what it leaves out" in office.page
    file.unlink()
    page = office.get("/")
    assert "is not there any more" in page
    assert 'href="/settings/source/mine"' not in page
    assert "is not there any more" in office.get("/source/mine")
    assert "is not there any more" in office.press("save")
    assert office.get("/source/mine/remove")
    assert office.status == 200


@pytest.mark.parametrize("query", ["", "?recipe=", "?recipe=nosuch", "?recipe=../x", "?recipe=%00"])
def test_a_name_that_is_none_leads_back_to_the_list(office, query):
    office.get(f"/source/new/recipe{query}")
    assert (office.status, office.location) == (302, "/settings/source/new")


def test_a_worker_that_goes_away_loses_nothing_that_was_filled_in(office, room, monkeypatch):
    office.get(HUBSPOT)

    def away(*_):
        raise WorkerAbsent("The worker is not running.")

    for verb in ("settings", "preview_settings", "put_secret"):
        monkeypatch.setattr(room.engine, verb, away)
    page = office.press("look", name="shop", token=CANARY, only="deals")
    assert office.status == 503
    assert "The worker is not running" in page
    assert (office.form["name"], office.form["only"]) == ("shop", "deals")
    assert CANARY not in page
    office.get(HUBSPOT)
    assert office.status == 503


CHECKS = [
    {"what": "contacts", "ok": True, "says": "1,204 records"},
    {"what": "deals", "ok": False, "says": f"HubSpot refuses it: {HOSTILE}"},
]


def tried(monkeypatch, room, checks, **more):
    sight = {"server": "", "fingerprint": "", "confirmed": False, "files": [], "more": 0}
    told = {"problems": [], "sight": sight | {"checks": checks} | more, "error": None}
    monkeypatch.setattr(room.engine, "try_source", lambda *_: told)


def test_a_test_says_of_each_kind_of_record_whether_it_can_be_had(office, room, monkeypatch):
    tried(monkeypatch, room, CHECKS, note="26 exports may still be started now.")
    office.get(HUBSPOT)
    page = text_of(office.press("test", token=CANARY))
    assert "Not all of it works: 1 of 2 kinds of records would be missing." in page
    assert "Fine contacts : 1,204 records." in page
    assert "Please look deals : HubSpot refuses it" in page
    assert "26 exports may still be started now." in page
    assert "<script>alert" not in page
    assert "Nothing lies there" not in page
    tried(monkeypatch, room, CHECKS[:1])
    assert "It works." in text_of(office.press("test"))


def test_whoever_is_setting_up_chooses_there_and_goes_on_there(office, room, monkeypatch):
    page = office.client.get("/first-run/source", base_url=ORIGIN).text
    assert "Choose your CRM by its name" not in page, "there are sources already"
    beginning = {**room.engine.first_run(), "sources": []}
    monkeypatch.setattr(room.engine, "first_run", lambda: beginning)
    page = html.unescape(office.client.get("/first-run/source", base_url=ORIGIN).text)
    assert "Choose your CRM by its name" in page
    assert "/settings/source/new/recipe?recipe=hubspot&then=first-run" in page
    office.get("/source/new/recipe?recipe=hubspot&then=first-run")
    office.press("look", token="x1")
    office.press("save")
    assert (office.status, office.location) == (302, "/first-run")
