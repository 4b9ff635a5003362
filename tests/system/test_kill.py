"""F3, F11, F12: the box is killed and stopped at any moment, and stands up again by itself.

Two offices live side by side, one for each core; their moments are drawn from a seed.
"""

import json
import os
import random
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from appliance.system.process import find
from tests.system import processes
from tests.system.office import Office, contacts, put, zipped

pytestmark = pytest.mark.slow

KILLS = 25
"""For each of the two offices."""
STOPS = 4
LIVES = (2, 3, 4)
"""How often a day's backup is killed before it is let through."""


def export(day):
    return zipped({"Contacts.csv": contacts(400, changed=range(day * 9), day=f"day {day:03}")})


class Life:
    """An office with two disks and a cloud, and what was delivered to it."""

    def __init__(self, folder, seed):
        folder.mkdir()
        self.office = Office(folder)
        self.inbox = self.office.inbox()
        self.disks = [self.office.disk("disk-a"), self.office.disk("disk-b")]
        self.cloud = folder / "cloud"
        self.cloud.mkdir()
        self.office.add("[[mirror]]", name="cloud", repository="disk-a", remote=self.cloud)
        self.env = processes.marked(folder)
        self.chance = random.Random(seed)
        self.delivered = []

    def deliver(self):
        self.delivered.append(export(len(self.delivered)))
        put(self.inbox, "Data.zip", self.delivered[-1])

    def deliver_if_taken(self):
        """A Run killed after its last word has put the export away: the next needs another."""
        if not (self.inbox / "Data.zip").exists():
            self.deliver()

    def let_through(self):
        """A run that nobody disturbs; return what it said and how long it took."""
        begun = monotonic()
        done = self.office.call("run", "--json", env=self.env)
        assert done.returncode == 0, (done.stdout, done.stderr)
        (run,) = json.loads(done.stdout)
        assert run["outcome"] in {"ok", "skipped"}, run
        return run, monotonic() - begun

    def stop_after(self, seconds, number):
        """Send a signal to `appliance run` after so long; return how it ended and how fast."""
        argv = self.office.argv("run")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(argv, env=self.env, **pipes) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            begun = monotonic()
            out, err = process.communicate(timeout=60)
        return process.returncode, monotonic() - begun, out + err

    def assert_nothing_is_left(self):
        assert processes.left_over(self.office.folder) == {}
        assert list((self.office.state / "staging").glob("run-*")) == []

    def assert_whole(self):
        """Each day once and in order on both disks, every byte of which is verified; each day
        byte for byte from one, the last also from the other and from the cloud.
        """
        listed = sorted(self.office.json("archives"), key=lambda one: one["archive"]["sequence"])
        assert [one["places"] for one in listed] == [["disk-a", "disk-b"]] * len(self.delivered)
        days = list(zip(listed, self.delivered, strict=True))
        for disk, wanted in (("disk-a", days), ("disk-b", days[-1:])):
            for one, data in wanted:
                into = self.office.folder / disk / "back" / one["archive"]["name"]
                how = ["--at", one["archive"]["time"], "--repository", disk, "--original"]
                self.office.ok("restore", "by-hand", *how, "--to", into)
                assert (into / "Data.zip").read_bytes() == data
        for name, disk in zip(("disk-a", "disk-b"), self.disks, strict=True):
            self.borg(name, "check", "--verify-data", str(disk))
        into = self.office.folder / "from-cloud"
        self.office.ok("restore", "by-hand", "--from-mirror", "cloud", "--original", "--to", into)
        assert (into / "Data.zip").read_bytes() == self.delivered[-1]

    def borg(self, disk, *words):
        secret = (self.office.state / "secrets" / disk).read_text().strip()
        env = {"BORG_PASSPHRASE": secret, "BORG_BASE_DIR": str(self.office.folder / "other")}
        env |= {"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes", "PATH": os.environ["PATH"]}
        subprocess.run([find("borg"), *words], env=env, check=True, capture_output=True)


def in_both(folder, live):
    """Have two lives side by side; return what each has to tell."""
    with ThreadPoolExecutor(2) as threads:
        lives = [threads.submit(live, folder / f"office-{seed}", seed) for seed in (1, 2)]
        return [each.result() for each in lives]


def test_F3_killed_at_fifty_moments_nothing_acknowledged_is_lost(tmp_path):
    def live(folder, seed):
        life = Life(folder, seed)
        life.deliver()
        acknowledged = {life.let_through()[0]["archive"]}
        life.deliver()
        _, seconds = life.let_through()
        moments = [(number + life.chance.random()) / KILLS for number in range(KILLS)]
        life.chance.shuffle(moments)
        killed = 0
        while moments:
            life.deliver()
            for _ in range(min(len(moments), life.chance.choice(LIVES))):
                life.deliver_if_taken()
                code, _, said = life.stop_after(moments.pop() * seconds, signal.SIGKILL)
                killed += code == -signal.SIGKILL
                assert processes.left_over(life.office.folder) == {}, said
            life.deliver_if_taken()
            run, seconds = life.let_through()  # as fast as the machine is now
            acknowledged.add(run["archive"])
            life.assert_nothing_is_left()
        runs = life.office.json("history", "--limit", "1000")
        assert all(run["outcome"] for run in runs), "no Run is left without an end"
        names = {one["archive"]["name"] for one in life.office.json("archives")}
        assert acknowledged <= names
        life.assert_whole()
        return killed, [run["outcome"] for run in runs].count("interrupted")

    told = in_both(tmp_path, live)

    assert sum(killed for killed, _ in told) >= KILLS * 2 * 0.8, "the moments lie within the runs"
    assert sum(interrupted for _, interrupted in told) >= KILLS


def test_F11_stopped_at_any_moment_it_ends_at_once_and_leaves_no_lock(tmp_path):
    def live(folder, seed):
        life = Life(folder, seed)
        life.deliver()
        life.let_through()
        life.deliver()
        _, seconds = life.let_through()
        cancelled = 0
        for number in range(STOPS):
            life.deliver()
            moment = (number + life.chance.random()) / STOPS * seconds
            signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            code, took, said = life.stop_after(moment, signals[number % 3])
            assert took < 20, said
            assert "Traceback" not in said
            (newest,) = life.office.json("history", "--limit", "1")
            if newest["outcome"] == "cancelled":
                cancelled += 1
                assert code == 1
                assert "Stopped because somebody asked for it" in said
            life.assert_nothing_is_left()
            for disk in life.disks:
                assert list(disk.glob("lock.*")) == []
            life.let_through()
        life.assert_whole()
        return cancelled

    assert sum(in_both(tmp_path, live)) >= STOPS
