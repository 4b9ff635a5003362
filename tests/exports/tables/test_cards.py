"""Address books: each card a row, folded lines whole, whatever the version."""

from __future__ import annotations

import base64

from tests.exports.tables.reading import cells_of, records_of, rows_in

BOOK = "\r\n".join([
    "BEGIN:VCARD", "VERSION:3.0", "UID:a-1", "N:Müller;Ana;;;", "FN:Ana Müller",
    "TEL;TYPE=WORK,VOICE:030 1", "TEL;TYPE=home:030 2", "TEL;TYPE=home:030 3",
    "NOTE:first\\nsecond\\, with a comma and a very long line that some program fol", " ded in two",
    "item1.EMAIL;TYPE=INTERNET:ana@b.example", "REV:2026-11-20T03:00:00Z", "END:VCARD",
    "BEGIN:VCARD", "VERSION:4.0", "UID:urn:uuid:b-2", "FN:Bob", "TEL;VALUE=uri;TYPE=cell:tel:+49",
    "END:VCARD", "",
]).encode()  # fmt: skip


def test_properties_are_columns_by_their_kind(tmp_path):
    rows = rows_in(tmp_path, BOOK, "friends-2026-11-21.vcf")
    ana, bob = records_of(rows)
    assert ana["FN"] == "Ana Müller"
    assert (ana["TEL home"], ana["TEL home (2)"]) == ("030 2", "030 3")
    assert ana["NOTE"] == (
        "first\nsecond, with a comma and a very long line that some program folded in two"
    )
    assert ana["EMAIL internet"] == "ana@b.example"
    assert (bob["UID"], bob["TEL cell"]) == ("urn:uuid:b-2", "tel:+49")
    assert "VERSION" not in rows.columns
    assert rows.ends


def test_some_of_them_are_a_book_again(tmp_path):
    rows = rows_in(tmp_path, BOOK, "x.vcf")
    _, bob = rows.raws()
    again = rows.frame.opening + bob + rows.frame.closing
    assert again in BOOK.replace(b"\r\n", b"\r\n")
    assert records_of(rows_in(tmp_path, again, "x.vcf"))[0]["FN"] == "Bob"


def test_a_photo_is_told_by_its_size_and_hash(tmp_path):
    photo = base64.b64encode(bytes(range(256)) * 40).decode()
    card = f"BEGIN:VCARD\nFN:A\nPHOTO;ENCODING=b;TYPE=JPEG:{photo}\nEND:VCARD\n".encode()
    ((name, told),) = cells_of(rows_in(tmp_path, card, "x.vcf"))
    assert name == "A"
    assert told.startswith(f"{len(photo)} characters, ")


def test_one_that_is_cut_says_so(tmp_path):
    rows = rows_in(tmp_path, BOOK[:-20], "x.vcf")
    assert len(cells_of(rows)) == 1
    assert not rows.ends


def test_what_is_no_card_is_passed_over(tmp_path):
    data = b"hello\nBEGIN:VCARD\nFN:A\nBEGIN:VCARD\nFN:B\nEND:VCARD\nEND:VCARD\nbye\n"
    assert cells_of(rows_in(tmp_path, data, "x.vcf")) == [["B"]]
