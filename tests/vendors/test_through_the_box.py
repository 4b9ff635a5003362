"""Each vendor through the whole box: three lines of configuration, a verified backup, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config import recipes
from tests.system.office import Office

from .kinds import KINDS
from .office import office as records
from .salesforce import Salesforce
from .tables import files_below
from .traps import Trap
from .zoho import ZohoBackup

pytestmark = pytest.mark.slow

CONTACTS = 120


@pytest.fixture
def office(tmp_path) -> Office:
    folder = tmp_path / "office"
    folder.mkdir()
    return Office(folder)


def moved_in(kind, house, traps=()):
    """The vendor, with jobs that are done at once: a real box waits, and a test should not."""
    vendor = kind(house, records(3, CONTACTS), traps, 3)
    vendor.at_once = True
    return vendor


def add(office: Office, vendor) -> None:
    """What an office writes; secrets go into the store."""
    wanted = recipes.named(vendor.recipe).setting
    keys = {
        key: office.secret(f"crm_{key}", text) if wanted[key].secret else text
        for key, text in vendor.settings().items()
    }
    ca_file = vendor.premises.ca_file
    office.add("[[source]]", name="crm", recipe=vendor.recipe, ca_file=ca_file, **keys)


def forget_the_cooldown(office: Office) -> None:
    """Two weeks pass: the box starts the next backup."""
    for file in office.state.glob("recipes/*.json"):
        file.unlink()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.recipe)
def test_from_the_vendor_to_a_verified_backup_and_back(kind, house, office, tmp_path):
    vendor = moved_in(kind, house)
    add(office, vendor)
    office.disk()
    (run,) = office.json("run", "crm")
    assert run["outcome"] == "ok", run
    assert ("verify", "ok") in [(step["name"], step["outcome"]) for step in run["steps"]]
    office.ok("restore", "crm", "--original", "--to", tmp_path / "back")
    assert vendor.found(files_below(tmp_path / "back")) == vendor.truth()
    assert vendor.told_elsewhere() == []

    if Trap.ROWS_MISSING in kind.reactions:
        vendor = moved_in(kind, house, {Trap.ROWS_MISSING})
        vendor.week = 2
        if kind is ZohoBackup:
            forget_the_cooldown(office)
        (run,) = office.json("run", "crm", code=3)
        assert run["outcome"] == "held", run


def test_what_is_refused_is_not_archived_and_is_said(house, office):
    vendor = moved_in(Salesforce, house, {Trap.ZIP_CUT})
    add(office, vendor)
    office.disk()
    (run,) = office.json("run", "crm", code=1)
    assert run["outcome"] == "failed"
    assert "not whole" in str(run)
    assert office.json("archives", "crm") == []


def secrets_in(folder: Path, vendor) -> list[str]:
    """Files with a secret of the vendor in them."""
    return [
        name
        for name, data in files_below(folder).items()
        if any(secret.encode() in data for secret in vendor.secrets)
    ]


def test_no_secret_of_a_vendor_lies_anywhere_but_in_the_secret_store(house, office):
    vendor = moved_in(ZohoBackup, house)
    add(office, vendor)
    office.disk()
    office.ok("run", "crm")
    found = secrets_in(office.folder, vendor)
    assert found
    assert {Path(name).parent.name for name in found} == {"secrets"}
