"""Another configuration is no new start: who was let go stays so, and no disk is touched for it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance import daemon
from appliance.box import Box
from appliance.config import load
from appliance.core.errors import DiskAbsent
from appliance.core.model import Outcome, Trigger
from appliance.engine.kit import Ended
from appliance.engine.pulse import SILENCE
from appliance.pairing_request import enrolling
from appliance.repositories.on_disk import RepositoryOnDisk
from appliance.worker import Engine
from tests.fakes import FakeDisk, FakeRepository

A, B, C = (f"4f0c7a7e-2c1b-4d3a-9f60-00000000000{number}" for number in "abc")


class Desk:
    """A box with disks plugged in, each another object with each configuration."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.boxes: list[Box] = []
        monkeypatch.setattr(daemon, "_have_a_waiting_room", lambda box: None)

    def box(self, **uuids: str) -> Box:
        """The box with these disks, all of them plugged in."""
        box = Box(load(self._written(uuids)))
        disks = {name: FakeDisk(name) for name in uuids}
        box.__dict__["disks"] = disks
        box.__dict__["repositories"] = {
            name: RepositoryOnDisk(FakeRepository(name), disk, lambda n=name: n in box.let_go)
            for name, disk in disks.items()
        }
        self.boxes.append(box)
        return box

    def _written(self, uuids: dict[str, str]) -> Path:
        text = f'[appliance]\nstate = "{self.folder / "state"}"\ntimezone = "UTC"\n'
        text += '[[source]]\nname = "crm"\ntype = "inbox"\nschedule = "daily at 03:00"\n'
        text += f'path = "{self.folder / "inbox"}"\n'
        for name, uuid in uuids.items():
            text += f'[[repository]]\nname = "{name}"\ndisk = "{uuid}"\n'
            text += f'passphrase = "${{secret:{name}}}"\n'
        (file := self.folder / "appliance.toml").write_text(text)
        return file


@pytest.fixture
def desk(tmp_path, monkeypatch):
    made = Desk(tmp_path, monkeypatch)
    yield made
    for box in made.boxes:
        box.ledger.close()


def lived(box: Box, before: Engine | None = None) -> Engine:
    """The engine with this configuration, as the daemon makes it; all that waits is done."""
    engine = daemon.start_up(box, before=before)
    while engine.runner.work_one():
        pass
    if before is not None:
        engine.take_over(before)
    return engine


def attached(box: Box) -> dict[str, int]:
    return {name: disk.attached for name, disk in box.disks.items()}


def locks_broken(box: Box) -> int:
    return box.repositories["disk-a"]._repository.locks_broken


def waiting(engine: Engine) -> list[str]:
    return [each.job for each in engine.runner.waiting()]


def test_D19_a_disk_that_was_let_go_is_not_mounted_because_another_one_was_paired(desk):
    before = lived(desk.box(**{"disk-a": A}))
    before.eject("disk-a")
    engine = lived(box := desk.box(**{"disk-a": A, "disk-b": B}), before)
    assert attached(box)["disk-a"] == 0
    assert box.let_go == {"disk-a"}
    assert engine.status()["ejected"]


def test_D19_who_is_let_go_while_the_configuration_is_taken_over_is_let_go(desk):
    before = lived(desk.box(**{"disk-a": A}))
    engine = daemon.start_up(box := desk.box(**{"disk-a": A, "disk-b": B}), before=before)
    before.eject("disk-a")
    engine.take_over(before)
    assert box.let_go == {"disk-a"}


def test_only_the_disk_that_is_new_arrives_with_a_new_configuration(desk, monkeypatch):
    arrived = []
    monkeypatch.setattr(Engine, "_arrived", lambda self, disk: arrived.append(disk))
    before = lived(desk.box(**{"disk-a": A, "disk-b": B}))
    assert arrived == ["disk-a", "disk-b"]
    arrived.clear()
    engine = lived(desk.box(**{"disk-a": A, "disk-b": C, "disk-c": B}), before)
    assert arrived == ["disk-b", "disk-c"], "one has an old name, and one is known by a new name"
    assert engine.attendance.away() == frozenset()


def test_a_disk_that_was_let_go_and_left_meanwhile_is_used_when_it_comes_back(desk):
    before = lived(desk.box(**{"disk-a": A}))
    before.eject("disk-a")
    box = desk.box(**{"disk-a": A})
    box.disks["disk-a"].pull_out()
    engine = lived(box, before)
    assert box.let_go == frozenset()
    assert engine.attendance.away() == {"disk-a"}


def test_a_disk_is_not_used_before_it_is_the_box_s_own(desk):
    """The watch of the configuration sees it before its repository is made."""
    engine = lived(desk.box(one=A))
    engine.next_settings = desk.box(one=A, two=B).settings
    with enrolling(desk.folder / "state"):
        assert not engine.gives_way()
    assert engine.gives_way()


def test_only_the_first_start_looks_for_locks(desk):
    before = lived(first := desk.box(**{"disk-a": A}))
    lived(second := desk.box(**{"disk-a": A}), before)
    assert [locks_broken(box) for box in (first, second)] == [1, 0]
    assert attached(second) == {"disk-a": 0}


def test_what_waits_for_a_disk_waits_for_it_with_another_configuration_too(desk):
    before = lived(desk.box(**{"disk-a": A}))
    done = Ended(SimpleNamespace(outcome=Outcome.OK), troubles=(DiskAbsent("disk-b is away."),))
    before.runner._jobs["crm"] = lambda trigger, watch, slot: done
    before.runner.submit("crm", Trigger.BUTTON)
    before.runner.work_one()
    runs = before._box.ledger.runs()
    engine = lived(box := desk.box(**{"disk-a": A}), before)
    assert (engine.runner.parked(), waiting(engine)) == ({"crm"}, [])
    assert box.ledger.runs() == runs, "nothing was tried for nothing"
    engine.runner.disk_arrived("disk-b")
    assert waiting(engine) == ["crm"]


def test_a_start_attaches_no_disk_and_the_first_job_does(desk):
    """systemd gives a start five minutes; a disk is checked before it is mounted."""
    engine = daemon.start_up(box := desk.box(**{"disk-a": A}))
    assert attached(box) == {"disk-a": 0}
    engine.runner.work_one()
    assert locks_broken(box) == 1


def test_D14_what_looks_for_locks_is_watched_like_a_run(desk, monkeypatch):
    """A configuration waits for its end, and whoever wants the disk hears that it is used."""
    engine = daemon.start_up(desk.box(**{"disk-a": A}))
    monkeypatch.setattr(RepositoryOnDisk, "break_stale_lock", lambda *_: look())
    seen = []

    def look():
        seen.append((engine.beat(), engine.is_at_work(), engine.eject("disk-a")))
        monkeypatch.setattr(engine.runner._errand, "moved", -SILENCE.total_seconds() * 9)
        seen.append(engine.beat())

    engine.runner.break_locks()
    assert seen == [(True, True, "finishing"), False], "one that hangs is no beat"
    assert (engine.beat(), engine.is_at_work(), engine.eject()) == (True, False, "released")


def test_F8_no_lock_is_broken_while_somebody_reads(desk):
    engine = daemon.start_up(box := desk.box(**{"disk-a": A}))
    with daemon.reading(box):
        engine.runner.break_locks()
        assert locks_broken(box) == 0
    engine.runner.break_locks()
    assert locks_broken(box) == 1


def test_F8_whoever_reads_while_a_lock_is_looked_for_is_told_that_it_waits(desk, caplog):
    box, reads = desk.box(**{"disk-a": A}), threading.Event()

    def read() -> None:
        with daemon.reading(box):
            reads.set()

    with daemon._while_nobody_reads(box):
        reader = threading.Thread(target=read)
        reader.start()
        while "goes on by itself" not in caplog.text:
            reader.join(0.01)
            assert reader.is_alive()
        assert not reads.is_set()
    reader.join()
    assert reads.is_set()
