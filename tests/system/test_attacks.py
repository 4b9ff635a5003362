"""E13, P20, F8, A1, A23 and other ill will against the whole box: what must not happen does not."""

import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import servers
from tests.system import processes
from tests.system.office import contacts, put, zipped

pytestmark = pytest.mark.slow

CANARY = "canary-4711-of-"


@contextmanager
def watched(folder):
    """Note arguments and environment of every process of the office while the block lasts."""
    seen, stop = {}, threading.Event()

    def look():
        mark = str(folder / "tmp").encode()
        while not stop.wait(0.005):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    environ = (process / "environ").read_bytes()
                    if mark in environ:
                        seen[process.name, environ, (process / "cmdline").read_bytes()] = True
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def holding(folder, needles, but=()):
    """The files below a folder that hold one of some strings, save those in folders `but`."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and not any(skip in path.parents or skip == path for skip in but)
        and any(needle.encode() in path.read_bytes() for needle in needles)
    )


def test_E13_no_secret_is_ever_seen_outside_the_store(office, sshd, https, s3, served, tmp_path):
    """Each secret of the configuration is a canary; what works and what fails is watched."""
    passphrase = office.secret("disk-a", CANARY + "passphrase")
    assert passphrase
    put(served, "a.csv", contacts(300))
    put(served, "export.zip", zipped({"a.csv": contacts(300)}))
    office.sftp(sshd, pick=["a.csv"])
    https_token = https.token
    office.http(https, "/bearer/export.zip")
    wrong = {"type": "sftp", "host": sshd.host, "port": sshd.port, "user": sshd.user, "path": "."}
    office.add("[[source]]", name="w", password=office.secret("w", CANARY + "sftp"), **wrong)
    for kind, keys in {
        "bearer": ("token",),
        "basic": ("password",),
        "header": ("value",),
        "query": ("value",),
        "oauth2": ("client_secret", "refresh_token"),
    }.items():
        auth = {"kind": kind}
        auth |= {key: office.secret(f"{kind}-{key}", f"{CANARY}{kind}-{key}") for key in keys}
        auth |= {"basic": {"user": "u"}, "header": {"name": "X-Api-Key"}}.get(kind, {})
        auth |= {"query": {"name": "api_key"}}.get(kind, {})
        if kind == "oauth2":
            auth |= {
                "client_id": "me",
                "grant": "refresh_token",
                "token_url": https.url("/bearer/token"),
            }
        more = {"name": kind, "type": "http", "ca_file": https.ca_file}
        office.add("[[source]]", url=https.url(f"/{kind}/export.zip"), auth=auth, **more)
    office.disk()
    office.cloud(s3)
    office.ok("trust", "crm", "--yes")
    secrets = [path.read_text().strip() for path in (office.state / "secrets").iterdir()]
    needles = [CANARY, https_token, *(max(text.splitlines(), key=len) for text in secrets)]
    needles += [s3.secret_key]
    assert len(needles) > 10

    env = processes.marked(office.folder)
    said = ""
    with watched(office.folder) as seen:
        for words in (
            ["check"], ["run"], ["run", "--json"], ["status"], ["history"], ["archives"],
            ["restore", "crm", "--to", tmp_path / "back"],
            ["restore", "crm", "--from-mirror", "cloud", "--to", tmp_path / "cloud"],
            ["drill"], ["mirror"],
        ):  # fmt: skip
            done = office.call(*words, env=env)
            said += done.stdout + done.stderr
        (office.state / "secrets" / "disk-a").write_text(CANARY + "other")
        done = office.call("run", "crm", env=env)
        said += done.stdout + done.stderr

    assert "denied" in said or "refused" in said or "✗" in said, "some of it failed"
    assert [needle for needle in needles if needle in said] == []
    assert len(seen) > 30, "children were seen while they lived"
    shown = b"\n".join(part for _, environ, argv in seen for part in (environ, argv))
    assert [needle for needle in needles if needle.encode() in shown] == []
    allowed = {office.state / "secrets", office.state / "sheet-disk-a.html"}
    allowed |= {office.folder / "rclone.conf"}
    assert holding(office.folder, needles, allowed) == []
    assert holding(tmp_path / "s3", [CANARY]) == []


def test_F8_of_two_commands_at_once_one_is_told(office):
    put(office.inbox(), "a.csv", contacts(300))
    office.disk()
    with office.started("run") as first, office.started("run") as second:
        ends = [each.communicate(timeout=120) for each in (first, second)]
        codes = [first.returncode, second.returncode]
    assert sorted(codes) == [0, 1]
    said = ends[codes.index(1)][1]
    assert said.startswith("✗ Another backup program is at work on this box.\n")
    assert len(office.json("archives")) == 1


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
@pytest.mark.parametrize("time", ["1970-02-01 00:00:00", "2046-11-21 00:00:00"])
def test_a_wrong_clock_deletes_nothing_and_is_never_green(office, time):
    inbox = office.inbox()
    office.add("[retention]", last=1, daily=0, weekly=0, monthly=0, yearly=0)
    office.disk()
    for day in range(3):
        put(inbox, "a.csv", contacts(300, changed=range(day)))
        office.ok("run")

    put(inbox, "a.csv", contacts(300, changed=range(90)))
    wrong = ["faketime", time, *office.argv("run")]
    done = subprocess.run(wrong, capture_output=True, text=True, check=False, timeout=200)
    status = subprocess.run(
        ["faketime", time, *office.argv("status", "--json")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(office.json("archives")) == 4, "the backup was taken, and nothing was deleted"
    assert '"state": "safe"' not in status.stdout
    put(inbox, "a.csv", contacts(300, changed=range(120)))
    office.ok("run")
    sequences = [one["archive"]["sequence"] for one in office.json("archives")]
    assert sorted(sequences) == [1, 2, 3, 4, 5]
    newest = max(office.json("archives"), key=lambda one: one["archive"]["sequence"])
    into = office.folder / "back"
    office.ok("restore", "by-hand", "--to", into)
    assert (into / "a.csv").read_bytes() == contacts(300, changed=range(120))
    assert newest["archive"]["time"].startswith(str(time_now().tm_year))


def time_now():
    return time.gmtime()


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def two_disks(office):
    inbox = office.inbox()
    disks = office.disk("disk-a"), office.disk("disk-b")
    put(inbox, "a.csv", contacts(300))
    office.ok("run")
    put(inbox, "a.csv", contacts(300, changed=range(9)))
    return disks


def test_A1_A23_a_swapped_or_copied_disk_is_not_written(office, two_disks):
    """Disk B's folder holds disk A's repository, then a copy that is older than what we know."""
    disk_a, disk_b = two_disks
    older = office.folder / "older"
    shutil.copytree(disk_a, older)
    disk_b.rename(office.folder / "real-b")
    shutil.copytree(disk_a, disk_b)
    foreign = snapshot(disk_b)
    (run,) = office.json("run")
    assert run["outcome"] == "warning"
    assert "disk-b" in run["message"]
    assert snapshot(disk_b) == foreign, "not one byte was written"

    shutil.rmtree(disk_b)
    (office.folder / "real-b").rename(disk_b)
    shutil.rmtree(disk_a)
    older.rename(disk_a)
    stale = snapshot(disk_a)
    put(office.folder / "by-hand", "a.csv", contacts(300, changed=range(20)))
    done = office.call("run")
    assert "disk-a" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    now = snapshot(disk_a)
    assert {path: now[path] for path in stale if path.parts[0] == "data"} == {
        path: data for path, data in stale.items() if path.parts[0] == "data"
    }, "what is there is never rewritten"
    into = office.folder / "back"
    office.ok("restore", "by-hand", "--repository", "disk-b", "--to", into)
    assert (into / "a.csv").read_bytes() == contacts(300, changed=range(20))


def test_an_emptied_disk_is_a_warning_and_never_filled_by_mistake(office, two_disks):
    disk_a, disk_b = two_disks
    shutil.rmtree(disk_b)
    disk_b.mkdir()
    (run,) = office.json("run")
    assert run["outcome"] == "warning"
    assert "disk-b" in run["message"]
    assert list(disk_b.iterdir()) == []
    put(office.folder / "by-hand", "a.csv", contacts(300, changed=range(30)))
    assert office.call("run").stderr == "", "a line on the screen says it, not the log beside it"
    done = office.call("init", "disk-b")
    assert done.returncode == 1
    assert "was made already" in done.stderr
    assert list(disk_b.iterdir()) == []
    assert disk_a.exists()


def test_A14_a_disk_that_was_found_damaged_is_said_until_it_is_whole_again(office, two_disks):
    office.ok("run")
    segment = max((two_disks[1] / "data").rglob("[0-9]*"), key=lambda path: path.stat().st_size)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    (run,) = office.json("history", "--limit", "1")
    assert run["outcome"] == "ok"
    assert office.call("check", "--repository", "disk-b").returncode == 1
    said = office.ok("status", code=3)
    assert said.startswith("Look. disk-b was found damaged; the last good copy elsewhere is of ")
    assert "do not repair it" in said
    assert office.json("status", code=3)["state"] == "look"
    segment.write_bytes(whole)
    office.ok("check", "--repository", "disk-b")
    assert "damaged" not in office.ok("status")


def test_a_cloud_that_is_away_is_a_warning_and_catches_up(office, tmp_path):
    inbox = office.inbox()
    office.disk()
    with servers.s3(tmp_path / "cloud") as cloud:
        office.cloud(cloud)
        port = int(cloud.endpoint.rpartition(":")[2])
    put(inbox, "a.csv", contacts(300))
    (run,) = office.json("run")
    assert run["outcome"] == "warning"
    assert run["archive"]
    assert run["hint"]
    assert "Safe" not in office.ok("status")
    done = office.call("mirror")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    with servers.s3(tmp_path / "cloud", port=port):
        office.ok("mirror")
        office.ok("restore", "by-hand", "--from-mirror", "cloud", "--to", tmp_path / "back")
    assert (tmp_path / "back" / "a.csv").read_bytes() == contacts(300)


HOSTILE = ("a\nb.csv", "-rf.csv", "$(touch pwned).csv", "Ünï ☂.csv", "'; x.csv")


def test_hostile_names_go_through_the_box_and_harm_nobody(office, tmp_path):
    inbox = office.inbox()
    office.disk()
    names = {name.replace("/", "_"): contacts(20 + number) for number, name in enumerate(HOSTILE)}
    put(inbox, "-o ProxyCommand=x $(id).zip", zipped(names))
    (run,) = office.json("run")
    assert run["outcome"] in {"ok", "warning"}, run
    into = tmp_path / "back"
    office.ok("restore", "by-hand", "--to", into)
    found = [path.read_bytes() for path in into.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(names.values())
    assert not list(tmp_path.rglob("pwned"))
    assert all(into in path.resolve().parents for path in into.rglob("*"))
    shown = office.ok("restore", "by-hand", "--to", into)
    assert "a\nb.csv" not in shown, "a name cannot write lines of its own"


def test_a_zip_that_climbs_out_of_its_folder_is_refused(office):
    inbox = office.inbox()
    office.disk()
    for name in ("../../../../../up.csv", "..\\..\\up.csv"):
        put(inbox, "slip.zip", zipped({name: contacts(3)}))
        (run,) = office.json("run", code=1)
        assert run["outcome"] == "failed"
        assert "outside its folder" in run["message"]
        assert "ask the vendor" in run["hint"]
    assert not list(office.folder.rglob("up.csv"))
    assert not Path("/up.csv").exists()
    assert office.json("archives") == []
