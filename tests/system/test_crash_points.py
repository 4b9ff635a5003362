"""F3 with real doers: the power goes off after every durable write of the real ledger, Borg,
exports and cloud copy in turn; what the next Run leaves is as if it had not.

One repository and its mirror: a sweep over two would take over three minutes. Two are swept with
fakes in tests/engine/test_crash_points.py, and killed at random in test_kill.py.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance.core.model import Outcome, Trigger
from appliance.core.ports import Watch
from appliance.core.retention import Policy
from appliance.engine import pipeline
from appliance.engine.kit import Kit
from appliance.exports.layout import ExportFolder
from appliance.mirrors.rclone import RcloneMirror
from appliance.repositories.borg import BorgRepository
from appliance.system.ledger import SqliteLedger
from appliance.system.staging import FolderStaging
from tests.fakes import FakeClock, FakeSource, Power, PowerCut
from tests.system.office import contacts

pytestmark = pytest.mark.slow

WRITES = {
    "begin", "add_step", "finish", "interrupt_unfinished", "next_sequence", "remember",
    "add_request", "add_copy", "drop_copies", "add_missed", "note", "create", "delete", "compact",
    "push", "expire", "open", "close",
}  # fmt: skip
"""The methods of ledger, repository, mirror and staging after which a power cut is tried."""


class Plugged:
    """A real doer on the mains: dead without power, and counted at each durable write."""

    def __init__(self, doer, power: Power) -> None:
        self._doer, self._power = doer, power

    def __getattr__(self, name: str):
        found = getattr(self._doer, name)
        if not callable(found):
            return found

        def call(*arguments, **named):
            self._power.flows()
            answer = found(*arguments, **named)
            if name in WRITES:
                self._power.written()
            return answer

        return call


class Real:
    """A box of real doers in a folder; only source and clock are fakes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.power = folder, Power()
        self.source, self.clock = FakeSource(), FakeClock()
        self.disk = BorgRepository(
            "disk-a", str(folder / "disk-a"), lambda: "correct horse", folder / "s", "test-host",
            reserve_bytes=0,
        )  # fmt: skip

    def prepare(self) -> None:
        """Two days of backups, kept aside to begin from again and again."""
        (self.folder / "cloud").mkdir(parents=True)
        ledger = SqliteLedger(self.folder / "ledger.sqlite")
        ledger.note("repository-id:disk-a", self.disk.create_repository())
        ledger.close()
        for changed in (0, 9):
            self.back_up(changed)
            self.clock.forward(timedelta(days=1))
        self.start, self.power = self.clock.now(), Power()
        shutil.copytree(self.folder, self.aside)

    @property
    def aside(self) -> Path:
        return self.folder.with_name("aside")

    def rewind(self) -> None:
        """As it was after two days, at the same place."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.aside, self.folder)
        self.power = Power()
        self.source = FakeSource()
        self.clock.forward(self.start - self.clock.now())

    def back_up(self, changed: int):
        """The worker starts, tidies up and backs up; as `appliance run` does."""
        ledger = SqliteLedger(self.folder / "ledger.sqlite")
        staging = FolderStaging(self.folder / "staging", 0)
        remote = str(self.folder / "cloud")
        mirror = RcloneMirror("cloud", "disk-a", remote, None, state=self.folder / "rclone")
        kit = Kit(
            ExportFolder(),
            (Plugged(self.disk, self.power),),
            Plugged(ledger, self.power),
            self.clock,
            Plugged(staging, self.power),
            ZoneInfo("Europe/Berlin"),
            lambda event: None,
            {"crm": Policy()},
            (Plugged(mirror, self.power),),
        )
        self.source.files = {"contacts.csv": contacts(1000, changed=range(changed))}
        try:
            staging.wipe()
            ledger.interrupt_unfinished(self.clock.now())
            self.disk.break_stale_lock(Watch())
            return pipeline.run(self.source, Trigger.COMMAND, kit, Watch())
        finally:
            ledger.close()

    def end_state(self) -> object:
        """What lies on the disk, what is known of it and of the cloud, and what is left over."""
        ledger = SqliteLedger(self.folder / "ledger.sqlite")
        archives = self.disk.archives()
        known = {copy.archive: copy.place for copy in ledger.copies("crm")}
        places = [(copy.archive, copy.place) for copy in ledger.copies("crm")]
        number = {archive.name: each for each, archive in enumerate(archives)}
        outcomes = [run.outcome for run in ledger.runs("crm", 10)]
        last = [file.sha256 for file in ledger.last_export("crm")]
        ledger.close()
        assert all(outcomes), "no Run is left without an end"
        assert set(known) <= set(number), "nothing is called proved that is not there"
        return {
            "archives": len(archives),
            "newest": self._content(archives[-1].name),
            "copies": sorted((number[name], place) for name, place in places),
            "last export": last,
            "staging": list((self.folder / "staging").iterdir()),
        }

    def _content(self, archive: str) -> bytes:
        into = self.folder / "look"
        into.mkdir()
        self.disk.extract(archive, into, Watch())
        (path,) = ExportFolder().restore(into, self.folder / "back", Watch())
        data = path.read_bytes()
        for folder in (into, self.folder / "back"):
            shutil.rmtree(folder)
        return data


def test_F3_after_a_power_cut_at_any_write_real_doers_end_the_same(tmp_path: Path) -> None:
    box = Real(tmp_path / "box")
    box.prepare()
    assert box.back_up(50).outcome is Outcome.OK
    writes, expected = box.power.writes, box.end_state()
    assert expected["newest"] == contacts(1000, changed=range(50))
    assert writes > 15

    for cut in range(1, writes + 1):
        box.rewind()
        box.power.cut_after = cut
        with pytest.raises(PowerCut):
            box.back_up(50)
        box.power = Power()
        box.clock.forward(timedelta(minutes=1))
        run = box.back_up(50)
        assert run.outcome in {Outcome.OK, Outcome.SKIPPED}, (cut, run)
        assert box.end_state() == expected, cut
    print(f"{writes} writes cut off")
