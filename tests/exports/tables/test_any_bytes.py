"""Whatever bytes a file has, it is read or is no table: nothing else is raised, nothing hangs."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
import xlsxwriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError
from appliance.exports.reading import opened
from tests.exports.tables.reading import file_of, read_to_the_end
from tests.exports.tables.veils import hidden

FREELY = settings(deadline=None, max_examples=150)
SUFFIXES = ["csv", "tsv", "json", "jsonl", "vcf", "sql", "xlsx"]


def workbook(rows):
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("People")
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    return out.getvalue()


SEEDS = {
    "csv": b'Id,Name,Note\r\n1,"Ann ""A"" B","two\r\nlines"\r\n2,Bob,\r\n,x,y\r\n3,C\xc3\xa9,z\r\n',
    "tsv": b"Id\tName\tNote\n1\tAnn\tx\n\tBob\t\n2\tCy\tz\nfoot\nfoot\n",
    "json": b'{"records": [{"id": 1, "a": {"b": [1, {"c": "\\u00e9"}]}}, {"id": 2, "x": null}]}',
    "jsonl": b'{"id": 1, "a": "x"}\n{"id": 2, "a": {"b": true}}\n',
    "vcf": b'BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN;X="a:b":Ann\\, B\r\nTEL;TYPE=work:\r\n'
    b" 030\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:Bob\r\nEND:VCARD\r\n",
    "sql": b"-- MySQL dump\nCREATE TABLE `t` (`id` int, `n` text DEFAULT 'x,(', "
    b"PRIMARY KEY (`id`));\n"
    b"INSERT INTO `t` VALUES (1,'it\\'s'),(2,NULL),(3,_binary '\\0(');\nDELIMITER ;;\nx ;;\n"
    b"DELIMITER ;\n/* c */ COPY public.p (id, n) FROM stdin;\n1\ta\\tb\n2\t\\N\n\\.\n"
    b"ALTER TABLE ONLY public.p ADD CONSTRAINT k PRIMARY KEY (id);\nSELECT $a$;$a$;\n",
    "xlsx": workbook([["Id", "Name"], [1, "Ann"], [2.5, "Bob"], [True, None]]),
}


@st.composite
def mutated(draw):
    """What a vendor writes, with some of it gone, doubled, or something else."""
    suffix = draw(st.sampled_from(SUFFIXES))
    data = bytearray(SEEDS[suffix])
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(
                st.sampled_from([b'"', b"'", b"\\", b"\n", b"\r", b"\0", b",", b"(", b"`", b"$a$"]),
                st.binary(max_size=6),
                st.just(bytes(data[at:to]) * 2),
            )
        )
        data[at:to] = piece
    return suffix, bytes(data)


@FREELY
@given(data=st.binary(max_size=300), suffix=st.sampled_from(SUFFIXES))
@example(data=b"\xff\xfeI\0d\0", suffix="csv")
@example(data=b"a,b\rc\nd,e", suffix="csv")
def test_arbitrary_bytes(tmp_path_factory, data, suffix):
    read_to_the_end(file_of(tmp_path_factory.mktemp("bytes"), data, f"x.{suffix}"))


@settings(FREELY, max_examples=600)
@given(case=mutated())
def test_what_was_a_table_once(tmp_path_factory, case):
    suffix, data = case
    read_to_the_end(file_of(tmp_path_factory.mktemp("bytes"), data, f"x.{suffix}"))


SIGNS = st.text(alphabet="ab(),;'\"`\\$-/*#\n\t\r 1", max_size=60)


@settings(FREELY, max_examples=300)
@given(text=SIGNS)
def test_any_sql_statement(tmp_path_factory, text):
    for head in ("", "-- PostgreSQL database dump\n"):
        data = f"{head}INSERT INTO t VALUES (1,{text}\nCOPY p FROM stdin;\n{text}".encode()
        read_to_the_end(file_of(tmp_path_factory.mktemp("sql"), data, "x.sql"))


@settings(FREELY, max_examples=60)
@given(inner=st.data())
def test_a_workbook_with_other_xml_in_it(tmp_path_factory, inner):
    """The parts are what is damaged, not the ZIP around them."""
    names = zipfile.ZipFile(io.BytesIO(SEEDS["xlsx"])).namelist()
    hurt = inner.draw(st.sampled_from(names))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SEEDS["xlsx"])) as was, zipfile.ZipFile(out, "w") as box:
        for name in names:
            data = was.read(name)
            if name == hurt:
                at = inner.draw(st.integers(0, len(data)))
                data = data[:at] + inner.draw(st.binary(max_size=8)) + data[at + 4 :]
            box.writestr(name, data)
    read_to_the_end(file_of(tmp_path_factory.mktemp("book"), out.getvalue(), "x.xlsx"))


HIDDEN = {"csv": "Name", "tsv": "Name", "json": "a", "jsonl": "a", "vcf": "TEL"}


@settings(FREELY, max_examples=600)
@given(case=mutated())
def test_what_was_a_table_once_is_masked_as_it_is_read_or_refused(tmp_path_factory, case):
    suffix, data = case
    folder = tmp_path_factory.mktemp("masked")
    name = HIDDEN.get(suffix, "Name")
    try:
        masked = hidden(folder, data, f"x.{suffix}", [name])
        (rows,) = opened(file_of(folder, masked, f"x.{suffix}")).values()
    except ApplianceError:
        return
    except (AttributeError, ValueError):
        assert not data.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n[]{}"), "it says something"
        return
    kind = ".*" if suffix == "vcf" else r"\(\d+\)"  # `TEL work`, or the second one of that name
    called = re.compile(f"{name}( {kind})?")
    meant = [at for at, each in enumerate(rows.columns) if called.fullmatch(each)]
    for _, cells in rows.rows():
        several = (cells[at] for at in meant if at < len(cells))
        for line in (line for cell in several for line in cell.split("\n")):
            assert line.startswith("masked-") or not line.strip(" \t\r;,[]{}\x0b\x0c\x85\xa0")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_beginning_of_a_file(tmp_path, suffix):
    whole = read_to_the_end(file_of(tmp_path, SEEDS[suffix], f"x.{suffix}"))
    assert whole
    for end in range(0, len(SEEDS[suffix]), 1 if suffix != "xlsx" else 97):
        assert read_to_the_end(file_of(tmp_path, SEEDS[suffix][:end], f"x.{suffix}")) <= whole + 1
