"""Whom a request to be erased means: nobody else goes, and what is not looked at is said."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest

from appliance.core.ports import Watch
from appliance.exports.layout import ExportFolder
from appliance.exports.meant import Meant, Seen, Wanted
from appliance.exports.pseudonyms import Pseudonyms
from appliance.exports.tables.grouping import TableRule
from tests.exports.days import Days, csv, table
from tests.exports.packing import zip_of
from tests.exports.tables.test_workbook import book_of
from tests.exports.test_erasing import LINE, WHO, empty, erased, restored, says

KEY = b"a key for these tests"
HER = Wanted(text=WHO)


@pytest.fixture
def days(tmp_path):
    return Days(tmp_path)


def looked(days, roots, wanted):
    """What is seen of somebody over these backups, and in each of them."""
    seen, here = Seen(), []
    for root in roots:
        work = empty(days.folder, f"look-{len(list(days.folder.iterdir()))}")
        here.append(seen.look(root, wanted, work, Watch()))
    return seen, here


def titles(seen):
    return sorted(one.title for one in seen.records.values())


def test_an_id_that_several_people_have_takes_none_of_the_others_with_her(days):
    alone = ["Course,Name,City", f"C7,{WHO},Ulm", "C8,Bo,Bonn"]
    together = ["Course,Name,City", f"C7,{WHO},Ulm", "C7,Bo,Bonn", "C7,Cy,Köln"]
    rules = (TableRule("participants", id=("Course",)),)
    roots = [days.add({"participants.csv": csv(one)}).root for one in (alone, together)]
    days.exports = ExportFolder(rules=rules)
    seen, _ = looked(days, roots, HER)
    assert titles(seen) == [WHO] * len(seen.records)
    first, second = erased(days, roots, seen.records)
    assert b"Bo" in restored(days.folder, first)["participants.csv"]
    assert restored(days.folder, second)["participants.csv"] == csv(
        [line for line in together if WHO not in line]
    )


@pytest.mark.parametrize("wanted", [HER, Wanted(record="2")])
def test_two_lists_of_one_json_may_have_the_same_id(days, wanted):
    deals = [{"id": 2, "name": "Deal of Bo"}, {"id": 3, "name": "Deal of Cy"}]
    people = [{"id": 2, "name": WHO}, {"id": 4, "name": "Bo"}]
    whole = {"contacts": people, "deals": deals}
    root = days.add({"crm.json": json.dumps(whole).encode()}).root
    seen, _ = looked(days, [root], wanted)
    meant = [WHO] if wanted is HER else ["Deal of Bo", WHO]
    assert titles(seen) == meant
    (layout,) = erased(days, [root], seen.records)
    left = json.loads(restored(days.folder, layout)["crm.json"])
    assert left["contacts"] == people[1:]
    assert left["deals"] == (deals if wanted is HER else deals[1:])


def test_who_had_her_id_before_her_is_named(days):
    before, after = (["Id,Name", f"17,{name}", "18,Bo"] for name in ("Schmidt", WHO))
    roots = [days.add({"a.csv": csv(one)}).root for one in (before, after)]
    seen, _ = looked(days, roots, HER)
    assert [one.also for one in seen.records.values()] == [()]
    earlier = seen.look(roots[0], HER, empty(days.folder, "again"), Watch())
    assert earlier.marks == frozenset(seen.records)
    (one,) = seen.records.values()
    assert (one.title, one.also) == (WHO, ("Schmidt",))
    assert one.was_another


@pytest.mark.parametrize(
    ("title", "also", "is_another"),
    [
        ("Hedwig Meyer", ("Hedwig Abendroth",), True),
        ("HEDWIG", ("hedwig abendroth", "Hedwig"), False),
        ("Hedwig", (), False),
        ("Hedwig", ("masked-0123456789abcdef", ""), False),
        ("Hedwig", ("Schmidt",), True),
        ("Krause GmbH", ("Schmidt GmbH",), True),
        ("Hedwig", (*(f"Hedwig {n}" for n in range(9)), "Otto"), True),
    ],
)
def test_a_name_that_is_longer_or_shorter_is_the_same_person(title, also, is_another):
    assert Meant("contacts", "1", title).also_called(*also).was_another == is_another


def test_she_is_still_there_where_her_id_is_however_she_is_called_now(days):
    roots = [
        days.add({"a.csv": csv([*table(9), LINE.replace(WHO, name)])}).root
        for name in (WHO, "Hedwig Meier")
    ]
    seen, here = looked(days, roots, HER)
    assert here[1].marks == frozenset(seen.records)


def test_what_is_said_of_her_beside_the_records_is_told(days):
    people = [["Id", "Name"], [1, "Ann"], [2, WHO]]
    files = {
        "envelope.json": json.dumps({"by": WHO, "rows": [{"id": 2, "n": WHO}, {"id": 3}]}).encode(),
        "footer.csv": csv(["Id,Name,City", f"2,{WHO},Ulm", "3,Ann,Bonn", f"made for {WHO}"]),
        "book.xlsx": book_of(People=people, Notes=[[f"ask {WHO}"]]),
        "plain.csv": csv(["Id,Name", f"2,{WHO}", "3,Hedwig Z", "4,Abendroth Y"]),
        "plain.json": json.dumps(
            [{"id": 1, "n": "Hedwig Z"}, {"id": 2, "n": "Abendroth"}]
        ).encode(),
        "clean.xlsx": book_of(People=people),
        "logo.bin": bytes(range(256)) * 9,
    }
    root = days.add(files).root
    seen, _ = looked(days, [root], HER)
    assert seen.elsewhere - {"footer.csv"} == {"envelope.json", "book.xlsx"}
    assert "logo.bin" in seen.unread
    (layout,) = erased(days, [root], seen.records)
    left = restored(days.folder, layout)["footer.csv"]
    assert (WHO.encode() in left) == ("footer.csv" in seen.elsewhere)


def test_a_closed_zip_is_said_to_be_unread(days):
    inner = zip_of({"x.csv": csv(["Id,Name", f"2,{WHO}"])})
    deep = zip_of({"c.zip": zip_of({"b.zip": zip_of({"a.zip": inner})})})
    root = days.add({"Data.zip": deep, "a.csv": csv([*table(9), LINE])}).root
    seen, _ = looked(days, [root], HER)
    assert [path for path in seen.unread if path.endswith(".zip")]


def with_a_formula(rows):
    """A workbook as programs write it that reckon nothing themselves."""
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def test_a_backup_that_cannot_be_written_anew_is_named_and_stops_nobody(days):
    odd = days.add({"crm.xlsx": with_a_formula([["Id", "Name", "Sum"], [2, WHO, "=1+1"]])}).root
    good = days.add({"a.csv": csv([*table(9), LINE])}).root
    seen, here = looked(days, [odd, good], HER)
    assert titles(seen) == [WHO] * len(seen.records)
    assert here[1].cannot == ""
    assert "formula" in here[0].cannot


def masked(days, *columns):
    rules = (TableRule("a", mask=columns),)
    days.exports = ExportFolder(rules=rules, pseudonym_key=lambda: KEY)


@pytest.mark.parametrize("wanted", [Wanted(record="7777"), HER])
def test_she_is_found_also_where_her_id_and_name_are_masked(days, wanted):
    wanted = Wanted(wanted.record, wanted.text, (), Pseudonyms(KEY).of)
    roots = [days.add({"a.csv": csv([*table(9), LINE])}).root]
    masked(days, "Id", "Name")
    roots.append(days.add({"a.csv": csv([*table(9), LINE.replace("Open", "Won")])}).root)
    seen, here = looked(days, roots, wanted)
    assert len(seen.records) == 1
    assert all(one.marks for one in here)
    assert seen.masked == {"a": {"Id", "Name"}}
    done = erased(days, roots, {*seen.records, *seen.aliases})
    assert not any(says(days.folder, one, "hedwig@example.org") for one in done)


def test_where_all_is_masked_she_is_found_by_what_stands_for_it(days):
    masked(days, "Id", "Name")
    roots = [days.add({"a.csv": csv([*table(9), LINE])}).root]
    for wanted in (Wanted(record="7777"), HER):
        assert not looked(days, roots, wanted)[0].records
        knowing = Wanted(wanted.record, wanted.text, (), Pseudonyms(KEY).of)
        assert len(looked(days, roots, knowing)[0].records) == 1
