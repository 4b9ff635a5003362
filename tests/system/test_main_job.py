"""The main job, end to end: real servers, real Borg, a real cloud, and all the way back."""

import hashlib
import re
import subprocess

import pytest

from appliance.system.process import find
from tests.system.office import contacts, put, zipped

pytestmark = pytest.mark.slow

DAY_1 = {"Contacts_001.csv": contacts(20_000), "Leads_001.csv": contacts(500)}
DAY_2 = DAY_1 | {"Contacts_001.csv": contacts(20_000, changed=range(40, 140), day="2026-11-21")}


def steps(run):
    return [(step["name"], step["target"], step["outcome"]) for step in run["steps"]]


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stored_bytes(repository):
    return sum(path.stat().st_size for path in (repository / "data").rglob("*") if path.is_file())


def test_from_an_sftp_server_to_two_disks_and_a_cloud_and_back(office, sshd, served, s3, tmp_path):
    office.sftp(sshd)
    disk_a, disk_b = office.disk("disk-a"), office.disk("disk-b")
    office.cloud(s3)
    put(served, "Data_001.zip", zipped(DAY_1))
    office.ok("trust", "crm", "--yes")

    (first,) = office.json("run", "crm")
    put(served, "Data_001.zip", zipped(DAY_2))
    size = stored_bytes(disk_a)
    (second,) = office.json("run")
    (third,) = office.json("run")

    assert [run["outcome"] for run in (first, second, third)] == ["ok", "ok", "skipped"]
    done = steps(second)
    assert done.index(("archive", "disk-a", "ok")) + 1 == done.index(("verify", "disk-a", "ok"), 2)
    assert ("mirror", "cloud", "ok") in done
    assert stored_bytes(disk_a) - size < 60_000, "the second day is stored as a difference"
    listed = office.json("archives", "crm")
    assert [each["places"] for each in listed] == [["disk-a", "disk-b"]] * 2
    assert (disk_a / "config").read_text() != (disk_b / "config").read_text()

    office.ok("restore", "crm", "--to", tmp_path / "new")
    office.ok("restore", "crm", "--at", listed[1]["archive"]["time"], "--to", tmp_path / "old")
    office.ok("restore", "crm", "--original", "--to", tmp_path / "zip")
    office.ok(
        "restore", "crm", "--from-mirror", "cloud", "--table", "Leads", "--to", tmp_path / "cloud"
    )

    assert files(tmp_path / "new") == {f"Data_001.zip/{name}": data for name, data in DAY_2.items()}
    assert files(tmp_path / "old") == {f"Data_001.zip/{name}": data for name, data in DAY_1.items()}
    assert files(tmp_path / "zip") == {"Data_001.zip": zipped(DAY_2)}
    assert files(tmp_path / "cloud") == {"Data_001.zip/Leads_001.csv": DAY_1["Leads_001.csv"]}


def test_from_a_web_server_with_a_token(office, https, served, tmp_path):
    data = zipped(DAY_1)
    put(served, "export.zip", data)
    office.http(https, "/bearer/export.zip")
    office.disk()

    (first,) = office.json("run")
    (second,) = office.json("run")
    office.ok("restore", "site", "--original", "--to", tmp_path / "back")

    assert [first["outcome"], second["outcome"]] == ["ok", "skipped"]
    assert files(tmp_path / "back") == {"export.zip": data}
    assert "304 GET" in "\n".join(https.requests_seen(2)), "nothing new was not fetched twice"


def test_from_an_inbox_that_keeps_what_it_gave(office, tmp_path):
    inbox = office.inbox()
    office.disk()
    put(inbox, "Kunden.csv", DAY_1["Leads_001.csv"])

    (run,) = office.json("run")

    assert run["outcome"] == "ok"
    assert [path.name for path in inbox.rglob("*.csv")] == ["Kunden.csv"]
    assert (inbox / "done" / "Kunden.csv").exists()


def test_one_disk_away_is_a_warning_and_catches_up_when_it_is_back(office, tmp_path):
    inbox = office.inbox()
    office.disk("disk-a")
    disk_b = office.disk("disk-b")
    put(inbox, "a.csv", contacts(3000))
    office.ok("run")

    (tmp_path / "office" / "disk-b").rename(tmp_path / "away")
    for day in (1, 2):
        put(inbox, "a.csv", contacts(3000, changed=range(day * 10), day=f"2026-11-2{day}"))
        (away,) = office.json("run")
    (tmp_path / "away").rename(tmp_path / "office" / "disk-b")
    put(inbox, "a.csv", contacts(3000, changed=range(30), day="2026-11-23"))
    (back,) = office.json("run")

    assert away["outcome"] == "warning"
    assert "disk-b" in away["message"]
    assert back["outcome"] == "ok"
    by_disk = [office.json("archives", "--repository", name) for name in ("disk-a", "disk-b")]
    assert [each["archive"] for each in by_disk[0]] == [each["archive"] for each in by_disk[1]]
    assert len(by_disk[1]) == 4
    assert disk_b.exists()
    for run in office.json("archives"):
        name = run["archive"]["time"]
        office.ok(
            "restore", "by-hand", "--at", name, "--repository", "disk-b", "--to", tmp_path / name
        )
    assert (
        len({hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.glob("2026-*/a.csv")})
        == 4
    )


def test_to_a_repository_behind_ssh_whose_host_was_confirmed(office, ssh_shell, tmp_path):
    put(office.inbox(), "a.csv", contacts(500))
    (key := tmp_path / "nas_key").write_bytes(ssh_shell.user_key.private.read_bytes())
    key.chmod(0o600)
    url = f"ssh://{ssh_shell.user}@{ssh_shell.host}:{ssh_shell.port}{tmp_path}/nas"
    more = {"url": url, "ssh_key_file": key, "passphrase": "${secret:nas}"}
    office.add("[[repository]]", name="nas", **more)

    unknown = office.call("init", "nas")
    assert unknown.returncode == 1
    assert "appliance trust nas" in unknown.stderr
    pinned = office.ok("trust", "nas", "--yes")
    assert ssh_shell.host_key.fingerprint in pinned
    assert "appliance init nas" in pinned
    office.ok("init", "nas")
    (run,) = office.json("run")
    assert run["outcome"] == "ok"
    office.ok("restore", "by-hand", "--to", tmp_path / "back")
    assert (tmp_path / "back" / "a.csv").read_bytes() == contacts(500)

    (office.state / "known_hosts").write_text("")
    away = office.call("run")
    assert away.returncode == 1
    assert "appliance trust nas" in away.stdout


def test_a_disk_and_the_passphrase_are_enough_without_us(office, tmp_path):
    inbox = office.inbox()
    disk = office.disk()
    for changed in ((), range(50)):
        put(inbox, "Data_001.zip", zipped({"Contacts 001.csv": contacts(5000, changed=changed)}))
        (run,) = office.json("run")
    passphrase = (office.state / "secrets" / "disk-a").read_text().strip()
    env = {
        "PATH": "/usr/bin:/bin",
        "BORG_PASSPHRASE": passphrase,
        "BORG_BASE_DIR": str(tmp_path / "elsewhere"),
    }
    env |= {"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes", "LANG": "C.UTF-8"}
    work = tmp_path / "work"
    work.mkdir()

    borg = [find("borg"), "extract", f"{disk}::{run['archive']}"]
    subprocess.run(borg, cwd=work, env=env, check=True)
    text = (work / "HOW-TO-RESTORE.txt").read_text()
    extract, undo = (line.strip() for line in text.splitlines() if re.match(r" {5}[a-z]+ \S", line))
    subprocess.run(["sh", "-c", undo], cwd=work, env=env, check=True)

    assert extract == f"borg extract REPOSITORY::{run['archive']}"
    assert files(work / "restored") == {
        "Data_001.zip/Contacts 001.csv": contacts(5000, changed=range(50))
    }
