"""USB disks under real udev and a real PID 1: paired, used, pulled out, swapped, cloned."""

from __future__ import annotations

import time

import pytest

from tests.vm.office import LOOK, OFFICE, PATIENCE

pytestmark = [pytest.mark.vm, pytest.mark.slow]

KINDS = (
    {"fs": "exfat", "partition": True},
    {"fs": "vfat", "partition": True},
    {"fs": "ext4", "partition": True},
    {"fs": "exfat"},
    {"fs": "ext4"},
    {},
)
"""What people carry around: as bought, as a camera or another computer formats it, blank."""


def test_a_blank_stick_is_paired_used_by_what_is_dropped_in_and_at_rest_after(moved_in):
    """D5, D19, D2: strangers that are plugged in all the while keep every byte."""
    office, guest = moved_in, moved_in.guest
    guest.usb.make("photos", fs="exfat", partition=True, size_mib=128)
    guest.usb.make("other", fs="ext4", size_mib=128)
    before = {name: guest.usb.fingerprint(name) for name in ("photos", "other")}
    for name in before:
        office.plug(name)
    refused = guest.call("sh", "-c", "appliance disk pair /dev/sda --name disk-x --yes")
    assert refused.code == 1
    assert "exFAT" in refused.err
    assert "--erase VM-photos" in refused.err
    office.pair("stick", "disk-a")
    listed = guest.run("appliance", "disk", "list")
    assert "disk-a of this box" in listed
    assert "holds exFAT" in listed
    assert guest.holds("lsattr -d /mnt/appliance/disk-a | grep -q i")
    assert not guest.holds("touch /mnt/appliance/disk-a/x")
    office.restart()
    seen = office.last_id()
    guest.wait_for(office.lit(LOOK), 60)  # there is no good copy yet
    office.drop("a.csv")
    run = office.wait_for_run("ok", after=seen)
    assert run["trigger"] == "inbox"
    assert not office.is_mounted()
    status = office.status()
    (disk,) = status["disks"]
    assert (disk["present"], disk["at_rest"], disk["in_use"]) == (True, True, False)
    assert status["copies"]["office"] == "fresh"
    guest.wait_for(office.lit(OFFICE), 60)
    for name in before:
        guest.usb.yank(name)
    assert {name: guest.usb.fingerprint(name) for name in before} == before


def test_D2_strangers_that_come_and_go_keep_every_byte(office):
    """Thirty-five disks of other people's, seven at a time, while the box is at work."""
    usb = office.guest.usb
    office.plug("stick")
    seen = office.last_id()
    office.drop("a.csv", kibibytes=2000)
    for first in range(0, 35, 7):
        strangers = {f"stranger-{n}": KINDS[n % len(KINDS)] for n in range(first, first + 7)}
        for name, kind in strangers.items():
            usb.make(name, size_mib=16, **kind)
        before = {name: usb.fingerprint(name) for name in strangers}
        for name in strangers:
            office.plug(name)
        for name in strangers:
            usb.yank(name)
        assert {name: usb.fingerprint(name) for name in strangers} == before
    office.wait_for_run("ok", after=seen)
    assert office.status()["state"] == "safe"


def test_A7_a_disk_pulled_out_while_it_is_written_is_noticed_and_catches_up_when_it_is_back(office):
    guest = office.guest
    office.plug("stick", bytes_per_second=300_000)
    seen = office.last_id()
    office.drop("large.csv", kibibytes=10_000)
    guest.wait_for("pgrep -f '[b]org.*create'", PATIENCE)
    guest.usb.yank("stick")
    pulled = time.monotonic()
    run = office.wait_for_run("failed", after=seen)
    assert "pulled out" in run["message"]
    assert "Plug it in again" in run["hint"]
    assert time.monotonic() - pulled < 30, "under emulation; five seconds on a machine"
    assert not guest.holds("pgrep -f '[b]org.*create'")
    guest.wait_for(office.lit(LOOK))
    assert office.status()["reasons"][0] == "disk"
    office.plug("stick")
    run = office.wait_for_run("ok", after=run["id"])
    assert run["trigger"] == "disk"
    assert len(office.archives()) == 2


def test_two_disks_take_turns_and_a_clone_is_refused(office):
    """Rotation; D4 and A23."""
    guest = office.guest
    office.pair("two", "disk-b")
    guest.usb.yank("two")
    office.restart()
    seen = office.last_id()
    office.drop("b.csv")
    run = office.wait_for_run("warning", after=seen)
    assert "kept on the box itself" in run["message"]
    office.plug("two")
    office.wait_until_proved("disk-b", 1)
    office.plug("stick")
    for name in ("disk-a", "disk-b"):
        office.wait_until_proved(name, 2)
    office.last_id()
    places = office.archives()
    assert len(places) == 2
    assert all(place == ["disk-a", "disk-b"] for place in places.values()), places
    guest.usb.yank("stick")
    guest.usb.clone("stick", "twin")
    before = guest.usb.fingerprint("twin")
    office.plug("stick")
    office.plug("twin")
    guest.usb.yank("two")
    seen = office.last_id()
    office.drop("c.csv")
    run = office.wait_for_run("failed", after=seen)
    assert "one is a copy of the other" in run["message"]
    guest.usb.yank("twin")
    assert guest.usb.fingerprint("twin") == before


def test_A8_a_disk_that_can_only_be_read_is_said(office):
    guest = office.guest
    office.plug("stick", read_only=True)
    seen = office.last_id()
    office.drop("a.csv")
    run = office.wait_for_run("failed", after=seen)
    assert "disk-a" in run["message"]
    assert office.status()["reasons"][0] == "disk"
    guest.usb.yank("stick")
    office.plug("stick")
    office.wait_for_run("ok", after=seen)
