"""Which exports a person must look at first, and which nobody."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from appliance.exports import manifest
from tests.exports.days import Days, csv

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


FAX = [line.replace(",Phone,", ",Fax,") for line in contacts(range(500))]
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
            {"Contacts.csv": csv(FAX)},
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


def test_two_hundred_nights_of_an_office_are_not_held(days):
    """People come, go and are edited; a list grows, shrinks a little, a column is new."""
    chance = random.Random(1)
    there = dict.fromkeys(range(500), ("030", "2026-11-01"))
    held = []
    for night in range(200):
        today = str(date(2026, 12, 1) + timedelta(night))
        there |= {1000 + night * 10 + n: ("040", today) for n in range(chance.randrange(5))}
        for gone in chance.sample(sorted(there), chance.randrange(3)):
            del there[gone]
        for edited in chance.sample(sorted(there), chance.randrange(12)):
            there[edited] = (f"{chance.randrange(10**6)}", today)
        lines = [f"zcrm_{n:06},Name {n},{phone},{day}" for n, (phone, day) in there.items()]
        chance.shuffle(lines)
        new = ",New" if night > 100 else ""
        rows = [f"{','.join(COLUMNS)}{new}", *(line + new[:1] for line in lines)]
        held += days.add({**ALL, "Contacts.csv": csv(rows)}).held
    assert len(held) <= 2, held


def test_the_manifest_says_what_was_found(days):
    days.add(ALL)
    layout = days.add(ALL | {"Contacts.csv": csv(contacts(range(80)))})
    content, _ = manifest.load(layout.root)
    assert content.held == layout.held
    (told,) = (table for table in content.tables if table["name"] == "contacts")
    assert told["since"]["removed"] == 420
    assert told["earlier"] == [500]
    assert told["id"] == ["Record Id"]
