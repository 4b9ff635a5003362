"""Lamps, button and services under a real PID 1, on real GPIO lines."""

from __future__ import annotations

import time

import pytest

from tests.vm.office import BUTTON, CLOUD, LOOK, OFFICE, PATIENCE

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def test_lamps_and_button_on_the_wire_from_the_first_tap_to_safe_to_unplug(office):
    guest = office.guest
    office.plug("stick")
    seen = office.last_id()
    guest.wait_for(office.lit(OFFICE), 60)
    with guest.header.recorded() as changes:
        guest.header.press(BUTTON, 0.2)
        run = office.wait_for_run("skipped", after=seen)
    (pressed, *_) = [each.at_seconds for each in changes if each.bcm == BUTTON and not each.level]
    winks = [each for each in changes if each.bcm != BUTTON and each.at_seconds >= pressed]
    assert winks[0].at_seconds - pressed < 0.1
    assert {each.bcm for each in winks} >= {OFFICE, CLOUD, LOOK}
    assert run["trigger"] == "button"
    guest.header.press(BUTTON, 4.0)
    guest.wait_for(f"! ({office.lit(OFFICE)})", 60)
    status = office.status()
    assert status["ejected"] is True
    assert status["disks"][0]["at_rest"] is True


def test_D17_D14_a_frozen_worker_is_seen_within_a_minute_and_started_anew(office):
    guest = office.guest
    office.plug("stick")
    guest.wait_for(office.lit(OFFICE), 60)
    guest.wait_for(f"! ({office.lit(LOOK)})", 60)
    pid = guest.sh("systemctl show -P MainPID appliance-worker").strip()
    guest.sh(f"kill -STOP {pid}")
    frozen = time.monotonic()
    guest.wait_for(office.lit(LOOK), 90)
    assert time.monotonic() - frozen < 70
    guest.wait_for(f"test $(systemctl show -P MainPID appliance-worker) != {pid}", 200)
    office.last_id()
    guest.sh("kill -9 $(systemctl show -P MainPID appliance-panel)")
    guest.wait_for(office.lit(LOOK), 60)
    guest.wait_for("systemctl is-active -q appliance-panel", 120)


def test_A15_D13_power_cut_while_a_backup_is_written_and_a_clock_in_the_past_at_the_next_boot(
    office,
):
    guest = office.guest
    office.plug("stick", bytes_per_second=300_000)
    seen = office.last_id()
    office.drop("large.csv", kibibytes=10_000)
    guest.wait_for("pgrep -f '[b]org.*create'", PATIENCE)
    guest.sh("systemctl stop systemd-timesyncd; rm /var/lib/systemd/timesync/clock; sync")
    last_seen = guest.time()
    guest.power_cut()
    guest.power_on(clock="2020-01-01T00:00:00")
    assert guest.time() < last_seen, "no earlier than systemd itself, yet in the past"
    run = office.wait_for_run("ok", after=seen)
    assert run["trigger"] in {"catch-up", "disk", "inbox"}
    assert any(one["outcome"] == "interrupted" for one in office.history())
    status = office.status()
    assert status["clock_trusted"] is False
    assert "clock" in status["reasons"]
    assert len(office.archives()) == 2


def test_an_office_without_a_terminal_pairs_by_holding_the_button(moved_in):
    """What the page asks the worker, the button answers; root looks at everything anew."""
    office, guest = moved_in, moved_in.guest
    office.restart_panel()
    guest.usb.make("stick", size_mib=256)
    node = office.plug("stick")
    question = office.ask_to_pair(node, "disk-a")
    assert "QEMU HARDDISK, 268.4 MB (on it: nothing that is known)" in question
    office.say_yes()
    guest.wait_for("grep -q disk-a /etc/appliance/appliance.toml", 200)
    guest.wait_for("appliance disk list | grep -q 'disk-a of this box'", 120)
    office.restart()
    seen = office.last_id()
    office.drop("a.csv")
    office.wait_for_run("ok", after=seen)
