"""F3: the power goes off after every durable write in turn; what comes out is as if it had not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.core.model import Outcome
from appliance.core.retention import Policy
from tests.fakes import Box, PowerCut

Scenario = Callable[[Box], None]


def first_backup(box: Box) -> None:
    box.source.files = {"a.csv": b"one"}


def changed_day(box: Box) -> None:
    box.back_up("one")
    box.next_day()
    box.source.files = {"a.csv": b"two"}


def unchanged_day(box: Box) -> None:
    box.back_up("one")
    box.next_day()


def disk_is_back(box: Box) -> None:
    box.repositories = (box.disk_a,)
    for data in ("one", "two", "three"):
        box.back_up(data)
        box.next_day()
    box.repositories = (box.disk_a, box.disk_b)
    box.source.files = {"a.csv": b"four"}


def retention_lets_go(box: Box) -> None:
    box.retention = {"crm": Policy(last=2, daily=0, weekly=0, monthly=0, yearly=0)}
    for day in range(4):
        box.clock.synchronised = day == 0
        box.back_up(f"day {day}")
        box.next_day()
    box.clock.synchronised = True
    box.ledger.note("pruned-at:disk-a", (box.clock.now() - timedelta(days=8)).isoformat())
    box.source.files = {"a.csv": b"new"}


SCENARIOS = [first_backup, changed_day, unchanged_day, disk_is_back, retention_lets_go]


def restart(box: Box) -> None:
    """The mains are back: a minute later, what the worker does before its first Run."""
    box.power.on, box.power.cut_after = True, None
    box.clock.forward(timedelta(minutes=1))
    box.staging.wipe()
    box.ledger.interrupt_unfinished(box.clock.now())


def end_state(box: Box) -> object:
    """What must not depend on a power cut: contents everywhere, and what is known of them."""
    places = {"disk-a": box.disk_a.held, "disk-b": box.disk_b.held, "cloud": box.cloud.held}
    return {
        "contents": {
            name: [files for _, files in sorted(held.values(), key=lambda each: each[0].sequence)]
            for name, held in places.items()
        },
        "copies": {
            name: sorted(held[copy][1]["export/a.csv"] for copy in box.copies(name))
            for name, held in places.items()
        },
        "last export": [file.sha256 for file in box.ledger.last_export("crm")],
        "damage": [box.ledger.noted(f"damaged:{name}") for name in places],
        "staging": list(box.staging.root.iterdir()),
        "settled": sorted({file.sha256 for e in box.source.settled for file in e.files}),
    }


def written_by(scenario: Scenario, folder: Path) -> tuple[int, object]:
    """Return how many durable writes an undisturbed Run makes, and what it leaves."""
    box = Box(folder)
    scenario(box)
    box.power.writes = 0
    box.back_up()
    return box.power.writes, end_state(box)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_F3_after_a_power_cut_at_any_write_the_next_run_ends_the_same(
    scenario: Scenario, tmp_path: Path
) -> None:
    writes, expected = written_by(scenario, tmp_path / "calm")
    assert writes > 8
    for cut in range(1, writes + 1):
        box = Box(tmp_path / f"cut-{cut}")
        scenario(box)
        box.power.writes, box.power.cut_after = 0, cut
        with pytest.raises(PowerCut):
            box.back_up()
        restart(box)
        run = box.back_up()
        assert run.outcome in {Outcome.OK, Outcome.SKIPPED}, (cut, run)
        assert end_state(box) == expected, cut
        assert all(run.outcome for run in box.ledger.runs())


@pytest.mark.slow
def test_F3_even_the_run_after_the_power_cut_may_be_cut(tmp_path: Path) -> None:
    writes, expected = written_by(disk_is_back, tmp_path / "calm")
    for first in range(1, writes + 1, 3):
        for second in range(1, 12, 2):
            box = Box(tmp_path / f"cut-{first}-{second}")
            disk_is_back(box)
            box.power.writes, box.power.cut_after = 0, first
            with pytest.raises(PowerCut):
                box.back_up()
            restart(box)
            box.power.writes, box.power.cut_after = 0, second
            with suppress(PowerCut):  # where all was done already it may write less than that
                box.back_up()
            restart(box)
            box.back_up()
            assert end_state(box) == expected, (first, second)


def test_F15_a_box_that_forgot_its_intention_would_store_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the note of what was begun, the test above would see a difference."""
    from appliance.engine import memory

    monkeypatch.setattr(memory, "intended", lambda ledger, source: None)
    _, expected = written_by(first_backup, tmp_path / "calm")
    box = Box(tmp_path / "cut")
    first_backup(box)
    create = box.disk_a.create

    def cut_after_create(*args):
        create(*args)
        box.power.on = False
        raise PowerCut

    box.disk_a.create = cut_after_create
    with pytest.raises(PowerCut):
        box.back_up()
    box.disk_a.create = create
    restart(box)
    box.back_up()
    assert end_state(box) != expected
