"""The demo's CRM: the same days again from the same seed, changed as it says they were."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from datetime import date

import pytest

from appliance.demo.crm import Crm

FIRST = date(2026, 11, 19)


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["Record Id"]: row for row in csv.DictReader(file)}


def _hashes(folder):
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())]


def _live(folder, seed):
    crm = Crm(FIRST, seed=seed)
    for _ in range(2):
        crm.advance()
    crm.write_zip(folder)
    crm.write_notes(folder)
    return _hashes(folder)


def test_the_same_seed_gives_the_same_days_and_another_gives_others(tmp_path):
    first, again, other = (_live(tmp_path / str(i), seed) for i, seed in enumerate((7, 7, 8)))
    assert first == again
    assert first != other


def test_a_day_adds_changes_and_removes_as_many_rows_as_it_says(tmp_path):
    crm = Crm(FIRST)
    before = [_rows(path) for path in crm.write_csv(tmp_path / "before")]
    done = crm.advance()
    after = [_rows(path) for path in crm.write_csv(tmp_path / "after")]
    for old, new, change in zip(before, after, done.values(), strict=True):
        assert len(new.keys() - old.keys()) == change.added >= 1
        assert len(old.keys() - new.keys()) == change.removed >= 1
        assert sum(old[key] != new[key] for key in old.keys() & new.keys()) == change.changed >= 1


def test_the_zip_holds_the_tables_that_were_asked_for_and_they_are_sound(tmp_path):
    crm = Crm(FIRST)
    with zipfile.ZipFile(crm.write_zip(tmp_path, tables=("Contacts", "Deals"))) as file:
        assert file.namelist() == ["Contacts_001.csv", "Deals_001.csv"]
        assert file.testzip() is None


def test_the_notes_carry_the_day_in_their_name_and_nothing_half_written_stays(tmp_path):
    Crm(FIRST).write_notes(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes-2026-11-19.csv"]


def test_the_rows_hold_what_trips_careless_code(tmp_path):
    tables = {path.stem: _rows(path) for path in Crm(FIRST).write_csv(tmp_path)}
    contacts = tables["Contacts_001"].values()
    assert any(row["Phone"].startswith("0") for row in contacts)
    assert any(row["Phone"].startswith("+") for row in contacts)
    assert any(row["Postal Code"].startswith("0") for row in contacts)
    assert any("ö" in row["Last Name"] for row in contacts)
    notes = tables["Notes_001"].values()
    assert any("\n" in row["Note Content"] and '"' in row["Note Content"] for row in notes)


@pytest.mark.parametrize("scale", [0, 0.0001])
def test_the_smallest_crm_still_lives_through_days(tmp_path, scale):
    crm = Crm(FIRST, scale=scale)
    for _ in range(10):
        crm.advance()
    assert all(_rows(path) for path in crm.write_csv(tmp_path))
