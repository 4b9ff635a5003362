"""JSON with fields hidden: the rest of each object, and all around them, is as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError
from appliance.exports.tables.masking import Veil
from tests.exports.tables.reading import records_of, rows_in
from tests.exports.tables.veils import hidden, pseudonym

ANN = pseudonym("0171 1")
PAGED = (
    '{"results": [ {"a": {"phone": "0171 2", "b": [1, {"c": 1e5}]} , "phone" : null } ],\n'
    '"paging": {"next": {"after": "1"}}}\n'
)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ('[{"id": 1.10, "phone": "0171 1"}]', f'[{{"id": 1.10, "phone": "{ANN}"}}]'),
        ('{"id":1,"phone":"0171 1"}\n\n{"id":2}\n', f'{{"id":1,"phone":"{ANN}"}}\n\n{{"id":2}}\n'),
        (PAGED,) * 2,
        (PAGED.replace("null", '"0171 1"'), PAGED.replace("null", f'"{ANN}"')),
        ('[{"phone": ""}, {"phone": {}}, {"phone": []}, {}]',) * 2,
        ('[{"phone": 0}]', f'[{{"phone": "{pseudonym("0")}"}}]'),
        ('[{"phone": false}]', f'[{{"phone": "{pseudonym("false")}"}}]'),
        ('[{"phone": ["a", "b"]}]', f'[{{"phone": "{pseudonym(json.dumps(["a", "b"]))}"}}]'),
        (
            '[{"phone": {"a": 1}}, {"phone": "x"}]',
            f'[{{"phone": "{pseudonym(json.dumps({"a": 1}))}"}}, {{"phone": "{pseudonym("x")}"}}]',
        ),
        ('[{"phone": "0171 1", "phone": "0171 1"}]', f'[{{"phone": "{ANN}", "phone": "{ANN}"}}]'),
        ('[{"\\u0070hone": "0171 \\u0031"}]', f'[{{"\\u0070hone": "{ANN}"}}]'),
    ],
)
def test_only_the_text_of_a_masked_field_is_replaced(tmp_path, data, wanted):
    path = "p.jsonl" if data.startswith('{"id"') else "p.json"
    assert hidden(tmp_path, data.encode(), path, ["phone"]).decode() == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("properties.email", '[{"id": 1, "properties": {"city": "Bonn"}}]'),
        ("properties", '[{"id": 1}]'),
        ("id", '[{ "properties": {"city": "Bonn", "email": "a@b"}}]'),
    ],
)
def test_a_field_within_a_field_is_dropped_by_its_whole_name(tmp_path, name, wanted):
    data = b'[{"id": 1, "properties": {"city": "Bonn", "email": "a@b"}}]'
    told = hidden(tmp_path, data, "p.json", drop=[name])
    assert told.decode() == wanted
    json.loads(told)


def test_a_name_with_a_dot_and_a_field_within_one_are_hidden_alike(tmp_path):
    data = b'[{"a.b": "x"}, {"a": {"b": "x", "c": "x"}}]'
    told = json.loads(hidden(tmp_path, data, "p.json", ["a.b"]))
    assert told == [{"a.b": pseudonym("x")}, {"a": {"b": pseudonym("x"), "c": "x"}}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_its_encoding_stays_as_it_is(tmp_path, encoding):
    text = json.dumps(
        [{"id": n, "näme": "Zoë", "ort": "Köln"} for n in range(9)], ensure_ascii=False
    )
    told = hidden(tmp_path, text.encode(encoding), "p.json", ["näme"])
    assert told == text.replace("Zoë", pseudonym("Zoë")).encode(encoding)


def test_an_object_larger_than_any_window_is_masked_too(tmp_path):
    people = [{"id": n, "note": "x" * 200_000, "phone": "0171 1"} for n in range(3)]
    told = hidden(tmp_path, json.dumps(people).encode(), "p.json", ["phone"])
    assert json.loads(told) == [{**each, "phone": ANN} for each in people]


@pytest.mark.parametrize(
    "data",
    [
        '[{"id": 1, "phone": "0171 1"}, {"id": 2, "phone": "0171 2"',
        '[{"id": 1, "phone": "0171 1"}, {"id": 2, "a": {"phone": "0171 2"}',
        '{"phone": "0171 2", "all": [{"phone": "0171 1"}]}',
        '{"owner": {"phone": "0171 2"}, "all": [{"phone": "0171 1"}]}',
        '{"phone": "0171 1"}\n{"phone": "0171 2',
    ],
)
def test_what_is_cut_or_says_a_hidden_field_outside_of_records_is_refused(tmp_path, data):
    path = "p.jsonl" if "\n" in data else "p.json"
    with pytest.raises(ApplianceError) as caught:
        hidden(tmp_path, data.encode(), path, ["phone"])
    assert "0171" not in str(caught.value) + caught.value.detail + caught.value.hint


def test_what_lies_between_records_does_not_fill_the_memory(tmp_path):
    data = b"[" + b",".join([b'{"phone": "1"}', *([b'"' + b"x" * 900_000 + b'"'] * 30)]) + b"]"
    with pytest.raises(ApplianceError, match="more between its records"):
        hidden(tmp_path, data, "p.json", ["phone"])
    many = b"[" + b",".join([b'{"phone": "1"}', b'"' + b"x" * 900_000 + b'"'] * 30) + b"]"
    with pytest.raises(ApplianceError, match="more between its records"):
        hidden(tmp_path, many, "p.json", ["phone"])


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc.", max_size=2), inner),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "a.b", "c"]), VALUE), max_size=5))
@settings(deadline=None, max_examples=200)
def test_whatever_an_object_holds_only_what_is_hidden_is_another(tmp_path_factory, objects):
    folder = tmp_path_factory.mktemp("jsons")
    data = json.dumps([*objects, {"a": "x", "c": "x"}]).encode()
    told = hidden(folder, data, "p.json", ["a"], ["c"])
    before = records_of(rows_in(folder, data, "p.json"))
    after = records_of(rows_in(folder, told, "p.json"))

    def rest(row):
        return {
            k: v for k, v in row.items() if not k.startswith(("a.", "c.")) and k not in "ac" and v
        }

    assert list(map(rest, after)) == list(map(rest, before))
    assert not any(key == "c" or key.startswith("c.") for row in after for key in row)
    for row in after:
        assert row.get("a", "").startswith("masked-") or row.get("a", "").strip() in (
            "",
            "[]",
            "{}",
        )


def test_a_veil_says_which_is_which():
    veil = Veil(frozenset({"a"}), frozenset({"b"}), pseudonym)
    assert (veil.put_over(""), veil.put_over(" "), veil.put_over("x")) == ("", " ", pseudonym("x"))
