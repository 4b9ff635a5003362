"""Records of an office: told in words, compared, and given back one by one."""

from __future__ import annotations

import csv
import io

import pytest

from tests.system.office import Office, put, zipped

pytestmark = pytest.mark.slow
HEADER = ["Record Id", "Last Name", "Phone", "Modified Time"]


def rows_of(numbers, changed=()):
    return [
        [
            f"zcrm_{number:09}",
            f"Müller, Ana {number}",
            "+49 30 0" if number in changed else f"030 0{number}",
            "2026-11-20",
        ]
        for number in numbers
    ]


def written(rows):
    """As this vendor writes: a mark, semicolons, all in quotes, lines as Windows ends them."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL).writerows([HEADER, *rows])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Two days: on the second twelve are gone, three are changed and two are new."""
    office = Office(tmp_path_factory.mktemp("office"))
    inbox = office.inbox()
    office.disk()
    put(inbox, "Data.zip", zipped({"Contacts_001.csv": written(rows_of(range(400)))}))
    office.ok("run")
    stayed = [number for number in range(402) if not 100 <= number < 112]
    today = written(rows_of(stayed, changed={5, 6, 7})[::-1])
    put(inbox, "Data.zip", zipped({"Contacts_001.csv": today}))
    office.ok("run")
    return office


@pytest.fixture
def first_day(office):
    return min(one["archive"]["time"] for one in office.json("archives"))


def test_a_run_says_what_became_of_the_records(office):
    (newest,) = office.json("history", "--limit", "1")
    assert newest["message"].startswith("2 new contacts, 3 changed, 12 removed. ")


def test_changes_are_told_record_by_record(office):
    told = office.json("changes", "by-hand")
    (contacts,) = told["tables"]
    counts = {key: contacts[key] for key in ("added", "changed", "removed")}
    assert counts == {"added": 2, "changed": 3, "removed": 12}
    assert contacts["id_columns"] == ["Record Id"]
    changed = [one for one in contacts["records"] if one["kind"] == "changed"]
    assert changed[0]["fields"] == {"Phone": ["030 05", "+49 30 0"]}
    said = office.ok("changes", "by-hand", "--limit", "1")
    assert "contacts: 2 added, 3 changed, 12 removed" in said
    assert "and 16 more" in said


def test_who_is_gone_comes_back_as_the_vendor_wrote_it(office, first_day, tmp_path):
    since = ["--removed-since", first_day, "--table", "Contacts"]
    office.ok("restore", "by-hand", *since, "--to", tmp_path / "back")
    (file,) = (path for path in (tmp_path / "back").rglob("*") if path.is_file())
    assert file.name == "Contacts_001.csv"
    assert file.read_bytes() == written(rows_of(range(100, 112)))


def test_what_was_changed_comes_back_as_it_was(office, first_day, tmp_path):
    office.ok("restore", "by-hand", "--changed-since", first_day, "--to", tmp_path / "back")
    file = tmp_path / "back/Data.zip/Contacts_001.csv"
    assert sorted(file.read_bytes().splitlines()) == sorted(
        written(rows_of([5, 6, 7])).splitlines()
    )


def test_one_record_by_its_id(office, first_day, tmp_path):
    how = ["--record", "000000105", "--at", first_day]
    office.ok("restore", "by-hand", *how, "--to", tmp_path / "back")
    assert (tmp_path / "back/Data.zip/Contacts_001.csv").read_bytes() == written(rows_of([105]))


def test_what_is_not_there_is_said(office, first_day, tmp_path):
    none = office.call("restore", "by-hand", "--record", "7777", "--to", tmp_path / "none")
    assert none.returncode == 1
    assert "No such record: there is no 7777 in the backup of" in none.stderr
    both = ["--removed-since", "yesterday", "--record", "1", "--to", tmp_path / "both"]
    assert office.call("restore", "by-hand", *both).returncode == 2
    strange = ["--removed-since", first_day, "--table", "Deals", "--to", tmp_path / "deals"]
    assert "no such table" in office.call("restore", "by-hand", *strange).stderr


def test_all_of_it_comes_as_an_import_pack(office, first_day, tmp_path):
    pack = ("restore", "by-hand", "--import-pack", "--at", first_day, "--to", tmp_path / "back")
    said = office.ok(*pack)
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == [
        "01 contacts.csv",
        "HOW-TO-IMPORT.html",
    ]
    assert said.splitlines()[-1].endswith("01 contacts.csv")
    assert (tmp_path / "back" / "01 contacts.csv").read_bytes() == written(rows_of(range(400)))
    again = office.call(*pack)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert "fault" not in again.stderr
    both = office.call(*pack, "--original")
    assert (both.returncode, "Give one of" in both.stderr) == (2, True)


def test_lost_records_overwrite_nothing(office, first_day, tmp_path):
    lost = ("restore", "by-hand", "--removed-since", first_day, "--to", tmp_path)
    office.ok(*lost)
    again = office.call(*lost)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def test_who_is_in_an_address_book_twice_is_told(tmp_path):
    card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{0}\r\nFN:{1}\r\nEMAIL:{2}\r\nEND:VCARD\r\n"
    book = [
        ("1", "Ann Meyer", "a@x.example"),
        ("2", "Bo", "b@x.example"),
        ("3", "Ann", "A@X.example"),
    ]
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    put(office.inbox(), "book.vcf", "".join(card.format(*each) for each in book).encode())
    office.disk()
    office.ok("run")
    *_, table, shared, first, second = office.ok("duplicates", "by-hand").splitlines()
    assert table == "  book: 2 entries look like 1"
    assert [shared, first, second] == [
        "    a@x.example",
        "      Ann Meyer (1)",
        "      Ann (3)",
    ]
    (twins,) = office.json("duplicates", "by-hand")["tables"]["book"]
    assert [record["id"] for record in twins["records"]] == ["1", "3"]
    refused = office.call("duplicates", "by-hand", "--table", "Deals")
    assert (refused.returncode, "no such table" in refused.stderr) == (1, True)


def test_a_list_without_duplicates_says_so(office):
    assert "contacts: nobody is there twice" in office.ok("duplicates", "by-hand")


def test_E11_what_stands_in_a_record_is_one_short_line_and_orders_no_terminal(tmp_path):
    office = Office(tmp_path)
    inbox = office.inbox()
    office.disk()
    trick = "Ana\x1b]0;mine\x07\n" + "and so on " * 50
    for name in ("Ana", trick):
        put(inbox, "Data.zip", zipped({"Contacts.csv": written([["1", name, "030", "x"]])}))
        office.ok("run")
    said = office.ok("changes", "by-hand")
    assert "Last Name: Ana -> Ana]0;mine and so on" in said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) < 160
    ((record,),) = (one["records"] for one in office.json("changes", "by-hand")["tables"])
    assert record["fields"]["Last Name"] == ["Ana", trick]
