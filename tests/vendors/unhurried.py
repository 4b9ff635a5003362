"""Pulls a vendor by its shipped recipe, through the interpreter itself, with nobody waiting."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from appliance.config import given, recipes
from appliance.core.model import Export
from appliance.core.ports import Watch
from appliance.sources.calling import _trust
from appliance.sources.recipe import pull as by_recipe
from appliance.sources.recipe.memory import settle

from .vendor import Vendor

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
_TRUSTED = cache(_trust)
"""Reading all the world's authorities anew would be a third of a round."""
_LOOKS_APART = timedelta(minutes=10)


@dataclass
class Puller:
    """One source; what it remembers lies in its folder.

    Waits pass at once: on the interpreter's clock, and at the vendor.
    """

    folder: Path
    vendor: Vendor
    only: tuple[str, ...] = ()
    """Which kinds of records, by name."""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def pass_time(self, watch: Watch, wait: timedelta, *_: object) -> None:
        """Instead of the interpreter's `pause`."""
        self.seconds += wait.total_seconds()
        self.vendor.advance(wait)
        watch.check()

    def pass_time_of_a_job(self, watch: Watch, wait: timedelta, *_: object) -> None:
        """Instead of the same between two looks at a job: some minutes, so that there are few."""
        self.pass_time(watch, max(wait, _LOOKS_APART))

    def put_into(self, monkeypatch) -> None:
        """Have the interpreter wait by these, and not for the disk: no power fails here."""
        monkeypatch.setattr(os, "fsync", lambda _: None)
        monkeypatch.setattr("appliance.sources.calling._trust", _TRUSTED)
        for module in ("asking", "receiving", "recipe.listing"):
            monkeypatch.setattr(f"appliance.sources.{module}.pause", self.pass_time)
        monkeypatch.setattr("appliance.sources.recipe.jobs.pause", self.pass_time_of_a_job)
        monkeypatch.setattr("appliance.sources.recipe.jobs.monotonic", lambda: self.seconds)

    def settings(self) -> by_recipe.RecipeSettings:
        """As `configured` makes them of three lines in the configuration."""
        file = recipes.named(self.vendor.recipe)
        told = self.vendor.settings()
        unknown = told.keys() - file.setting.keys()
        assert not unknown, f"the recipe has no setting {unknown}"
        secret = {key for key, each in file.setting.items() if each.secret}
        plain = {key: text for key, text in told.items() if key not in secret}
        return by_recipe.RecipeSettings(
            "crm",
            json.loads(json.dumps(recipes.as_json(file))),
            given=given.values(file.setting, plain),
            given_secrets={key: text for key, text in told.items() if key in secret},
            refresh_token_secret="refresh" if "refresh_token" in secret else "",
            only=self.only,
            memory=str(self.folder / "recipes" / "crm.json"),
            ca_file=str(self.vendor.premises.ca_file),
            reserve_bytes=0,
            idle_seconds=5.0,
            secrets_dir=str(self.folder / "secrets"),
        )

    def pull(self, *, now: datetime = NOW, seen=(), watch: Watch | None = None) -> Export | None:
        """Pull into a fresh folder."""
        number = len([*self.folder.glob("into-*")])
        self.into = self.folder / f"into-{number}"
        self.into.mkdir(parents=True)
        export = by_recipe.pull(self.settings(), self.into, now, seen, watch or Watch())
        self.notes = list(export.notes) if export else []
        return export

    def settle(self) -> None:
        """What was pulled is archived."""
        settle(self.folder / "recipes" / "crm.json")


Start = Callable[[Vendor], Puller]


def brought(export: Export) -> dict[str, bytes]:
    """The files of an export by name."""
    return {file.name: file.path.read_bytes() for file in export.files}
