"""F3, F11, F12: the box is killed and stopped in every step, and stands up again by itself.

Each step of a Run is known by the line that ends the one before; the moments in it are drawn from
a seed. Two days of an office are made once, and each test lives on with a copy.
"""

import os
import random
import signal
import subprocess
from time import monotonic

import pytest

from appliance.system.process import find
from tests.system import processes
from tests.system.office import Office, contacts, put, zipped

pytestmark = pytest.mark.slow

STOPS = 6
DISKS = ("disk-a", "disk-b")
LIVES = (3, 4, 5)
"""How often a day's backup is killed before it is let through."""


def export(day):
    return zipped({"Contacts.csv": contacts(400, changed=range(day * 9), day=f"day {day:03}")})


@pytest.fixture(scope="module")
def two_days(tmp_path_factory):
    """An office with two disks and a cloud, and two days of it."""
    office = Office(tmp_path_factory.mktemp("prepared"))
    office.inbox()
    for disk in DISKS:
        office.disk(disk)
    (office.folder / "cloud").mkdir()
    office.add("[[mirror]]", name="cloud", repository="disk-a", remote=office.folder / "cloud")
    life = Life(office)
    for _ in range(2):
        life.deliver()
        life.let_through()
    return life


class Life:
    """An office with two disks and a cloud, and what was delivered to it."""

    def __init__(self, office, seed=0):
        self.office, self.chance = office, random.Random(seed)
        self.inbox = office.folder / "by-hand"
        self.env = processes.marked(office.folder) | {"PYTHONUNBUFFERED": "1"}
        self.delivered, self.acknowledged, self.ends = [], set(), []

    def copied_to(self, folder, seed):
        copy = Life(self.office.copied_to(folder), seed)
        copy.delivered, copy.ends = list(self.delivered), self.ends
        copy.acknowledged = set(self.acknowledged)
        return copy

    def deliver(self):
        self.delivered.append(export(len(self.delivered)))
        put(self.inbox, "Data.zip", self.delivered[-1])

    def deliver_if_taken(self):
        """A Run killed after its last word has put the export away: the next needs another."""
        if not (self.inbox / "Data.zip").exists():
            self.deliver()

    def started(self):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(self.office.argv("run"), env=self.env, **pipes)

    def let_through(self):
        """A run that nobody disturbs: what it acknowledges, and when each of its steps ends."""
        begun, said, ends = monotonic(), [], []
        with self.started() as process:
            for line in process.stdout:
                said.append(line)
                ends.append(monotonic() - begun)
        assert process.returncode == 0, said
        (run,) = self.office.json("history", "--limit", "1")
        assert run["outcome"] in {"ok", "skipped"}, run
        self.acknowledged.add(run["archive"])
        if len(ends) >= len(self.ends) - 1:  # not one that found most of it done
            self.ends = [*ends, monotonic() - begun]  # as fast as the machine is now

    def stop_in(self, step, part, number):
        """Send a signal to `appliance run` in its so-manieth step, after a part of that step's
        time; return how it ended and how fast.
        """
        begins, ends = [0.0, *self.ends][step : step + 2]
        with self.started() as process:
            said = "".join(process.stdout.readline() for _ in range(step))
            try:
                process.wait((ends - begins) * part)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            begun = monotonic()
            said += process.communicate(timeout=60)[0]
        return process.returncode, monotonic() - begun, said

    def assert_nothing_is_left(self):
        assert processes.left_over(self.office.folder) == {}
        assert list((self.office.state / "staging").glob("run-*")) == []

    def assert_whole(self):
        """Each day once and in order on both disks, every byte of which is verified; each day
        byte for byte from one, the last also from the other and from the cloud.
        """
        listed = sorted(self.office.json("archives"), key=lambda one: one["archive"]["sequence"])
        assert [one["places"] for one in listed] == [[*DISKS]] * len(self.delivered)
        days = list(zip(listed, self.delivered, strict=True))
        for disk, wanted in (("disk-a", days), ("disk-b", days[-1:])):
            for one, data in wanted:
                into = self.office.folder / disk / "back" / one["archive"]["name"]
                how = ["--at", one["archive"]["time"], "--repository", disk, "--original"]
                self.office.ok("restore", "by-hand", *how, "--to", into)
                assert (into / "Data.zip").read_bytes() == data
        for name in DISKS:
            self.borg(name, "check", "--verify-data", str(self.office.folder / name / "repo"))
        into = self.office.folder / "from-cloud"
        self.office.ok("restore", "by-hand", "--from-mirror", "cloud", "--original", "--to", into)
        assert (into / "Data.zip").read_bytes() == self.delivered[-1]

    def borg(self, disk, *words):
        secret = (self.office.state / "secrets" / disk).read_text().strip()
        env = {"BORG_PASSPHRASE": secret, "BORG_BASE_DIR": str(self.office.folder / "other")}
        env |= {"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes", "PATH": os.environ["PATH"]}
        subprocess.run([find("borg"), *words], env=env, check=True, capture_output=True)


def test_F3_killed_early_and_late_in_every_step_nothing_acknowledged_is_lost(two_days, tmp_path):
    life = two_days.copied_to(tmp_path, seed=1)
    steps = len(life.ends)
    assert steps > 10
    moments = [
        (step, (half + life.chance.random()) / 2) for step in range(steps) for half in (0, 1)
    ]
    life.chance.shuffle(moments)
    killed = 0
    while moments:
        life.deliver()
        for _ in range(min(len(moments), life.chance.choice(LIVES))):
            life.deliver_if_taken()
            code, _, said = life.stop_in(*moments.pop(), signal.SIGKILL)
            killed += code == -signal.SIGKILL
            assert processes.left_over(life.office.folder) == {}, said
        life.deliver_if_taken()
        life.let_through()
        life.assert_nothing_is_left()
    runs = life.office.json("history", "--limit", "1000")
    assert all(run["outcome"] for run in runs), "no Run is left without an end"
    names = {one["archive"]["name"] for one in life.office.json("archives")}
    assert life.acknowledged <= names
    life.assert_whole()
    assert killed >= steps * 1.4, "the moments lie within the runs"
    assert [run["outcome"] for run in runs].count("interrupted") >= steps


def test_F11_stopped_in_any_step_it_ends_at_once_and_leaves_no_lock(two_days, tmp_path):
    life = two_days.copied_to(tmp_path, seed=3)
    cancelled = 0
    for number in range(STOPS):
        life.deliver()
        step = number * (len(life.ends) - 1) // STOPS
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        code, took, said = life.stop_in(step, life.chance.random(), signals[number % 3])
        assert took < 20, said
        assert "Traceback" not in said
        (newest,) = life.office.json("history", "--limit", "1")
        if newest["outcome"] == "cancelled":
            cancelled += 1
            assert code == 1
            assert "Stopped because somebody asked for it" in said
        life.assert_nothing_is_left()
        for disk in DISKS:
            assert list((life.office.folder / disk / "repo").glob("lock.*")) == []
        life.let_through()
    life.assert_whole()
    assert cancelled >= STOPS / 2
