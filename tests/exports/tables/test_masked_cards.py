"""An address book with properties hidden: all other lines are as they were."""

from __future__ import annotations

import pytest

from tests.exports.tables.reading import records_of, rows_in
from tests.exports.tables.veils import hidden, pseudonym

CARDS = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:Ann\r\nN:;;;;\r\n"
    'item1.TEL;TYPE=work;X-SAID="0171 1":0171 1\r\n'
    "TEL;TYPE=CELL,pref:0171 2\r\nTEL;TYPE=cell:0171\r\n  3\r\n"
    'ADR;TYPE=home;LABEL="Way 7":;;Way 7;Bonn;;;\r\n'
    'NOTE:she said\\, "call\r\n  0171 4"\r\nPHOTO;ENCODING=b;TYPE=JPEG:AAAA\r\n BBBB\r\n'
    "END:VCARD\r\nBEGIN:VCARD\r\nFN:Bob\r\nTEL:\r\nEND:VCARD\r\n"
)


def lines(text: bytes) -> list[str]:
    return text.decode().split("\r\n")


def test_a_property_of_any_kind_is_masked_by_its_name(tmp_path):
    told = hidden(tmp_path, CARDS.encode(), "a.vcf", ["TEL"])
    assert b"0171 1" not in told
    assert b"0171 2" not in told
    assert lines(told)[5:8] == [
        f"item1.TEL;TYPE=work:{pseudonym('0171 1')}",
        f"TEL;TYPE=CELL,pref:{pseudonym('0171 2')}",
        f"TEL;TYPE=cell:{pseudonym('0171 3')}",
    ]
    assert lines(told)[8:] == lines(CARDS.encode())[9:], "a folded line less; a blank one stays"


def test_one_kind_alone_is_masked_however_often_a_card_has_it(tmp_path):
    data = b"BEGIN:VCARD\nTEL;TYPE=cell:1\nTEL;TYPE=cell:2\nTEL;TYPE=home:3\nEND:VCARD\n"
    (row,) = records_of(rows_in(tmp_path, hidden(tmp_path, data, "a.vcf", ["TEL cell"]), "a.vcf"))
    assert row == {"TEL cell": pseudonym("1"), "TEL cell (2)": pseudonym("2"), "TEL home": "3"}


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("ADR", "Way 7"),
        ("NOTE", "0171 4"),
        ("PHOTO", "BBBB"),
        ("TEL work", "X-SAID"),
        ("FN", "Ann"),
    ],
)
@pytest.mark.parametrize("how", ["mask", "drop"])
def test_nothing_is_left_of_what_is_hidden_not_in_a_parameter_either(tmp_path, name, gone, how):
    told = hidden(tmp_path, CARDS.encode(), "a.vcf", **{how: [name]})
    assert gone.encode() not in told
    assert told.count(b"BEGIN:VCARD\r\n") == told.count(b"END:VCARD\r\n") == 2
    assert told.endswith(b"END:VCARD\r\n")
    assert (b"masked-" in told) == (how == "mask")


@pytest.mark.parametrize(
    "more",
    [
        "NOTE;ENCODING=QUOTED-PRINTABLE:call=\nhttp://0171 9=\nTEL:0171 9\n",
        "NOTE;ENCODING=BASE64:MDE3\nMDE3MSA5\n\n",
        "NOTE:a\n\tb 0171 9\n c 0171 9\n",
        "NOTE:\ncall 0171 9\nor 0171 9 at home\n",
    ],
)
def test_however_a_value_goes_on_in_the_next_line_it_is_hidden_whole(tmp_path, more):
    data = f"BEGIN:VCARD\nFN:Ann\n{more}EMAIL:a@b\nEND:VCARD\n".encode()
    for how in ({"mask": ["NOTE"]}, {"drop": ["NOTE"]}):
        told = hidden(tmp_path, data, "a.vcf", **how)
        assert b"0171" not in told
        assert b"MDE3" not in told
        assert b"FN:Ann\n" in told
        assert told.endswith(b"EMAIL:a@b\nEND:VCARD\n")


def test_a_long_line_is_folded_again(tmp_path):
    kind = ",".join(f"kind{n}" for n in range(20))
    data = f"BEGIN:VCARD\r\nTEL;TYPE={kind}:1\r\nEND:VCARD\r\n".encode()
    told = hidden(tmp_path, data, "a.vcf", ["TEL"])
    assert all(len(line) <= 75 for line in lines(told))
    (row,) = records_of(rows_in(tmp_path, told, "a.vcf"))
    assert list(row.values()) == [pseudonym("1")]
