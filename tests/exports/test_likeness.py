import hashlib
import random
import time
from pathlib import Path

import pytest

from appliance.exports.contents import Kept
from appliance.exports.likeness import likeness, pair, uncounted, undated
from appliance.exports.unpack import Member

from .days import changed, csv, table


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("backup-11.20.2026_03-00-00.tar.gz/c.csv", "backup-11.21.2026_03-05-12.tar.gz/c.csv"),
        ("hubspot-contacts-2026-11-20.csv", "hubspot-contacts-2026-11-21.csv"),
        ("crm_20261120T030000Z.zip/a.csv", "crm_20261121T030001Z.zip/a.csv"),
        ("dump-20261120-030000.sql", "dump-20261121-030000.sql"),
        ("WE_00D5e000001abcdEAA_1.ZIP/Lead.csv", "WE_00D5e000001abceEAA_1.ZIP/Lead.csv"),
        (
            "x-3f2b1c4d-0000-4000-8000-1234567890ab.csv",
            "x-4f2b1c4d-0000-4000-8000-1234567890ac.csv",
        ),
        ("export_1732150800.json", "export_1732237200.json"),
    ],
)
def test_dates_times_and_ids_are_blanked(one, other):
    assert undated(one) == undated(other)


def test_counters_are_kept_apart_from_dates():
    assert undated("Contacts_001.csv") != undated("Contacts_002.csv")
    assert uncounted("Contacts_001.csv") == uncounted("Contacts_002.csv")
    assert undated("WE_1.ZIP") != undated("WE_2.ZIP")


def member(folder: Path, path: str, content: bytes) -> Member:
    file = folder / hashlib.sha256(path.encode() + content).hexdigest()
    file.write_bytes(content)
    return Member(path, file, len(content), hashlib.sha256(content).hexdigest())


def look(member: Member):
    return likeness(member.file, member.size_bytes)


def kept(folder: Path, path: str, content: bytes) -> Kept:
    m = member(folder, path, content)
    return Kept(path, m.size_bytes, m.sha256, whole=f"export/{path}", likeness=look(m))


def pairs(folder: Path, old: dict[str, bytes], new: dict[str, bytes]) -> dict[str, str]:
    members = [member(folder, *each) for each in new.items()]
    found = pair(members, [kept(folder, *each) for each in old.items()], look)
    return {path: kept.path for path, kept in found.items()}


A, B = table(800, seed=1), table(800, seed=2)
OTHER = table(800, seed=3, columns="Key,Firm,Web,Kind,Text")


def test_the_same_name_with_the_same_columns_is_the_predecessor(tmp_path):
    old = {"a.csv": csv(A), "b.csv": csv(B)}
    new = {"a.csv": csv(changed(A, 2)), "b.csv": csv(changed(B, 2))}
    assert pairs(tmp_path, old, new) == {"a.csv": "a.csv", "b.csv": "b.csv"}


def test_numbers_that_moved_are_seen_through(tmp_path):
    old = {"Contacts_001.csv": csv(A), "Contacts_002.csv": csv(B)}
    new = {"Contacts_002.csv": csv(changed(A, 2)), "Contacts_003.csv": csv(changed(B, 2))}
    assert pairs(tmp_path, old, new) == {
        "Contacts_002.csv": "Contacts_001.csv",
        "Contacts_003.csv": "Contacts_002.csv",
    }


def test_the_same_bytes_are_the_same_file_whatever_the_name(tmp_path):
    assert pairs(tmp_path, {"x.csv": csv(A), "y.csv": csv(B)}, {"z.csv": csv(B)}) == {
        "z.csv": "y.csv"
    }


def test_a_window_of_dated_files_moves_by_one(tmp_path):
    content = {day: csv(table(300, seed=day)) for day in range(1, 10)}
    old = {f"log-2026-11-{day:02d}.csv": content[day] for day in range(1, 8)}
    new = {f"log-2026-11-{day:02d}.csv": content[day] for day in range(2, 9)}
    found = pairs(tmp_path, old, new)
    assert {p: o for p, o in found.items() if p == o} == {p: p for p in new if p in old}
    assert len(set(found.values())) == len(found)


def test_a_predecessor_is_used_once(tmp_path):
    found = pairs(tmp_path, {"a.csv": csv(A)}, {"b.csv": csv(changed(A, 2)), "c.csv": csv(A)})
    assert found == {"c.csv": "a.csv"}


def test_columns_find_what_was_renamed(tmp_path):
    old = {"people.csv": csv(A), "firms.csv": csv(OTHER)}
    new = {"Kunden.csv": csv(changed(OTHER, 2)), "Kontakte.csv": csv(changed(A, 2))}
    assert pairs(tmp_path, old, new) == {"Kunden.csv": "firms.csv", "Kontakte.csv": "people.csv"}


def test_json_is_known_by_its_keys(tmp_path):
    old = b'[{"id": 1, "name": "Ann", "owner": {"id": 5}}]'
    new = b'[{"name": "Bob",\n "id": 2, "owner": {"id": 6}}]'
    assert pairs(tmp_path, {"one": old}, {"two": new}) == {"two": "one"}


def test_likeness_finds_binary_content_without_a_name(tmp_path):
    content = random.Random(1).randbytes(3_000_000)
    found = pairs(
        tmp_path, {"one.bin": content}, {"another": content[:900_000] + content[900_900:]}
    )
    assert found == {"another": "one.bin"}


def test_strangers_are_not_paired(tmp_path):
    chance = random.Random(1)
    old, new = chance.randbytes(100_000), chance.randbytes(100_000)
    assert pairs(tmp_path, {"one.bin": old}, {"another": new}) == {}


def test_an_empty_file_has_no_likeness(tmp_path):
    m = member(tmp_path, "empty", b"")
    assert (look(m).shape, look(m).sketch) == ("", ())


def test_ten_thousand_files_of_one_series_are_paired_quickly(tmp_path):
    def file(number: int, day: int) -> Kept:
        digest = hashlib.sha256(b"%d %d" % (number, day)).hexdigest()
        return Kept(f"photos/IMG_{number}.jpg", 9000, digest)

    old = [file(number, 1) for number in range(10_000)]
    new = [
        Member(each.path, tmp_path, each.size_bytes, each.sha256)
        for each in (file(number, 2) for number in range(10_000))
    ]
    started = time.process_time()
    found = pair(new, old, lambda _: Kept("", 0, "").likeness)
    assert time.process_time() - started < 5
    assert all(path == kept.path for path, kept in found.items())
    assert len(found) == 10_000
