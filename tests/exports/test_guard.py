"""Which exports a person must look at first, and which nobody."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta

import pytest

from appliance.exports import manifest
from tests.exports.days import Days, csv
from tests.exports.tables.test_workbook import book_of

COLUMNS = ["Record Id", "Last Name", "Phone", "Modified Time"]


def contacts(numbers, changed=(), day="2026-11-20"):
    rows = [
        f"zcrm_{n:06},Name {n},{'' if n % 7 == 3 else f'030 {n + (10**6 if n in changed else 0)}'},"
        f"{day if n in changed else '2026-11-01'}"
        for n in numbers
    ]
    return [",".join(COLUMNS), *rows]


@pytest.fixture
def days(tmp_path):
    return Days(tmp_path)


def held_of(days, *exports):
    """Lay out one export after the other; return why the last was held, and the earlier ones."""
    found = [days.add(each).held for each in exports]
    return found[-1], found[:-1]


MOBILE = [line.replace(",Phone,", ",Mobile,") for line in contacts(range(500))]
WITHOUT = [",".join(line.split(",")[:2] + line.split(",")[3:]) for line in contacts(range(500))]
ALL = {"Contacts.csv": csv(contacts(range(500))), "Deals.csv": csv(contacts(range(50)))}


def test_the_first_export_is_taken_as_it_is(days):
    assert days.add(ALL).held == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"Contacts.csv": csv(contacts(range(88)))}, "412 contacts", id="deleted"),
        pytest.param({"Contacts.csv": csv(contacts([]))}, "contacts is empty", id="emptied"),
        pytest.param({"Contacts.csv": b""}, "contacts is missing", id="no byte"),
        pytest.param({"Contacts.csv": None}, "contacts is missing", id="table left out"),
        pytest.param(
            {"Contacts.csv": ALL["Contacts.csv"][: len(ALL["Contacts.csv"]) // 2]},
            "contacts that were there",
            id="cut",
        ),
        pytest.param(
            {"Contacts.csv": b"<!DOCTYPE html>\n<html><head><title>Login</title></head></html>"},
            "is a web page",
            id="login page",
        ),
        pytest.param(
            {"Contacts.csv": csv(WITHOUT)},
            "contacts lack Phone",
            id="column gone",
        ),
        pytest.param(
            {"Contacts.csv": csv([",".join(COLUMNS)] + [
                f"zcrm_{n:06},Name {n},,2026-11-01" for n in range(500)])},
            "Phone is empty for all contacts",
            id="column emptied",
        ),
        pytest.param(
            {"Contacts.csv": csv(contacts([n // 2 for n in range(500)]))},
            "contacts",
            id="ids repeat",
        ),
    ],
)  # fmt: skip
def test_what_looks_wrong_is_held_and_says_why(days, change, words):
    wrong = {name: data for name, data in {**ALL, **change}.items() if data is not None}
    why, before = held_of(days, ALL, wrong)
    assert before == [()]
    assert any(words in reason for reason in why), why


def test_a_column_that_is_only_called_otherwise_is_told_and_not_held(days):
    days.add(ALL)
    found = days.add(ALL | {"Contacts.csv": csv(MOBILE)})
    assert found.held == ()
    assert found.changes == "contacts: Phone is called Mobile."


def test_an_export_that_is_older_than_the_last_is_held(days):
    newer = {"Contacts.csv": csv(contacts(range(500), changed=range(20), day="2026-11-21"))}
    why, _ = held_of(days, ALL, ALL | newer, ALL)
    assert any("older than the ones before" in reason for reason in why), why


def test_a_count_out_of_the_band_of_the_last_is_held(days):
    exports = [ALL | {"Deals.csv": csv(contacts(range(50 + day)))} for day in range(8)]
    many = ALL | {"Deals.csv": csv(contacts(range(900)))}
    why, before = held_of(days, *exports, many)
    assert set(before) == {()}
    assert any("There are 900 deals" in reason for reason in why), why


class Shop:
    """An office in which people come, go and are edited; its list grows, and shrinks a little."""

    def __init__(self) -> None:
        self.chance = random.Random(1)
        self.there = dict.fromkeys(range(300), ("030", "2026-11-01"))

    def night(self, number: int) -> dict[str, bytes]:
        """Return what its CRM exports after another day of work; on some nothing was done."""
        chance, today = self.chance, str(date(2026, 12, 1) + timedelta(number))
        if number % 7 < 5:
            new = 150 if number == 60 else chance.randrange(5)
            self.there |= {1000 * (number + 1) + n: ("040", today) for n in range(new)}
            gone = len(self.there) // 10 if number == 120 else chance.randrange(3)
            for person in chance.sample(sorted(self.there), gone):
                del self.there[person]
            for edited in chance.sample(sorted(self.there), chance.randrange(12)):
                self.there[edited] = (str(chance.randrange(10**6)), today)
        people = [(str(n), f"Name {n}", *said) for n, said in self.there.items()]
        few = people[:40]
        chance.shuffle(people)
        chance.shuffle(few)
        return self.written(people, few, today, has_more=number > 100)

    def written(self, people, few, today, has_more):
        """In every way that there is; after a hundred nights the table has a column more."""
        more = ["New"] if has_more else []
        header = ["Id", "Name", "Phone", "Modified Time"]
        objects = [dict(zip(header, row, strict=True)) for row in few]
        values = ",".join(f"({n},'{name}','{phone}')" for n, name, phone, _ in few)
        return {
            f"contacts-{today}.csv": csv([",".join(row) for row in [header + more, *people]]),
            "People.json": json.dumps(objects).encode(),
            "Office.xlsx": book_of(Staff=[header + more, *few], Firms=[["Id", "Firm"], [1, "A"]]),
            "crm.sql": f"-- MySQL\nINSERT INTO `users` (`id`,`n`,`p`) VALUES {values};\n".encode(),
            "friends.vcf": "".join(
                f"BEGIN:VCARD\nUID:{n}\nFN:{name}\nTEL:{phone}\nEND:VCARD\n"
                for n, name, phone, _ in few
            ).encode(),
        }


@pytest.mark.slow
def test_two_hundred_nights_of_an_office_are_not_held(days):
    shop = Shop()
    held = {night: days.add(shop.night(night)).held for night in range(200)}
    assert len([night for night, why in held.items() if why]) <= 2, held


def test_the_manifest_says_what_was_found(days):
    days.add(ALL)
    layout = days.add(ALL | {"Contacts.csv": csv(contacts(range(80)))})
    content, _ = manifest.load(layout.root)
    assert content.held == layout.held
    (told,) = (table for table in content.tables if table["name"] == "contacts")
    assert told["since"]["removed"] == 420
    assert told["earlier"] == [500]
    assert told["id"] == ["Record Id"]
