"""The exports of twelve CRMs, two days each: understood without a word of configuration."""

from __future__ import annotations

import pytest

from appliance.core.ports import Watch
from appliance.exports import manifest
from appliance.exports.between import Between
from appliance.exports.layout import ExportFolder
from appliance.exports.tables.grouping import TableRule
from tests.exports.days import Days
from tests.exports.tables.shapes import SHAPES


@pytest.fixture(params=SHAPES, ids=list(SHAPES))
def shape(request):
    return SHAPES[request.param]


@pytest.fixture
def days(tmp_path, shape):
    rules = [TableRule(shape.table, ignore=shape.ignore)] if shape.ignore else []
    return Days(tmp_path, ExportFolder(rules=rules))


def told(layout, name):
    content, _ = manifest.load(layout.root)
    assert content.remarks == ()
    (table,) = (table for table in content.tables if table["name"] == name)
    return table


def test_it_is_one_table_with_its_id(days, shape):
    table = told(days.add(shape.files(1)), shape.table)
    assert table["rows"] == 3
    assert tuple(table["id"]) == shape.id
    assert shape.phone in table["columns"]
    assert table["ends"]


def test_what_became_of_each_record(days, shape):
    days.add(shape.files(1))
    layout = days.add(shape.files(2))
    since = told(layout, shape.table)["since"]
    counts = {kind: since[kind] for kind in ("added", "changed", "removed")}
    known = {"added": 1, "changed": 1, "removed": 1}
    assert counts == (known if shape.id else {"added": 2, "changed": 0, "removed": 2})
    assert layout.held == ()
    assert layout.notes == ()


def test_an_export_of_the_same_records_changes_nothing(days, shape):
    days.add(shape.files(1))
    since = told(days.add(shape.files(1)), shape.table)["since"]
    assert (since["added"], since["changed"], since["removed"]) == (0, 0, 0)


def test_who_is_gone_is_found_and_who_changed_is_told_field_by_field(days, shape, tmp_path):
    before = days.add(shape.files(1)).root
    after = days.add(shape.files(2)).root
    (tmp_path / "between").mkdir()
    between = Between.of(before, after, tmp_path / "between", Watch())
    changes = {one.table: one for one in between.changes([])}[shape.table]
    removed = [one.title for one in changes.records if one.kind == "removed"]
    assert any(title.startswith(("Bob", '"')) or "Bob" in title for title in removed)
    fields = [one.fields for one in changes.records if one.kind == "changed"]
    if shape.id:
        assert fields[0][shape.phone] == ("0049 30 1", "0049 30 2")
