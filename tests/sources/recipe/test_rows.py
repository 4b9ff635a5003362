from __future__ import annotations

import zipfile

import pytest

from appliance.core.errors import ExportUnsafe
from appliance.sources.recipe import rows

WHOLE = b'"Id","Text"\n"1","one"\n"2","two\nlines"\n'


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (WHOLE, 2),
        (WHOLE.removesuffix(b"\n"), 2),
        (WHOLE.replace(b"\n", b"\r\n"), 2),
        (WHOLE.replace(b"one", b"o\0ne"), 2),
        (WHOLE.replace(b",", b";"), 2),
        (b"Id;Text\n1;a, b\n2;c", 2),
        (b'Id,Text\n1,5" pipe\n2,"x"y\n', 2),
        (b"Id,Text\n1\n", 1),
        (b"Id,Text\n", 0),
        (b"", 0),
    ],
)
def test_the_rows_of_a_csv_are_counted_whatever_it_looks_like(tmp_path, text, count):
    (tmp_path / "a.csv").write_bytes(text)
    assert rows.in_csv(tmp_path / "a.csv") == count


@pytest.mark.parametrize("end", [-14, -13, -12, -10, -9, -5, -1])
def test_a_csv_that_ends_in_the_middle_of_a_row_is_refused(tmp_path, end):
    text = b'"Id","Text"\n"1","one"\n"22","two lines"'
    (tmp_path / "a.csv").write_bytes(text[:end])
    with pytest.raises(ExportUnsafe):
        rows.in_csv(tmp_path / "a.csv")


def test_the_rows_of_all_csvs_in_a_zip_are_counted_and_none_may_be_cut(tmp_path):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("a.csv", WHOLE)
        packed.writestr("b/C.CSV", WHOLE)
        packed.writestr("read.me", b"one\ntwo\n")
    assert rows.in_csv(file) == 4

    with zipfile.ZipFile(file, "a") as packed:
        packed.writestr("d.csv", WHOLE[:-9])
    with pytest.raises(ExportUnsafe, match="in the middle of a row"):
        rows.in_csv(file)


def test_a_cell_that_no_table_has_is_refused_and_counting_gives_signs_of_life(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(rows, "_LONGEST_CELL", 100)
    monkeypatch.setattr(rows, "_PULSE_ROWS", 2)
    signs: list[int] = []
    (tmp_path / "a.csv").write_bytes(WHOLE)
    rows.in_csv(tmp_path / "a.csv", lambda: signs.append(1))
    assert signs

    (tmp_path / "a.csv").write_bytes(b"Id,Text\n1," + b"x" * 101 + b"\n")
    with pytest.raises(ExportUnsafe, match="no table"):
        rows.in_csv(tmp_path / "a.csv")
