"""What the exports of twelve CRMs look like: names, headers, quoting, encodings, as their own
documentation and code have them; two days of each.

On the second day of each the first person's phone is another, the second is gone and one is new;
whatever the vendor changes by itself has changed, too, and so has the order.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.exports.packing import zip_of
from tests.exports.tables.test_workbook import book_of

ANN, BOB, CY, DI = range(1, 5)
NAMES = {ANN: "Müller, Ana", BOB: 'Bob "B" Børge', CY: "Cyrill\nZweig", DI: "Di Neu"}
DAYS = {1: [ANN, BOB, CY], 2: [DI, CY, ANN]}


def phone(person: int, day: int) -> str:
    """Leading zeros and all; Ann has another one on the second day."""
    return "0049 30 2" if (person, day) == (ANN, 2) else f"0049 30 {person}"


def moment(day: int) -> str:
    """When a vendor says that it wrote this."""
    return f"2026-11-{19 + day} 03:00:00"


@dataclass(frozen=True)
class Shape:
    """One CRM's export."""

    files: Callable[[int], Mapping[str, bytes]]
    """By the day, 1 or 2."""
    table: str
    id: tuple[str, ...]
    """The column by which a record is known; none where the vendor writes none."""
    phone: str = "Phone"
    ignore: tuple[str, ...] = ()


def written(
    rows: list[list[str]], delimiter: str = ",", end: str = "\r\n", *, quoted: bool = False
) -> str:
    """CSV as the vendor writes it."""
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return out.getvalue()


def _salesforce(day: int) -> Mapping[str, bytes]:
    """The weekly ZIPs: one object in two of them, and a part that is there twice."""
    rows = [[f"0035g00000AbCd{p}AAV", NAMES[p], phone(p, day), moment(day)] for p in DAYS[day]]
    header = ["Id", "LastName", "Phone", "SystemModstamp"]
    parts = [
        written([header, *some], end="\n", quoted=True).encode() for some in (rows[:2], rows[2:])
    ]
    name = f"WE_00D5g0000012abcEAA_{day}"
    return {
        f"{name}1.ZIP": zip_of({"Contact.csv": parts[0], "Account.csv": b'"Id","Name"\n"1","A"\n'}),
        f"{name}2.ZIP": zip_of({"Contact.csv": parts[1], "Account.csv": b'"Id","Name"\n"1","A"\n'}),
    }


def _salesforce_report(day: int) -> Mapping[str, bytes]:
    rows = [[f"0035g00000AbCd{p}", NAMES[p], phone(p, day)] for p in DAYS[day]]
    text = written([["Contact ID", "Name", "Phone"], *rows], end="\n")
    foot = (
        f'\n\n"All contacts"\n"Copyright (c) 2000-2026 salesforce.com, inc."\nBy: {moment(day)}\n'
    )
    return {f"Contacts report {day}.csv": (text + foot).encode("cp1252")}


def _hubspot(day: int) -> Mapping[str, bytes]:
    rows = [[f"1510{p}", NAMES[p], phone(p, day)] for p in DAYS[day]]
    text = written([["Record ID", "Last Name", "Phone Number"], *rows], end="\n", quoted=True)
    return {f"hubspot-crm-exports-all-contacts-2026-11-{19 + day}.csv": text.encode()}


def _zoho(day: int) -> Mapping[str, bytes]:
    header = ["Record Id", "Created By Id", "Last Name", "Phone", "Modified Time"]
    rows = [[f"zcrm_5540{p}", "zcrm_1", NAMES[p], phone(p, day), moment(day)] for p in DAYS[day]]
    files = {
        f"Contacts_00{n}.csv": written([header, row]).encode() for n, row in enumerate(rows, 1)
    }
    return {"Data_001.zip": zip_of({"Data/" + name: data for name, data in files.items()})}


def _pipedrive(day: int) -> Mapping[str, bytes]:
    people = [
        {"id": p, "name": NAMES[p], "Phone": phone(p, day), "org_id": {"name": "A", "value": 7}}
        for p in DAYS[day]
    ]
    return {"persons.json": json.dumps({"success": True, "data": people}).encode()}


def _dataverse(day: int) -> Mapping[str, bytes]:
    header = [
        "(Do Not Modify) Contact", "(Do Not Modify) Row Checksum", "(Do Not Modify) Modified On",
        "Full Name", "Phone",
    ]  # fmt: skip
    rows = [[f"4f0c-{p}", f"sum{day}{p}", moment(day), NAMES[p], phone(p, day)] for p in DAYS[day]]
    data = book_of(**{"All Contacts": [header, *rows], "hiddenSheet": [["contact:all"]]})
    return {f"Contacts 11-{19 + day}-2026 3-00-00 AM.xlsx": data}


def _odoo(day: int) -> Mapping[str, bytes]:
    rows = []
    for p in DAYS[day]:
        rows.append([f"__export__.res_partner_{p}", NAMES[p], phone(p, day), "Invoice"])
        rows.append(["", "", "", f"Delivery {p}"])
    header = ["id", "name", "Phone", "child_ids/name"]
    return {"Contact (res.partner).csv": written([header, *rows], quoted=True).encode()}


def _odoo_dump(day: int) -> Mapping[str, bytes]:
    lines = "".join(f"{p}\t{NAMES[p]}\t{phone(p, day)}\n".replace("\nZ", "\\nZ") for p in DAYS[day])
    text = (
        "-- PostgreSQL database dump\nSET client_encoding = 'UTF8';\n"
        'CREATE TABLE public.res_partner (id integer NOT NULL, name text, "Phone" text);\n'
        f'COPY public.res_partner (id, name, "Phone") FROM stdin;\n{lines}\\.\n'
        "ALTER TABLE ONLY public.res_partner ADD CONSTRAINT k PRIMARY KEY (id);\n"
    )
    return {f"crm_2026-11-{19 + day}_03-00-00.zip": zip_of({"dump.sql": text.encode()})}


def _suitecrm(day: int) -> Mapping[str, bytes]:
    rows = [[NAMES[p], f"a{p}-b", phone(p, day)] for p in DAYS[day]]
    text = written([["Last Name", "ID", "Phone"], *rows], ";", quoted=True)
    return {"Contacts.csv": text.encode("cp1252")}


def _civicrm_dump(day: int) -> Mapping[str, bytes]:
    def value(text: str) -> str:
        return "'" + text.replace("'", "\\'").replace("\n", "\\n") + "'"

    rows = ",".join(f"({p},{value(NAMES[p])},{value(phone(p, day))})" for p in DAYS[day])
    text = (
        "-- MySQL dump 10.13\n/*!40101 SET NAMES utf8mb4 */;\n"
        "CREATE TABLE `civicrm_contact` (\n `contact_id` int NOT NULL,\n `display_name` text,\n"
        " `Phone` text,\n PRIMARY KEY (`contact_id`)\n);\n"
        f"INSERT INTO `civicrm_contact` VALUES {rows};\n-- Dump completed on {moment(day)}\n"
    )
    return {f"backup-11.{19 + day}.2026_03-00-00_user.sql": text.encode()}


def _espocrm(day: int) -> Mapping[str, bytes]:
    rows = [[f"5f{p}", NAMES[p], phone(p, day), '["a","b"]'] for p in DAYS[day]]
    text = written([["id", "name", "Phone", "tags"], *rows], ";", "\n")
    return {"Export_Contact.csv": b"\xef\xbb\xbf" + text.encode()}


def _insightly(day: int) -> Mapping[str, bytes]:
    people = [
        {"CONTACT_ID": p, "OWNER_USER_ID": 1, "LAST_NAME": NAMES[p], "Phone": phone(p, day)}
        for p in DAYS[day]
    ]
    return {"Contacts.json": json.dumps(people, indent=1).encode()}


def _vtiger(day: int) -> Mapping[str, bytes]:
    rows = [[NAMES[p], phone(p, day), "x"] for p in DAYS[day]]
    return {"Contacts.csv": written([["Last Name", "Phone", "Office"], *rows]).encode()}


def _google(day: int) -> Mapping[str, bytes]:
    people = [
        {"resourceName": f"people/c{p}", "names": NAMES[p], "Phone": phone(p, day)}
        for p in DAYS[day]
    ]
    return {"people.jsonl": "".join(json.dumps(one) + "\n" for one in people).encode()}


def _nextcloud(day: int) -> Mapping[str, bytes]:
    cards = "".join(
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u{p}\r\nFN:{NAMES[p][:3]}\r\n {NAMES[p][3:]!a}\r\n"
        f"TEL:{phone(p, day)}\r\nREV:{moment(day)}\r\nEND:VCARD\r\n"
        for p in DAYS[day]
    )
    return {f"friends-2026-11-{19 + day}.vcf": cards.encode()}


SHAPES = {
    "Salesforce, weekly": Shape(_salesforce, "contact", ("Id",), ignore=("SystemModstamp",)),
    "Salesforce, report": Shape(_salesforce_report, "contacts report", ("Contact ID",)),
    "HubSpot": Shape(_hubspot, "hubspot crm exports all contacts", ("Record ID",), "Phone Number"),
    "Zoho": Shape(_zoho, "contacts", ("Record Id",), ignore=("Modified Time",)),
    "Pipedrive": Shape(_pipedrive, "persons", ("id",)),
    "Dynamics 365": Shape(_dataverse, "contacts", ("(Do Not Modify) Contact",)),
    "Odoo": Shape(_odoo, "contact (res.partner)", ("id",)),
    "Odoo, database": Shape(_odoo_dump, "res_partner", ("id",)),
    "SuiteCRM": Shape(_suitecrm, "contacts", ("ID",)),
    "CiviCRM, database": Shape(_civicrm_dump, "civicrm_contact", ("contact_id",)),
    "EspoCRM": Shape(_espocrm, "export contact", ("id",)),
    "Insightly": Shape(_insightly, "contacts", ("CONTACT_ID",)),
    "vTiger": Shape(_vtiger, "contacts", ()),
    "Google": Shape(_google, "people", ("resourceName",)),
    "Nextcloud": Shape(_nextcloud, "friends", ("UID",), "TEL"),
}
