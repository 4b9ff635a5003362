"""The caretaker looks after its machine: weak power, disks that are asked, what lies in `done/`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.caretaker import ENOUGH_AGAIN_FOR, Caretaker
from appliance.core.errors import ApplianceError
from appliance.core.events import StepFinished
from appliance.core.model import Outcome, Step, StepName
from appliance.core.vitals import PANEL_SILENT_SECONDS, Condition
from appliance.engine import observations
from appliance.hw import disks
from appliance.hw.disks import Found
from appliance.hw.power import PowerSupply
from appliance.hw.smart import SmartReader
from appliance.sources import done, inbox
from appliance.sources.inbox import InboxSettings
from appliance.vitals import Vitals
from tests.fakes import FakeClock, FakeDisk, FakeLedger
from tests.system import processes

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
UUID = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"


class Room:
    """The caretaker, and all that it does to others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        (self.inbox / "done").mkdir(parents=True)
        self.clock, self.ledger = FakeClock(), FakeLedger()
        self.said: list[str] = []
        self.changes = 0
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.answers.set()
        self.weak = 0
        self.room: tuple[int, int] | None = (10**9, 10**12)
        self.caretaker = Caretaker(self._box(), self._runner(), self._changed)
        self.caretaker.vitals = Vitals(
            self.ledger,
            self.clock,
            folder,
            ["disk-a"],
            supply=PowerSupply(folder / "none", folder / "none", lambda: self.weak),
            reader=SmartReader(folder, self._ask),
        )

    def _box(self) -> SimpleNamespace:
        settings = InboxSettings("by-hand", str(self.inbox), keep_done_seconds=DAY.total_seconds())
        return SimpleNamespace(
            ledger=self.ledger,
            clock=self.clock,
            state=self.folder,
            disks={"disk-a": FakeDisk("disk-a")},
            inboxes={"by-hand": settings},
            repositories={"disk-a": SimpleNamespace(room=lambda: self.room)},
            settings=SimpleNamespace(
                repository_named=lambda _: SimpleNamespace(disk=UUID), panel=None, source=()
            ),
        )

    def _runner(self) -> SimpleNamespace:
        return SimpleNamespace(
            hold=lambda: self.said.append("hold"), resume=lambda: self.said.append("resume")
        )

    def _changed(self) -> None:
        self.changes += 1

    def _ask(self, device: str) -> None:
        self.asked.append(device)
        assert self.answers.wait(20)

    def step(self, run_id: int = 1, target: str = "disk-a") -> None:
        step = Step(StepName.ARCHIVE, self.clock.now(), SECOND, Outcome.OK, target)
        self.caretaker.hear(StepFinished(run_id, "by-hand", step))

    def noted(self) -> bool:
        return observations.smart_of(self.ledger, "disk-a").newest is not None


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    found = (Found("/dev/sdx", (8, 0), "SN1"),)
    monkeypatch.setattr(disks, "with_uuid", lambda uuid: found if uuid == UUID else ())
    made = Room(tmp_path)
    yield made
    made.answers.set()
    for thread in threading.enumerate():
        if thread.name in {"health", "tidying"}:
            thread.join(10)


def test_D1_weak_power_stops_the_work_until_it_was_well_for_a_minute(room: Room) -> None:
    room.caretaker.look()
    assert room.said == []
    room.weak = 1
    room.caretaker.look()
    assert room.said == ["hold"]
    room.weak = 0
    room.clock.forward(ENOUGH_AGAIN_FOR)
    room.caretaker.look()
    assert room.said == ["hold"]
    room.weak = 1  # it sags again: the minute begins anew
    room.caretaker.look()
    room.weak = 0
    room.clock.forward(ENOUGH_AGAIN_FOR)
    room.caretaker.look()
    assert set(room.said) == {"hold"}
    room.clock.forward(SECOND)
    room.caretaker.look()
    room.caretaker.look()
    assert room.said == ["hold", "hold", "resume"]


def test_who_draws_hears_that_a_vital_changed_and_nothing_else(room: Room) -> None:
    for _ in range(3):
        room.caretaker.look()
        room.clock.forward(MINUTE)
    assert room.changes == 1
    room.weak = 1
    room.caretaker.look()
    room.caretaker.look()
    assert room.changes == 2


def test_no_run_waits_for_a_disk_that_takes_its_time_to_say_how_it_is(room: Room) -> None:
    room.answers.clear()
    room.step()
    room.step()
    assert not room.noted(), "we are back, and it has not answered"
    room.answers.set()
    assert processes.until(room.noted)
    assert processes.until(lambda: room.changes == 1)
    assert room.asked == ["sdx"], "once a Run"
    (filled,) = observations.room_of(room.ledger, "disk-a")
    assert (filled.used_bytes, filled.size_bytes) == (10**9, 10**12)


def test_what_is_no_disk_or_not_attached_is_not_asked(room: Room) -> None:
    room.step(target="cloud")
    room.step(target="")
    room.room = None
    room.step()
    assert (room.asked, room.noted()) == ([], False)


def test_a_disk_and_its_clone_are_not_asked(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    both = (Found("/dev/sdx", (8, 0), "SN1"), Found("/dev/sdy", (8, 16), "SN2"))
    monkeypatch.setattr(disks, "with_uuid", lambda _: both)
    room.step()
    assert (room.asked, room.noted()) == ([], False)


def test_what_was_archived_is_let_go_after_its_time_also_where_the_clock_was_set_late(
    room: Room,
) -> None:
    file = room.inbox / "done" / "a.csv"
    (room.inbox / "a.csv").write_bytes(b"Name\nAna\n")
    settled(room, "a.csv")
    assert file.exists()
    room.clock.synchronised = False
    room.caretaker.look()
    room.clock.synchronised = True
    room.clock.forward(MINUTE)
    room.caretaker.look()  # counts from here, not from tomorrow
    assert processes.until(lambda: is_counted(room))
    room.clock.forward(DAY + SECOND)
    room.caretaker.look()
    assert processes.until(lambda: not file.exists())


def settled(room: Room, name: str) -> None:
    """As after a Run that archived the file."""
    folder = os.open(room.inbox, os.O_RDONLY | os.O_DIRECTORY)
    try:
        done.put_away(folder, [os.fsencode(name)])
    finally:
        os.close(folder)


def is_counted(room: Room) -> bool:
    return any(
        str(room.clock.now().year) in each.read_text()
        for each in (room.inbox / "done").glob(".*")
        if each.is_file()
    )


def test_a_share_that_hangs_does_not_hold_up_the_loop(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    came, goes = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> tuple[str, ...]:
        came.set()
        goes.wait(20)
        return ()

    monkeypatch.setattr(inbox, "tidy", hang)
    room.caretaker.look()
    assert came.wait(10)
    room.caretaker.look()
    goes.set()


def test_a_ledger_that_fails_does_not_end_the_loop(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.ledger.error = ApplianceError("There is no room left.")
    room.caretaker.look()
    room.weak = 1
    room.caretaker.look()
    assert room.said == ["hold"], "what matters most needs no ledger"
    assert caplog.messages.count("machine=There is no room left.") == 1


def test_D15_what_the_panel_says_of_itself_is_told_where_one_is_configured(room: Room) -> None:
    assert "panel" not in [each.name for each in room.caretaker.read()]
    room.caretaker._box.settings.panel = object()
    room.caretaker.hear_panel({"why_not": "", "stuck": False})
    room.caretaker.hear_panel({"why_not": "", "stuck": False})
    assert room.changes == 1, "the same again is no news"
    assert room.caretaker.read()[-1].state is Condition.OK
    room.caretaker.hear_panel({"why_not": "", "stuck": True})
    assert "stuck" in room.caretaker.read()[-1].sentence


def test_D17_a_panel_that_asks_no_more_is_said_to_be_silent(room: Room) -> None:
    room.caretaker._box.settings.panel = object()
    room.caretaker.hear_panel({"why_not": "", "stuck": False})
    room.clock.forward(timedelta(seconds=PANEL_SILENT_SECONDS + 1))
    room.caretaker.look()
    found = room.caretaker.read()[-1]
    assert (found.name, found.state) == ("panel", Condition.LOOK)
    assert room.changes == 2, "whoever shows it is told"
