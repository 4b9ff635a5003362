"""Deleted customers come back into a real CRM, by its own importer, as they were."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.office import Office
from tests.system.tryton import FIELDS

pytestmark = pytest.mark.slow
PARTIES, DELETED = 60, 12


@pytest.fixture
def tryton(tmp_path):
    """Have it do something; each time it is a process of its own."""
    folder = tmp_path / "tryton"
    folder.mkdir()

    tools = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def do(*words):
        argv = [sys.executable, "-m", "tests.system.tryton", folder, *words]
        done = subprocess.run(argv, env=tools, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    do("make")
    do("fill", str(PARTIES))
    return do


def parties(file: Path) -> dict[str, list[list[str]]]:
    """What a file says of each party by its code: all but the database's own number."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        header, *rows = csv.reader(opened)
    assert header == FIELDS
    found: dict[str, list[list[str]]] = {}
    code = ""
    for row in rows:
        code = row[1] or code
        found.setdefault(code, []).append(row[2:])
    return found


def test_a_dozen_deleted_parties_are_got_back_and_imported_as_they_were(tryton, tmp_path):
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    inbox = office.inbox()
    office.disk()
    tryton("export", inbox / "Parties.csv")
    before = parties(inbox / "Parties.csv")
    office.ok("run")
    tryton("delete", str(DELETED))
    tryton("export", inbox / "Parties.csv")
    assert len(before) - len(parties(inbox / "Parties.csv")) == DELETED
    os.utime(inbox / "Parties.csv")
    office.call("run")
    office.ok("restore", "by-hand", "--removed-since", "1 minute ago", "--to", tmp_path / "back")
    (back,) = (tmp_path / "back").rglob("*.csv")
    assert len(parties(back)) == DELETED
    tryton("load", back)
    tryton("export", tmp_path / "again.csv")
    assert parties(tmp_path / "again.csv") == before
