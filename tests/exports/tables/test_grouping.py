"""Which files are one table, and what a person calls it."""

from __future__ import annotations

import pytest

from appliance.exports.tables.grouping import TableRule
from appliance.exports.tables.rows import NotATable, distinct
from tests.exports.tables.reading import tables_in
from tests.exports.tables.test_workbook import book_of

PEOPLE = b"Id,Name,Phone\n%d,Ann,1\n"
DEALS = b"Deal Id,Sum,Stage\n%d,7,won\n"


def parts_of(tmp_path, files, rules=()):
    return {name: list(table.parts) for name, table in tables_in(tmp_path, files, rules).items()}


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["Data_001.zip/Contacts_001.csv", "Data_002.zip/Contacts_002.csv"], "contacts"),
        (["WE_00D5g0000012abcEAA_1.ZIP/Contact.csv", "WE_00D5g0000012abcEAA_2.ZIP/Contact.csv"],
         "contact"),
        (["hubspot-crm-exports-all-2026-11-21-1.csv", "hubspot-crm-exports-all-2026-11-21-2.csv"],
         "hubspot crm exports all"),
        (["a/People (1).csv", "a/People (2).csv"], "people"),
    ],
)  # fmt: skip
def test_parts_are_one_table(tmp_path, paths, name):
    files = {path: PEOPLE % number for number, path in enumerate(paths)}
    assert parts_of(tmp_path, files) == {name: paths}


def test_a_number_alone_makes_no_parts_where_the_columns_differ(tmp_path):
    files = {"Export_1.csv": PEOPLE % 1, "Export_2.csv": DEALS % 1}
    assert parts_of(tmp_path, files) == {"export": ["Export_1.csv"], "export 2": ["Export_2.csv"]}


def test_parts_may_differ_in_a_column(tmp_path):
    more = b"Id,Name,Fax\n2,Bob,3\n"
    (table,) = tables_in(tmp_path, {"C_1.csv": PEOPLE % 1, "C_2.csv": more}).values()
    assert table.columns == ("Id", "Name", "Phone", "Fax")


def test_the_same_member_in_two_zips_counts_once(tmp_path):
    same, other = PEOPLE % 1, PEOPLE % 2
    files = {"1.zip/Contact.csv": same, "2.zip/Contact.csv": same, "3.zip/Contact.csv": other}
    (table,) = tables_in(tmp_path, files).values()
    assert sum(1 for _ in table.rows()) == 2


def test_two_tables_that_are_called_alike_have_their_folders_name(tmp_path):
    files = {"sales/Contacts.csv": PEOPLE % 1, "support/Contacts.csv": PEOPLE % 2}
    assert list(tables_in(tmp_path, files)) == ["contacts (sales)", "contacts (support)"]


def test_tables_in_a_file_have_names_of_their_own(tmp_path):
    people, deals = [["Id", "Name"], [1, "A"]], [["Nr", "Sum", "Stage"], [1, 2, "won"]]
    files = {
        "North.xlsx": book_of(People=people, Deals=deals),
        "South.xlsx": book_of(People=people, Deals=[["x", "y", "z"], [1, 2, 3]]),
        "crm.sql": b"-- MySQL\nINSERT INTO `users` (`id`,`n`) VALUES (1,2);\n",
    }
    found = tables_in(tmp_path, files)
    assert list(found) == [
        "deals (north)", "deals (south)", "people (north)", "people (south)", "users",
    ]  # fmt: skip
    assert found["users"].inside == "users"


def test_what_somebody_said_goes_by_path_glob_or_words(tmp_path):
    for match in ("Contacts*.csv", "a/Contacts_1.csv", "contacts"):
        rule = TableRule(match, ("Name", "Id"), ("Phone",))
        (table,) = tables_in(tmp_path, {"a/Contacts_1.csv": PEOPLE % 1}, [rule]).values()
        assert table.id_columns == ("Name",)
        assert table.ignored == {"Phone"}


def test_what_changes_by_itself_is_known(tmp_path):
    data = b"(Do Not Modify) Contact,(Do Not Modify) Row Checksum,@odata.etag\n1,2,3\n"
    (table,) = tables_in(tmp_path, {"Contacts.csv": data}).values()
    assert table.ignored == {"(Do Not Modify) Row Checksum", "@odata.etag"}


def test_what_is_no_table_is_left_out(tmp_path):
    files = {"a.csv": b"", "b.pdf": b"%PDF", "c.json": b"[1, 2]", "d.xlsx": b"PK", "e.sql": b"?"}
    assert tables_in(tmp_path, files) == {}


def test_names_of_columns_are_told_apart_however_many_are_the_same():
    assert distinct(["a", "", "a", "a (2)", "a"]) == [
        "a",
        "column 2",
        "a (2)",
        "a (2) (2)",
        "a (3)",
    ]
    assert len(set(distinct(["x"] * 20_000))) == 20_000
    with pytest.raises(NotATable):
        distinct(["x"] * 20_001)
