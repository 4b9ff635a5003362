"""What a person is told who asks to have somebody erased, and what outlives a sudden end."""

from __future__ import annotations

import pytest

from appliance import erasures
from appliance.box import Box
from appliance.config import load
from appliance.core.model import Trigger
from appliance.core.ports import Watch
from appliance.daemon import only_worker
from appliance.exports.meant import Wanted
from tests.system.office import Office, contacts, put
from tests.system.test_erasing import HER, WHO, bring_back, is_on, take_away

pytestmark = pytest.mark.slow
ASK = ("erase", "--source", "by-hand", "--match", WHO)


@pytest.fixture
def office(filled, tmp_path):
    return filled.copied_to(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """One day with her, and one without, on one disk."""
    office = Office(tmp_path_factory.mktemp("office"))
    office.inbox()
    office.disk("disk-a")
    for rows in (contacts(200) + HER, contacts(201)):
        export(office, rows)
    return office


def export(office, rows):
    put(office.folder / "by-hand", "Contacts.csv", rows)
    office.ok("run")


def test_beside_another_command_it_is_written_down_once_and_done_later(office):
    with only_worker(Box(load(office.config))):
        said = office.call(*ASK, "--yes")
    assert said.returncode == 3
    assert "is done with the next backup: do not ask again" in said.stderr
    assert "Still to do, as soon as it is within reach: disk-a." in said.stdout
    assert is_on(office, "disk-a")
    export(office, contacts(202))
    assert not is_on(office, "disk-a")
    (entry,) = office.json("erase", "--register")
    assert entry["waits"] == []


def test_what_only_a_disk_has_that_is_away_is_said_not_to_be_looked_through(office):
    office.disk("disk-b")
    take_away(office, "disk-a")
    office.call("run")
    export(office, contacts(203) + HER)
    export(office, contacts(204))
    take_away(office, "disk-b")
    bring_back(office, "disk-a")
    looked = office.json(*ASK, "--dry-run")
    assert looked["unseen"] == {"disk-b": 2}
    said = office.ok(*ASK, "--yes", code=3)
    assert "2 backups on disk-b could not be looked through" in said
    bring_back(office, "disk-b")
    office.call("run")
    (entry,) = office.json("erase", "--register")
    assert entry["unseen"] == ["disk-b"]
    assert not is_on(office, "disk-b")
    assert "disk-b could not be looked through then" in office.ok("erase", "--register")


def test_backups_of_a_source_that_is_gone_can_be_asked_for(office):
    text = office.config.read_text()
    office.config.write_text(text.replace('name = "by-hand"', 'name = "inbox"'))
    assert "is no source" in office.call("erase", "--source", "x", "--match", WHO).stderr.lower()
    office.ok(*ASK, "--yes")
    assert not is_on(office, "disk-a")
    (entry,) = office.json("erase", "--register")
    assert (entry["source"], entry["waits"]) == ("by-hand", [])


def test_who_had_the_id_before_is_shown_and_asked_for(office):
    for name in ("Schmidt", WHO):
        row = f"zcrm_000004711,{name},Lindau,2026-11-20\r\n".encode()
        export(office, contacts(202) + row)
    export(office, contacts(202))
    assert "also called Schmidt" in office.ok(*ASK, "--dry-run")
    refused = office.call(*ASK, "--yes")
    assert "may have been somebody else's before" in refused.stderr
    office.ok(*ASK, "--yes", "--anyway")


def test_a_search_index_that_a_sudden_end_left_is_heeded_all_the_same(office, monkeypatch):
    office.ok("find", "Abendroth")
    box = Box(load(office.config))
    sought = erasures.look(box, "by-hand", Wanted(text=WHO), Watch())
    monkeypatch.setattr(erasures, "forget", lambda *_: None)
    erasures.ask(box, sought, "", Trigger.COMMAND, at_once=False)
    assert WHO not in office.ok("find", "Abendroth")
