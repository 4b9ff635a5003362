"""Somebody is taken out of backups: what stays is whole, and nothing tells of who went."""

from __future__ import annotations

import hashlib
import io
import json
import re
from datetime import datetime
from itertools import pairwise

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError
from appliance.core.ports import Watch
from appliance.exports import differences
from appliance.exports.erasing import holds, without
from appliance.exports.extracted import Extracted
from appliance.exports.layout import ExportFolder
from appliance.exports.looks import Kind, Look
from appliance.exports.meant import Seen, Wanted
from appliance.exports.restore import restore
from appliance.exports.tables import delimited, removing, sieve
from appliance.exports.tables.grouping import TableRule
from appliance.exports.tables.rows import NotATable
from tests.exports.days import Days, changed, csv, read, table
from tests.exports.packing import zip_of
from tests.exports.tables.test_workbook import book_of, with_part

WHO = "Hedwig Abendroth"
LINE = f'7777,{WHO},hedwig@example.org,Open,"said: ""no, thanks"""'


@pytest.fixture
def days(tmp_path):
    return Days(tmp_path)


def empty(folder, name):
    made = folder / name
    made.mkdir()
    return made


def seen_in(days, *roots, wanted):
    seen = Seen()
    for number, root in enumerate(roots):
        seen.look(root, wanted, empty(days.folder, f"look-{number}"), Watch())
    return seen


def erased(days, roots, marks):
    """Each day without those records, one going on from the other."""
    before, found = None, []
    for number, root in enumerate(roots):
        work = empty(days.folder, f"erasing-{number}")
        layout = without(days.exports, root, before, marks.__contains__, work, Watch())
        found.append(layout)
        before = layout.root
    return found


def restored(folder, layout):
    """The files that come back, each proved by its hash."""
    into = folder / f"back-{len(list(folder.iterdir()))}"
    restore(layout.root, into, Watch())
    return read(into)


def everything(folder, layout):
    """All that anybody could read out of an archive: each file, and each version on the way."""
    archive = Extracted.at(layout.root, folder)
    yield from read(layout.root).values()
    yield from restored(folder, layout).values()
    for kept in archive.manifest.members:
        for chain in kept.chains:
            links = [archive.file(link) for link in chain.links]
            for upto in range(1, len(links) + 1):
                yield b"".join(differences.replay(links[:upto], lambda: None))


def says(folder, layout, text):
    return any(text.encode() in data for data in everything(folder, layout))


def three_days(days):
    """She is there on two days, and deleted on the third; the differences still tell of her."""
    lines = table(3000)
    first = [*lines[:1500], LINE, *lines[1500:]]
    second = changed(first, 2)
    third = [line for line in changed(second, 3) if WHO not in line]
    return [days.add({"Contacts.csv": csv(one)}) for one in (first, second, third)], third


def test_nothing_tells_of_her_any_more_not_even_the_differences(days):
    layouts, third = three_days(days)
    assert says(days.folder, layouts[2], WHO)  # deleted by the office, and still in the base
    roots = [one.root for one in layouts]
    marks = seen_in(days, *roots, wanted=Wanted(text=WHO)).records
    done = erased(days, roots, marks)
    for before, after in zip(layouts, done, strict=True):
        assert not says(days.folder, after, WHO)
        assert not says(days.folder, after, "hedwig")
        assert after.manifest_sha256 != before.manifest_sha256
    assert restored(days.folder, done[2]) == {"Contacts.csv": csv(third)}
    assert done[1].tables[0]["rows"] == layouts[1].tables[0]["rows"] - 1
    assert done[1].new_bytes < done[0].new_bytes / 4  # it goes on from the day before


def test_all_her_versions_go_also_those_that_do_not_say_the_words(days):
    other = LINE.replace(WHO, "H. Meier")
    rows = table(50)
    roots = [days.add({"a.csv": csv([*rows, one])}).root for one in (LINE, other)]
    marks = seen_in(days, *roots, wanted=Wanted(text="abendroth hedwig")).records
    assert [one.id for one in marks.values()] == ["7777"]
    done = erased(days, roots, marks)
    assert not any(says(days.folder, one, "H. Meier") for one in done)


def test_where_ids_repeat_she_is_known_by_hers_all_the_same(days):
    other = LINE.replace(WHO, "H. Meier")
    twice = [*table(50), "5,a,b,c,d", "5,a,b,c,e"]
    roots = [
        days.add({"a.csv": csv([*table(50), LINE])}).root,
        days.add({"a.csv": csv([*twice, other])}).root,
    ]
    marks = seen_in(days, *roots, wanted=Wanted(text=WHO)).records
    first, second = erased(days, roots, marks)
    assert not says(days.folder, first, WHO)
    assert not says(days.folder, second, "H. Meier")
    assert second.tables[0]["rows"] == len(twice) - 1
    found = seen_in(Days(empty(days.folder, "more")), *roots, wanted=Wanted(record="5")).records
    assert [one.id for one in found.values()] == ["5"]


def test_a_table_is_named_as_the_list_names_it_also_within_a_dump(days):
    dump = DUMP.format(users="(7,'Hedwig')", more="", deals="INSERT INTO `deals` VALUES (7,'x');\n")
    files = {"crm.sql": dump.encode(), "a/C.csv": csv([*table(9), LINE]), "b/C.csv": csv(table(9))}
    root = days.add(files).root
    both = seen_in(days, root, wanted=Wanted(record="7")).records
    assert sorted(one.table for one in both.values()) == ["deals", "users"]
    more = Days(empty(days.folder, "more"))
    marks = seen_in(more, root, wanted=Wanted(record="7", tables=("users",))).records
    more = Days(empty(days.folder, "again"))
    marks |= seen_in(more, root, wanted=Wanted(text=WHO, tables=("a/C.csv",))).records
    (layout,) = erased(days, [root], marks)
    assert not says(days.folder, layout, WHO)
    left = restored(days.folder, layout)
    assert b"Hedwig" not in left["crm.sql"]
    assert b"(7,'x')" in left["crm.sql"]


def test_a_table_that_breaks_off_is_no_table_and_stands_in_nobodys_way(days, monkeypatch):
    monkeypatch.setattr(delimited, "LONGEST_BYTES", 4 << 10)
    torn = csv(table(2000)) + b'8,"never closed\n' + b"x\n" * 4000
    root = days.add({"torn.csv": torn, "b.csv": csv([*table(9), LINE])}).root
    seen = seen_in(days, root, wanted=Wanted(text=WHO))
    assert len(seen.records) == 1
    (layout,) = erased(days, [root], seen.records)
    assert restored(days.folder, layout)["torn.csv"] == torn


def test_it_is_safe_to_repeat_and_then_changes_nothing(days):
    layouts, _ = three_days(days)
    roots = [one.root for one in layouts]
    marks = seen_in(days, *roots, wanted=Wanted(record="7777")).records
    done = erased(days, roots, marks)
    again = Days(empty(days.folder, "again"))
    assert [one.manifest_sha256 for one in erased(again, [one.root for one in done], marks)] == [
        one.manifest_sha256 for one in done
    ]


@pytest.mark.parametrize(
    ("name", "content", "left"),
    [
        ("a.csv", b"\xef\xbb\xbfId;N\r\n1;Ann\r\n2;Hedwig\r\n", b"\xef\xbb\xbfId;N\r\n1;Ann\r\n"),
        ("a.csv", b"Id,N\n2,Hedwig\n1,Ann", b"Id,N\n1,Ann"),
        ("a.csv", b"Id,N\n2,Hedwig\n", b"Id,N\n"),
        ("a.csv", b'Id,N\n1,Ann\n2,"Hed\nwig, x"\n3,Cy\n', b"Id,N\n1,Ann\n3,Cy\n"),
        ("a.csv", "Id,N\n1,Ann\n2,Hedwig\n".encode("utf-16"), "Id,N\n1,Ann\n".encode("utf-16")),
        ("a.jsonl", b'{"id":1}\n{"id":2,"n":"Hedwig"}\n', b'{"id":1}\n'),
        ("a.json", b'[{"id":1},\n {"id":2}, {"id":3}]', b'[{"id":1}, {"id":3}]'),
        ("a.json", b'[{"id":2},{"id":3}]', b'[{"id":3}]'),
        ("a.json", b'[{"id":1},{"id":2}]', b'[{"id":1}]'),
        ("a.json", b'[ {"id":2} ]', b"[  ]"),
        (
            "a.json",
            b'{"n":2,"a":[{"id":2},{"id":1}],"b":[{"id":4},{"id":3}],"next":null}',
            b'{"n":2,"a":[{"id":1}],"b":[{"id":4},{"id":3}],"next":null}',
        ),
        (
            "a.vcf",
            b"BEGIN:VCARD\nUID:1\nEND:VCARD\nBEGIN:VCARD\nUID:2\nFN:Hed\n wig\nEND:VCARD\n",
            b"BEGIN:VCARD\nUID:1\nEND:VCARD\n",
        ),
    ],
)
def test_all_else_stays_as_the_vendor_writes_it(days, name, content, left):
    root = days.add({name: content}).root
    marks = seen_in(days, root, wanted=Wanted(record="2")).records
    (layout,) = erased(days, [root], marks)
    found = restored(days.folder, layout)[name]
    assert found.replace(b"},\n {", b"}, {") == left


@pytest.mark.parametrize(
    ("name", "content", "left"),
    [
        ("a.csv", b"Id,N\n1,Ann\n2,Hedwig", b"Id,N\n1,Ann"),
        ("a.csv", b"Id,N\r\n2,Hedwig", b"Id,N"),
        ("a.csv", b"Id,N\n2,Hed\n\n2,wig", b"Id,N\n\n"),
        ("a.csv", b"Id,N,X\n\n2,H,x\r\n1,A,x\n\n5\n6\n", b"Id,N,X\n\n1,A,x\n\n5\n6\n"),
        ("a.csv", b"Id,N,X\n1,A,x\n5\n6\n2,H,x\n", b"Id,N,X\n1,A,x\n5\n6\n"),
        ("a.csv", b"Id,N,X\n2,H,x\n1,A\n\nAll contacts\nBy: her\n", None),
        ("a.csv", b'id,n,l\nc1,A,a\n,,b\n2,H,c\n,,"\nd"\nc3,C,e\n,,f\n', None),
        ("a.jsonl", b'\xef\xbb\xbf{"id":1}\r\n\r\n {"id":2}\r\n{"id":3}', None),
        (
            "b.vcf",
            b"\xef\xbb\xbfBEGIN:VCARD\nUID:2\nEND:VCARD\nBEGIN:VCARD\nUID:1\nEND:VCARD",
            None,
        ),
    ],
)
def test_what_is_no_row_stays_too(days, name, content, left):
    expected = {
        "a.csv": content.replace(b"2,H,x\n", b"").replace(b'2,H,c\n,,"\nd"\n', b""),
        "a.jsonl": content.replace(b' {"id":2}\r\n', b""),
        "b.vcf": content.replace(b"BEGIN:VCARD\nUID:2\nEND:VCARD\n", b""),
    }
    assert without_record(days, {name: content})[name] == (left or expected[name])


def without_record(days, files, record="2"):
    """What comes back of some files when one record was erased from all of them."""
    root = days.add(files).root
    marks = seen_in(days, root, wanted=Wanted(record=record)).records
    assert marks
    (layout,) = erased(days, [root], marks)
    return restored(days.folder, layout)


def card(uid, name, more="", end="END:VCARD\r\n"):
    return f"BEGIN:VCARD\r\nVERSION:2.1\r\nUID:{uid}\r\nFN:{name}\r\n{more}{end}"


AGENT = "AGENT:\r\nBEGIN:VCARD\r\nVERSION:2.1\r\nFN:Assistant\r\nEND:VCARD\r\n"


def test_an_address_book_keeps_what_is_no_whole_card(days):
    boss = card(3, "Boss", AGENT + "TEL:1\r\n")
    parts = [card(1, "Ann", end=""), card(2, "Hedwig"), "by hand\r\n", boss, card(4, "Cy")[:-9]]
    assert without_record(days, {"a.vcf": "".join(parts).encode()})["a.vcf"].decode() == "".join(
        [parts[0], *parts[2:]]
    )


def test_a_card_within_a_card_goes_with_it(days):
    boss, others = card(2, "Boss", AGENT + "TEL:1\r\n"), card(1, "Ann") + card(4, "Cy")
    inline = card(2, "Chief", AGENT.replace("AGENT:\r\n", "AGENT;X=y:"))
    left = without_record(days, {"a.vcf": (boss + others + inline).encode()})
    assert left["a.vcf"].decode() == others


def odd_text(encoding):
    """Half a character in somebody's row, and one of two halves."""
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]

    def written(text):
        return mark + text.encode(encoding, "surrogatepass")

    return written


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("a.csv", "Id,N\n1,\ud800\n2,H\n3,\U0001f600é\n2,H\n4,\udc00x\n", None),
        ("a.csv", "Id,N\n1,\ud800\n2,H", "Id,N\n1,\ud800"),
        ("a.json", '[{"id":1,"n":"\ud800"},{"id":2},{"id":3,"n":"é\U0001f600"}]', None),
        ("a.jsonl", '{"id":1,"n":"\ud800é"}\n{"id":2}\n{"id":3}\n', None),
        ("a.sql", "INSERT INTO t (id, n) VALUES (1,'\ud800'),(2,'H'),(3,'é');\n", None),
    ],
)
def test_utf_16_stays_as_it_is_whatever_stands_in_it(days, encoding, name, text, left):
    written = odd_text(encoding)
    for gone in ("2,H\n", ',{"id":2}', '{"id":2}\n', ",(2,'H')"):
        left = left or (text.replace(gone, "") if gone in text else None)
    assert without_record(days, {name: written(text)})[name] == written(left)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"Id,N\n1,Ann\n2,Hedwig\n"),
        ("a.jsonl", b'{"id":1}\n{"id":2}\n'),
        ("a.json", b'[{"id":1},{"id":2}]'),
        ("a.vcf", (card(1, "Ann") + card(2, "H")).encode()),
        ("a.sql", b"INSERT INTO t (id) VALUES (1),(2);\n"),
        ("a.xlsx", book_of(A=[["Id", "N"], [1, "Ann"], [2, "H"]])),
    ],
)
def test_where_another_row_would_go_with_her_nothing_is_erased(days, name, content, monkeypatch):
    real = sieve.Sieve.stay
    monkeypatch.setattr(
        sieve.Sieve,
        "stay",
        lambda self, table, lines: [real(self, table, [line]) for line in [*lines] * 2],
    )
    root = days.add({name: content}).root
    marks = seen_in(days, root, wanted=Wanted(record="2")).records
    with pytest.raises(ApplianceError, match="others do not stay as they were"):
        erased(days, [root], marks)


def test_stretches_that_do_not_follow_each_other_are_refused(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(bytes(9))
    for spans in ([(3, 5), (4, 6)], [(3, 2)], [(6, 7), (1, 2)]):
        with pytest.raises(NotATable, match="cannot be told from what stays"):
            b"".join(removing._cut(file, Look(Kind.TABLE), spans))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ids=st.lists(st.integers(0, 9), unique=True, max_size=9),
    gone=st.sets(st.integers(0, 9)),
    cuts=st.lists(st.integers(0, 9), max_size=2),
)
def test_json_stays_json_whatever_goes(tmp_path_factory, ids, gone, cuts):
    days = Days(tmp_path_factory.mktemp("json"))
    ends = [0, *sorted(min(cut, len(ids)) for cut in cuts), len(ids)]
    value = {f"list {at}": [{"id": one} for one in ids[at:upto]] for at, upto in pairwise(ends)}
    root = days.add({"a.json": json.dumps(value).encode(), "b.csv": b"Id\n1\n"}).root
    marks = set()
    for one in gone:
        wanted = Wanted(record=str(one), tables=("a.json",))
        marks |= seen_in(Days(tmp_path_factory.mktemp("look")), root, wanted=wanted).records.keys()
    (layout,) = erased(days, [root], marks)
    left = {name: [one for one in rows if one["id"] not in gone] for name, rows in value.items()}
    assert json.loads(restored(days.folder, layout)["a.json"]) == left


def test_the_vendors_own_file_goes_with_her_and_others_stay(days):
    rows = [*table(200), LINE]
    files = {
        "Data.zip": zip_of({"Contacts.csv": csv(rows), "Photo.bin": bytes(range(256)) * 9}),
        "Other.zip": zip_of({"Deals.csv": csv(table(200, seed=2))}),
    }
    root = days.add(files).root
    (layout,) = erased(days, [root], seen_in(days, root, wanted=Wanted(text=WHO)).records)
    assert not says(days.folder, layout, WHO)
    into = days.folder / "originals"
    restore(layout.root, into, Watch(), only=["Other.zip"], original=True)
    assert read(into) == {"Other.zip": files["Other.zip"]}
    with pytest.raises(ApplianceError, match="was not kept"):
        restore(layout.root, days.folder / "none", Watch(), only=["Data.zip"], original=True)


def test_where_she_stands_in_a_text_it_is_said_and_left(days):
    files = {"notes.txt": b"call Abendroth, Hedwig", "Hedwig Abendroth.pdf": b"\0%PDF"}
    files |= {"other.txt": b"Hedwig", "other.pdf": b"\0%PDF"}
    root = days.add({"a.csv": csv([*table(9), LINE]), **files}).root
    seen = seen_in(days, root, wanted=Wanted(text=WHO))
    assert seen.elsewhere == {"notes.txt", "Hedwig Abendroth.pdf"}
    assert len(seen.records) == 1


def cells_of(content, folder):
    """What a workbook says, sheet by sheet."""
    folder.mkdir()
    (folder / "a.xlsx").write_bytes(content)
    book = openpyxl.load_workbook(folder / "a.xlsx", data_only=True)
    return {sheet.title: [list(row) for row in sheet.values] for sheet in book}


def test_a_workbook_loses_her_rows_and_keeps_its_values(days):
    day = datetime.fromisoformat("2026-03-04")
    people = [["Id", "Name", "Since"], [1, "Ann", (day, "yyyy-mm-dd")], [2, WHO, 7]]
    people += [[3, "=Cy", 1.5]]
    ann, cy = [["O1", "Ann", "a"], ["", "", "b"]], [["O3", "Cy", "c"]]
    orders = [["Id", "Who", "Line"], *ann, ["O2", WHO, "x"], ["", "", "more"], *cy]
    root = days.add({"B.xlsx": book_of(People=people, Orders=orders, Notes=[["just"]])}).root
    marks = seen_in(days, root, wanted=Wanted(text=WHO)).records
    assert len(marks) == 2
    (layout,) = erased(days, [root], marks)
    assert cells_of(restored(days.folder, layout)["B.xlsx"], days.folder / "cells") == {
        "People": [["Id", "Name", "Since"], [1, "Ann", day], [3, "=Cy", 1.5]],
        "Orders": [["Id", "Who", "Line"], ann[0], [None, None, "b"], *cy],
        "Notes": [["just"]],
    }


def with_formulas():
    """A workbook as libraries write one: nobody has worked out what its formulas come to."""
    out, book = io.BytesIO(), openpyxl.Workbook()
    for row in (["Id", "Name", "Sum"], [1, "Ann", 3], [2, WHO, 4], [3, "Cy", "=1+1"]):
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def test_a_workbook_whose_formulas_would_be_lost_is_not_written_anew(days):
    root = days.add({"B.xlsx": with_formulas()}).root
    marks = seen_in(days, root, wanted=Wanted(text=WHO)).records
    with pytest.raises(ApplianceError, match="formulas without what they come to"):
        erased(days, [root], marks)


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (b'<c r="C4"><f>1+1</f><v>2</v></c>', 2),
        (b'<c r="C4" t="str"><f>""</f><v></v></c>', None),
        (b'<c r="C4" t="str"><f>A1&amp;"x"</f><v>x</v></c>', "x"),
    ],
)
def test_a_formula_with_what_it_comes_to_becomes_that(days, cell, says):
    def put(part):
        return re.sub(rb'<c r="C4".*?</c>', cell, part)

    content = with_part(with_formulas(), "xl/worksheets/sheet1.xml", put)
    left = without_record(days, {"B.xlsx": content})["B.xlsx"]
    (rows,) = cells_of(left, days.folder / "cells").values()
    assert [[*row, None][:3] for row in rows] == [
        ["Id", "Name", "Sum"], [1, "Ann", 3], [3, "Cy", says],
    ]  # fmt: skip


DUMP = """-- MySQL dump
CREATE TABLE `users` (`id` int, `n` text, PRIMARY KEY (`id`));
INSERT INTO `users` VALUES {users};
INSERT INTO `users` (`n`,`id`) VALUES ('x, (;',9){more};
CREATE TABLE `deals` (`id` int, `n` text, PRIMARY KEY (`id`));
{deals}UNLOCK TABLES;
"""


@pytest.mark.parametrize(
    ("with_her", "without_her"),
    [
        ({"users": "(1,'a'),(2,'H'),(3,'b')"}, {"users": "(1,'a'),(3,'b')"}),
        ({"users": "(2,'H'), (3,'b')"}, {"users": " (3,'b')"}),
        ({"users": "(1,'a'),\n(2,'H')"}, {"users": "(1,'a')"}),
        ({"more": ",('H\\'s',2)"}, {}),
        ({"deals": "INSERT INTO `users` VALUES (2,'H');\n"}, {"deals": "\n"}),
    ],
)
def test_a_dump_is_the_same_but_for_her_rows(days, with_her, without_her):
    usual = {"users": "(1,'a')", "more": "", "deals": ""}
    root = days.add({"crm.sql": DUMP.format(**usual | with_her).encode()}).root
    marks = seen_in(days, root, wanted=Wanted(record="2")).records
    (layout,) = erased(days, [root], marks)
    left = restored(days.folder, layout)["crm.sql"].decode()
    assert left == DUMP.format(**usual | without_her)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (
            "INSERT INTO `users` VALUES (2,'A'),(2,'B');\nINSERT INTO `users` VALUES (4,'Bo');\n",
            "\nINSERT INTO `users` VALUES (4,'Bo');\n",
        ),
        (
            "INSERT INTO `users` VALUES\n(2,'A'),\n(2,'B') ,\n(4,'Bo'),(2,'C');\n",
            "INSERT INTO `users` VALUES\n\n(4,'Bo');\n",
        ),
        (
            "INSERT INTO `users` VALUES (2,'H') ON DUPLICATE KEY UPDATE n=';';\nSELECT 1;\n",
            "\nSELECT 1;\n",
        ),
        (
            "INSERT INTO `users` VALUES (4,'B'),(2,'H') ON CONFLICT DO NOTHING;\n",
            "INSERT INTO `users` VALUES (4,'B') ON CONFLICT DO NOTHING;\n",
        ),
    ],
)
def test_where_an_insert_ends_does_not_matter(days, body, left):
    head = "-- MySQL dump\nCREATE TABLE `users` (`id` int, `n` text, PRIMARY KEY (`id`));\n"
    more = "INSERT INTO `users` VALUES (9,'x');\n"
    found = without_record(days, {"crm.sql": (head + body + more).encode()})["crm.sql"]
    assert found.decode() == head + left + more


def test_a_copied_table_of_a_dump_loses_her_line(days):
    head = "-- PostgreSQL database dump\nCOPY public.users (id, n) FROM stdin;\n"
    lines = ["1\tAnn\n", "2\tHedwig\n", "3\t\\N\n"]
    root = days.add({"crm.sql": f"{head}{''.join(lines)}\\.\n\nSELECT 1;\n".encode()}).root
    marks = seen_in(days, root, wanted=Wanted(record="2")).records
    (layout,) = erased(days, [root], marks)
    del lines[1]
    left = restored(days.folder, layout)["crm.sql"].decode()
    assert left == f"{head}{''.join(lines)}\\.\n\nSELECT 1;\n"


def test_whether_an_archive_has_them_is_told(days):
    root = days.add({"a.csv": csv([*table(9), LINE])}).root
    marks = seen_in(days, root, wanted=Wanted(record="7777")).records
    assert holds(root, marks.__contains__, empty(days.folder, "one"), Watch())
    (layout,) = erased(days, [root], marks)
    assert not holds(layout.root, marks.__contains__, empty(days.folder, "two"), Watch())


def test_the_same_file_in_two_places_loses_her_in_both(days):
    content = csv([*table(50), LINE])
    root = days.add({"a.zip": zip_of({"C.csv": content}), "b.zip": zip_of({"C.csv": content})}).root
    (layout,) = erased(days, [root], seen_in(days, root, wanted=Wanted(text=WHO)).records)
    assert not says(days.folder, layout, WHO)


def test_settings_of_the_tables_hold_here_too(tmp_path):
    days = Days(tmp_path, ExportFolder(part_bytes=1 << 16))
    lines = [*table(3000), LINE]
    roots = [days.add({"a.csv": csv(one)}).root for one in (lines, changed(lines, 2, rows=50))]
    done = erased(days, roots, seen_in(days, *roots, wanted=Wanted(record="7777")).records)
    assert not any(says(tmp_path, one, WHO) for one in done)


def test_what_is_masked_stays_so_and_serves_the_next_day(tmp_path):
    rules = (TableRule("Contacts", mask=("Mail",)),)
    days = Days(tmp_path, ExportFolder(rules=rules, pseudonym_key=lambda: b"key"))
    lines = table(3000)
    roots = [days.add({"Contacts.csv": csv([*lines, LINE])}).root]
    roots.append(days.add({"Contacts.csv": csv(changed(lines, 2))}).root)
    done = erased(days, roots, seen_in(days, *roots, wanted=Wanted(record="7777")).records)
    assert not any(says(tmp_path, one, WHO) for one in done)
    assert done[1].tables[0]["masked"] == ["Mail"]
    assert b"masked-" in restored(tmp_path, done[1])["Contacts.csv"]
    days.archive = done[1].root
    today = days.add({"Contacts.csv": csv(changed(changed(lines, 2), 3))})
    assert today.new_bytes < done[0].new_bytes / 4
    assert today.changes


def test_no_hash_is_left_by_which_one_could_guess_who_was_there(days):
    files = {"a.csv": csv([*table(9), LINE]), "b.zip": zip_of({"c.csv": csv([*table(8), LINE])})}
    root = days.add(files | {"d.csv": csv(table(7))}).root
    (layout,) = erased(days, [root], seen_in(days, root, wanted=Wanted(text=WHO)).records)
    said = (layout.root / "manifest.json").read_text()
    for content in (*files.values(), csv([*table(8), LINE])):
        assert hashlib.sha256(content).hexdigest() not in said
    assert hashlib.sha256(csv(table(7))).hexdigest() in said
