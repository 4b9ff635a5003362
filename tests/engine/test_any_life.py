"""Lives of a box by chance: disks come and go, rot, fill; power and clock fail; retention works.

Whatever happens, the ledger never claims a copy that is not whole, and no good backup is lost.
"""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.core.errors import DiskAbsent, DiskFull, MirrorUnreachable, SourceUnreachable
from appliance.core.model import Outcome
from appliance.core.retention import Policy
from tests.fakes import START, Box, PowerCut

GOOD = {Outcome.OK, Outcome.WARNING, Outcome.SKIPPED}


class Life:
    """One box and what was told about it: `promised` maps archives to their content."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.box = Box(folder)
        self.box.retention = {"crm": Policy(last=3, daily=5, weekly=2, monthly=1, yearly=0)}
        self.chance = random.Random(seed)
        self.content = 0
        self.promised: dict[str, bytes] = {}

    def day(self) -> None:
        box, chance = self.box, self.chance
        box.clock.forward(timedelta(days=chance.choice([0, 1, 1, 1, 7])))
        box.clock.synchronised = chance.random() < 0.8
        if chance.random() < 0.6:
            self.content += 1
        box.source.knows = chance.random() < 0.5
        box.source.error = SourceUnreachable("no") if chance.random() < 0.1 else None
        box.cloud.error = MirrorUnreachable("no") if chance.random() < 0.2 else None
        for disk in (box.disk_a, box.disk_b):
            disk.errors = chance.choice(
                [{}, {}, {}, {}, {"id": DiskAbsent("away")}, {"create": DiskFull("full")}]
            )
        jump = timedelta(days=chance.choice([-400, 4000]) if chance.random() < 0.1 else 0)
        box.clock.time += jump
        box.power.cut_after = chance.randrange(1, 20) if chance.random() < 0.3 else None
        box.power.writes = 0
        try:
            run = box.back_up(f"content {self.content}")
        except PowerCut:
            self.power_is_back()
        else:
            if run.outcome in GOOD:
                self.promised[run.archive] = f"content {self.content}".encode()
        box.power.cut_after = None
        box.clock.time -= jump

    def power_is_back(self) -> None:
        self.box.power.on, self.box.power.cut_after = True, None
        self.box.staging.wipe()
        self.box.ledger.interrupt_unfinished(self.box.clock.now())

    def check(self) -> None:
        """What the ledger claims is there and whole; what was promised is what it was."""
        box = self.box
        held = {"disk-a": box.disk_a.held, "disk-b": box.disk_b.held, "cloud": box.cloud.held}
        removing = {
            name
            for place in held
            for name in (box.ledger.noted(f"removing:{place}") or "").split("\n")
        }
        for copy in box.ledger.copies():
            if copy.archive not in removing:
                assert copy.archive in held[copy.place], copy
        for archive, content in self.promised.items():
            for place in held.values():
                if archive in place:
                    assert place[archive][1]["export/a.csv"] == content
        if self.promised:
            newest = list(self.promised)[-1]
            assert any(newest in place for place in held.values()), newest
        assert not [run for run in box.ledger.runs() if run.outcome is None]
        assert list(box.staging.root.iterdir()) == []

    def end_well(self) -> None:
        """All is well again: one calm Run leaves both disks with the same newest ones."""
        box = self.box
        for disk in (box.disk_a, box.disk_b):
            disk.errors = {}
        box.source.error = box.cloud.error = None
        box.clock.synchronised = True
        box.clock.time = max(box.clock.time, START + timedelta(days=3000))
        run = box.back_up("the end")
        assert run.outcome in GOOD
        assert not box.ledger.noted("damaged:disk-a")
        for disk in (box.disk_a, box.disk_b, box.cloud):
            newest = max(disk.held.values(), key=lambda each: each[0].sequence)
            assert newest[0].name == run.archive
            assert newest[1]["export/a.csv"] == b"the end"


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_the_ledger_never_lies_and_nothing_promised_is_lost(
    seed: int, tmp_path: Path
) -> None:
    life = Life(tmp_path, seed)
    for _ in range(20):
        life.day()
        life.check()
    life.end_well()
