"""Workbooks: each sheet a table, its cells the same text from day to day, and no bomb opened."""

from __future__ import annotations

import gc
import io
import resource
import subprocess
import sys
import zipfile
from datetime import date, datetime, time, timedelta

import pytest
import xlsxwriter

from appliance.exports.reading import opened
from appliance.exports.tables.rows import NotATable
from tests.exports.packing import opened as unpacked
from tests.exports.packing import zip_of
from tests.exports.tables.reading import PEAK, cells_of, file_of, records_of

HEADER = ["Id", "Name", "Zip"]


def book_of(**sheets):
    """A workbook; a cell may be a pair of a value and a number format."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, tuple):
                    sheet.write(number, place, cell[0], book.add_format({"num_format": cell[1]}))
                elif isinstance(cell, str):
                    sheet.write_string(number, place, cell)
                else:
                    sheet.write(number, place, cell)
    book.close()
    return out.getvalue()


def with_part(data, part, change):
    """The same workbook with one of its parts changed."""
    files = {}
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        for name in box.namelist():
            files[name] = change(box.read(name)) if name == part else box.read(name)
    return zip_of(files)


def test_each_sheet_below_a_header_is_a_table(tmp_path):
    data = book_of(
        Contacts=[HEADER, ["1", "Ann", "01067"], ["2", "Bob"]],
        Deals=[["Id", "Sum"], ["7", 1]],
        Notes=[["only text"], ["more"]],
        Figures=[[1, 2], [3, 4]],
        Empty=[],
    )
    found = opened(file_of(tmp_path, data, "Export.xlsx"))
    assert list(found) == ["Contacts", "Deals"]
    assert cells_of(found["Contacts"]) == [["1", "Ann", "01067"], ["2", "Bob"]]
    assert found["Contacts"].columns == HEADER


def test_an_only_table_is_called_like_the_file(tmp_path):
    data = book_of(**{"All Contacts": [HEADER, ["1", "Ann", ""]], "hiddenSheet": [["x"]]})
    assert list(opened(file_of(tmp_path, data, "Contacts.xlsx"))) == [""]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("00123", "00123"),
        (1, "1"),
        (1.0, "1"),
        (0.1, "0.1"),
        (491512345678, "491512345678"),
        (1e20, "1e+20"),
        (True, "TRUE"),
        (None, ""),
        ("two\nlines, \"quoted\"", "two\nlines, \"quoted\""),
        (" <&> ü", " <&> ü"),
        ((date(2026, 11, 21), "dd.mm.yyyy"), "2026-11-21"),
        ((datetime.fromisoformat("2026-11-21T03:04:05"), "d.m.yy h:mm"), "2026-11-21 03:04:05"),
        ((datetime.fromisoformat("2026-11-21T23:59:59"), "hh:mm"), "2026-11-21 23:59:59"),
        ((time(3, 30), "hh:mm"), "03:30:00"),
        ((timedelta(hours=30), "[h]:mm"), "1 day, 6:00:00"),
        ((1234.5, "#,##0.00 €"), "1234.5"),
    ],
)  # fmt: skip
def test_a_cell_says_the_same_each_day(tmp_path, cell, says):
    rows = opened(file_of(tmp_path, book_of(S=[["Id", "It"], ["1", cell]]), "x.xlsx"))[""]
    assert records_of(rows)[0].get("It", "") == says


def test_rows_that_say_nothing_and_text_in_pieces(tmp_path):
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["Id", "Name"])
    sheet.write_rich_string(3, 1, "An", book.add_format({"bold": True}), "na", " B")
    sheet.write_row(5000, 0, ["2", "Bob"])
    book.close()
    rows = opened(file_of(tmp_path, out.getvalue(), "x.xlsx"))[""]
    assert cells_of(rows) == [["", "Anna B"], ["2", "Bob"]]


def test_lost_rows_come_back_as_csv(tmp_path):
    rows = opened(file_of(tmp_path, book_of(S=[HEADER, ["1", "Ä, B", "01"]]), "x.xlsx"))[""]
    frame = rows.frame
    assert frame.suffix == ".csv"
    again = frame.opening + frame.between.join(rows.raws()) + frame.closing
    assert again == '\ufeffId,Name,Zip\r\n1,"Ä, B",01\r\n'.encode()


def test_what_was_made_of_it_goes_with_it(tmp_path):
    rows = opened(file_of(tmp_path, book_of(S=[HEADER, ["1", "A", "2"]]), "x.xlsx"))
    assert len(list(tmp_path.iterdir())) == 2
    del rows
    gc.collect()
    assert len(list(tmp_path.iterdir())) == 1


def test_the_unpacker_leaves_it_whole(tmp_path):
    """Stored it may be in parts; understood it is as a file, also within a ZIP."""
    book = book_of(S=[HEADER, ["1", "A", "2"]])
    found = unpacked(tmp_path, {"a.xlsx": book, "b.zip": zip_of({"c.xlsx": book})})
    assert [member.path for member in found.members] == ["a.xlsx", "b.zip/c.xlsx"]
    for member in found.members:
        rows = opened(file_of(tmp_path, member.file.read_bytes(), member.path))
        assert cells_of(rows[""]) == [["1", "A", "2"]]


ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]>"
)
GOOD = book_of(S=[HEADER, ["1", "A", "2"]])
SHEET, TEXTS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        pytest.param(TEXTS, lambda was: ENTITIES + was[55:], id="entities"),
        pytest.param(SHEET, lambda was: ENTITIES + was[55:], id="entities in a sheet"),
        pytest.param(TEXTS, lambda was: was.decode().encode("utf-16"), id="entities unseen"),
        pytest.param(TEXTS, lambda was: was.replace(b"Id", b"x" * (40 << 20)), id="endless text"),
        pytest.param(SHEET, lambda was: was.replace(b"<row", b"<a>" * 8_000_000, 1), id="deep"),
        pytest.param(SHEET, lambda was: was.replace(b"<row", b" " * 200_000_000, 1), id="ratio"),
        pytest.param(SHEET, lambda was: was.replace(b"<v>0<", b"<v>99<"), id="no such text"),
        pytest.param(SHEET, lambda was: was[: len(was) // 2], id="cut within"),
        pytest.param("[Content_Types].xml", lambda was: b"<Types/>", id="of no kind"),
    ],
)  # fmt: skip
def test_bombs_and_damage_are_no_table(tmp_path, part, change):
    file = file_of(tmp_path, with_part(GOOD, part, change), "x.xlsx")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotATable):
        opened(file)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 << 10
    assert list(tmp_path.iterdir()) == [file.file]


def test_rows_far_below_end(tmp_path):
    """A row may say that it is the billionth."""
    far = with_part(GOOD, SHEET, lambda was: was.replace(b'<row r="2"', b'<row r="2000000000"'))
    assert cells_of(opened(file_of(tmp_path, far, "x.xlsx"))[""]) == []


@pytest.mark.slow
def test_two_hundred_thousand_rows_take_200_mb_at_most(tmp_path):
    out = tmp_path / "member"
    book = xlsxwriter.Workbook(out, {"tmpdir": str(tmp_path)})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["Id", "Name", "Mail", "Street"])
    for number in range(1, 200_001):
        cells = [f"z{number}", f"Ann {number}", f"a{number}@b.example", f"Way {number}"]
        sheet.write_row(number, 0, cells)
    book.close()
    code = (
        f"{PEAK}import sys\nfrom pathlib import Path\n"
        "from appliance.exports.reading import opened\n"
        "from appliance.exports.tables.grouping import File\n"
        "rows = opened(File('x.xlsx', Path(sys.argv[1]), ''))['']\n"
        "print(sum(1 for _ in rows.raws()), peak())"
    )
    told = subprocess.run([sys.executable, "-c", code, out], capture_output=True, check=True)
    count, kilobytes = map(int, told.stdout.split())
    assert count == 200_000
    assert kilobytes < 200 << 10
