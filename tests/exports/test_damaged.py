"""Forty damaged exports of an office: each is refused or held, none is taken for a good one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping

import pytest

from appliance.core.errors import ExportUnsafe
from appliance.core.ports import Watch
from appliance.exports.layout import ExportFolder
from tests.exports.days import csv, export_of
from tests.exports.packing import tar_of, zip_of
from tests.exports.tables.test_workbook import book_of

Files = Mapping[str, bytes]
HEADER = ["Record Id", "Last Name", "Phone", "Note", "Modified Time"]
PAGE = b"<!DOCTYPE html>\n<html><head><title>Login</title></head><body></body></html>"
COUNT = 300


def rows(count: int = COUNT, day: int = 20) -> list[list[str]]:
    return [
        [f"zcrm_{n:06}", f"Müller {n}", f"030 {n}", f"a long note {n}", f"2026-11-{1 + n % day:02}"]
        for n in range(count)
    ]


def contacts(table: list[list[str]], header: list[str] = HEADER) -> bytes:
    return csv([",".join(row) for row in [header, *table]])


def deals(count: int = COUNT) -> bytes:
    return json.dumps(
        [{"id": n, "title": f"Deal {n}", "value": n * 10} for n in range(count)]
    ).encode()


def cards(count: int = COUNT) -> bytes:
    return "".join(
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{n}\r\nFN:Ann {n}\r\nTEL:030 {n}\r\nEND:VCARD\r\n"
        for n in range(count)
    ).encode()


def dump(count: int = COUNT) -> bytes:
    values = ",".join(f"({n},'Ann {n}')" for n in range(count))
    return (
        "-- MySQL dump\nCREATE TABLE `users` (`id` int, `n` text, PRIMARY KEY (`id`));\n"
        f"INSERT INTO `users` VALUES {values};\n"
        "CREATE TABLE `roles` (`id` int, PRIMARY KEY (`id`));\n"
        "INSERT INTO `roles` VALUES (1),(2),(3);\n-- Dump completed\n"
    ).encode()


def book(count: int = COUNT) -> bytes:
    return book_of(
        People=[["Id", "Name"], *([n, f"Ann {n}"] for n in range(count))],
        Firms=[["Id", "Firm"], [1, "A"], [2, "B"]],
    )


CONTACTS, DEALS, CARDS, DUMP, BOOK = contacts(rows()), deals(), cards(), dump(), book()
GOOD = {
    "Contacts.csv": CONTACTS,
    "Deals.json": DEALS,
    "Friends.vcf": CARDS,
    "crm.sql": DUMP,
    "Office.xlsx": BOOK,
    "Data.zip": zip_of({"Leads.csv": CONTACTS, "Notes.csv": contacts(rows(40))}),
    "old.csv.gz": gzip.compress(contacts(rows(50)), mtime=0),
}


def cut(name: str, share: float) -> Callable[[], Files]:
    return lambda: {name: GOOD[name][: int(len(GOOD[name]) * share)]}


def made(name: str, data: Callable[[], bytes | None]) -> Callable[[], Files]:
    return lambda: {name: data()}


def older() -> Files:
    """Yesterday's file once more: an edit of today is undone in it."""
    was = [[*row[:2], "040", *row[3:]] if row[0] < "zcrm_000005" else row for row in rows(day=19)]
    return {"Contacts.csv": contacts(was)}


def changed(change: Callable[[list[str]], list[str]], header: list[str] = HEADER) -> bytes:
    return contacts([change(row) for row in rows()], header)


def emptied_dump() -> bytes:
    return dump(0).replace(b"INSERT INTO `users` VALUES ;", b"")


def with_another_delimiter() -> bytes:
    header, below = CONTACTS.split(b"\r\n", 1)
    return header + b"\r\n" + below.replace(b",", b"|")


DAMAGED: dict[str, Callable[[], Files]] = {
    **{f"contacts cut at {share}": cut("Contacts.csv", share) for share in (0, 0.1, 0.5, 0.97)},
    **{f"deals cut at {share}": cut("Deals.json", share) for share in (0, 0.02, 0.5, 0.98)},
    **{f"cards cut at {share}": cut("Friends.vcf", share) for share in (0, 0.4, 0.99)},
    **{f"dump cut at {share}": cut("crm.sql", share) for share in (0, 0.1, 0.5, 0.9)},
    **{f"workbook cut at {share}": cut("Office.xlsx", share) for share in (0, 0.5, 0.99)},
    **{f"ZIP cut at {share}": cut("Data.zip", share) for share in (0.2, 0.5, 0.99)},
    "gzip cut": cut("old.csv.gz", 0.8),
    "a page instead of the table": made("Contacts.csv", lambda: PAGE),
    "a page instead of JSON": made("Deals.json", lambda: b"\n " + PAGE),
    "a page instead of the dump": made("crm.sql", lambda: PAGE),
    "a page instead of the workbook": made("Office.xlsx", lambda: PAGE),
    "a page within the ZIP": made(
        "Data.zip", lambda: zip_of({"Leads.csv": PAGE, "Notes.csv": contacts(rows(40))})
    ),
    "an error in JSON": made("Deals.json", lambda: b'{"error": "token expired"}'),
    "a file is missing": made("Contacts.csv", lambda: None),
    "a member is missing": made("Data.zip", lambda: zip_of({"Leads.csv": CONTACTS})),
    "a table of the dump is missing": made("crm.sql", lambda: DUMP.split(b"CREATE TABLE `r")[0]),
    "a sheet is missing": made("Office.xlsx", lambda: book_of(People=[["Id", "Name"], [1, 2]])),
    "only the header": made("Contacts.csv", lambda: contacts([])),
    "an empty list": made("Deals.json", lambda: b"[]"),
    "an empty table in the dump": made("crm.sql", emptied_dump),
    "a third is gone": made("Contacts.csv", lambda: contacts(rows()[::3] + rows()[1::3])),
    "others than yesterday's": made("Deals.json", lambda: deals().replace(b'"id": ', b'"id": 9')),
    "ten times as many": made("Friends.vcf", lambda: cards(10 * COUNT)),
    "a column lost": made(
        "Contacts.csv", lambda: changed(lambda row: row[:3] + row[4:], HEADER[:3] + HEADER[4:])
    ),
    "a column emptied": made(
        "Contacts.csv", lambda: changed(lambda row: [*row[:2], "", *row[3:]])
    ),
    "the header lost": made("Contacts.csv", lambda: CONTACTS.split(b"\r\n", 1)[1]),
    "ids repeat": made("Contacts.csv", lambda: contacts(rows()[:150] * 2)),
    "the id column emptied": made("Contacts.csv", lambda: changed(lambda row: ["", *row[1:]])),
    "another delimiter in the rows": made("Contacts.csv", with_another_delimiter),
    "an older one": older,
    "zeros": made("Contacts.csv", lambda: bytes(len(CONTACTS))),
    "a locked workbook": made("Office.xlsx", lambda: b"\xd0\xcf\x11\xe0" + bytes(9000)),
    "a cut tar": made("Data.zip", lambda: tar_of({"Leads.csv": CONTACTS})[:4000]),
}  # fmt: skip


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory):
    """The archive of nine good nights, the last of which is the one before."""
    folder = tmp_path_factory.mktemp("yesterday")
    before = None
    for night in range(9):
        before = lay_out(folder / str(night), GOOD, before)
        assert before.held == ()
        before = before.root
    return before


def lay_out(folder, files, before):
    folder.mkdir()
    (folder / "work").mkdir()
    export = export_of(
        folder / "pull", {name: data for name, data in files.items() if data is not None}
    )
    return ExportFolder().lay_out(export, before, folder / "work", Watch())


def test_there_are_forty():
    assert len(DAMAGED) >= 40


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_it_is_held_or_refused(yesterday, tmp_path, damage):
    try:
        layout = lay_out(tmp_path / "today", {**GOOD, **damage()}, yesterday)
    except ExportUnsafe:
        return
    assert layout.held
    assert all(reason.endswith(".") for reason in layout.held)


def test_the_same_once_more_is_not(yesterday, tmp_path):
    assert lay_out(tmp_path / "today", GOOD, yesterday).held == ()
