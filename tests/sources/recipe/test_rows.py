from __future__ import annotations

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
