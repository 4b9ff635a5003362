"""Pairing and taking over under a real PID 1: cut off by a kill, and on a box of other numbers."""

from __future__ import annotations

import json

import pytest

from tests.vm.office import Office

pytestmark = [pytest.mark.vm, pytest.mark.slow]
STATE = "/var/lib/appliance"
ANOTHER = 2345
"""The worker's number on the next box; systemd gives out what is free."""


def become_another_box(office: Office) -> None:
    """As after a fire: the program installed anew, nothing of what the box knew."""
    guest = office.guest
    guest.sh("systemctl stop appliance-worker appliance-panel", seconds=200)
    guest.sh(f"rm -rf {STATE}; usermod -u {ANOTHER} appliance")
    guest.sh(f"install -d -o appliance -g appliance -m 700 {STATE}; chown -R appliance: /srv/inbox")
    guest.sh(f"chown appliance: {office.configuration}")  # as a new installation has it
    guest.sh("chattr -i /mnt/appliance/*; rmdir /mnt/appliance/*; rm /etc/systemd/system/mnt-*")
    guest.sh("systemctl daemon-reload")
    guest.sh(f"sed -i '/^\\[\\[repository/,$d' {office.configuration}")


def test_the_disk_of_a_burnt_box_is_taken_over_by_a_new_one_with_its_passphrase_alone(office):
    guest = office.guest
    office.plug("stick")
    passphrase = guest.read(f"{STATE}/secrets/disk-a").strip()
    archives = list(office.archives())
    become_another_box(office)
    guest.write("/root/wrong", "not the one\n", "600")
    guest.write("/root/right", f"{passphrase}\n", "600")
    recover = ("appliance", "recover", "--from", "/dev/sda", "--passphrase-file")
    refused = guest.call(*recover, "/root/wrong", seconds=300)
    assert refused.code == 1
    assert "emergency sheet of exactly this disk" in refused.err
    assert guest.holds("! ls /etc/systemd/system/mnt-* && ! ls /mnt/appliance/*")
    assert not office.is_mounted()
    said = guest.run(*recover, "/root/right", seconds=300)
    assert "disk-a belongs to this box now" in said
    assert not office.is_mounted()
    office.restart()
    seen = office.last_id()
    office.drop("b.csv")
    office.wait_for_run("ok", after=seen)
    places = office.archives()
    assert len(places) == 2
    assert set(archives) < set(places)


def test_pairing_that_is_killed_is_finished_by_the_same_command(moved_in):
    office, guest = moved_in, moved_in.guest
    guest.usb.make("stick", size_mib=256)
    node = office.plug("stick")
    pair = f"appliance disk pair {node} --name disk-a --yes --quick"
    milestones = (
        "ls /etc/systemd/system/mnt-*.mount",
        f"grep -q disk-a {office.configuration}",
        "grep -q ' /mnt/appliance/' /proc/mounts",
        "pgrep -f 'borg .*init'",
    )
    for number, milestone in enumerate(milestones):
        unit = f"pairing-{number}"
        guest.sh(f"systemd-run --quiet --collect --unit={unit} {pair}")
        guest.wait_for(f"( {milestone} ) || ! systemctl is-active {unit}", 120)
        guest.call("systemctl", "kill", "--signal=KILL", unit)
        guest.wait_for(f"! systemctl is-active {unit}")
    guest.run("sh", "-c", pair, seconds=300)
    assert not office.is_mounted()
    office.restart()
    seen = office.last_id()
    office.drop("a.csv")
    office.wait_for_run("ok", after=seen)
    listed = json.loads(guest.run("appliance", "disk", "list", "--json"))
    assert [one["name"] for one in listed if one["name"]] == ["disk-a"]
