"""An address book with properties hidden: all other lines are as they were."""

from __future__ import annotations

import pytest

from appliance.exports.tables.rows import NotATable
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


UNREADABLE = [
    'TEL;TYPE="work:0171-77',
    'TEL;TYPE=a"b:0171-77',
    "TEL :0171-77",
    "TEL;X=1;0171-77",
    "TÉL:0171-77",
    "0171-77",
]


@pytest.mark.parametrize("line", UNREADABLE)
@pytest.mark.parametrize("above", ["UID:1", "PHOTO;ENCODING=B:AAAA\n", "NOTE:", "TEL:0171\n"])
def test_a_line_that_cannot_be_read_is_not_shown(tmp_path, above, line):
    data = f"BEGIN:VCARD\n{above}\n{line}\nEND:VCARD\n".encode()
    number = 3 + above.count("\n")
    with pytest.raises(NotATable, match=f"^Line {number} of it is no property of a card"):
        hidden(tmp_path, data, "a.vcf", ["TEL"])


@pytest.mark.parametrize("line", UNREADABLE)
def test_below_a_hidden_one_neither(tmp_path, line):
    data = f"BEGIN:VCARD\nTEL:0171\n{line}\nEND:VCARD\n".encode()
    try:
        told = hidden(tmp_path, data, "a.vcf", ["TEL"])
    except NotATable:
        return
    assert b"0171-77" not in told


def test_a_card_within_a_card_is_hidden_like_any_other(tmp_path):
    inner = "AGENT:\nBEGIN:VCARD\nFN:Bob\nTEL:0171 2\nEND:VCARD\n"
    data = f"BEGIN:VCARD\nFN:Ann\nTEL:0171 1\n{inner}TEL:0171 3\nEND:VCARD\n".encode()
    assert b"0171" not in hidden(tmp_path, data, "a.vcf", ["TEL"])
    (row,) = records_of(rows_in(tmp_path, hidden(tmp_path, data, "a.vcf", ["TEL (2)"]), "a.vcf"))
    assert [row["TEL"], row["TEL (3)"]] == ["0171 1", "0171 3"]
    assert row["TEL (2)"] == pseudonym("0171 2")
    with pytest.raises(NotATable, match="holds another one"):
        hidden(tmp_path, data, "a.vcf", ["AGENT"])


OUTLOOK = (
    "BEGIN:VCARD\r\nVERSION:2.1\r\nX-MS-OL-DEFAULT-POSTAL-ADDRESS:2\r\n"
    "N;LANGUAGE=de;CHARSET=Windows-1252:M\xfcller;Ana\r\nFN;CHARSET=Windows-1252:Ana M\xfcller\r\n"
    "TEL;WORK;VOICE:0171 1\r\n"
    "ADR;WORK;PREF;CHARSET=Windows-1252;ENCODING=QUOTED-PRINTABLE:;;Way 7=0D=0A=\r\n"
    "Back door:left=\r\n=20side;Bonn;;;\r\nLABEL;WORK;ENCODING=QUOTED-PRINTABLE:Way=\r\n\r\n"
    'X-MS-OL-DESIGN;CHARSET=utf-8:<card xmlns="x:y"><img a="1;2"/></card>\r\n'
    "PHOTO;TYPE=JPEG;ENCODING=BASE64:\r\n /9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAYEBQY=\r\n\r\n"
    "KEY;X509;ENCODING=BASE64:\r\n MIIC+TCCAeGgAwIBAgIQ\r\n\tAAAA==\r\n\r\n\r\n"
    "REV:20261120T030000Z\r\n\r\nEND:VCARD\r\n\r\n"
).encode("cp1252")
PHONE = (
    b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=4D=C3=BC;=\n=41;;;\n"
    b"TEL;CELL;PREF:0171 1\nX-ANDROID-CUSTOM:vnd.android.cursor.item/nickname;A;1;;;\n"
    b"PHOTO;ENCODING=BASE64;JPEG:/9j/4AAQ\nSkZJRgABAQ\nAAAA==\n\nX-LOTUS-CHILD_UID:7\nEND:VCARD\n"
)
APPLE = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Apple Inc.//macOS 14//EN\r\nN:Müller;Ana;;;\r\n"
    "item1.TEL;type=pref:0171 1\r\nitem1.X-ABLabel:_$!<Other>!$_\r\n"
    "item2.ADR;type=HOME:;;Way 7\\nBack;Bonn;;;\r\nitem2.X-ABADR:de\r\n"
    "IMPP;X-SERVICE-TYPE=Skype;type=HOME:skype:ana\r\nNOTE:one\\n\r\n two\\, three\r\n  four\r\n"
    "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ\r\n SkZJRgAB\r\n AAAA==\r\n"
    "PHOTO;X-ABCROP-RECTANGLE=ABClipRect_1&-3&5&300&300&x==;VALUE=uri:data:image/jpeg;base64\\,AA\r\n"
    "END:VCARD\r\n"
).encode()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("book", [OUTLOOK, PHONE, APPLE])
def test_books_as_programs_write_them_are_masked_and_else_the_same(tmp_path, book, mark):
    if mark and book is OUTLOOK:
        book = book.decode("cp1252").encode()
    told = hidden(tmp_path, mark + book + book, "a.vcf", ["TEL"])
    masked = pseudonym("0171 1").encode()
    assert told == mark + 2 * book.replace(b"0171 1", masked)
