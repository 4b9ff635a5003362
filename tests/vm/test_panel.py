"""What the lamps say with a rhythm, and what leaning on the button does not do."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from tests.vm import rhythms
from tests.vm.office import BUTTON, LOOK, OFFICE, PATIENCE

pytestmark = [pytest.mark.vm, pytest.mark.slow]

_EDGE_LATE_SECONDS = 0.3
"""So late an edge may be where a processor is emulated and shared."""


def test_lamps_blink_while_it_works_and_a_stuck_button_is_said_and_does_nothing(office):
    """D-16; and what is dropped in is begun within seconds."""
    guest = office.guest
    office.plug("stick", bytes_per_second=300_000)
    seen = office.last_id()
    with guest.header.recorded() as changes:
        office.drop("large.csv", kibibytes=2000)
        dropped = float(guest.run("date", "+%s.%N"))
        run = office.wait_for_run("ok", after=seen)
    assert datetime.fromisoformat(run["started"]).timestamp() - dropped < 5
    slowly = [(1, 1.0), (0, 1.0)] * 3
    assert rhythms.shows(rhythms.spans(changes, OFFICE), slowly, _EDGE_LATE_SECONDS)

    seen = office.last_id()
    guest.header.drive(BUTTON, 0)
    leans_since = time.monotonic()
    guest.wait_for("sleep 31")
    with guest.header.recorded() as changes:
        guest.run("sleep", "18")
    assert time.monotonic() - leans_since < 90
    assert set(rhythms.flashes(changes, LOOK)) == {7}
    guest.header.drive(BUTTON, 1)
    guest.wait_for("sleep 3")
    with guest.header.recorded() as changes:
        guest.run("sleep", "12")
    assert not [one for one in changes if one.bcm == LOOK and one.level], "it stays dark again"
    assert office.last_id() == seen
    assert office.status()["ejected"] is False

    with guest.header.recorded() as changes:
        guest.header.press(BUTTON, 4.0)
        guest.run("sleep", "10")
    winks = [(1, 0.9), (0, 0.5), (1, 0.9)]
    found = rhythms.spans(changes, OFFICE)
    assert rhythms.shows(found, winks, _EDGE_LATE_SECONDS), found
    assert guest.header.level(OFFICE) == 0
    assert office.status()["disks"][0]["at_rest"] is True
    assert not office.is_mounted()


def test_a_killed_worker_takes_borg_with_it_and_does_its_work_when_it_is_back(office):
    guest = office.guest
    office.plug("stick", bytes_per_second=300_000)
    seen = office.last_id()
    office.drop("large.csv", kibibytes=10_000)
    guest.wait_for("pgrep -f '[b]org.*create'", PATIENCE)
    pid = guest.sh("systemctl show -P MainPID appliance-worker").strip()
    guest.sh(f"kill -KILL {pid}")
    guest.wait_for("! pgrep -f '[b]org.*create'", 15)
    back = f"test $(systemctl show -P MainPID appliance-worker) != {pid}"
    guest.wait_for(f"{back} && systemctl is-active -q appliance-worker", 120)
    run = office.wait_for_run("ok", after=seen)
    assert [one["outcome"] for one in office.history() if seen < one["id"] < run["id"]] == [
        "interrupted"
    ]
    assert len(office.archives()) == 2
    office.last_id()
    assert not office.is_mounted()
