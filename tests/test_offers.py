"""Recipes as the page offers them: what people are told, and to whom a stored secret may go."""

from __future__ import annotations

import json
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.changing import offers
from appliance.config import load, recipes, tables
from appliance.core.errors import ConfigError
from appliance.core.offers import Offer, as_json, from_json
from appliance.demo.authority import Authority
from tests.sources.stub import stub
from tests.test_desk import CANARY, Room, comments, first, room

__all__ = ["first", "room"]
OWN = """
base = "https://${setting.host}/${setting.area}"
hosts = ["${setting.host}", "files.${setting.land}"]
auth = { kind = "bearer", token = "${setting.token}" }
[setting.land]
title = "Country"
default = "example"
[setting.area]
title = "Area"
default = "office"
[setting.region]
title = "Region"
[setting.host]
title = "Server"
default = "crm.${setting.region}"
[setting.token]
title = "Token"
secret = true
[[step]]
url = "/all"
to = "all.csv"
"""


def by_name(sources=()):
    return {each.name: each for each in offers.offered(sources)}


def wish(room, **more):
    return {"name": "crm-two", "recipe": "hubspot", "token": room.type()} | more


def own(room: Room, text: str = OWN, name: str = "mine.toml") -> Path:
    file = room.folder / name
    file.write_text(text)
    return file


def with_own(room: Room, text: str = OWN) -> Path:
    """A source of the office's that follows a recipe of its own."""
    file = own(room, text)
    given = f'recipe = "{file}"\nregion = "example.org"\ntoken = "${{secret:mine}}"'
    among_others(room, f'[[source]]\nname = "mine"\n{given}\n')
    return file


def among_others(room: Room, source: str) -> None:
    before = '[[source]]\nname = "by-hand"'
    room.file.write_text(room.file.read_text().replace(before, f"{source}\n{before}"))


def test_every_shipped_recipe_is_offered_by_title_with_all_that_people_are_told():
    found = list(by_name().values())
    assert {each.name for each in found} == {*recipes.shelf()}
    titles = [each.title.casefold() for each in found]
    assert titles == sorted(titles)
    for each in found:
        assert from_json(json.loads(json.dumps(as_json(each)))) == each
        head = recipes.named(each.name).recipe
        assert (each.missing, each.office, each.about) == (head.missing, head.office, head.about)
        assert "${" not in repr(each.asks)
    assert [each.name for each in found if each.fragile] == ["salesforce-weekly"]
    assert by_name()["hubspot"].keeps == "5 minutes"


def test_only_an_address_on_the_web_is_a_link():
    told = Offer("x", documents=("javascript:alert(1)", "http://a.example", "https://b.example/c"))
    assert told.links == ("https://b.example/c",)


def test_what_a_setting_is_called_and_how_it_is_written_stands_beside_it():
    host, region = (by_name()["zoho"].ask(key) for key in ("accounts", "region"))
    assert "Left empty, it is accounts.zoho.[Region]." in host.help
    assert (host.field.default, host.part, region.part) == ("", "rare", "")
    assert "Such as acme.my.salesforce.com." in by_name()["salesforce"].ask("host").help
    assert "There are leads and opportunities." in by_name()["close"].ask("only").help
    assert by_name()["odoo"].ask("only") is None, "there is one thing only"


def test_a_vendor_with_a_folder_gives_what_an_office_does_not_have_to_know():
    cpanel = by_name()["cpanel"]
    assert cpanel.kind == "sftp"
    plain = {each.field.key for each in cpanel.asks if not each.part}
    assert {"host", "user", "password", "key"} <= plain
    assert (cpanel.ask("pick").field.default, cpanel.ask("pick").part) == (
        "backup-*.tar.gz",
        "rare",
    )


def test_whatever_decides_to_whom_a_login_is_shown_is_a_place(room):
    file = own(room)
    (mine,) = [each for each in offers.offered([{"recipe": str(file)}]) if "/" in each.name]
    places = {each.field.key for each in mine.asks if each.field.is_place}
    assert places == {"host", "land", "area", "region"}
    assert {"region", "accounts", "api"} <= {
        each.key for each in by_name()["zoho"].fields if each.is_place
    }


def test_a_source_is_added_by_the_name_of_its_crm_and_the_file_says_that_name(room):
    settings = room.saved("source", "crm-two", wish(room, only="contacts\r\ndeals", host=""))
    source = settings.source_named("crm-two")
    assert (source.recipe, source.only, source.vendor) == (
        "hubspot",
        ("contacts", "deals"),
        "HubSpot",
    )
    (written,) = [
        one for one in tables(room.file.read_text())["source"] if one["name"] == "crm-two"
    ]
    assert written.keys() == {"name", "recipe", "token", "only"}
    assert room.box.secrets.get(written["token"][9:-1]) == CANARY
    assert CANARY not in room.file.read_text() + repr(room.engine.settings())


def test_one_of_a_folder_is_added_with_its_own_values_left_to_the_recipe(room):
    given = {"name": "web", "recipe": "cpanel", "host": "web.example.org", "user": "u"}
    settings = room.saved(
        "source", "web", given | {"password": room.type(), "pick": "backup-*.tar.gz", "path": "."}
    )
    assert settings.source_named("web").pick == ("backup-*.tar.gz",)
    (written,) = [one for one in tables(room.file.read_text())["source"] if one["name"] == "web"]
    assert written.keys() == {"name", "recipe", "host", "user", "password"}
    (told,) = [one for one in room.engine.settings()["sections"]["source"] if one["name"] == "web"]
    assert (told["type"], told["title"], told["by_hand"]) == ("sftp", "cPanel backup", "")


def test_what_is_missing_or_wrong_is_said_beside_its_field_with_all_else(room):
    told = room.problems(
        "source", "crm-two", wish(room, token="", host="https://x/y", grace="soon")
    )
    assert told["token"] == "it is missing: Access token"
    assert "it is the bare name of a server" in told["host"]
    assert "is not a time span" in told["grace"]
    assert "" not in told
    told = room.problems(
        "source", "e", {"name": "e", "recipe": "espocrm", "url": "crm.example.org"}
    )
    assert told["url"] == '"crm.example.org" is not a web address; it begins with https://'


def test_a_secret_that_was_typed_too_long_ago_is_said_once(room):
    told = room.engine.preview_settings("source", "crm-two", wish(room, token="f" * 32))
    assert [each["field"] for each in told["problems"]] == ["token"]
    assert "type it again" in told["problems"][0]["message"]


@pytest.mark.parametrize("change", [{"region": "evil.example"}, {"host": "evil.example"},
                                    {"land": "evil"}, {"area": "x"}])  # fmt: skip
def test_a_stored_secret_goes_to_no_other_server_because_a_setting_says_so(room, change):
    with_own(room)
    assert "shown to no other" in room.problems("source", "mine", change)["token"]
    assert room.problems("source", "mine", change | {"token": room.type()}) == {}
    assert room.problems("source", "crm", {"host": "evil.example"})["token"]


def test_the_page_cannot_have_a_file_of_the_box_read(room, tmp_path):
    file = own(room)
    for name in (str(file), "/etc/hostname", "../recipes/hubspot", "nosuch", ""):
        with pytest.raises(ConfigError, match="or has a recipe that there is"):
            room.engine.preview_settings("source", "x", {"name": "x", "recipe": name})
    with_own(room)  # now a person with the file has named it
    told = {"name": "x", "recipe": str(file), "region": "example.net", "token": room.type()}
    assert room.problems("source", "x", told) == {}


def test_a_source_of_a_recipe_is_changed_and_keeps_recipe_name_comments_and_secret(room):
    before = room.file.read_text()
    settings = room.saved(
        "source", "crm", {"without": "", "schedule": "daily at 05:00", "token": ""}
    )
    source = settings.source_named("crm")
    assert (source.recipe, source.given["token"], source.without) == (
        "hubspot",
        "${secret:crm}",
        (),
    )
    after = room.file.read_text()
    assert [each for each in comments(before) if each not in "\n".join(comments(after))] == []


def test_steps_of_its_own_and_a_recipe_that_is_gone_are_changed_in_the_file(room):
    file = with_own(room)
    text = OWN.replace('"${setting.host}", "files.${setting.land}"', '"crm.example.org"')
    steps = tomllib.loads(text)["step"][0]
    inline = 'base = "https://crm.example.org"\nhosts = ["crm.example.org"]\n[[source.step]]\n'
    inline += "\n".join(f'{key} = "{value}"' for key, value in steps.items())
    among_others(room, f'[[source]]\nname = "inline"\n{inline}\n')
    load(room.file)
    file.unlink()
    told = {one["name"]: one for one in room.engine.settings()["sections"]["source"]}
    assert "steps of its own" in told["inline"]["by_hand"]
    assert str(file) in told["mine"]["by_hand"]
    assert str(file) not in [each["name"] for each in room.engine.settings()["recipes"]]
    for name in ("inline", "mine"):
        with pytest.raises(ConfigError, match="file"):
            room.engine.preview_settings("source", name, {"grace": "1h"})
    assert room.save("source", "mine", None)["saved"], "it can still be taken out"


@pytest.mark.parametrize("key", ["do", "stamp", "weekly", "größe"])
def test_a_setting_that_no_form_can_have_leaves_its_recipe_to_the_file(room, key):
    quoted = json.dumps(key, ensure_ascii=False)
    file = own(room, f'{OWN}\n[setting.{quoted}]\ntitle = "X"\ndefault = "1"\n')
    assert offers.of({"recipe": str(file)}) is None
    assert offers.by_hand({"recipe": str(file)})


@pytest.mark.parametrize("sources", ["source = 5", "[source]\nname = 7", 'source = ["x"]',
                                     "[[source]]\nname = 'y'\nrecipe = 5"])  # fmt: skip
def test_nonsense_in_the_file_is_told_and_breaks_no_page(room, sources):
    room.file.write_text(sources)
    told = room.engine.settings()
    assert told["problems"]
    assert len(told["recipes"]) == len(recipes.shelf())


LISTS = """
base = "https://${setting.host}"
hosts = ["${setting.host}"]
auth = { kind = "bearer", token = "${setting.token}" }
each = ["contacts", "deals"]
[recipe]
title = "Shop"
about = "Lists."
scopes = ["read.deals"]
[setting.host]
title = "Server"
kind = "host"
[setting.token]
title = "Token"
secret = true
[[step]]
url = "/${item}"
records = "body.data"
to = "${item}.jsonl"
"""


@contextmanager
def shop(room, folder, play, recipe=LISTS):
    """A source of the office's at a vendor that does what a test says."""
    authority = Authority(folder)
    with stub(play, authority) as server:
        host = server.url("").removeprefix("https://")
        given = f'recipe = "{own(room, recipe)}"\nhost = "{host}"\ntoken = "${{secret:shop}}"'
        more = f'ca_file = "{authority.certificate}"'
        among_others(room, f'[[source]]\nname = "shop"\n{given}\n{more}\n')
        yield server


def test_a_test_tells_of_each_kind_with_what_was_just_typed_and_leaves_nothing(room, tmp_path):
    def play(request):
        request.answer(200 if request.path == "/contacts" else 403, b'{"data": [{"id": 1}]}')

    with shop(room, tmp_path, play) as server:
        before = room.everything()
        told = room.engine.try_source("shop", {"token": room.type()})
    contacts, deals = told["sight"]["checks"]
    assert (contacts["what"], contacts["ok"]) == ("contacts", True)
    assert (deals["ok"], "It needs: read.deals." in deals["says"]) == (False, True)
    assert {each.headers["Authorization"] for each in server.requests} == {f"Bearer {CANARY}"}
    assert CANARY not in repr(told)
    assert room.everything() == before


SIGNED_IN = """
[auth]
kind = "oauth2"
grant = "refresh_token"
token_url = "https://${setting.host}/token"
client_id = "box"
refresh_token = "${setting.token}"
"""


def test_a_sign_in_that_the_vendor_replaces_during_a_test_is_the_one_that_is_saved(room, tmp_path):
    tokens = ["first"]

    def play(request):
        if request.path != "/token":
            request.answer(200, b'{"data": []}')
        elif f"refresh_token={tokens[-1]}" not in request.body:
            request.answer(400, b'{"error": "invalid_grant"}')
        else:
            tokens.append(f"after-{tokens[-1]}")
            told = {"access_token": "x", "refresh_token": tokens[-1]}
            request.answer(200, json.dumps(told).encode())

    auth = 'auth = { kind = "bearer", token = "${setting.token}" }'
    recipe = LISTS.replace(auth, "").replace("[recipe]", f"{SIGNED_IN}[recipe]")
    with shop(room, tmp_path, play, recipe):
        mark = room.type("first")
        for _ in range(2):
            told = room.engine.try_source("shop", {"token": mark})
            assert [each["ok"] for each in told["sight"]["checks"]] == [True, True], told
        assert not any(name.startswith("page-") for name in room.box.secrets.own_names())
        settings = room.saved("source", "shop", {"token": mark})
    name = settings.source_named("shop").given["token"][9:-1]
    assert room.box.secrets.get(name) == tokens[-1] == "after-after-first"
