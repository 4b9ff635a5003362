"""Columns that nobody should keep, through the whole box: real Borg, and all that it leaves."""

import csv
import io
import re
import subprocess

import pytest

from appliance.system.process import find
from tests.system.office import put, zipped
from tests.system.test_daemon import serving
from tests.system.test_main_job import files
from tests.system.test_opened import opened, settled

pytestmark = pytest.mark.slow
CLEAR = ("0171-5550", "Geheimnis")


def people(count, changed=(), header=("Record Id", "Name", "Phone", "Notes")):
    text = io.StringIO(newline="")
    rows = csv.writer(text, quoting=csv.QUOTE_ALL)
    rows.writerow(header)
    for n in range(count):
        phone = f"0171-5550{1 if n in changed else 0}{n:04}"
        rows.writerow((f"zcrm_{n:09}", f"Ana {n}", phone, f"Geheimnis {n}"))
    return text.getvalue().encode()


def deliver(office, data):
    put(office.folder / "by-hand", "Data.zip", zipped({"Contacts_001.csv": data}))


@pytest.fixture
def masking(office):
    """An office that keeps no telephone numbers and no notes, and two days of it."""
    office.inbox()
    office.add("[[source.table]]", match="contacts", mask=["Phone"], drop=["Notes"])
    office.disk()
    for changed in ((), (5, 7)):
        deliver(office, people(600, changed))
        office.ok("run")
    return office


def spoken(tree):
    """Which clear values stand anywhere in some files."""
    return [(path, word) for path, data in tree.items() for word in CLEAR if word.encode() in data]


def extracted(office, tmp_path, archive):
    """What stock Borg gives, and stock zstd makes of it by the archive's own instructions."""
    env = {
        "PATH": "/usr/bin:/bin",
        "BORG_PASSPHRASE": (office.state / "secrets" / "disk-a").read_text().strip(),
        "BORG_BASE_DIR": str(tmp_path / "elsewhere"),
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "LANG": "C.UTF-8",
    }
    into = tmp_path / archive.replace(":", "-")
    into.mkdir()
    repo = office.folder / "disk-a" / "repo"
    argv = [find("borg"), "extract", f"{repo}::{archive}"]
    subprocess.run(argv, cwd=into, env=env, check=True)
    text = (into / "HOW-TO-RESTORE.txt").read_text()
    for line in (line.strip() for line in text.splitlines() if re.match(r" {5}[a-z]+ \S", line)):
        if not line.startswith("borg "):
            subprocess.run(["sh", "-c", line], cwd=into, env=env, check=True)
    return files(into)


def test_no_backup_and_nothing_on_the_box_says_what_is_hidden(masking, tmp_path):
    for number, one in enumerate(masking.json("archives")):
        assert spoken(extracted(masking, tmp_path, one["archive"]["name"])) == []
        time, into = one["archive"]["time"], tmp_path / str(number)
        said = masking.ok("restore", "by-hand", "--at", time, "--to", into)
        assert "Of contacts, Phone was masked before it was stored" in said
        (back,) = files(into).values()
        assert spoken(files(into)) == []
        assert back.count(b"masked-") == 600
        assert back.startswith(b'"Record Id","Name","Phone"\r\n')
    assert spoken(files(masking.state)) == [], "neither ledger nor staging nor log"
    key = masking.state / "secrets" / "pseudonym-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text().strip()) == 64


def test_changes_between_two_days_still_count_right(masking, tmp_path):
    (newest,) = masking.json("history", "--limit", "1")
    assert newest["message"].startswith("contacts: 2 changed. ")
    assert newest["outcome"] == "ok"
    said = masking.ok("changes", "by-hand")
    assert "contacts: 2 changed" in said
    assert "hidden before it was stored: Phone (masked), Notes (left out)" in said
    first = min(one["archive"]["time"] for one in masking.json("archives"))
    said = masking.ok("restore", "by-hand", "--changed-since", first, "--to", tmp_path / "back")
    assert ".csv, hidden before it was stored: Phone (masked), Notes (left out)" in said
    assert "Leave out what is masked" in said
    (back,) = files(tmp_path / "back").values()
    assert len(back.splitlines()) == 3
    assert spoken(files(tmp_path / "back")) == []


def test_the_vendor_s_own_file_is_refused_with_the_reason(masking, tmp_path):
    done = masking.call("restore", "by-hand", "--original", "--to", tmp_path / "zip")
    assert done.returncode == 1
    assert "Data.zip was never stored: columns of it are masked or dropped" in done.stderr
    with serving(masking) as (_, client), opened(client) as (_, facts):
        assert facts["originals"] == []
        assert [each["hidden"] for each in facts["files"]] == ["Phone (masked), Notes (left out)"]
    with serving(masking) as (_, client):
        older = client.backups("by-hand")["backups"][1]["name"]
        facts = settled(client, client.open_backup("by-hand", older, "me", "", "changed"))
        assert [each["hidden"] for each in facts["files"]] == ["Phone (masked), Notes (left out)"]


def test_a_renamed_column_ends_the_run_and_the_next_right_export_is_kept(masking):
    deliver(masking, people(601, header=("Record Id", "Name", "Mobile Phone", "Notes")))
    done = masking.call("run")
    assert done.returncode == 1
    assert "“contacts” has no column “Phone” to hide" in done.stdout + done.stderr
    assert len(masking.json("archives")) == 2
    assert spoken(files(masking.state)) == []
    deliver(masking, people(601))
    masking.ok("run")
    assert len(masking.json("archives")) == 3


def test_an_office_that_masks_from_today_on_sees_no_change_and_keeps_its_older_backups(
    office, tmp_path
):
    inbox = office.inbox()
    office.disk()
    deliver(office, people(600))
    office.ok("run")
    assert not (office.state / "secrets" / "pseudonym-key").exists()
    rule = '[[source.table]]\nmatch = "contacts"\nmask = ["Phone"]\ndrop = ["Notes"]\n'
    at = office.sections.index(next(one for one in office.sections if str(inbox) in one))
    office.sections.insert(at + 1, rule)
    office.config.write_text("\n".join(office.sections))
    deliver(office, people(601))
    done = office.call("run")
    assert done.returncode == 0, done.stdout
    (newest,) = office.json("history", "--limit", "1")
    assert newest["message"].startswith("1 new contact. ")
    new, old = sorted(office.json("archives"), key=lambda one: one["archive"]["time"], reverse=True)
    assert spoken(extracted(office, tmp_path, new["archive"]["name"])) == []
    assert spoken(extracted(office, tmp_path, old["archive"]["name"])) != []
