"""A real CRM: deleted customers come back into it by its own importer as they were, and a recipe
written by the README's guide pulls it.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.system.office import Office, put, zipped
from tests.system.tryton import FIELDS, NAME, OPPORTUNITIES, PARTIES

pytestmark = pytest.mark.slow
FILLED, DELETED = 60, 12


TOOLS = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def tryton_in(folder, *words):
    return [sys.executable, "-m", "tests.system.tryton", str(folder), *map(str, words)]


def tryton_does(folder, *words):
    argv = tryton_in(folder, *words)
    done = subprocess.run(argv, env=TOOLS, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """One to copy: making it takes longer than all that is done with it."""
    folder = tmp_path_factory.mktemp("tryton-filled")
    tryton_does(folder, "make")
    tryton_does(folder, "fill", FILLED)
    return folder


@pytest.fixture
def tryton(filled, tmp_path):
    """Have one of our own do something; each time it is a process of its own."""
    folder = shutil.copytree(filled, tmp_path / "tryton")
    settings = folder / "trytond.conf"
    settings.write_text(settings.read_text().replace(str(filled), str(folder)))
    return partial(tryton_does, folder)


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


@contextmanager
def served(folder):
    """Its server on loopback; yields the address."""
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(tryton_in(folder, "serve"), env=TOOLS, **said) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def rows_of(folder: Path, table: str) -> list[dict]:
    (file,) = folder.rglob(f"{table}.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_recipe_written_by_the_guide_pulls_it(tryton, tmp_path):
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    office.disk()
    recipe = Path(__file__).with_name("tryton.toml")
    assert "is fine" in office.ok("recipe", "check", recipe)
    with served(tmp_path / "tryton") as url:
        about = {"recipe": recipe, "url": url, "database": NAME, "user": "admin"}
        password = office.secret("tryton", "only for a test")
        office.add("[[source]]", name="tryton", **about, password=password)
        assert "✓ parties" in office.ok("source", "test", "tryton")
        office.ok("run", "tryton")
        tryton("delete", str(DELETED // 4))
        office.ok("run", "tryton")
    removed = {one["table"]: one["removed"] for one in office.json("changes", "tryton")["tables"]}
    assert removed["parties"] == removed["addresses"] == DELETED // 4
    office.ok("restore", "tryton", "--to", tmp_path / "back")
    parties = rows_of(tmp_path / "back", "parties")
    ours = [party["id"] for party in parties if party["name"].startswith("Müller; Ana")]
    assert len({*ours}) == FILLED - DELETED // 4
