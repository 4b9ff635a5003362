"""Who may be in a list twice."""

from __future__ import annotations

import pytest

from appliance.core.errors import Cancelled
from appliance.exports.tables import alike as module
from appliance.exports.tables.alike import alike
from tests.exports.tables.reading import tables_in
from tests.exports.tables.test_comparing import table

MASKED = "masked-00000000123456ab"
HEADER = ["Id", "Name", "Email", "Mobile"]


def told(found):
    return [([each.id for each in one.records], one.shared) for one in alike(found, lambda: None)]


def people(folder, *rows):
    return table(folder, "a", [list(map(str, row)) for row in rows], header=HEADER)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (("Ann Meyer", "a@x.example", ""), ("Meyer, A.", "A@X.example", ""), "a@x.example"),
        (("Ann Meyer", "", "+49 171 2345678"), ("ann meyer", "", "0171/234 56-78"), "12345678"),
        (("Ann Meyer", "b@x.example; a@x.example", ""), ("Ann", "a@x.example", "1"), "a@x.example"),
        (("Ann Meyer", "info@x.example", ""), ("Bob Cole", "info@x.example", ""), None),
        (("Ann Meyer", "a@x.example", ""), ("Ann Meyer", "b@x.example", ""), None),
        (("Ann Meyer", "", "110"), ("Ann Meyer", "", "110"), None),
        (("Ann Meyer", "", ""), ("Ann Meyer", "", ""), None),
        (("Ann Meyer", "", MASKED), ("Meyer, A.", "", MASKED), MASKED),
        (("Ann Meyer", "", MASKED), ("Ann Meyer", "", "masked-00000000123456ff"), None),
    ],
)
def test_a_name_and_a_way_to_reach_them_are_needed(tmp_path, first, second, shared):
    found = told(people(tmp_path, (1, *first), (2, "Somebody", "else@x.example", ""), (3, *second)))
    assert found == ([(["1", "3"], (shared,))] if shared else [])


def test_whoever_is_alike_to_one_is_alike_to_all(tmp_path):
    rows = (
        (1, "Ann Meyer", "a@x.example", "0171 2345678"),
        (2, "Ann", "a@x.example", ""),
        (3, "Meyer", "", "0171 2345678"),
        (4, "Bo Li", "b@x.example", ""),
        (5, "Bo Li", "b@x.example", ""),
    )
    assert told(people(tmp_path, *rows)) == [
        (["1", "2", "3"], ("a@x.example", "12345678")),
        (["4", "5"], ("b@x.example",)),
    ]


def test_a_large_list_is_told_the_same(tmp_path, monkeypatch):
    rows = [(n, f"Name{n % 40}", f"p{n % 40}@x.example", "") for n in range(60)]
    expected = told(people(tmp_path, *rows))
    assert len(expected) == 20
    monkeypatch.setattr(module, "_MOST_MARKS", 50)
    assert told(people(tmp_path, *rows)) == expected


def test_an_address_book_is_such_a_list(tmp_path):
    card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{0}\r\nFN:{1}\r\nTEL;TYPE=cell:{2}\r\nEND:VCARD\r\n"
    people = [("a", "Ann Meyer", "+49 171 2345678"), ("b", "Bo", "1"), ("c", "Ann", "01712345678")]
    book = "".join(card.format(*each) for each in people).encode()
    (found,) = tables_in(tmp_path, {"book.vcf": book}).values()
    (twins,) = alike(found, lambda: None)
    assert [each.title for each in twins.records] == ["Ann Meyer", "Ann"]


def test_a_picture_in_a_cell_takes_no_time_and_says_nothing(tmp_path):
    picture = "A" * 1_000_000 + "@"
    rows = [(1, "Ann", picture, ""), (2, "Ann", picture, ""), (3, "Ann", "A" * 1900 + "@x", "")]
    assert told(people(tmp_path, *rows)) == []


def test_whoever_waits_no_longer_stops_it(tmp_path):
    def check():
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        list(alike(people(tmp_path, (1, "Ann", "a@x.example", "")), check))
