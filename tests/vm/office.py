"""An office in a guest: an inbox, disks that are paired by the product's own command, lamps."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.system.processes import until
from tests.vm.guest import Guest

BUTTON, OFFICE, CLOUD, LOOK = 17, 22, 23, 24
_OFFICE = f"""
[[source]]
name = "crm"
type = "inbox"
path = "/srv/inbox"
schedule = "daily at 03:00"
grace = "36h"

[panel]
button = {BUTTON}
led_office = {OFFICE}
led_cloud = {CLOUD}
led_attention = {LOOK}
"""
_CLOUD, _KEY = "127.0.0.1:9000", "a-key-of-the-test"
_RCLONE = "/opt/appliance/.venv/bin/rclone"
_REMOTE = f"""
[cloud]
type = s3
provider = Rclone
endpoint = http://{_CLOUD}
access_key_id = {_KEY}
secret_access_key = {_KEY}
force_path_style = true
"""
_MIRROR = """
[[mirror]]
name = "cloud"
repository = "{disk}"
remote = "cloud:office"
rclone_config = "/etc/appliance/rclone.conf"
schedule = "after backup"
"""
PATIENCE = 600
"""Seconds: on a machine that has something else to do an emulated Run takes minutes."""
ANY = "%"
"""However a Run ended."""
_LEVEL = "/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio{}/value"
_BYSTANDER = Path(__file__).with_name("bystander.py")


class Office:
    """What a person at the box does, and sees."""

    configuration = "/etc/appliance/appliance.toml"

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def move_in(self) -> None:
        """Have an inbox, and lamps on the wires."""
        self.guest.push(_BYSTANDER, "/root")
        self.guest.sh("mkdir -p /srv/inbox && chown appliance: /srv/inbox")
        assert "[[source]]" not in self.guest.read(self.configuration)
        self.configure(_OFFICE)

    def configure(self, more: str) -> None:
        """Write more into the configuration; `restart` makes it so."""
        self.guest.sh(f"cat >>{self.configuration} <<'T'\n{more}\nT")

    def set_up(self, disk: str, name: str) -> None:
        """Go all the way to the first backup."""
        self.move_in()
        self.pair(disk, name)
        self.restart()
        seen = self.last_id()
        self.drop("first.csv")
        self.wait_for_run("ok", after=seen)
        self.last_id()

    def pair(self, disk: str, name: str, **plugged: Any) -> str:
        """Plug a new blank stick in and pair it, until the worker has taken it into use and lets
        it rest; return its device.
        """
        self.guest.usb.make(disk, size_mib=256)
        node = self.plug(disk, **plugged)
        pair = f"appliance disk pair {node} --name {name} --yes --quick"
        seen = self.last_id()
        self.guest.run("sh", "-c", pair, seconds=300)
        self.wait_for_run(ANY, after=seen)
        self.last_id()
        return node

    def plug(self, disk: str, **plugged: Any) -> str:
        """Plug a disk in and wait until udev knows it; return its device."""
        self.guest.usb.plug(disk, **plugged)
        link = f"/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_VM-{disk}-0:0"
        self.guest.wait_for(f"test -e {link} && udevadm settle", 30)
        return self.guest.run("readlink", "-f", link).strip()

    def serve_a_cloud(self) -> None:
        """Have an S3 server in the same house, which is there again after each boot."""
        serve = f"{_RCLONE} serve s3 --addr {_CLOUD} --auth-key {_KEY},{_KEY} /srv/cloud"
        unit = f"[Service]\nExecStart={serve}\n[Install]\nWantedBy=multi-user.target\n"
        self.guest.sh("mkdir -p /srv/cloud/office")
        self.guest.write("/etc/systemd/system/cloud.service", unit)
        self.guest.write("/etc/appliance/rclone.conf", _REMOTE, "600")
        self.guest.sh("chown appliance: /etc/appliance/rclone.conf")
        self.guest.sh("systemctl daemon-reload && systemctl enable --now cloud")

    def mirror(self, disk: str) -> None:
        """Have a disk mirrored to that cloud."""
        self.configure(_MIRROR.format(disk=disk))

    def reword(self, old: str, new: str) -> None:
        """Write something else into the configuration; `restart` makes it so."""
        text = self.guest.read(self.configuration)
        assert old in text
        self.guest.sh(f"cat >{self.configuration} <<'T'\n{text.replace(old, new)}\nT")

    def restart(self) -> None:
        """Have worker and panel read what was configured."""
        self.guest.run("systemctl", "restart", "appliance-worker", "appliance-panel", seconds=200)

    def restart_panel(self) -> None:
        """Have the panel find its pins, while the rest is not set up yet."""
        self.guest.run("systemctl", "restart", "appliance-panel", seconds=200)

    def ask_to_pair(self, node: str, name: str) -> str:
        """Ask the worker as the page will; return the question that it shows."""
        program = (
            "import sys; from pathlib import Path; from appliance.system.socket import Client; "
            "print(Client(Path('/run/appliance/worker.sock')).pair(sys.argv[1], sys.argv[2]))"
        )
        python = "/opt/appliance/.venv/bin/python"
        return self.guest.run("sudo", "-u", "appliance", python, "-c", program, node, name)

    def drop(self, name: str, kibibytes: int = 8) -> None:
        """Save an export into the inbox, as a share does: whole at once."""
        path = f"/srv/inbox/{name}"
        new = "/srv/.new"
        rows = f"head -c {kibibytes}K /dev/urandom | base64 | nl -w1 -s,"
        make = f"{{ echo Id,Note; {rows}; }} >{new} && chown appliance: {new}"
        self.guest.sh(f"{make} && mv {new} {path}")

    def later(self, days: float) -> None:
        """Let so many days go by at once; the hardware clock goes with them."""
        now = float(self.guest.run("date", "+%s"))
        self.guest.set_clock(now + timedelta(days=days).total_seconds())

    def night(self) -> None:
        """Let it be a few seconds before the next night's backup."""
        self.guest.set_clock(float(self.guest.sh("date -d 'tomorrow 02:59:57' +%s")))

    def status(self) -> dict[str, Any]:
        """Return how things stand, as the worker says."""
        done = self.guest.call("appliance", "status", "--json", seconds=120)
        found: dict[str, Any] = json.loads(done.out)
        return found

    def history(self) -> list[dict[str, Any]]:
        """Return the Runs, newest first."""
        runs: list[dict[str, Any]] = json.loads(self.guest.run("appliance", "history", "--json"))
        return runs

    def archives(self) -> dict[str, list[str]]:
        """Return where each archive lies."""
        listed = json.loads(self.guest.run("appliance", "archives", "--json", seconds=200))
        return {one["archive"]["name"]: sorted(one["places"]) for one in listed}

    def wait_for_run(
        self, outcome: str, *, after: int = 0, seconds: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait until a Run with an id above `after` ended so; return it."""
        seen = self._seen(seconds, "ended", outcome, after)
        if seen is None:
            raise TimeoutError(f"no Run ended {outcome}: {self.history()[:3]}")
        return next(run for run in self.history() if run["id"] == seen)

    def wait_until_within(self, done: str, *, after: int, seconds: float = PATIENCE) -> None:
        """Wait until a Run above `after` has that step behind it, or has begun for an empty one."""
        if self._seen(seconds, "within", done, after) is None:
            raise TimeoutError(f"no Run came past {done!r}: {self.history()[:3]}")

    def wait_until_proved(self, place: str, count: int, seconds: float = PATIENCE) -> None:
        """Wait until so many backups were proved at a place."""
        if self._seen(seconds, "proved", place, count) is None:
            raise TimeoutError(f"{place} has not {count} backups: {self.history()[:5]}")

    def last_id(self, seconds: float = PATIENCE) -> int:
        """Return the id of the newest Run once nothing runs and nothing waits; 0 without one."""
        seen = self._seen(seconds, "quiet")
        if seen is None:
            raise TimeoutError(f"it still works: {self.status()}")
        return seen

    def id_while_idle(self, seconds: float = PATIENCE) -> int:
        """Return the id of the newest Run once nothing runs; what lacks a disk may wait."""
        seen = self._seen(seconds, "idle")
        if seen is None:
            raise TimeoutError(f"it still works: {self.status()}")
        return seen

    def _seen(self, seconds: float, *question: object) -> int | None:
        words = ("python3", "-I", f"/root/{_BYSTANDER.name}", str(seconds), *map(str, question))
        done = self.guest.call(*words, seconds=seconds + 60)
        return None if done.code else int(done.out)

    @staticmethod
    def lit(line: int) -> str:
        """Return a shell condition: this lamp is lit."""
        return f"cat {_LEVEL.format(line)} | grep -q 1"

    def say_yes(self) -> None:
        """Hold the button until the box takes it for an answer: a hold that began before the lamps
        asked is none, and who sees that nothing happens holds it again.
        """
        taken = "! test -e /run/appliance/pair.json"
        for _ in range(3):
            self.guest.header.press(BUTTON, 6.5)
            if until(lambda: self.guest.holds(taken), 20):
                return
        raise TimeoutError("nobody heard the button")

    def is_mounted(self) -> bool:
        """Return whether a disk is mounted now."""
        return self.guest.holds("grep -q ' /mnt/appliance/' /proc/mounts")
