"""A person's sign-in holds as long as the same servers see it, whatever else is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.box import Box as WholeBox
from appliance.config import load, recipes
from appliance.core.errors import SourceRefused
from appliance.core.ports import Watch
from appliance.demo.authority import Authority
from appliance.probing import AFTER_START, AGAIN
from appliance.worker import Engine
from tests.test_sign_ins import RECIPE, ByRecipe, Tried
from tests.vendors.sign_in import sign_in_server

DEPTH = '[setting.depth]\ntitle = "How deep"\ndefault = "1"\n[[step]]'


@pytest.fixture
def box(tmp_path: Path, ca: Authority):
    with sign_in_server(ca) as vendor:
        box = ByRecipe(tmp_path, vendor, ca)
        (tmp_path / "crm.toml").write_text(RECIPE.replace("[[step]]", DEPTH))
        box.signs_in()
        yield box


def changed(box: ByRecipe, old: str, new: str) -> WholeBox:
    text = box.file.read_text()
    assert old in text
    box.file.write_text(text.replace(old, new))
    return WholeBox(load(box.file))


def test_a_setting_that_names_no_server_ends_no_sign_in(box: ByRecipe):
    told = changed(box, 'client_id = "box"', 'client_id = "box"\ndepth = "2"')
    assert told.sources["crm"].sign_in(Watch())["count"] == 3


def test_a_shipped_recipe_that_asks_one_server_more_ends_no_sign_in(box, monkeypatch):
    """It came with another release; the office did nothing."""
    monkeypatch.setattr(recipes, "shelf", lambda: [str(box.folder / "crm.toml")])
    box.signs_in()
    file = box.folder / "crm.toml"
    file.write_text(file.read_text().replace("hosts = [", 'hosts = ["files.vendor.example", '))
    assert WholeBox(load(box.file)).sources["crm"].sign_in(Watch())["count"] == 5


def test_an_offices_own_recipe_that_asks_another_server_does(box: ByRecipe):
    file = box.folder / "crm.toml"
    file.write_text(file.read_text().replace("hosts = [", 'hosts = ["evil.example", '))
    with pytest.raises(SourceRefused, match="others than when"):
        WholeBox(load(box.file)).sources["crm"].sign_in(Watch())


def test_another_recipe_of_the_same_vendor_asks_anew(box: ByRecipe, monkeypatch):
    other = box.folder / "other.toml"
    other.write_text((box.folder / "crm.toml").read_text())
    names = [str(box.folder / "crm.toml"), str(other)]
    monkeypatch.setattr(recipes, "shelf", lambda: names)
    box.signs_in()
    with pytest.raises(SourceRefused, match="others than when"):
        changed(box, names[0], names[1]).sources["crm"].sign_in(Watch())


def test_servers_that_were_changed_are_said_at_once_and_nobody_is_asked(box: ByRecipe):
    box.box = changed(box, 'host = "localhost', 'host = "127.0.0.1')
    tried = Tried(box)
    assert tried.passes(AFTER_START) == 0
    assert box.stands["state"] == "refused"
    assert (tried.passes(AGAIN * 2), tried.changes) == (0, 1)
    box.engine = Engine(box.box, lambda: load(box.file), None, box.file)
    box.signs_in()
    assert [tried.passes(AGAIN), tried.passes(AGAIN), box.stands["state"]] == [1, 0, "good"]


def test_servers_that_are_changed_back_are_as_good_as_before(box: ByRecipe):
    box.box = changed(box, 'host = "localhost', 'host = "127.0.0.1')
    assert Tried(box).passes(AFTER_START) == 0
    assert box.stands["state"] == "refused"
    box.box = changed(box, 'host = "127.0.0.1', 'host = "localhost')
    assert (Tried(box).passes(AFTER_START), box.stands["state"]) == (1, "good")
