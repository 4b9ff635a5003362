"""Rows of CSV and its kin: as Python's own `csv` reads them, and as the vendor wrote them."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from appliance.exports.looks import look_at
from appliance.exports.tables.delimited import Delimited
from appliance.exports.tables.rows import NotATable

CELL = st.text(alphabet='ab" \n,;\té', max_size=6)


def read(tmp_path, data, name="Contacts.csv"):
    file = tmp_path / name
    file.write_bytes(data)
    return Delimited(file, look_at(file))


def cells(table):
    return [list(row) for _, row in table.rows()]


@settings(deadline=None, max_examples=300)
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=6),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_python_writes_is_read_row_by_row(tmp_path_factory, rows, quoting, end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerows([["h1", "h2", "h3"], *rows])
    table = read(tmp_path_factory.mktemp("rows"), text.getvalue().encode())
    assert table.columns == ["h1", "h2", "h3"]
    assert cells(table) == rows
    assert [table.cells(raw) for raw in table.raws()] == rows
    assert all(raw in text.getvalue().encode() for raw in table.raws())


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        pytest.param(b'h,i\n5" pipe,a\nb,c\n', [['5" pipe', "a"], ["b", "c"]], id="stray quote"),
        pytest.param(b'h,i\nx"y,"a\nb"\n', [['x"y', "a\nb"]], id="stray and quoted"),
        pytest.param(b'h,i\n","a"a,"\n"\n', [[',a"a', "\n"]], id="quoted mark, then open"),
        pytest.param(b'h,i\n"a"b","\n"\n', [['ab"', "\n"]], id="text behind a quote, then open"),
        pytest.param(b'h,i\n"a"b,c\nd,e\n', [["ab", "c"], ["d", "e"]], id="text behind a quote"),
        pytest.param(b"h,i\na\n\nb,c,d\n", [["a"], ["b", "c", "d"]], id="ragged"),
        pytest.param(b"h,i\na,b\x00c\n", [["a", "b\0c"]], id="NUL"),
        pytest.param(b"h,i\na,b\rc\nd,e\n", [["a", "b\rc"], ["d", "e"]], id="lone return"),
        pytest.param(b'h,i\n"a,b\nc', [["a,b\nc"]], id="cut in a quote"),
        pytest.param(b"\xef\xbb\xbfh,i\na,b", [["a", "b"]], id="mark, no last line end"),
        pytest.param(b"sep=;\nh;i\na;b\n", [["a", "b"]], id="sep="),
        pytest.param(b"h\ti\na\tb\n", [["a", "b"]], id="tab"),
        pytest.param(b"h|i\ra|b\rc|d\r", [["a", "b"], ["c", "d"]], id="old Mac"),
        pytest.param("h,i\nä,b\n".encode("utf-16"), [["ä", "b"]], id="UTF-16"),
    ],
)
def test_what_vendors_write_is_read_as_meant(tmp_path, data, rows):
    table = read(tmp_path, data)
    assert cells(table) == rows
    assert [table.cells(raw) for raw in table.raws()] == rows


def test_an_encoding_holds_for_the_whole_file(tmp_path):
    first = "h,i\n" + "a,b\n" * 40_000  # the first look ends long before the last row
    table = read(tmp_path, first.encode() + "Müller,\x80".encode("cp1252", "replace") + b"\n")
    assert cells(table)[-1][0] == "Müller"


def test_a_cell_of_15_mb_is_one_cell(tmp_path):
    long = "x\n" * 7_500_000
    table = read(tmp_path, f'h,i\n"{long}",b\nc,d\n'.encode())
    assert [(len(row[0]), row[1]) for row in cells(table)] == [(15_000_000, "b"), (1, "d")]


@pytest.mark.parametrize("data", [b'h,i\n"' + b"x\n" * (40 << 20), b"h,i\n" + b"x" * (70 << 20)])
def test_what_never_ends_is_no_table(tmp_path, data):
    with pytest.raises(NotATable):
        list(read(tmp_path, data).raws())


def test_columns_without_a_name_of_their_own_get_one(tmp_path):
    assert read(tmp_path, b"Name,,Name\na,b,c\n").columns == ["Name", "column 2", "Name (2)"]


@settings(deadline=None, max_examples=500)
@given(lines=st.lists(st.text(alphabet='a",', max_size=9), min_size=1, max_size=5))
def test_a_row_ends_where_python_says(tmp_path_factory, lines):
    """However its quotes stand; what the file's end cuts is another matter."""
    data = "\n".join(["h,i,j", *lines, "z,z,z"])
    expected = [row for row in csv.reader(io.StringIO(data, newline="")) if row][1:]
    assume(expected[-1] == ["z", "z", "z"])
    table = read(tmp_path_factory.mktemp("quotes"), data.encode())
    assert [row for row in cells(table) if row != [""]] == [row for row in expected if row != [""]]
