"""All records of a backup as a CRM's importer takes them, in the order of loading."""

from __future__ import annotations

import csv
import json

import pytest

from appliance.core.errors import ApplianceError
from appliance.core.ports import Watch
from appliance.exports.pack import PAGE, load_order, packed
from tests.exports.days import Days, read
from tests.exports.tables.test_comparing import table

ACCOUNTS = b"Id,Name\r\n0001,Old Mill\r\n"
CONTACTS = 'Id;Name;AccountId;Phone\n7;"Müller; Ana";0001;+49 30 01\n'.encode()
NOTES = json.dumps([{"id": "n1", "text": 'said "yes"\nand left', "zip": "01067"}]).encode()
EXPORT = {
    "Notes.json": NOTES,
    "Contacts.csv": CONTACTS,
    "Accounts.csv": ACCOUNTS,
    "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(20),
    "book.vcf": b"BEGIN:VCARD\r\nUID:1\r\nFN:Ann\r\nEND:VCARD\r\n",
}


@pytest.fixture
def pack(tmp_path):
    """Write a pack of an export; return its folder and the names of its files, in order."""

    def write(files, only=(), into=tmp_path / "back"):
        work = tmp_path / "work"
        for folder in (work, into):
            folder.mkdir(exist_ok=True)
        root = Days(tmp_path / "days").add(files).root
        return into, [path.name for path in packed(root, only, into, work, Watch())]

    return write


def test_files_come_in_the_order_of_loading_as_the_vendor_wrote_them(pack):
    into, names = pack(EXPORT)
    assert names == [
        PAGE,
        "01 accounts.csv",
        "02 book.csv",
        "03 contacts.csv",
        "04 notes.csv",
    ]
    written = read(into)
    assert written["01 accounts.csv"] == ACCOUNTS
    assert written["03 contacts.csv"] == CONTACTS
    assert written["02 book.csv"] == b'"UID","FN"\r\n"1","Ann"\r\n'


def test_what_was_json_becomes_a_file_that_importers_know(pack):
    into, _ = pack(EXPORT)
    with (into / "04 notes.csv").open(newline="", encoding="utf-8") as opened:
        assert list(csv.DictReader(opened)) == json.loads(NOTES)


def test_the_page_names_each_file_and_says_what_to_click(pack):
    into, _ = pack(EXPORT | {"<b>.csv": b"Id,x\n1,2\n"})
    page = (into / PAGE).read_text("utf-8")
    assert "03 contacts.csv</strong>: 1 record, separator: semicolon, encoding: UTF-8" in page
    assert "<strong>01 accounts.csv</strong>: 1 record, separator: comma" in page
    assert "<b>.csv" not in page
    for crm in ("Salesforce", "HubSpot", "Zoho", "Pipedrive", "Odoo", "SuiteCRM", "EspoCRM"):
        assert f"<summary>{crm}" in page


def test_only_some_tables(pack):
    _, names = pack(EXPORT, ["Contacts"])
    assert names == [PAGE, "01 contacts.csv"]


def test_nothing_is_written_where_there_is_no_table(pack):
    into, names = pack({"logo.png": EXPORT["logo.png"]})
    assert (names, list(into.iterdir())) == ([], [])


def test_what_lies_there_is_not_overwritten_and_nothing_is_left(pack, tmp_path):
    into = tmp_path / "back"
    into.mkdir()
    (into / "03 contacts.csv").write_text("mine")
    with pytest.raises(ApplianceError, match="there already"):
        pack(EXPORT)
    assert read(into) == {"03 contacts.csv": b"mine"}


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        (
            {"Deals": "Contact ID", "Contacts": "Account ID", "Accounts": "", "Tasks": ""},
            "Accounts Contacts Deals Tasks",
        ),
        (
            {"Activities": "", "Organizations": "", "People": "", "Pipelines": "", "Users": ""},
            "Users Organizations People Pipelines Activities",
        ),
        ({"Accounts": "warehouse_id", "Warehouses": ""}, "Warehouses Accounts"),
        ({"Contacts": "Account ID", "Accounts": "Contact ID"}, "Accounts Contacts"),
        ({"Accounts": "Account ID"}, "Accounts"),
        ({"Contact_Notes": "", "Contacts": "", "Order_Items": "", "Orders": ""}, None),
    ],
)
def test_what_is_referred_to_comes_first(tmp_path, columns, order):
    from dataclasses import replace

    tables = {
        name: replace(table(tmp_path, name, [["1", "2"]], header=["Id", column or "x"]), name=name)
        for name, column in columns.items()
    }
    expected = order.split() if order else ["Contacts", "Orders", "Order_Items", "Contact_Notes"]
    assert [each.name for each in load_order(tables)] == expected


def test_a_file_in_another_encoding_is_said_to_be_in_it(pack):
    into, _ = pack({"People.csv": "Id;Name\n1;Müller\n".encode("cp1252")})
    assert "separator: semicolon, encoding: Windows-1252" in (into / PAGE).read_text("utf-8")


def test_a_dump_becomes_files_that_importers_know(pack):
    dump = (
        "-- MySQL dump\nCREATE TABLE `contacts` (`id` int, `n` text, PRIMARY KEY (`id`));\n"
        "INSERT INTO `contacts` VALUES (1,'O\\'N'),(2,NULL);\n"
    )
    into, names = pack({"crm.sql": dump.encode()})
    assert names == [PAGE, "01 contacts.csv"]
    assert (into / names[1]).read_bytes() == b'"id","n"\r\n"1","O\'N"\r\n"2",""\r\n'


def test_of_very_many_tables_the_order_is_kept(pack):
    tables = {f"x{a}{b}.csv": b"Id,x\n1,2\n" for a in "abcdefghij" for b in "abcdefghijk"}
    _, names = pack(tables)
    assert names[1:] == sorted(names[1:])
    assert (names[1], names[-1]) == ("001 xaa.csv", "110 xjk.csv")


def test_parts_that_are_written_otherwise_are_files_of_their_own(pack):
    into, names = pack({"Deals_1.csv": b"Id,x\n1,2\n3,4\n", "Deals_2.csv": b"Id;x\n5;6\n"})
    assert names == [PAGE, "01 deals (2).csv", "01 deals.csv"]
    page = (into / PAGE).read_text("utf-8")
    assert "deals.csv</strong>: 2 records, separator: comma" in page
    assert "deals (2).csv</strong>: 1 record, separator: semicolon" in page
