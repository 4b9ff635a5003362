"""What a large table takes: memory that does not grow with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.exports.tables.reading import PEAK

pytestmark = pytest.mark.slow
MOST_KILOBYTES = 200 << 10
ROWS = 1_000_000
COMPARE = """
import sys
from pathlib import Path
from appliance.exports.reading import opened
from appliance.exports.tables.comparing import differences
from appliance.exports.tables.grouping import File, tables
from appliance.exports.tables.profile import profile
from dataclasses import replace

folder = Path(sys.argv[1])
files = [File(sys.argv[2], folder / name, name) for name in ("before", "after")]
before, after = (tables([file], (), opened)[0] for file in files)
told = profile(after)
known = replace(after, id_columns=told.id_columns)
found = sum(1 for _ in differences(before, known, told.rows, folder))
print(told.rows, *told.id_columns, found, peak())
"""


def csv_line(number: int, status: str) -> str:
    return f'{number},"Müller, Ana {number}",a{number}@b.example,{status},2026-11-20\n'


def sql_line(number: int, status: str) -> str:
    return f"{',' if number else ''}({number},'O\\'Neil {number}','{status}')"


def csv_file(lines):
    yield "Id,Name,Mail,Status,Modified\n"
    yield from lines


def sql_file(lines):
    """All of it one statement, on one line."""
    yield "-- MySQL dump\nCREATE TABLE `t` (`Id` int, `n` text, `s` text, PRIMARY KEY (`Id`));\n"
    yield "INSERT INTO `t` VALUES "
    yield from lines
    yield ";\n"


@pytest.mark.parametrize(
    ("name", "line", "whole"),
    [("Contacts.csv", csv_line, csv_file), ("crm.sql", sql_line, sql_file)],
)
def test_a_million_rows_are_understood_and_compared_within_200_mb(tmp_path, name, line, whole):
    """Each hundredth is changed, and half of the others lie elsewhere."""
    for file, status, order in (
        ("before", "won", range(ROWS)),
        ("after", "lost", (*range(0, ROWS, 2), *range(1, ROWS, 2))),
    ):
        lines = (line(n, status if n % 100 == 0 else "open") for n in order)
        with (tmp_path / file).open("w", encoding="utf-8") as out:
            out.writelines(whole(lines))
    code = [sys.executable, "-c", PEAK + COMPARE, tmp_path, name]
    told = subprocess.run(code, capture_output=True, check=True, text=True).stdout.split()
    assert told[:3] == [str(ROWS), "Id", str(ROWS // 100)]
    assert int(told[3]) < MOST_KILOBYTES


READ = """
import sys
from pathlib import Path
from appliance.exports.reading import opened
from appliance.exports.tables.grouping import File
from appliance.exports.tables.profile import profile
from appliance.exports.tables.rows import NotATable
from appliance.exports.tables.table import Table

try:
    for name, rows in opened(File(sys.argv[2], Path(sys.argv[1]), "")).items():
        profile(Table(name, {"x": rows}))
except NotATable:
    pass
print(peak())
"""
LARGE = 30_000_000


@pytest.mark.parametrize(
    ("name", "before", "piece", "after"),
    [
        pytest.param("x.csv", "a,b\n", ",", "\n", id="cells"),
        pytest.param("x.csv", "a,b\n\U0001f600", "x", "\n", id="wide text"),
        pytest.param("x.csv", "", "a,", "\n", id="columns"),
        pytest.param("x.csv", "a,b\n", "a\n", "", id="lines"),
        pytest.param("x.csv", "a,b\n", '"', "", id="quotes"),
        pytest.param("x.json", '[{"a": [1', ",[]", "]}]", id="lists"),
        pytest.param("x.json", "", '[{"a":', "", id="depth"),
        pytest.param("x.json", '[{"a": "', "é", '"}]', id="a text"),
        pytest.param("x.jsonl", "", '{"a":1}', "", id="a line of objects"),
        pytest.param("x.vcf", "BEGIN:VCARD\nN:x\n", "T:1\n", "END:VCARD\n", id="properties"),
        pytest.param("x.vcf", "BEGIN:VCARD\nN:x\n", ' "', "\nEND:VCARD\n", id="a property"),
        pytest.param("x.sql", "INSERT INTO `t` VALUES (1", ",1", ");\n", id="values"),
        pytest.param("x.sql", "INSERT INTO `t` VALUES ('", "\\n", "');\n", id="escapes"),
        pytest.param("x.sql", "INSERT INTO `t` VALUES ", "(", "", id="brackets"),
        pytest.param("x.sql", "COPY t FROM stdin;\n", "\t", "\n\\.\n", id="a line of COPY"),
        pytest.param("x.sql", "", "CREATE TABLE `a` (b int);", "", id="tables"),
        pytest.param("x.sql", "", "$a $b$ ", "", id="dollars"),
    ],
)
def test_what_is_made_to_be_large_takes_300_mb_at_most(tmp_path, name, before, piece, after):
    file = tmp_path / "member"
    file.write_text(before + piece * (LARGE // len(piece)) + after, encoding="utf-8")
    code = [sys.executable, "-c", PEAK + READ, file, name]
    told = subprocess.run(code, capture_output=True, check=True, text=True)
    assert int(told.stdout) < 300 << 10


MASK = """
import sys
from pathlib import Path
from appliance.exports.pseudonyms import Pseudonyms
from appliance.exports.rewriting import maskable
from appliance.exports.tables.grouping import File
from appliance.exports.tables.masking import Veil

found = maskable(File(sys.argv[2], Path(sys.argv[1]) / "before", ""))
veil = Veil(frozenset({"Mail", "Id"}), frozenset({"Status"}), Pseudonyms(b"key").of)
print(sum(chunk.count(b"masked-") for chunk in found.rewritten(veil)), peak())
"""


def json_line(number: int) -> str:
    return f'{{"Id": {number}, "Name": "Müller", "Status": "open", "x": {{"y": [{number}]}}}}\n'


@pytest.mark.parametrize(
    ("name", "line", "whole", "each"),
    [("c.csv", lambda n: csv_line(n, "open"), csv_file, 2), ("c.jsonl", json_line, iter, 1)],
)
def test_a_million_rows_are_masked_within_64_mb(tmp_path, name, line, whole, each):
    with (tmp_path / "before").open("w", encoding="utf-8") as out:
        out.writelines(whole(map(line, range(ROWS))))
    code = [sys.executable, "-c", PEAK + MASK, tmp_path, name]
    told = subprocess.run(code, capture_output=True, check=True, text=True).stdout.split()
    assert int(told[0]) == ROWS * each
    assert int(told[1]) < 64 << 10
