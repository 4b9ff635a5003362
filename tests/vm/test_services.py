"""Lamps, button and services under a real PID 1, on real GPIO lines."""

from __future__ import annotations

import time

import pytest

from tests.vm.office import BUTTON, CLOUD, LOOK, OFFICE, Office

pytestmark = [pytest.mark.vm, pytest.mark.slow]

_LINES = "/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio{}/value"


def lit(line: int) -> str:
    return f"cat {_LINES.format(line)} | grep -q 1"


def test_lamps_and_button_on_the_wire_from_the_first_tap_to_safe_to_unplug(guest):
    office = Office(guest)
    office.pair("stick", "disk-a")
    office.restart()
    office.wait_for_run("skipped")
    guest.wait_for(lit(LOOK), 60)  # there is no good copy yet
    office.drop("a.csv")
    office.wait_for_run("ok")
    guest.wait_for(lit(OFFICE), 60)
    guest.header.drive(BUTTON, 1)
    seen = office.last_id()
    with guest.header.recorded() as changes:
        guest.header.press(BUTTON, 0.2)
        office.wait_for_run("skipped", after=seen)
    (pressed, *_) = [each.at_seconds for each in changes if each.bcm == BUTTON and not each.level]
    winks = [each for each in changes if each.bcm != BUTTON and each.at_seconds >= pressed]
    assert winks[0].at_seconds - pressed < 0.1
    assert {each.bcm for each in winks} >= {OFFICE, CLOUD, LOOK}
    assert office.history()[0]["trigger"] == "button"
    guest.header.press(BUTTON, 4.0)
    guest.wait_for(f"! ({lit(OFFICE)})", 60)
    status = office.status()
    assert status["ejected"] is True
    assert status["disks"][0]["at_rest"] is True


def test_D17_D14_a_frozen_worker_is_seen_within_a_minute_and_started_anew(guest):
    office = Office(guest)
    office.pair("stick", "disk-a")
    office.restart()
    seen = office.last_id()
    office.drop("a.csv")
    office.wait_for_run("ok", after=seen)
    guest.wait_for(lit(OFFICE), 60)
    guest.wait_for(f"! ({lit(LOOK)})", 60)
    pid = guest.sh("systemctl show -P MainPID appliance-worker").strip()
    guest.sh(f"kill -STOP {pid}")
    frozen = time.monotonic()
    guest.wait_for(lit(LOOK), 90)
    assert time.monotonic() - frozen < 70
    guest.wait_for(f"test $(systemctl show -P MainPID appliance-worker) != {pid}", 200)
    guest.wait_for("appliance status --json", 120)
    guest.sh("kill -9 $(systemctl show -P MainPID appliance-panel)")
    guest.wait_for(lit(LOOK), 60)
    guest.wait_for("systemctl is-active -q appliance-panel", 120)


def test_A15_D13_power_cut_while_a_backup_is_written_and_a_clock_in_the_past_at_the_next_boot(off):
    guest = off
    guest.boot()
    office = Office(guest)
    office.pair("stick", "disk-a")
    guest.usb.yank("stick")
    office.restart()
    office.plug("stick", bytes_per_second=300_000)
    office.wait_for_run("skipped")
    office.drop("large.csv", kibibytes=4000)
    guest.wait_for("pgrep -f '[b]org.*create'", 120)
    guest.power_cut()
    guest.power_on(clock="2020-01-01T00:00:00")
    assert guest.sh("date +%Y").strip() == "2020"
    run = office.wait_for_run("ok", seconds=240)
    assert run["trigger"] in {"catch-up", "disk", "inbox"}
    assert any(one["outcome"] == "interrupted" for one in office.history())
    status = office.status()
    assert status["clock_trusted"] is False
    assert "clock" in status["reasons"]
    assert len(office.archives()) == 1


def test_an_office_without_a_terminal_pairs_by_holding_the_button(guest):
    """What the page asks the worker, the button answers; root looks at everything anew."""
    office = Office(guest)
    office.restart_panel()
    guest.usb.make("stick", size_mib=256)
    node = office.plug("stick")
    question = office.ask_to_pair(node, "disk-a")
    assert "QEMU HARDDISK, 268.4 MB (on it: nothing that is known)" in question
    guest.header.press(BUTTON, 6.5)
    guest.wait_for("grep -q disk-a /etc/appliance/appliance.toml", 200)
    guest.wait_for("appliance disk list | grep -q 'disk-a of this box'", 120)
    office.restart()
    seen = office.last_id()
    office.drop("a.csv")
    office.wait_for_run("ok", after=seen)
