"""What a manifest tells of a table, counted by hand here."""

from __future__ import annotations

import pytest

from appliance.exports.tables.grouping import TableRule
from appliance.exports.tables.profile import profile
from appliance.exports.tables.rows import NotATable
from tests.exports.tables.reading import tables_in


def told(tmp_path, data, path="Contacts.csv", rules=()):
    (table,) = tables_in(tmp_path, {path: data}, rules).values()
    return profile(table)


def test_rows_blanks_and_the_newest_date(tmp_path):
    found = told(
        tmp_path,
        b"Record Id,Phone,Modified Time,Birthday\n"
        b"1,030,2026-11-02 10:00:00,2027-01-01\n"
        b"2,,2026-11-21T08:15:00+01:00,\n"
        b"3,,yesterday,\n",
    )
    assert (found.rows, found.repeated, found.without_id) == (3, 0, 0)
    assert found.columns == ("Record Id", "Phone", "Modified Time", "Birthday")
    assert found.id_columns == ("Record Id",)
    assert found.blank == (0, 2, 0, 2)
    assert found.newest == "2026-11-21 08:15:00"


def test_uniqueness_decides_which_column_is_the_id(tmp_path):
    found = told(tmp_path, b"Record Id,id,n\n1,a,x\n1,b,x\n2,c,x\n")
    assert found.id_columns == ("id",)


def test_a_column_that_repeats_is_no_id(tmp_path):
    found = told(tmp_path, b"id,n\n1,x\n1,y\n")
    assert (found.id_columns, found.repeated, found.rows) == ((), 0, 2)


@pytest.mark.parametrize(("without", "is_known"), [(1, True), (2, False)])
def test_an_id_that_too_many_lack_is_none(tmp_path, without, is_known):
    rows = [f"{n},x" for n in range(30 - without)] + [",y"] * without
    found = told(tmp_path, "\n".join(["n,id", *(row[::-1] for row in rows)]).encode())
    assert bool(found.id_columns) is is_known


def test_an_id_that_somebody_named_stays_and_its_repeats_are_counted(tmp_path):
    rule = TableRule("Contacts*", ("Nummer", "Record Id"))
    found = told(tmp_path, b"Record Id,n\n1,x\n1,y\n,z\n", rules=[rule])
    assert (found.id_columns, found.repeated, found.without_id) == (("Record Id",), 1, 1)


def test_the_key_of_a_database_is_the_id(tmp_path):
    data = b"-- MySQL\nCREATE TABLE `links` (`a` int, `b` int, PRIMARY KEY (`a`,`b`));\n"
    found = told(tmp_path, data + b"INSERT INTO `links` VALUES (1,1),(1,2),(2,1);\n", "x.sql")
    assert (found.id_columns, found.repeated) == (("a", "b"), 0)


def test_a_row_of_very_many_cells_is_no_table(tmp_path):
    with pytest.raises(NotATable):
        told(tmp_path, b"Id,n\n1,x" + b",y" * 30_000 + b"\n")
