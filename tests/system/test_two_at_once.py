"""Somebody restores while a worker starts, works, or sends the cloud copy: neither harms the other.

The restore is held up honestly: its own Borg is stopped in the middle (SIGSTOP) and let go on.
"""

import contextlib
import os
import signal
import subprocess
import threading
from contextlib import contextmanager

import pytest

from appliance import daemon
from appliance.box import Box
from appliance.config import load
from appliance.core.errors import Cancelled
from appliance.core.ports import Watch
from tests.system import processes
from tests.system.office import Office, contacts, put, zipped

pytestmark = pytest.mark.slow

DATA = {"Contacts.csv": contacts(20_000), "Leads.csv": contacts(500)}


@pytest.fixture
def filled(prepared, tmp_path):
    return prepared.copied_to(tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """An office with one backup of a few megabytes."""
    office = Office(tmp_path_factory.mktemp("office"))
    put(office.inbox(), "Data.zip", zipped(DATA))
    office.disk()
    office.ok("run")
    return office


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.csv")}


WHOLE = {f"Data.zip/{name}": data for name, data in DATA.items()}


def borg_at(verb, folder):
    """The ids of Borg's processes of an office that do this."""
    return [
        number
        for number, line in processes.of(folder).items()
        if f"\0{verb}\0".encode() in line and b"/borg\0" in line
    ]


@contextmanager
def held_up(office, *words, verb="extract"):
    """A command whose Borg stands still in the middle of its work for the length of the block."""
    with office.started(*words, env=processes.marked(office.folder)) as process:
        stopped = []

        def stop():
            stopped.extend(borg_at(verb, office.folder))
            for number in stopped:
                os.kill(number, signal.SIGSTOP)
            return stopped or process.poll() is not None

        assert processes.until(stop, 60)
        assert stopped, process.communicate()
        try:
            yield process
        finally:
            for number in stopped:
                os.kill(number, signal.SIGCONT)
            process.communicate(timeout=120)
    assert processes.left_over(office.folder) == {}


def run_of(office, source):
    return next(run for run in office.json("history") if run["source"] == source)


def locks(office):
    return list((office.folder / "disk-a" / "repo").glob("lock.*"))


def staged(office):
    return list((office.state / "staging").glob("run-*"))


@pytest.mark.parametrize("command", ["run", "daemon"])
def test_F8_a_worker_that_starts_while_somebody_restores_leaves_the_restore_whole(
    filled, tmp_path, command
):
    with held_up(filled, "restore", "by-hand", "--to", tmp_path / "back") as restoring:
        before = (staged(filled), locks(filled))
        with filled.started(command, stderr=subprocess.STDOUT) as other:
            if command == "run":
                said, _ = other.communicate(timeout=120)
                assert other.returncode in {0, 1}, said
            else:
                assert processes.until((filled.state / "worker.sock").exists, 60)
                other.terminate()
                said, _ = other.communicate(timeout=60)
        assert set(before[0]) <= set(staged(filled))
        assert set(before[1]) <= set(locks(filled))
        assert run_of(filled, "restore:by-hand")["outcome"] is None
    assert restoring.returncode == 0
    assert files(tmp_path / "back") == WHOLE
    assert run_of(filled, "restore:by-hand")["outcome"] == "ok"
    if command == "daemon":
        assert "what a sudden end left waits for the next start" in said


def test_what_was_left_beside_a_restore_is_cleared_at_the_next_start(filled, tmp_path):
    left = filled.state / "staging" / "run-999"
    with held_up(filled, "restore", "by-hand", "--to", tmp_path / "back"):
        left.mkdir()
        daemon.start_up(Box(load(filled.config)))
        assert left.exists()
    daemon.start_up(Box(load(filled.config)))
    assert not left.exists()


def test_F8_a_restore_that_is_killed_is_no_reason_to_leave_anything_for_ever(filled, tmp_path):
    with held_up(filled, "restore", "by-hand", "--to", tmp_path / "back") as restoring:
        restoring.kill()
        restoring.wait(10)
    assert staged(filled)
    filled.ok("run")
    assert staged(filled) == []
    assert run_of(filled, "restore:by-hand")["outcome"] == "interrupted"


def test_a_killed_restore_from_the_cloud_leaves_no_copy_of_it_behind(filled, tmp_path):
    cloud = filled.folder / "cloud"
    cloud.mkdir()
    filled.add("[[mirror]]", name="cloud", repository="disk-a", remote=cloud)
    filled.ok("mirror")
    words = ("restore", "by-hand", "--from-mirror", "cloud", "--to", tmp_path / "back")
    with held_up(filled, *words) as restoring:
        restoring.kill()
        restoring.wait(10)
    assert any(path.name == "config" for path in (filled.state / "staging").rglob("*"))
    filled.ok("run")
    assert list((filled.state / "staging").iterdir()) == []

    filled.ok(*words)
    assert files(tmp_path / "back") == WHOLE
    steps = run_of(filled, "restore:by-hand")["steps"]
    assert (steps[0]["name"], steps[0]["target"]) == ("pull", "cloud")


@contextmanager
def locked(office):
    """Somebody has the repository for himself, as while the cloud copy is sent."""
    repository, watch = Box(load(office.config)).repositories["disk-a"], Watch()
    begun = threading.Event()
    waiting = ["/bin/sh", "-c", "echo begun; exec sleep 600"]

    def hold():
        with contextlib.suppress(Cancelled):
            repository.with_lock(waiting, watch, lambda line: begun.set())

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert begun.wait(60)
        yield watch.cancel.set
    finally:
        watch.cancel.set()
        thread.join(60)


def test_a_repository_in_use_is_skipped_by_archives_and_waited_for_by_restore(filled, tmp_path):
    filled.disk("disk-b")
    filled.ok("run")
    with locked(filled) as let_go:
        listed = filled.call("archives")
        assert listed.returncode == 0, listed.stderr
        assert "disk-b" in listed.stdout
        assert "disk-a" in listed.stderr
        words = ("restore", "by-hand", "--repository", "disk-a", "--to", tmp_path / "back")
        with filled.started(*words, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as restoring:
            assert restoring.stdout.readline() == (
                "  … disk-a is in use. Waiting for it, 2 minutes at most.\n"
            )
            let_go()
            _, said = restoring.communicate(timeout=120)
            assert restoring.returncode == 0, said
    assert files(tmp_path / "back") == WHOLE
