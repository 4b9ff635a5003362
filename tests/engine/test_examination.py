"""The mark of damage comes off by proof alone."""

from __future__ import annotations

import pytest

from appliance.core.errors import DiskFull, RepositoryDamaged, ToolFailed
from appliance.core.model import Outcome
from appliance.core.ports import Watch
from appliance.engine import memory
from appliance.engine.examination import examine
from tests.fakes import Box


@pytest.fixture
def marked(box: Box) -> Box:
    """Two days on a disk that was found damaged once."""
    for content in ("one", "two"):
        box.back_up(content)
        box.next_day()
    memory.mark_damaged(box.ledger, "disk-a", "it was not what was stored there")
    return box


def test_a_disk_that_is_whole_loses_its_mark_and_the_ledger_says_so(marked: Box) -> None:
    run = examine("disk-a", marked.kit, Watch()).run
    assert run.outcome is Outcome.OK
    assert run.source == "check:disk-a"
    assert "2 backups read and equal. The mark of damage was removed." in run.message
    assert not memory.is_damaged(marked.ledger, "disk-a")
    assert marked.ledger.run(run.id) == run


def test_one_rotten_byte_in_the_oldest_backup_keeps_the_mark(marked: Box) -> None:
    marked.disk_a.rot(marked.disk_a.archives()[0].name)
    assert examine("disk-a", marked.kit, Watch()).run.outcome is Outcome.FAILED
    assert memory.is_damaged(marked.ledger, "disk-a")


def test_what_the_check_finds_marks_the_disk(box: Box) -> None:
    box.back_up("one")
    box.disk_a.errors["check"] = RepositoryDamaged("rotten")
    assert examine("disk-a", box.kit, Watch()).run.outcome is Outcome.FAILED
    assert memory.is_damaged(box.ledger, "disk-a")


@pytest.mark.parametrize("error", [DiskFull("staging"), ToolFailed("an unknown code")])
def test_a_read_that_fails_beside_the_disk_marks_nothing(box: Box, error: Exception) -> None:
    box.back_up("one")
    for method in ("extract", "hashes"):
        box.disk_a.errors = {method: error}
        box.next_day()
        box.back_up("two")
        examine("disk-a", box.kit, Watch())
    assert not memory.is_damaged(box.ledger, "disk-a")
    box.disk_a.errors = {}
    box.next_day()
    assert box.back_up("three").outcome is Outcome.OK


def test_a_working_space_that_garbles_marks_nothing(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.back_up("one")
    monkeypatch.setattr("appliance.engine.places.hashes", lambda folder: {})
    run = examine("disk-a", box.kit, Watch()).run
    assert run.outcome is Outcome.FAILED
    assert "working space" in run.message
    assert not memory.is_damaged(box.ledger, "disk-a")
