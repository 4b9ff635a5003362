import io
import json
import os
import random
import threading
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, Cancelled, DiskFull, RepositoryDamaged
from appliance.core.ports import Progress, Watch
from appliance.exports.choosing import matches
from appliance.exports.layout import ExportFolder
from appliance.exports.restore import disk_full_of, originals, restore, write_original

from .days import MODIFIED, Days, changed, csv, read, table
from .packing import zip_of


@pytest.fixture
def files() -> dict[str, bytes]:
    return {
        "Data/Contacts_001.csv": csv(changed(table(900), 2)),
        "Data/Contacts_002.csv": csv(changed(table(900, seed=2), 2)),
        "Data/Leads.csv": csv(table(100, seed=3)),
        "note.txt": b"hello",
    }


@pytest.fixture
def archive(tmp_path: Path, files) -> Path:
    days = Days(tmp_path)
    days.add(
        files
        | {
            "Data/Contacts_001.csv": csv(table(900)),
            "Data/Contacts_002.csv": csv(table(900, seed=2)),
        }
    )
    return days.add(files).root


def test_everything_comes_back_with_its_time(tmp_path, archive, files):
    paths = restore(archive, tmp_path / "out", Watch())
    assert read(tmp_path / "out") == files
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in paths) == sorted(files)
    assert {path.stat().st_mtime for path in paths} == {MODIFIED.timestamp()}


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("Contacts", 2),
        ("contacts", 2),
        ("Contacts_002", 1),
        ("Contacts*", 2),
        ("*.csv", 3),
        ("Data/*", 3),
        ("note.txt", 1),
        ("leads", 1),
    ],
)
def test_a_pattern_is_a_path_a_name_or_a_table(tmp_path, archive, pattern, count):
    assert len(restore(archive, tmp_path / "out", Watch(), only=[pattern])) == count


CONTACTS = (
    "Contacts-2026-11-21.csv",
    "hubspot-contacts-2026-11-21.csv",
    "Contacts_001.csv",
    "contacts.csv",
    "Data_001.zip/Contacts_2026-11-21_03-00-00.csv",
    "all.zip/contacts20261121.csv",
    "Contacts2.CSV",
    "CONTACTS (3).xlsx",
)


@pytest.mark.parametrize("path", CONTACTS)
@pytest.mark.parametrize("table_name", ["Contacts", "contacts", "CONTACTS"])
def test_a_table_is_found_whatever_date_and_number_the_vendor_puts_into_its_name(path, table_name):
    assert matches(path, [table_name])


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("ContactsHistory.csv", "Contacts"),
        ("contacts.zip/leads.csv", "Contacts"),
        ("deals.csv", "Contacts"),
        ("contact-lists.csv", "list"),
        ("Contacts_001.csv", "Contacts_002"),
        ("lists-of-contacts.csv", "contact lists"),
        ("a.csv", ""),
        ("a.csv", "#"),
    ],
)
def test_a_table_is_whole_words_of_a_name(path, pattern):
    assert not matches(path, [pattern])


def test_globs_and_names_go_by_any_letter_case_and_names_with_signs_are_names():
    assert matches("Data/Contacts.csv", ["data/*"])
    assert matches("Data/* ? [a].csv", ["* ? [a].csv"])
    assert matches("contact_lists-2026-11-21.csv", ["Contact Lists"])


def test_where_nothing_matches_the_error_names_what_is_there_to_choose_from(tmp_path, archive):
    with pytest.raises(ApplianceError, match=r"Data/Leads\.csv, note\.txt"):
        restore(archive, tmp_path / "out", Watch(), only=["Invoices"])


def test_of_very_many_files_the_error_names_twenty(tmp_path):
    days = Days(tmp_path)
    days.add({f"file-{number:02d}.txt": b"x" for number in range(30)})
    with pytest.raises(ApplianceError, match=r"file-19\.txt and 10 more") as caught:
        restore(days.archive, tmp_path / "out", Watch(), only=["Invoices"])
    assert "file-20" not in caught.value.message


def test_a_name_that_the_target_cannot_have_does_not_keep_the_others_back(tmp_path, archive, files):
    out = tmp_path / "out"
    out.mkdir()
    (out / "Data").write_bytes(b"a file where a folder has to be")
    with pytest.raises(ApplianceError, match=r"3 of 4 .*Data/Leads\.csv"):
        restore(archive, out, Watch())
    assert (out / "note.txt").read_bytes() == files["note.txt"]


def test_matching_is_by_glob_or_table():
    assert matches("a/b.csv", [])
    assert not matches("a/b.csv", ["c"])
    assert matches("a/Deal-2.csv", ["deal"])


def test_nothing_that_matches_is_said_by_name(tmp_path, archive):
    with pytest.raises(ApplianceError, match="Invoices"):
        restore(archive, tmp_path / "out", Watch(), only=["Invoices"])


def test_plain_files_are_their_own_original(tmp_path, archive, files):
    restore(archive, tmp_path / "out", Watch(), original=True)
    assert read(tmp_path / "out") == files


def test_the_vendors_file_is_written_while_it_is_made_and_proved_at_the_end(tmp_path):
    files = {"Contacts.csv": csv(table(900)), "Leads.csv": csv(table(100, seed=3))}
    zipped = zip_of(files)
    archive = Days(tmp_path).add({"Data.zip": zipped, "note.txt": b"hello"}).root
    assert originals(archive) == (("Data.zip", len(zipped)),)
    out = io.BytesIO()
    write_original(archive, "Data.zip", out, tmp_path, Watch())
    assert out.getvalue() == zipped
    with pytest.raises(ApplianceError, match="no such file"):
        write_original(archive, "note.txt", io.BytesIO(), tmp_path, Watch())
    listed = json.loads((archive / "manifest.json").read_text())
    listed["containers"][0]["sha256"] = "0" * 64
    (archive / "manifest.json").write_text(json.dumps(listed))
    with pytest.raises(RepositoryDamaged, match="not what the vendor delivered"):
        write_original(archive, "Data.zip", io.BytesIO(), tmp_path, Watch())


def test_a_second_restore_finds_everything_there(tmp_path, archive, files):
    first = restore(archive, tmp_path / "out", Watch())
    before = {path: path.stat().st_ino for path in first}
    assert restore(archive, tmp_path / "out", Watch()) == first
    assert {path: path.stat().st_ino for path in first} == before


def test_nothing_is_overwritten(tmp_path, archive):
    out = tmp_path / "out"
    out.mkdir()
    (out / "note.txt").write_bytes(b"mine!")
    with pytest.raises(ApplianceError, match="already"):
        restore(archive, out, Watch())
    assert read(out) == {"note.txt": b"mine!"}


@pytest.mark.parametrize("victim", ["history/Data/Contacts_001.csv/00", "export/note.txt"])
def test_what_is_damaged_is_not_restored_and_the_rest_is(tmp_path, archive, files, victim):
    content = bytearray((archive / victim).read_bytes())
    content[1] ^= 1
    (archive / victim).unlink()
    (archive / victim).write_bytes(content)
    with pytest.raises(RepositoryDamaged, match="1 of 4"):
        restore(archive, tmp_path / "out", Watch())
    found = read(tmp_path / "out")
    assert found == {path: files[path] for path in found}
    assert len(found) == 3


def test_a_missing_stored_file_is_damage(tmp_path, archive):
    (archive / "export/note.txt").unlink()
    with pytest.raises(RepositoryDamaged):
        restore(archive, tmp_path / "out", Watch())


def test_C6_a_link_in_the_archive_leads_nowhere(tmp_path, archive):
    secret = tmp_path / "secret"
    secret.write_bytes(b"hello")
    (archive / "export/note.txt").unlink()
    (archive / "export/note.txt").symlink_to(secret)
    with pytest.raises(RepositoryDamaged):
        restore(archive, tmp_path / "out", Watch(), only=["note.txt"])


def test_C6_a_linked_folder_in_the_archive_leads_nowhere(tmp_path, archive):
    (archive / "history").rename(tmp_path / "elsewhere")
    (archive / "history").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RepositoryDamaged):
        restore(archive, tmp_path / "out", Watch(), only=["Contacts"])


def test_C6_a_linked_folder_in_the_target_is_not_followed(tmp_path, archive):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "Data").symlink_to(elsewhere)
    with pytest.raises(ApplianceError, match="inside"):
        restore(archive, out, Watch())
    assert read(elsewhere) == {}


def test_C6_a_hostile_list_of_contents_writes_nothing(tmp_path, archive):
    listed = json.loads((archive / "manifest.json").read_text())
    listed["members"][-1]["path"] = "../../escaped"
    (archive / "manifest.json").unlink()
    (archive / "manifest.json").write_text(json.dumps(listed))
    with pytest.raises(RepositoryDamaged):
        restore(archive, tmp_path / "out", Watch())
    assert not (tmp_path / "out").exists()


def test_C8_a_member_that_is_longer_than_listed_stops_at_once(tmp_path, archive):
    with (archive / "export/note.txt").open("ab") as out:
        out.truncate(1 << 40)  # a terabyte that takes no room
    with pytest.raises(RepositoryDamaged):
        restore(archive, tmp_path / "out", Watch(), only=["note.txt"])


def test_cancelling_leaves_only_whole_files(tmp_path, archive, files):
    cancel = threading.Event()

    def stop(progress: Progress) -> None:
        if progress.done:
            cancel.set()

    with pytest.raises(Cancelled):
        restore(archive, tmp_path / "out", Watch(stop, cancel))
    found = read(tmp_path / "out")
    assert found
    assert found == {path: files[path] for path in found}


def test_progress_ends_at_the_whole(tmp_path, archive, files):
    heard: list[Progress] = []
    restore(archive, tmp_path / "out", Watch(heard.append))
    total = sum(map(len, files.values()))
    assert (heard[-1].done, heard[-1].total) == (total, total)


def test_a_full_disk_is_said_so():
    with pytest.raises(DiskFull, match="no room left"), disk_full_of("the folder x"):
        os.write(os.open("/dev/full", os.O_WRONLY), b"x")


def test_other_trouble_of_the_system_is_not_called_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError), disk_full_of("the folder x"):
        (tmp_path / "none").read_bytes()


def test_the_archive_need_not_be_writable(tmp_path):
    days = Days(tmp_path, ExportFolder(part_bytes=64 << 10))
    days.add({"a.bin": random.Random(1).randbytes(9000)})
    before = sorted(days.archive.rglob("*"))
    restore(days.archive, tmp_path / "out", Watch())
    assert sorted(days.archive.rglob("*")) == before
