"""A month of nights in minutes: the clock jumps to each, disks are swapped, one stays at home."""

from __future__ import annotations

import pytest

from tests.vm.office import ANY, Office

pytestmark = [pytest.mark.vm, pytest.mark.slow]

NIGHTS = 30
EXPORT_EVERY = 3
"""The vendor exports twice a week or so; in the other nights nothing is there, and that is well."""
SWAP_EVERY = 7


def back_up(office: Office, name: str) -> None:
    seen = office.id_while_idle()  # a test restore may wait for the disk that is at home
    office.drop(name)
    office.wait_for_run("ok", after=seen)


def sleep_until_the_night(office: Office) -> None:
    """The box wakes by itself, at the hour that it was told."""
    seen = office.id_while_idle()
    office.night()
    run = office.wait_for_run("skipped", after=seen)
    assert run["trigger"] == "schedule", run


def test_a_month_of_nights_with_disks_that_take_turns_and_one_that_is_forgotten_at_home(office):
    office.reword('grace = "36h"', 'grace = "5d"')
    office.pair("two", "disk-b")
    seen = office.id_while_idle()
    office.restart()
    office.wait_for_run(ANY, after=seen)  # the new disk's own; there is nothing yet for it
    here, away, made = "two", "stick", 1
    for night in range(1, NIGHTS + 1):
        if night % EXPORT_EVERY == 0:
            back_up(office, f"night-{night}.csv")
            made += 1
        sleep_until_the_night(office)
        if night % SWAP_EVERY == 0:
            seen = office.id_while_idle()
            office.guest.usb.yank(here)
            here, away = away, here
            office.plug(here)
            office.wait_for_run(ANY, after=seen)  # a night of its own comes after that
    office.plug(away)  # for an evening both are here
    for name in ("disk-a", "disk-b"):
        office.wait_until_proved(name, made)
    office.last_id()
    assert list(office.archives().values()) == [["disk-a", "disk-b"]] * made
    assert office.status()["state"] == "safe", office.status()["reasons"]
    assert not office.is_mounted()

    office.guest.usb.yank(away)
    back_up(office, "late.csv")  # what else is due meanwhile may wait for the disk at home
    office.later(15)  # so long the one at home lacks a backup
    status = office.status()
    (forgotten,) = [disk for disk in status["disks"] if not disk["present"]]
    assert forgotten["away_since"]
    assert "disk" in status["reasons"], status["reasons"]
    assert len(office.archives()) == made + 1
