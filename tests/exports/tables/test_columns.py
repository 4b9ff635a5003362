"""What became of a table's columns: which have another name, which another type."""

from __future__ import annotations

import pytest

from appliance.exports.tables.columns import DATES, NUMBERS, TEXT, Types, became, renamed
from tests.exports.tables.test_comparing import table

BEFORE = [[str(n), f"Name {n}", f"0171 {n}" if n % 5 else ""] for n in range(40)]


def called(folder, header, rows, before=BEFORE):
    return renamed(table(folder, "a", before), table(folder, "b", rows, header=header))


def test_a_column_that_holds_what_the_lost_one_held_is_called_otherwise(tmp_path):
    new = [[row[2], row[0], row[1]] for row in reversed(BEFORE)]
    assert called(tmp_path, ["Mobile", "Id", "Name"], new) == {"Phone": "Mobile"}


def test_a_few_that_were_edited_on_that_day_do_not_hide_it(tmp_path):
    new = [[*row[:2], row[2] or "030 1" if int(row[0]) < 2 else row[2]] for row in BEFORE]
    assert called(tmp_path, ["Id", "Name", "Mobile"], new) == {"Phone": "Mobile"}


def test_two_at_once_are_told_apart(tmp_path):
    new = [[row[0], row[2], row[1]] for row in BEFORE]
    assert called(tmp_path, ["Id", "Tel", "Who"], new) == {"Phone": "Tel", "Name": "Who"}


@pytest.mark.parametrize(
    ("header", "change"),
    [
        (["Id", "Name", "Fax"], lambda row: f"030 {row[0]}"),
        (["Id", "Name", "Fax"], lambda _: ""),
        (["Id", "Name", "Phone"], lambda row: row[2]),
    ],
)
def test_another_content_is_another_column(tmp_path, header, change):
    assert called(tmp_path, header, [[*row[:2], change(row)] for row in BEFORE]) == {}


def test_what_is_nearly_empty_proves_nothing(tmp_path):
    before = [[str(n), "x", "yes" if n < 30 else ""] for n in range(40)]
    assert called(tmp_path, ["Id", "Name", "Ticked"], before, before) == {}


def test_without_ids_nobody_knows(tmp_path):
    tables = (
        table(tmp_path, name, BEFORE, header=header, ids=())
        for name, header in (("a", ["N", "Name", "Phone"]), ("b", ["N", "Name", "Mobile"]))
    )
    assert renamed(*tables) == {}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", "3,50", "0.5", "0"], NUMBERS),
        (["0171", "0172", "0173"], TEXT),
        (["+49 171", "1", "x"], ""),
        (["2026-11-01", "2026-11-01 10:00", "1.2.2026"], DATES),
        (["a", "b", "c"], TEXT),
        (["1", "2"], ""),
        (["1", "2", "3", "x"], ""),
        ([], ""),
    ],
)
def test_a_type_is_that_of_every_cell(cells, kind):
    types = Types()
    for cell in ["", *cells]:
        types.see(["c"], [cell])
    assert types.of("c") == kind


def test_what_became_of_columns_is_told_once_each():
    was = {"columns": ["Id", "Phone", "Zip", "Fax"], "types": [TEXT, TEXT, TEXT, TEXT]}
    now = {"columns": ["Id", "Mobile", "Zip", "Mail"], "types": [NUMBERS, TEXT, NUMBERS, TEXT]}
    assert became(was, now, {"Phone": "Mobile"}) == {
        "new_columns": ["Mail"],
        "lost_columns": ["Fax"],
        "renamed": {"Phone": "Mobile"},
        "retyped": {"Id": [TEXT, NUMBERS], "Zip": [TEXT, NUMBERS]},
    }
    del was["types"]  # as an older release told it
    assert became(was, now, {})["retyped"] == {}
