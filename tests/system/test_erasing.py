"""Somebody asks to be in no backup any more: with the real Borg, on two disks, one of them away."""

from __future__ import annotations

import os
import subprocess

import pytest

from appliance.exports import differences
from appliance.exports.extracted import Extracted
from appliance.system.process import find
from tests.system.office import Office, contacts, put, zipped
from tests.system.processes import until

pytestmark = pytest.mark.slow
WHO = "Hedwig Abendroth"
HER = f"zcrm_000009999,{WHO},Lindau,2026-11-20\r\n".encode()


def stored_in(office, name):
    """The path of a disk's repository; while it is elsewhere, the disk is away."""
    return office.folder / name / "repo", office.folder / f"{name}-is-away"


def take_away(office, name):
    here, away = stored_in(office, name)
    here.rename(away)


def bring_back(office, name):
    here, away = stored_in(office, name)
    away.rename(here)


@pytest.fixture
def office(filled, tmp_path):
    return filled.copied_to(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Three days on two disks; on the third the office has deleted her."""
    office = Office(tmp_path_factory.mktemp("office"))
    inbox = office.inbox()
    office.disk("disk-a")
    office.disk("disk-b")
    for day in (1, 2, 3):
        rows = contacts(2000, changed=range(day), day=f"2026-11-2{day}")
        put(inbox, "Data.zip", zipped({"Contacts_001.csv": rows + (HER if day < 3 else b"")}))
        office.ok("run")
    return office


def everything(office, disk):
    """All that stock Borg gives back of a disk, with each version on the way of each difference."""
    out = office.folder / f"out-{disk}-{len(list(office.folder.iterdir()))}"
    for number, one in enumerate(archives_on(office, disk)):
        root = out / str(number)
        root.mkdir(parents=True)
        borg(office, disk, "extract", f"::{one}", cwd=root)
        yield from (path.read_bytes() for path in root.rglob("*") if path.is_file())
        yield from versions(Extracted.at(root, out))


def versions(archive):
    for kept in archive.manifest.members:
        for chain in kept.chains:
            links = [archive.file(link) for link in chain.links]
            for upto in range(1, len(links) + 1):
                yield b"".join(differences.replay(links[:upto], lambda: None))


def borg(office, disk, *words, **more):
    """The stock program, as anybody else would start it."""
    secret = (office.state / "secrets" / disk).read_text().strip()
    env = {"BORG_PASSPHRASE": secret, "BORG_BASE_DIR": str(office.folder / "other"), "TZ": "UTC"}
    env["BORG_RELOCATED_REPO_ACCESS_IS_OK"] = "yes"
    env["BORG_REPO"] = str(office.folder / disk / "repo")
    argv = [find("borg"), "--bypass-lock", *words]
    done = subprocess.run(
        argv, env=os.environ | env, capture_output=True, text=True, check=True, **more
    )
    return done.stdout


def archives_on(office, disk):
    return borg(office, disk, "list", "--short").split()


def is_on(office, disk):
    return any(WHO.encode() in data for data in everything(office, disk))


def test_she_is_nowhere_any_more_and_the_disk_that_was_away_is_done_when_it_is_back(office):
    take_away(office, "disk-b")
    words = ("erase", "--source", "by-hand", "--match", WHO)
    assert "Nobody is there to ask" in office.call(*words, stdin=subprocess.DEVNULL).stderr
    (her,) = office.json(*words, "--dry-run")["records"]
    assert (her["table"], her["id"], her["title"]) == ("contacts", "000009999", WHO)
    said = office.ok(*words, "--yes", "--reason", "letter 4", code=3)
    assert "3 backups written anew" in said
    assert "Still to do, as soon as it is within reach: disk-b." in said
    assert not is_on(office, "disk-a")
    assert f"{WHO}" not in office.ok("find", "Abendroth")
    (entry,) = office.json("erase", "--register")
    assert entry["records"] == 1
    assert (entry["in_a_week"], entry["waits"]) == (["disk-a"], ["disk-b"])
    assert entry["reason"] == "letter 4"

    bring_back(office, "disk-b")
    assert is_on(office, "disk-b")
    names = archives_on(office, "disk-b")
    oldest = office.folder / "oldest"
    office.ok("restore", "by-hand", "--repository", "disk-b", "--at", "2020-01-01", "--to", oldest)
    assert WHO not in "".join(p.read_text() for p in oldest.rglob("*.csv"))
    today = contacts(2001, day="2026-11-24")
    put(office.folder / "by-hand", "D.zip", zipped({"Contacts_001.csv": today}))
    office.ok("run")
    assert not is_on(office, "disk-b")
    assert archives_on(office, "disk-b") == [*names, archives_on(office, "disk-a")[-1]]
    (entry,) = office.json("erase", "--register")
    assert (entry["in_a_week"], entry["waits"]) == (["disk-a", "disk-b"], [])
    for one in office.json("archives"):
        assert sorted(one["places"]) == ["disk-a", "disk-b"]


def test_nothing_in_the_state_folder_says_her_name(office):
    office.ok("find", "Abendroth")
    office.ok("erase", "--source", "by-hand", "--match", WHO, "--yes", "--compact")
    found = [
        path
        for path in office.state.rglob("*")
        if path.is_file() and b"Abendroth" in path.read_bytes()
    ]
    assert found == []
    office.ok("drill")
    assert office.ok("changes", "by-hand", "--from", "2020-01-01")


def test_who_is_in_the_newest_export_must_be_deleted_in_the_crm_first(office):
    words = ("erase", "--source", "by-hand", "--record", "zcrm_000000007", "--yes")
    refused = office.call(*words)
    assert refused.returncode == 1
    assert "delete it in the CRM and back up first" in refused.stderr
    office.ok(*words, "--anyway")
    assert "no record" in office.ok("find", "zcrm_000000007")


def test_a_name_that_nobody_has_is_said_and_changes_nothing(office):
    before = borg(office, "disk-a", "list")
    refused = office.call("erase", "--source", "by-hand", "--match", "Nobody", "--yes")
    assert refused.returncode == 1
    assert "no such record in 3 backups" in refused.stderr
    assert borg(office, "disk-a", "list") == before
    assert office.ok("erase", "--register") == "Nobody was erased.\n"
    assert office.call("erase").returncode == 2


def test_killed_in_the_middle_no_backup_is_lost_and_the_same_command_finishes(office):
    names = archives_on(office, "disk-a")
    words = ("erase", "--source", "by-hand", "--match", WHO, "--yes", "--compact")
    with office.started(*words) as process:
        assert until(lambda: ".anew" in borg(office, "disk-a", "list", "--short"), 60)
        process.kill()
        process.wait()
    said = office.ok(*words)
    assert "No record is left" in said
    assert archives_on(office, "disk-a") == names
    assert not is_on(office, "disk-a")
    assert not is_on(office, "disk-b")


def test_a_daemon_is_asked_to_do_it(office):
    with office.started("daemon"):
        assert until(lambda: office.call("status").returncode in {0, 3}, 30)
        office.ok("erase", "--source", "by-hand", "--match", WHO, "--yes")
    assert not is_on(office, "disk-a")


def test_a_box_that_lost_its_record_means_all_the_backups_that_lie_on_its_disks(office):
    """No number was given to anything yet."""
    for file in office.state.glob("ledger.sqlite*"):
        file.unlink()
    office.ok("init", "disk-a")
    office.ok("init", "disk-b")
    office.ok("erase", "--source", "by-hand", "--match", WHO, "--yes", "--compact")
    assert not is_on(office, "disk-a")
    assert not is_on(office, "disk-b")
