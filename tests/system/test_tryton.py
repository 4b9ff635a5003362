"""Deleted customers come back into a real CRM, by its own importer, as they were."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.office import Office, put, zipped
from tests.system.tryton import FIELDS, OPPORTUNITIES, PARTIES

pytestmark = pytest.mark.slow
FILLED, DELETED = 60, 12


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
    do("fill", str(FILLED))
    return do


def records(kind: str, file: Path) -> list[list[list[str]]]:
    """What a file says of each record, over several lines: all but the CRM's own numbers."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        header, *rows = csv.reader(opened)
    assert header == FIELDS[kind]
    found: list[list[list[str]]] = []
    for number, *row in rows:
        if number:
            found.append([])
        found[-1].append(row[1:])
    return sorted(found)


def test_a_dozen_deleted_parties_are_got_back_and_imported_as_they_were(tryton, tmp_path):
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    inbox = office.inbox()
    office.disk()

    def export(name):
        files = {kind: tmp_path / name / f"{kind}.csv" for kind in FIELDS}
        (tmp_path / name).mkdir()
        for kind, file in files.items():
            tryton("export", kind, file)
        put(inbox, "CRM.zip", zipped({file.name: file.read_bytes() for file in files.values()}))
        return {kind: records(kind, file) for kind, file in files.items()}

    before = export("before")
    assert len(before[OPPORTUNITIES]) == FILLED
    office.ok("run")
    tryton("delete", str(DELETED))
    left = export("left")
    assert len(before[PARTIES]) - len(left[PARTIES]) == DELETED
    assert len(before[OPPORTUNITIES]) - len(left[OPPORTUNITIES]) == DELETED
    office.call("run")
    back = tmp_path / "back"
    office.ok("restore", "by-hand", "--removed-since", "1 minute ago", "--to", back)
    for kind in FIELDS:  # who is sold to first
        (file,) = back.rglob(f"{kind}.csv")
        assert len(records(kind, file)) == DELETED
        tryton("load", kind, file)
    assert export("again") == before
