from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.config import recipes
from appliance.core.ports import Watch
from appliance.demo.authority import Authority
from appliance.sources import origins
from appliance.sources.recipe import listing
from appliance.sources.recipe import pull as by_recipe
from appliance.sources.recipe.memory import settle

from ..stub import stub
from .vendor import Vendor

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("appliance.sources.asking.pause", lambda watch, *_: watch.check())
    for module in (listing, by_recipe):
        monkeypatch.setattr(module, "pause", lambda watch, *_: watch.check(), raising=False)
    monkeypatch.setattr("appliance.sources.recipe.jobs.pause", lambda watch, *_: watch.check())
    monkeypatch.setattr("appliance.sources.receiving.pause", lambda watch, *_: watch.check())


@pytest.fixture
def follow(vendor: Vendor, tmp_path: Path, ca: Authority, monkeypatch) -> Callable:
    """Pull by the text of a recipe from the vendor; `home` is its address in there."""
    count = iter(range(1000))
    monkeypatch.setattr(origins, "is_public", lambda _: True)
    with stub(vendor.play, ca) as server:
        home = server.url("")

        def follow(text: str, *, now=NOW, seen=(), done=True, watch=None, **settings):
            raw = tomllib.loads(text.replace("HOME", home))
            raw.setdefault("base", home)
            raw.setdefault("hosts", ["localhost"])
            into = tmp_path / f"into-{next(count)}"
            into.mkdir()
            told = by_recipe.RecipeSettings(
                "crm",
                recipes.as_json(recipes.checked(raw)),
                memory=str(tmp_path / "recipes" / "crm.json"),
                ca_file=str(ca.certificate),
                reserve_bytes=0,
                secrets_dir=str(tmp_path / "secrets"),
                **settings,
            )
            export = by_recipe.pull(told, into, now, seen, watch or Watch())
            if done and export is not None:
                settle(tmp_path / "recipes" / "crm.json")
            return export

        yield follow
