"""Records read one by one, held against Python's own csv and json, and their memory."""

import codecs
import csv
import io
import json
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from appliance.core.errors import ApplianceError
from appliance.exports import records as module
from appliance.exports.finding import find, row_at, rows_of
from appliance.exports.first_rows import MOST_COLUMNS, first_rows
from appliance.exports.looks import Kind, Look, look_at, plain, table_name
from appliance.exports.records import MOST_CELLS, fields, records

HUGE = 15_000_000


def cells(data, delimiter=","):
    look = Look(Kind.TABLE, delimiter=delimiter)
    return [one.cells for one in records(io.BytesIO(data), look)]


def of(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def all_found(files, text):
    found, place = [], (0, 0)
    while place is not None:
        answer = find(files, text, place, lambda: False)
        found += answer.finds
        place = answer.go_on
    return found


@given(some.text(alphabet='ab",\n é', max_size=60), some.sampled_from([1, 3, 7, 1 << 17]))
@example('a"b,"c\nd",""""\n', 1)
def test_rows_are_those_of_pythons_csv_wherever_a_block_ends(text, block):
    expected = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        found = cells(text.encode())
    assert found == [row for row in expected if row not in {(), ("",)}]


@given(some.lists(some.lists(some.text(max_size=9), min_size=1), max_size=9))
def test_where_a_row_lies_is_where_it_can_be_read_again(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    data, look = text.getvalue().encode("utf-8", "replace"), Look(Kind.TABLE)
    for one in records(io.BytesIO(data), look):
        again = next(records(io.BytesIO(data), look, one.start)) if one.start else one
        assert again == one
        assert cells(data[one.start : one.end]) == [one.cells]


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(alphabet='a"\\{}[],é', max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=12,
)


@given(
    some.lists(some.dictionaries(some.text(max_size=4), JSON), max_size=6),
    some.sampled_from([1, 5, 1 << 17]),
    some.sampled_from(["bare", "inside"]),
)
def test_objects_are_those_of_pythons_json_wherever_a_block_ends(objects, block, where):
    whole = objects if where == "bare" else {"n": 1, "results": objects, "next": "[{"}
    data = json.dumps(whole, ensure_ascii=False).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        found = list(records(io.BytesIO(data), Look(Kind.JSON)))
    assert [json.loads(one.cells[0]) for one in found] == objects
    assert [json.loads(data[one.start : one.end]) for one in found] == objects


def test_an_object_that_is_deep_or_long_is_one_all_the_same():
    deep = {"a": [[[[[[{"b": 1}]]]]]]}
    data = json.dumps([deep, {"long": "x" * 200_000}, {"c": '\\"'}]).encode()
    first, long, last = records(io.BytesIO(data), Look(Kind.JSON))
    assert json.loads(first.cells[0]) == deep
    assert (fields(long), long.is_whole) == (None, False)
    assert json.loads(data[long.start : long.end])["long"] == "x" * 200_000
    assert fields(last) == {"c": '\\"'}


@pytest.mark.parametrize(
    "data", [b"", b"[", b'[{"a', b'[{"a\\', b"]]}}", b'{"a": [{"b": [', b"[1]"]
)
def test_json_that_is_cut_or_none_gives_what_there_is(data):
    assert list(records(io.BytesIO(data), Look(Kind.JSON))) == []


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.csv", b'id,name\n1,"' + b"x" * HUGE + b'"\n2,Zorro\n', Kind.TABLE),
        ("a.json", b'[{"id":"' + b"x" * HUGE + b'"},{"id":"Zorro"}]', Kind.JSON),
        ("a.jsonl", b'{"id":"' + b"x" * HUGE + b'"}\n{"id":"Zorro"}\n', Kind.JSON_LINES),
        ("a.txt", b"x" * HUGE + b"\nZorro\n", Kind.TEXT),
        ("a.csv", b"," * HUGE + b"\nZorro\n", Kind.TABLE),
        ("a.csv", b"id\n" + b"\0" * 100 + b"y" * HUGE + b"\nZorro\n", Kind.TABLE),
    ],
)
def test_what_is_huge_is_never_held_whole(tmp_path, name, data, kind):
    file = of(tmp_path, name, data)
    assert look_at(file).kind is kind
    del data
    tracemalloc.start()
    shown = first_rows(file, 50)
    (found,) = all_found([file], "zorro")
    taken = b"".join(row_at(file, found.start))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert b"Zorro" in taken or kind is Kind.TABLE
    assert peak < 2_000_000 + (2 * len(taken) if len(taken) > 1000 else 0)
    assert max([len(cell) for row in shown.rows for cell in row], default=0) <= 301
    assert len(shown.header) <= MOST_COLUMNS


def test_what_lies_beyond_the_cut_of_a_huge_cell_is_found(tmp_path):
    wide = b'1,"' + b"x" * 300_000 + b" Zorro " + b"y" * 300_000 + b'"\n'
    file = of(tmp_path, "a.csv", b"id,note\n" + wide + b"2,b\n")
    (found,) = all_found([file], "zorro")
    assert found.cells[0] == "1"
    assert b"".join(row_at(file, found.start)) == b"id,note\n" + wide
    assert len(cells(b"," * 5000 + b'"')[0]) == MOST_CELLS


@pytest.mark.parametrize(
    ("name", "data", "look"),
    [
        ("a.csv", b"id,name\n", Look(Kind.TABLE)),
        ("a.csv", b"id;name,first\n1;2\n", Look(Kind.TABLE, delimiter=";")),
        ("a.csv", b'"a;b;c;d",x\n', Look(Kind.TABLE)),
        ("a.CSV", b"sep=;\r\nid;name\r\n", Look(Kind.TABLE, delimiter=";", skip_bytes=7)),
        ("a.tsv", b"id\n", Look(Kind.TABLE, delimiter="\t")),
        ("a.csv", b"", Look(Kind.TABLE)),
        ("a.csv", b"id,name\r1,2\r", Look(Kind.TABLE, newline=b"\r")),
        ("a.csv", codecs.BOM_UTF8 + b"id,name\n", Look(Kind.TABLE, skip_bytes=3)),
        ("a.csv", "id;Müller\n".encode("cp1252"), Look(Kind.TABLE, "cp1252", ";")),
        ("a.csv", "id\tü\n".encode("utf-16"), Look(Kind.TABLE, "utf-16", "\t")),
        ("a.csv", b"PK\3\4" + bytes(range(256)), Look(Kind.BINARY)),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(90), Look(Kind.BINARY)),
        ("a.json", b' {"a": 1}', Look(Kind.JSON)),
        ("a.json", b"no json", Look(Kind.TEXT)),
        ("a.ndjson", b"{}\n", Look(Kind.JSON_LINES)),
        ("a.vcf", b"BEGIN:VCARD\r\n", Look(Kind.TEXT)),
    ],
)
def test_what_a_file_looks_like(tmp_path, name, data, look):
    assert look_at(of(tmp_path, name, data)) == look


def test_a_letter_cut_at_the_end_of_the_first_bytes_is_no_other_encoding(tmp_path):
    data = b"id,name\n1," + "ü".encode() * 40_000 + b"\n"
    assert look_at(of(tmp_path, "a.csv", data[:8] + b"x" + data[8:])).encoding == "utf-8"
    assert look_at(of(tmp_path, "a.csv", data)).encoding == "utf-8"


def test_no_link_and_no_pipe_is_opened(tmp_path):
    import os

    (tmp_path / "link.csv").symlink_to(of(tmp_path, "a.csv", b"id\n"))
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("link.csv", "pipe.csv", "none.csv"):
        with pytest.raises(ApplianceError), plain(tmp_path / name):
            pass


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Data_001.zip/Contacts_001.csv", "Contacts 001"),
        ("hubspot-contacts-2026-11-21.csv", "hubspot contacts"),
        ("2026-11-21.csv", "2026-11-21.csv"),
        ("a/.csv", ".csv"),
    ],
)
def test_a_table_is_called_by_its_name_without_dates(path, name):
    assert table_name(path) == name


def test_the_first_rows_of_each_kind(tmp_path):
    table = first_rows(of(tmp_path, "a.csv", b"id,name\n1,Ana\n2,Ben\n3,Cy\n"), 2)
    assert (table.header, table.rows) == (("id", "name"), (("1", "Ana"), ("2", "Ben")))
    assert table.has_more
    objects = first_rows(of(tmp_path, "a.json", b'[{"id":1},{"name":["x"]}]'), 5)
    assert (objects.header, objects.rows) == (("id", "name"), (("1", ""), ("", '["x"]')))
    lines = first_rows(of(tmp_path, "a.jsonl", b'{"id":1}\nno json\n{"id":2}\n'), 5)
    assert lines.rows == (("1",), ("2",))
    single = first_rows(of(tmp_path, "b.json", b'{"id": 1, "name": "Ana"}'), 5)
    assert (single.kind, single.text) == (Kind.TEXT, '{"id": 1, "name": "Ana"}')
    text = first_rows(of(tmp_path, "a.txt", "Grüße ".encode("utf-16") + b"x\0" * 9000), 5)
    assert text.text.startswith("Grüße xxx")
    assert text.has_more
    assert first_rows(of(tmp_path, "a.png", bytes(100)), 5).kind is Kind.BINARY
    assert first_rows(of(tmp_path, "empty.csv", b""), 5).header == ()


TABLE = 'Id;Name\r\n1;Müller, Ana\r\n2;"MÜLLER; Ben"\r\n3;Cy'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_found_rows_are_given_back_as_the_vendor_wrote_them(tmp_path, encoding):
    file = of(tmp_path, "a.csv", TABLE.encode(encoding))
    one, two = all_found([file], "müller")
    assert (one.header, one.cells) == (("Id", "Name"), ("1", "Müller, Ana"))
    assert two.cells == ("2", "MÜLLER; Ben")
    header, ana, ben, cy = TABLE.split("\r\n")
    assert b"".join(row_at(file, two.start)) == f"{header}\r\n{ben}\r\n".encode(encoding)
    assert b"".join(rows_of(file, "müller")) == f"{header}\r\n{ana}\r\n{ben}\r\n".encode(encoding)
    (last,) = all_found([file], "3;cy")
    ended = f"{header}\r\n{cy}\n".encode(encoding)
    assert b"".join(row_at(file, last.start)) == ended


def test_the_header_is_no_find_and_comes_once(tmp_path):
    file = of(tmp_path, "a.csv", b"Ana,id\nAna,1\nBen,2\n")
    (found,) = all_found([file], "ana")
    assert found.start == 7
    assert b"".join(rows_of(file, "ana")) == b"Ana,id\nAna,1\n"


def test_a_search_goes_on_where_it_stopped(tmp_path):
    names = [f"{number},Ana {number}\n".encode() for number in range(120)]
    files = [
        of(tmp_path, "a.csv", b"id,name\n" + b"".join(names)),
        of(tmp_path, "b.json", json.dumps([{"n": f"Ana {n}"} for n in range(120)]).encode()),
        of(tmp_path, "c.png", b"Ana" + bytes(100)),
        of(tmp_path, "d.txt", b"Ana was here\n"),
    ]
    first = find(files, "ana", (0, 0), lambda: False)
    assert len(first.finds) == 50
    assert first.go_on is not None
    found = all_found(files, "ana")
    assert len({(one.file, one.start) for one in found}) == len(found) == 241
    one_by_one, place = 0, (0, 0)
    while place is not None:
        answer = find(files, "ana 11", place, lambda: True)
        one_by_one += len(answer.finds)
        assert answer.go_on is None or answer.go_on > place
        place = answer.go_on
    assert one_by_one == 2 * 11


def test_letters_beyond_ascii_are_found_however_json_writes_them(tmp_path):
    data = [{"n": "Zoë"}, {"n": "ZOË"}, {"n": "Zoe"}]
    escaped = of(tmp_path, "a.json", json.dumps(data).encode())
    plainly = of(tmp_path, "b.json", json.dumps(data, ensure_ascii=False).encode())
    assert [one.file for one in all_found([escaped, plainly], "zoë")] == [0, 0, 1, 1]


def test_what_stands_in_a_json_file_outside_of_its_records_is_not_missed(tmp_path):
    file = of(tmp_path, "a.json", b'{"owner": "Zorro", "items": [{"id": 1}]}')
    (found,) = all_found([file], "zorro")
    assert not found.has_bytes
