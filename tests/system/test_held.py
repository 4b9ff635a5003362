"""An export that looks wrong, from the CRM to a person's word: it never counts by itself."""

from __future__ import annotations

import pytest

from tests.system.office import Office, contacts, put, zipped

pytestmark = pytest.mark.slow
CALM = {"safe", "waiting"}
"""Nobody has to do anything; the second where this machine's clock is not synchronised."""


@pytest.fixture
def office(filled, tmp_path):
    return filled.copied_to(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A good day, and one on which somebody ticked "select all" and "delete"."""
    office = Office(tmp_path_factory.mktemp("office"))
    inbox = office.inbox()
    office.disk()
    put(inbox, "Data.zip", zipped({"Contacts.csv": contacts(400)}))
    office.ok("run")
    put(inbox, "Data.zip", zipped({"Contacts.csv": contacts(12)}))
    done = office.call("run")
    assert done.returncode == 3, done.stdout
    assert "388 contacts that were there before are gone" in done.stdout
    return office


def held(office):
    (run,) = office.json("history", "--outcome", "held")
    return run["archive"]


def rows_back(office, tmp_path, name):
    office.ok("restore", "by-hand", "--to", tmp_path / name)
    (file,) = (path for path in (tmp_path / name).rglob("*") if path.is_file())
    return len(file.read_bytes().splitlines()) - 1


def test_it_is_kept_and_does_not_count_until_somebody_says_that_it_is_right(office, tmp_path):
    status = office.call("status")
    assert status.returncode == 3
    assert "gone" in status.stdout
    assert f"appliance accept {held(office)}" in status.stdout
    assert len(office.json("archives")) == 2
    assert rows_back(office, tmp_path, "before") == 400
    said = office.ok("accept", held(office), "--reason", "we moved to another CRM")
    assert "counts as a good backup from now on" in said
    assert office.json("status")["state"] in CALM
    assert rows_back(office, tmp_path, "after") == 12
    (act,) = office.json("history", "person:", "--limit", "1")
    assert "because: we moved to another CRM" in act["message"]


def test_what_is_rejected_never_counts_and_the_next_right_one_does(office, tmp_path):
    office.ok("reject", held(office))
    assert rows_back(office, tmp_path, "before") == 400
    assert office.json("status")["state"] in CALM, "the good one before is not old yet"
    put(office.folder / "by-hand", "Data.zip", zipped({"Contacts.csv": contacts(401)}))
    done = office.call("run")
    assert done.returncode == 0, done.stdout
    assert "1 new contact" in done.stdout, "beside the last good one, not the rejected"
    assert rows_back(office, tmp_path, "after") == 401


def test_who_is_gone_is_one_command_away(office, tmp_path):
    """Without a word on the held export, which is what the CRM has now."""
    first = min(one["archive"]["time"] for one in office.json("archives"))
    assert "388 removed" in office.ok("changes", "by-hand")
    said = office.ok("restore", "by-hand", "--removed-since", first, "--to", tmp_path / "back")
    assert "which is held because it looks wrong" in said
    (file,) = (path for path in (tmp_path / "back").rglob("*") if path.is_file())
    assert len(file.read_bytes().splitlines()) == 389


def test_a_word_that_nobody_asked_for_is_refused(office):
    done = office.call("accept", "by-hand-2020-01-01T00:00:00Z")
    assert done.returncode == 1
    assert f"Held are: {held(office)}." in done.stderr
