"""Whoever may sign in for a source, or try it, learns no secret and changes no other's."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from appliance.box import Box as WholeBox
from appliance.config import load
from appliance.core.errors import ConfigError
from appliance.demo.authority import Authority
from tests.test_sign_ins import RECIPE, Box, ByRecipe
from tests.vendors.sign_in import SignInServer, sign_in_server


@pytest.fixture
def vendor(ca: Authority):
    with sign_in_server(ca) as vendor:
        yield vendor


def client_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["client_id"][0]


def test_an_id_that_looks_like_a_secret_is_sent_as_it_is(tmp_path, vendor: SignInServer, ca):
    """Else whoever may change settings could have any secret of the box shown in a link."""
    box = Box(tmp_path, vendor, ca, client_id="${secret:nas}")
    box.box.secrets.put("nas", "the-passphrase-of-all-backups")
    assert client_in(box.box.sources["crm"].link_of().url) == "${secret:nas}"


@pytest.mark.parametrize("value", ["${secret:nas}", "a${secret:nas}", "${setting.client_secret}"])
def test_a_recipes_setting_that_is_no_secret_names_none(tmp_path, vendor, ca, value: str):
    with pytest.raises(ConfigError, match="client_id"):
        ByRecipe(tmp_path, vendor, ca, client_id=value)


def test_an_id_that_the_recipe_has_as_a_secret_stands_in_the_link(tmp_path: Path, vendor, ca):
    box = ByRecipe(tmp_path, vendor, ca)
    box.box.secrets.put("id", "our-app")
    file = tmp_path / "crm.toml"
    file.write_text(RECIPE.replace('title = "App"', 'title = "App"\nsecret = true'))
    text = box.file.read_text().replace('"box"', '"${secret:id}"')
    box.file.write_text(text)
    assert client_in(WholeBox(load(box.file)).sources["crm"].link_of().url) == "our-app"


def test_a_try_of_what_is_not_saved_says_nothing_of_the_sign_in_that_is(tmp_path, vendor, ca):
    box = Box(tmp_path, vendor, ca, grant="client_credentials", client_secret="${secret:app}")
    box.box.secrets.put("app", "an-older-secret")
    wish = {"auth.client_id": "box", "auth.client_secret": box.type("client-s3cret")}
    told = box.engine.try_source("crm", wish)
    assert told["error"] is None, told
    assert box.stands["used"] is None


def test_a_wait_that_ends_by_a_fault_of_ours_is_over(tmp_path, vendor, ca, monkeypatch):
    box = Box(tmp_path, vendor, ca, grant="device_code", device_url=vendor.url("/device"))
    monkeypatch.setattr(box.engine.signing_in, "_prove", lambda *_: 1 / 0)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    vendor.interval = 0.05
    box.engine.begin_sign_in("crm")
    pending = box.engine.signing_in.pending(box.box, "crm")
    vendor.types_code()
    pending.thread.join(20)
    assert box.engine.sign_in("crm")["pending"]["state"] == "failed"
