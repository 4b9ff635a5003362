"""The bench itself: what we plug, pull, press and cut is what a machine on a table would see."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.vm, pytest.mark.slow]

BUTTON, LAMP = 17, 27
PYTHON = "/opt/appliance/.venv/bin/python"
WATCH_UDEV = """
import pyudev
monitor = pyudev.Monitor.from_netlink(pyudev.Context())
monitor.filter_by("block")
monitor.start()
open("/run/watching", "w").close()
for device in iter(lambda: monitor.poll(8), None):
    print(device.action, device.sys_name, device.get("ID_SERIAL_SHORT"), device.get("ID_FS_TYPE"))
"""
LAMP_FOLLOWS_BUTTON = """
import signal
from gpiozero import LED, Button
lamp, button = LED(27), Button(17)
button.when_pressed, button.when_released = lamp.on, lamp.off
open("/run/pressing", "w").close()
signal.sigwait([signal.SIGTERM])
"""


def write_to(guest, folder):
    """Start a program that writes for long; return its process id."""
    command = ["dd", "if=/dev/zero", f"of={folder}/large", "bs=64k", "count=900", "oflag=dsync"]
    pid = guest.agent.start(command)
    guest.wait_for(f"test -s {folder}/large")
    return pid


def mounted(guest, label="OFFICE", folder="/mnt/stick"):
    guest.wait_for(f"test -e /dev/disk/by-label/{label}")
    guest.sh(f"mkdir -p {folder}; mount /dev/disk/by-label/{label} {folder}")
    return folder


def test_the_guest_is_a_debian_where_systemd_udev_and_polkit_run(guest):
    assert guest.read("/proc/1/comm").strip() == "systemd"
    assert guest.run("systemctl", "is-system-running").strip() == "running"
    assert guest.holds("systemctl is-active -q systemd-udevd dbus ssh")
    assert guest.holds("pkaction >/dev/null")
    assert guest.holds("appliance --help >/dev/null")


def test_a_plugged_disk_is_told_by_udev_and_so_is_its_end(guest):
    pid = guest.agent.start([PYTHON, "-c", WATCH_UDEV])
    guest.wait_for("test -e /run/watching")
    guest.usb.make("stick", fs="exfat", partition=True)
    guest.usb.plug("stick")
    guest.wait_for("test -e /dev/disk/by-label/OFFICE")
    guest.usb.yank("stick")
    guest.wait_for("! test -e /dev/sda")
    seen = guest.agent.wait(pid, 60).out.splitlines()
    assert "add sda1 VM-stick exfat" in seen
    assert any(line.startswith("remove sda ") for line in seen)


def test_a_disk_that_nobody_mounts_keeps_every_byte(guest):
    guest.usb.make("stick", fs="ext4")
    before = guest.usb.fingerprint("stick")
    guest.usb.plug("stick")
    guest.wait_for("test -e /dev/disk/by-label/OFFICE")
    guest.usb.yank("stick")
    assert guest.usb.fingerprint("stick") == before


def test_what_was_synced_is_on_a_disk_that_was_pulled_out_and_the_writer_learns_of_it(guest):
    guest.usb.make("stick", fs="ext4")
    guest.usb.plug("stick", bytes_per_second=1 << 20)
    folder = mounted(guest)
    guest.sh(f"echo kept >{folder}/file; sync")
    writer = write_to(guest, folder)
    guest.usb.yank("stick")
    done = guest.agent.wait(writer, 60)
    assert done.code == 1
    assert "error" in done.err
    guest.run("umount", folder)
    guest.usb.plug("stick")
    assert guest.read(f"{mounted(guest)}/file") == "kept\n"


def test_a_sick_disk_refuses_writes_until_it_is_healed(guest):
    guest.usb.make("stick", fs="ext4")
    guest.usb.plug("stick")
    guest.wait_for("test -e /dev/sda")
    write = "dd if=/dev/zero of=/dev/sda bs=4k count=1 seek=9 oflag=direct"
    assert guest.holds(write)
    guest.usb.sicken("stick")
    assert not guest.holds(write)
    guest.usb.heal("stick")
    assert guest.holds(write)


def test_a_read_only_disk_says_so(guest):
    guest.usb.make("stick", fs="ext4")
    guest.usb.plug("stick", read_only=True)
    guest.wait_for("test -e /dev/sda")
    assert guest.read("/sys/block/sda/ro").strip() == "1"
    assert not guest.holds("dd if=/dev/zero of=/dev/sda bs=4k count=1 oflag=direct")


def test_a_clone_has_its_twins_uuid_and_its_own_serial(guest):
    guest.usb.make("one", fs="ext4")
    guest.usb.clone("one", "two")
    guest.usb.plug("one")
    guest.usb.plug("two")
    guest.wait_for("test -e /dev/sda && test -e /dev/sdb && udevadm settle")
    listed = guest.run("lsblk", "-nro", "UUID,SERIAL", "/dev/sda", "/dev/sdb").split()
    assert listed[0] == listed[2]
    assert {listed[1], listed[3]} == {"VM-one", "VM-two"}


def test_a_press_is_an_edge_and_a_lamp_a_level_on_the_wire(guest):
    environment = ["env", "GPIOZERO_PIN_FACTORY=lgpio", "LG_WD=/run"]
    pid = guest.agent.start([*environment, PYTHON, "-c", LAMP_FOLLOWS_BUTTON])
    guest.wait_for("test -e /run/pressing")
    with guest.header.recorded() as changes:
        guest.header.press(BUTTON)
        guest.header.drive(BUTTON, 0)
        guest.wait_for(f"test $(cat /sys/devices/platform/gpio-sim.0/*/sim_gpio{LAMP}/value) = 1")
        assert guest.header.levels(LAMP, BUTTON) == (1, 0)
        guest.header.drive(BUTTON, 1)
        guest.wait_for(f"test $(cat /sys/devices/platform/gpio-sim.0/*/sim_gpio{LAMP}/value) = 0")
    told = [(change.bcm, change.level) for change in changes]
    pressed, released = [(BUTTON, 0), (LAMP, 1)], [(BUTTON, 1), (LAMP, 0)]
    assert told == (pressed + released) * 2
    guest.run("kill", str(pid))


def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(guest):
    guest.usb.make("stick", fs="ext4")
    guest.usb.plug("stick")
    folder = mounted(guest)
    guest.sh(f"echo kept >{folder}/file; echo kept >/root/file; sync; echo lost >{folder}/lost")
    guest.power_cut()
    assert not guest.is_alive()
    guest.power_on()
    folder = mounted(guest)
    assert guest.read(f"{folder}/file") == guest.read("/root/file") == "kept\n"
    assert not guest.holds(f"test -s {folder}/lost")


def test_the_clock_of_a_resumed_guest_is_ours_and_its_hardware_clock_agrees(guest):
    assert abs(float(guest.run("date", "+%s")) - time.time()) < 5
    assert guest.holds("test $(cat /sys/class/rtc/rtc0/hctosys) = 1")
    rtc, wall = guest.sh("cat /sys/class/rtc/rtc0/since_epoch; date +%s").split()
    assert abs(int(rtc) - int(wall)) <= 2


def test_a_guest_boots_with_the_time_that_its_hardware_clock_says(off):
    off.boot(clock="2031-05-01T03:00:00")
    assert off.run("date", "--utc", "+%Y-%m-%d").strip() == "2031-05-01"


def test_two_guests_know_nothing_of_each_other(guest, built):
    from tests.vm.guest import Guest

    with Guest(f"{guest.name}-other", built) as other:
        other.resume()
        other.run("touch", "/root/mine")
        assert not guest.holds("test -e /root/mine")
        assert guest.is_alive()
    assert not other.is_alive()
    assert not other.folder.exists()


def test_a_command_that_does_not_end_is_given_up(guest):
    with pytest.raises(TimeoutError):
        guest.run("sleep", "100", seconds=0.5)
    assert guest.run("echo", "still there").strip() == "still there"


def test_a_guest_ends_with_a_test_run_that_is_killed(off, built):
    from tests.vm.guest import Guest

    name = f"{off.name}-orphan"
    program = (
        "import sys; from pathlib import Path; from tests.vm.guest import Built, Guest; "
        "guest = Guest(sys.argv[1], Built(Path(sys.argv[2]), Path(sys.argv[3]))).__enter__(); "
        "guest.resume(); print('up', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", program, name, built.debian, built.product]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with Guest(name, built) as seen_from_here, subprocess.Popen(words, **pipes) as runner:
        assert runner.stdout.readline() == b"up\n"
        assert seen_from_here.is_alive()
        runner.kill()
        runner.wait()
        give_up = time.monotonic() + 10
        while seen_from_here.is_alive():
            assert time.monotonic() < give_up, "it outlived us"
            time.sleep(0.1)
