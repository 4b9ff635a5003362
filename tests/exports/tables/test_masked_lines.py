"""A CSV with columns hidden: every other byte is where it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.exports.tables.rows import NotATable
from tests.exports.tables.reading import records_of, rows_in
from tests.exports.tables.veils import hidden, pseudonym

ANN, BOB, QUOTED = pseudonym("0171 1"), pseudonym("0171 2"), pseudonym('0171" 1')


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (
            "Id,Phone,Name\r\n1,0171 1,Ann\r\n2,,Bob\r\n",
            f"Id,Phone,Name\r\n1,{ANN},Ann\r\n2,,Bob\r\n",
        ),
        ("Id,Phone\n1,0171 1\n2,0171 2", f"Id,Phone\n1,{ANN}\n2,{BOB}"),
        (
            '"Id","Phone"\n"1","0171 1"\n"2",""\n"3","  "\n',
            f'"Id","Phone"\n"1","{ANN}"\n"2",""\n"3","  "\n',
        ),
        ("sep=;\nId;Phone\n1;0171 1\n", f"sep=;\nId;Phone\n1;{ANN}\n"),
        ("Id,Phone\r1,0171 1\r", f"Id,Phone\r1,{ANN}\r"),
        ("\n\nId,Phone\n\n1,0171 1\n\n\n", f"\n\nId,Phone\n\n1,{ANN}\n\n\n"),
        ("Id,Phone\n1,0171 1\r\n2,0171 2\n", f"Id,Phone\n1,{ANN}\r\n2,{BOB}\n"),
        ('Id,Phone,Note\n1,0171 1,"a, ""b""\r\nc"\n', f'Id,Phone,Note\n1,{ANN},"a, ""b""\r\nc"\n'),
        (
            'Id,Note,Phone\n1,say "no", 0171 1\n',
            f'Id,Note,Phone\n1,say "no",{pseudonym(" 0171 1")}\n',
        ),
        ('Id,Phone\n1,"0171 1"\n', f'Id,Phone\n1,"{ANN}"\n'),
        ('Id,Phone\n1,"0171"" 1"\n', f'Id,Phone\n1,"{QUOTED}"\n'),
        ("Id,Phone\n1\n2,\n", "Id,Phone\n1\n2,\n"),
    ],
)
def test_only_the_cells_of_a_masked_column_are_replaced(tmp_path, data, wanted):
    assert hidden(tmp_path, data.encode(), "c.csv", ["Phone"]).decode() == wanted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("Id,Phone,Name\r\n1,2,Ann\r\n", "Id,Name\r\n1,Ann\r\n"),
        ("Phone,Id\n5,1\n6\n", 'Id\n1\n""\n'),
        ('"Id";"Phone"\n"1";"x;y"\n', '"Id"\n"1"\n'),
        ("Id,Phone\n,5\n1,6\n", 'Id\n""\n1\n'),
        ("Phone\n5\n", '""\n""\n'),
    ],
)
def test_a_dropped_column_is_gone_with_its_name_and_no_row_is(tmp_path, data, wanted):
    assert hidden(tmp_path, data.encode(), "c.csv", drop=["Phone"]).decode() == wanted


def test_a_cell_that_goes_over_several_lines_is_replaced_whole(tmp_path):
    data = b'Id,Note,Name\n1,"line one\r\nline ""two""\n\n3",Ann\n2,x,Bob\n'
    told = hidden(tmp_path, data, "c.csv", ["Note"]).decode()
    note = pseudonym('line one\r\nline "two"\n\n3')
    assert told == f'Id,Note,Name\n1,"{note}",Ann\n2,{pseudonym("x")},Bob\n'


def test_a_comma_that_nobody_quoted_does_not_push_a_number_out_of_its_column(tmp_path):
    data = b"Id,Name,Phone,City\n1,Smith, John,0171 1,Rome\n2,Ann,0171 2,Bonn,\n"
    told = hidden(tmp_path, data, "c.csv", ["Phone"]).decode().splitlines()
    assert told[1] == f"1,Smith,{pseudonym(' John')},{ANN},{pseudonym('Rome')}"
    assert told[2] == f"2,Ann,{BOB},Bonn,", "a mark more at the end moves nothing"


def test_columns_of_one_name_are_hidden_together(tmp_path):
    data = b"Id,Phone, Phone ,Phone2\n1,a,b,c\n"
    told = hidden(tmp_path, data, "c.csv", ["Phone"]).decode()
    assert told.splitlines()[1] == f"1,{pseudonym('a')},{pseudonym('b')},c"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16-le", "utf-16-be"])
def test_encoding_and_mark_stay_as_they_are(tmp_path, encoding):
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    text = mark + "Id,Näme,Größe\r\n1,Zoë “A”,ä\r\n2,Bö,\r\n"
    told = hidden(tmp_path, text.encode(encoding), "c.csv", ["Größe"])
    assert told == text.replace(",ä\r", f",{pseudonym('ä')}\r").encode(encoding)


def test_the_same_value_has_the_same_pseudonym_however_it_is_written(tmp_path):
    ways = [
        ("c.csv", "Id,Name\n1,Zoë\n".encode()),
        ("c.csv", "Id,Name\n1,Zoë\n".encode("cp1252")),
        ("c.tsv", 'Id\tName\n1\t"Zoë"\n'.encode("utf-16")),
        ("c.json", b'[{"Name": "Zo\\u00eb"}]'),
        ("c.vcf", "BEGIN:VCARD\nName:Zoë\nEND:VCARD\n".encode()),
    ]
    for path, data in ways:
        name = "NAME" if path == "c.vcf" else "Name"
        told = hidden(tmp_path, data, path, [name]).replace(b"\0", b"")
        assert pseudonym("Zoë").encode() in told, path


def test_what_is_not_utf_8_in_its_last_line_alone_stays_byte_for_byte(tmp_path):
    data = b"Id,Phone,Name\n" + b"1,0171 1,Ann\n" * 20_000 + b"2,0171 2,Zo\xeb\x81\n"
    told = hidden(tmp_path, data, "c.csv", ["Phone"])
    assert told == data.replace(b"0171 1", ANN.encode()).replace(b"0171 2", BOB.encode())


@pytest.mark.parametrize("cell", ['=cmd|"/c calc"!A1', "@x", "\ufeff7", "1" * 100_000])
def test_a_hostile_cell_becomes_letters_and_digits(tmp_path, cell):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["Id", "Phone"], ["1", cell]])
    told = hidden(tmp_path, out.getvalue().encode(), "c.csv", ["Phone"]).decode()
    assert told.splitlines()[1].replace('"', "") == f"1,{pseudonym(cell)}"


def test_a_quote_that_is_never_closed_hides_all_that_follows(tmp_path):
    told = hidden(tmp_path, b'Id,Phone\n1,"0171 1\n2,0171 2\n', "c.csv", ["Phone"])
    assert b"0171" not in told


def test_a_table_in_columns_of_two_bytes_is_not_cut_within_a_letter(tmp_path):
    """A bar is the second byte of some letters of Shift-JIS."""
    data = "Id|Name|Phone\n1|ポ|0171 1\n".encode("shift_jis")
    assert b"|" in "ポ".encode("shift_jis")[1:]
    with pytest.raises(NotATable, match="cannot be taken apart"):
        hidden(tmp_path, data, "c.csv", ["Phone"], encoding="shift_jis")


CELL = st.text(st.sampled_from('ab1 ,;"\n\r\té'), max_size=8)
ROWS = st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=6)


@given(ROWS, st.sampled_from([",", ";", "\t"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
@settings(deadline=None, max_examples=200)
def test_whatever_stands_in_a_row_only_the_hidden_cells_are_others(
    tmp_path_factory, rows, mark, how
):
    folder = tmp_path_factory.mktemp("lines")
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=mark, quoting=how, lineterminator="\r\n")
    writer.writerow(["Key", "Phone", "Name", "Note"])
    writer.writerows([(f"k{n}", *row[1:]) for n, row in enumerate(rows)])
    data = out.getvalue().encode()
    path = "c.tsv" if mark == "\t" else "c.csv"
    told = hidden(folder, data, path, ["Phone"], ["Note"])
    before = records_of(rows_in(folder, data, path))
    after = records_of(rows_in(folder, told, path))
    assert [{**row, "Phone": None} for row in after] == [
        {"Key": row["Key"], "Phone": None, "Name": row["Name"]} for row in before
    ]
    for was, now in zip(before, after, strict=True):
        cell = was["Phone"]
        assert now["Phone"] == (pseudonym(cell) if cell.strip() else cell)
