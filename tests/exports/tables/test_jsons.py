"""Tables written as JSON: each object a row, whatever stands around them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.exports.tables.rows import NotATable
from tests.exports.tables.reading import cells_of, records_of, rows_in

ANN = {"id": 1, "name": "Ann", "properties": {"email": "a@b.example", "tags": ["x", "y"]}}
BOB = {"id": 2, "name": None, "is_new": True, "sum": 1.5}


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("people.json", json.dumps([ANN, BOB])),
        ("people.json", json.dumps([ANN, BOB], indent=2)),
        ("people.json", json.dumps({"total": 2, "list": [ANN, BOB]})),
        ("people.json", f"\ufeff[{json.dumps(ANN)},\n{json.dumps(BOB)}]"),
        ("people.jsonl", f"{json.dumps(ANN)}\n{json.dumps(BOB)}\n"),
        ("people.ndjson", f"{json.dumps(ANN)}\r\n{json.dumps(BOB)}"),
    ],
)
def test_objects_are_rows_and_what_lies_in_them_is_laid_flat(tmp_path, path, data):
    rows = rows_in(tmp_path, data.encode(), path)
    assert rows.columns == ("id", "name", "properties.email", "properties.tags", "is_new", "sum")
    assert [record["id"] for record in records_of(rows)] == ["1", "2"]
    assert records_of(rows)[0]["properties.tags"] == '["x", "y"]'
    assert records_of(rows)[1] | {"name": ""} == records_of(rows)[1]
    assert cells_of(rows)[1][-2:] == ["true", "1.5"]
    assert rows.ends


@pytest.mark.parametrize("path", ["x.json", "x.jsonl"])
def test_some_of_them_are_a_file_again(tmp_path, path):
    data = json.dumps([ANN, BOB]) if path == "x.json" else f"{json.dumps(ANN)}\n{json.dumps(BOB)}"
    rows = rows_in(tmp_path, data.encode(), path)
    frame = rows.frame
    again = frame.opening + frame.between.join(rows.raws()) + frame.closing
    assert cells_of(rows_in(tmp_path, again, path)) == cells_of(rows)


def test_one_that_is_cut_is_no_table_or_says_so(tmp_path):
    whole = json.dumps([ANN, BOB, ANN]).encode()
    for end in range(2, len(whole)):
        try:
            rows = rows_in(tmp_path, whole[:end], "x.json")
        except (NotATable, KeyError):
            continue
        assert not rows.ends or not rows.columns or whole[end - 1 : end] in b"}]"


@pytest.mark.parametrize("data", [b"[1, 2, 3]", b'["a"]', b"[", b'{"a": {"b": 1}}'])
def test_what_lists_no_objects_has_no_columns(tmp_path, data):
    try:
        assert not rows_in(tmp_path, data, "x.json").columns
    except NotATable:
        assert data


def test_half_a_character_is_none(tmp_path):
    (record,) = records_of(rows_in(tmp_path, rb'[{"id": "1", "\ud83d": "x\udc00y"}]', "x.json"))
    assert record == {"id": "1", "?": "x?y"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(deadline=None, max_examples=100)
@given(objects=st.lists(st.dictionaries(st.text(max_size=3), VALUES, min_size=1), max_size=5))
def test_each_object_is_one_row(tmp_path_factory, objects):
    data = json.dumps(objects, ensure_ascii=False).encode("utf-8", "replace")
    rows = rows_in(tmp_path_factory.mktemp("objects"), data, "x.json")
    assert [json.loads(raw) for raw in rows.raws()] == json.loads(data)


def test_a_list_in_two_bytes_a_letter_is_read_whole(tmp_path):
    people = [{"id": number, "name": "Zoë 𝄞", "note": "x" * number} for number in range(200)]
    data = json.dumps(people, ensure_ascii=False).encode("utf-16")
    rows = rows_in(tmp_path, data, "people.json")
    assert [row["note"] for row in records_of(rows)] == ["x" * number for number in range(200)]
