"""Whatever stands in a table, without some of its rows it is the others, in their order."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.exports.reading import opened
from appliance.exports.tables.removing import write_without
from tests.exports.tables.reading import file_of, records_of
from tests.exports.tables.test_workbook import book_of

ODD = st.text(st.sampled_from(",;\"'\n\r\t é=\\:{}[]()-#`$/ab7\ud83d😀"), max_size=7)
ROWS = st.lists(st.tuples(ODD, ODD, st.booleans()), min_size=1, max_size=8)


def as_csv(rows, mark=b"", encoding="utf-8", errors="replace", end="\r\n"):
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end)
    writer.writerows([("id", "a", "b"), *((n, a, b) for n, (a, b, _) in enumerate(rows))])
    return mark + out.getvalue().encode(encoding, errors)


def as_report(rows):
    return as_csv(rows) + b'\r\n\r\n"All contacts"\r\nCopyright\r\n'


def as_utf_16(rows):
    return as_csv(rows, b"\xfe\xff", "utf-16-be", "surrogatepass", "\n")[:-2]


def as_objects(rows):
    return [{"id": str(n), "a": a, "b": b} for n, (a, b, _) in enumerate(rows)]


def as_json(rows):
    return json.dumps({"a": (objects := as_objects(rows))[:3], "b": objects[3:]}, indent=1).encode()


def as_lines(rows):
    return "\r\n".join(map(json.dumps, as_objects(rows))).encode()


def as_cards(rows):
    def put(text):
        plain = text.replace("\\", "\\\\").replace("\r", "").replace("\n", "\\n")
        return plain.encode("utf-8", "replace")

    card = b"BEGIN:VCARD\nUID:%d\nA:%b\nB:%b\nEND:VCARD\n%b\n"
    cards = (card % (n, put(a), put(b), put(a)) for n, (a, b, _) in enumerate(rows))
    return b"by hand\n" + b"".join(cards)


def as_dump(rows):
    def put(text):
        plain = text.replace("\\", "\\\\").replace("'", "\\'").encode("utf-8", "replace")
        return b"'" + plain + b"'"

    tuples = [b"(%d ,%b,%b)" % (n, put(a), put(b)) for n, (a, b, _) in enumerate(rows)]
    inserts = (
        b"INSERT INTO `t` VALUES %b ON DUPLICATE KEY UPDATE a='; (';\n" % b" , ".join(some)
        for some in (tuples[:1], tuples[1:4], tuples[4:])
        if some
    )
    return b"-- MySQL\nCREATE TABLE `t` (`id` int, `a` text, `b` text);\n" + b"".join(inserts)


def as_book(rows):
    def put(text):
        return text.encode("utf-8", "replace").decode()

    cells = ([n, put(a), put(b)] for n, (a, b, _) in enumerate(rows))
    return book_of(T=[["id", "a", "b"], *cells], Notes=[["x"]])


def left_of(folder, data, path, gone):
    """The records of a file, and of it without some of them, by their ids."""
    file = file_of(folder, data, path)
    tables = opened(file)
    ((name, rows),) = tables.items()
    at = list(rows.columns).index("UID" if path.endswith(".vcf") else "id")
    write_without(file.file, tables, lambda _, cells: cells[at] in gone, folder / "without")
    after = opened(file_of(folder, (folder / "without").read_bytes(), path))
    return records_of(rows), records_of(after[name])


def said(row):
    """What a record says of whom."""
    told = {name: cell for name, cell in row.items() if cell}
    return told.get("id", told.get("UID")), told


@pytest.mark.parametrize(
    ("path", "write"),
    [
        ("a.csv", as_csv),
        ("a.csv", as_report),
        ("a.csv", as_utf_16),
        ("a.json", as_json),
        ("a.jsonl", as_lines),
        ("a.vcf", as_cards),
        ("a.sql", as_dump),
        ("a.xlsx", as_book),
    ],
)
@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_the_others_stay(tmp_path_factory, path, write, rows):
    gone = {str(n) for n, (_, _, goes) in enumerate(rows) if goes}
    folder = tmp_path_factory.mktemp("any")
    before, after = (list(map(said, some)) for some in left_of(folder, write(rows), path, gone))
    assert after == [(who, told) for who, told in before if who not in gone]
