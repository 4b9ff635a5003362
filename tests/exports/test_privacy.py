"""Columns that nobody should keep: nothing that is stored has them in clear, or nothing is."""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import hmac
import io
import json
import random
import re
import tarfile
import zipfile
import zlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError, Cancelled, ExportUnsafe
from appliance.core.ports import Watch
from appliance.exports.between import Between
from appliance.exports.differences import replay
from appliance.exports.layout import ExportFolder
from appliance.exports.manifest import load
from appliance.exports.pseudonyms import Pseudonyms
from appliance.exports.restore import originals
from appliance.exports.tables.grouping import TableRule
from tests.exports.days import Days, read
from tests.exports.days import csv as written
from tests.exports.packing import SMALL
from tests.exports.tables.reading import records_of, rows_in
from tests.exports.tables.test_workbook import book_of, with_part
from tests.exports.test_layout import workbook

KEY = b"a key for these tests"
RULE = TableRule("Contacts*", mask=("Phone",), drop=("Notes",))
ZIPPED = "Data.zip/Contacts_001.csv"


def people(count=400, changed=(), day=1, header="Record Id,Name,Phone,Notes,City"):
    """Contacts whose telephone numbers and notes occur nowhere else."""
    chance = random.Random(7)
    lines = [header]
    for number in range(count):
        city = chance.choice(["Bonn", "Köln", "Ulm"])
        phone = f"+49 171 {day if number in changed else 0}{number:06}"
        lines.append(f"{number},Name {number},{phone},secret {number},{city}")
    return lines


def zipped(members, level=6):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, level)
    return out.getvalue()


def folder(*rules, **more):
    return ExportFolder(rules=rules or (RULE,), pseudonym_key=lambda: KEY, **more)


@pytest.fixture
def days(tmp_path):
    return Days(tmp_path, folder())


def says(days, *words):
    """Whether any of these words can be got out of the newest archive, however it is stored."""
    stored, given = [*read(days.archive).values()], [*days.restored().values()]
    unpacked = []
    for content in (*stored, *given):
        if content[:4] == b"PK\3\4":
            with (
                contextlib.suppress(zipfile.BadZipFile),
                zipfile.ZipFile(io.BytesIO(content)) as box,
            ):
                unpacked += [box.read(name) for name in box.namelist()]
    found = [*stored, *given, *unpacked, *every_version(days.archive)]
    return [word for word in words if any(word.encode() in content for content in found)]


def every_version(archive):
    """What each link of each chain leads to, not the last alone: all of them lie in the archive."""
    for kept in load(archive)[0].members:
        for chain in kept.chains:
            links = [archive / link for link in chain.links]
            for count in range(1, len(links) + 1):
                yield b"".join(replay(links[:count], lambda: None))


def pseudonym(text):
    made = hmac.new(KEY, b"cell:" + text.encode(), hashlib.sha256).hexdigest()
    return f"masked-{made[:16]}"


def told(days, name="contacts"):
    return {table["name"]: table for table in load(days.archive)[0].tables}[name]


CLEAR = ("+49 171", "secret 3", "0000399")


@pytest.mark.parametrize(
    "files",
    [
        {"Contacts_001.csv": written(people())},
        {"Data.zip": zipped({"Contacts_001.csv": written(people()), "logo.png": b"\x89PNG"})},
        {"a.zip": zipped({"b.zip": zipped({"Contacts_001.csv": written(people())})})},
        {"Contacts.csv.gz": gzip.compress(written(people()), mtime=0)},
        {
            "Contacts.jsonl": "\n".join(
                json.dumps({"id": n, "Phone": f"+49 171 {n}", "Notes": f"secret {n}"})
                for n in range(400)
            ).encode()
        },
        {
            "Contacts.vcf": "".join(
                f"BEGIN:VCARD\r\nUID:{n}\r\nFN:Name {n}\r\nPHONE:+49 171 {n}\r\n"
                f"NOTES:secret\r\n  {n}\r\nEND:VCARD\r\n"
                for n in range(400)
            ).encode()
        },
        {"Contacts.xlsx": workbook(people())},
        {"Data.zip": zipped({"Contacts.xlsx": workbook(people())})},
    ],
    ids=[
        "plain",
        "zip",
        "zip in zip",
        "gzip",
        "json lines",
        "vcard",
        "workbook",
        "workbook in zip",
    ],
)
def test_nothing_in_an_archive_says_what_is_hidden(tmp_path, files):
    names = ("PHONE", "NOTES") if "Contacts.vcf" in files else ("Phone", "Notes")
    days = Days(tmp_path, folder(TableRule("contacts", mask=names[:1], drop=names[1:])))
    for _ in range(2):
        layout = days.add(files)
        assert says(days, *CLEAR) == []
        assert not [path for path in layout.stored if path.startswith("original/")]
        assert layout.held == ()
        assert layout.notes == ()
        (table,) = layout.tables
        assert (table["masked"], table["dropped"]) == ([names[0]], [names[1]])
        assert table["rows"] == 400
    assert says(days, "masked-") == ["masked-"]
    with pytest.raises(ApplianceError, match="masked or dropped"):
        days.restored(original=True)
    assert originals(days.archive) == ()
    manifest = load(days.archive)[0]
    assert all(not file.sha256 for file in manifest.files), "no hash to try numbers against"
    assert all(not box.sha256 and box.is_masked for box in manifest.containers)
    assert len(manifest.remarks) == len([box for box in manifest.containers if not box.inside])


def test_a_workbook_is_hidden_sheet_by_sheet_and_says_the_rest_as_it_was(tmp_path):
    day, link = datetime.fromisoformat("2026-03-04"), "=1+1"
    sheets = {
        "People": [
            ["Id", "Phone", "Since", "Notes", "Phone"],
            [1, 49171, (day, "yyyy-mm-dd"), "secret", "+49 1"],
            [2, None, 7.5, link, "  "],
        ],
        "Firms": [["Id", "Name"], [1, link]],
        "Calls": [["Phone", "Id"], ["+49 1", 3, "more"]],
        "About": [["Phone is not asked for"]],
    }
    days = Days(tmp_path, folder(TableRule("all*", mask=("Phone",), drop=("Notes",))))
    layout = days.add({"all.xlsx": book_of(**sheets)})
    assert {table["name"] for table in layout.tables} == {"people", "firms", "calls"}
    shown = pseudonym("+49 1")
    first = days.restored()["all.xlsx"]
    assert book_in(first) == {
        "People": [
            ["Id", "Phone", "Since", "Phone"],
            [1, pseudonym("49171"), day, shown],
            [2, None, 7.5, "  "],
        ],
        "Firms": [["Id", "Name"], [1, link]],
        "Calls": [["Phone", "Id", None], [shown, 3, "more"]],
        "About": [["Phone is not asked for"]],
    }
    days.add({"all.xlsx": book_of(**sheets)})
    assert days.restored()["all.xlsx"] == first


@pytest.mark.parametrize(
    "sheet",
    [
        [["Contacts 2026"], ["Id", "Name", "Phone"], [1, "Ann", "+49 171 2"]],
        [["Id", 2026, "Phone"], [1, "Ann", "+49 171 2"]],
        [[datetime.fromisoformat("2026-03-04"), "Phone"], [1, "+49 171 2"]],
        [["Phone"], ["+49 171 2"]],
        [["Contacts 2026"], [None, "+49 171 2"]],
    ],
)
def test_a_sheet_whose_columns_have_no_names_is_not_stored(tmp_path, sheet):
    files = {"all.xlsx": book_of(A=[["Id", "Phone"], [1, "+49 171 1"]], B=sheet)}
    said = refused(tmp_path, files, TableRule("all*", mask=("Phone",)))
    assert "its sheet “B” does not begin with names of columns" in said


def test_a_sheet_of_notes_stays_as_it_is(tmp_path):
    notes = [["About"], ["Phone is not asked for"], ["as of"], [2026]]
    days = Days(tmp_path, folder(TableRule("all*", mask=("Phone",))))
    days.add({"all.xlsx": book_of(A=[["Id", "Phone"], [1, "+49 171 1"]], B=notes, C=[])})
    found = book_in(days.restored()["all.xlsx"])
    assert found["B"] == notes
    assert found["A"] == [["Id", "Phone"], [1, pseudonym("+49 171 1")]]


def test_a_workbook_whose_formulas_would_be_lost_is_not_stored(tmp_path):
    out, book = io.BytesIO(), openpyxl.Workbook()
    for row in (["Id", "Phone", "Sum"], [1, "+49 171 1", "=1+1"]):
        book.active.append(row)
    book.save(out)
    rule = TableRule("all*", mask=("Phone",))
    assert "formulas without what" in refused(tmp_path, {"all.xlsx": out.getvalue()}, rule)


def book_in(content):
    """What a workbook says, sheet by sheet, where all that begins with `=` is a text."""
    book = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    return {sheet.title: [list(row) for row in sheet.values] for sheet in book}


def test_the_clear_file_is_gone_from_staging_too(days):
    days.add({"Data.zip": zipped({"Contacts_001.csv": written(people())})})
    work = read(days.folder / "work-1")
    assert not [path for path, content in work.items() if b"+49 171" in content]


def test_a_pseudonym_is_the_same_for_ever_and_everywhere(days, tmp_path):
    days.add({"Contacts_001.csv": written(people())})
    first = days.restored()["Contacts_001.csv"].decode()
    assert first.splitlines()[1].startswith(f"0,Name 0,{pseudonym('+49 171 0000000')},")
    other = Days(tmp_path / "other", folder(TableRule("leads", mask=("Mobile",))))
    other.add({"leads.json": json.dumps([{"Mobile": "+49 171 0000000"}]).encode()})
    assert pseudonym("+49 171 0000000").encode() in other.restored()["leads.json"]


def test_two_keys_make_two_pseudonyms_and_tell_themselves_apart():
    one, other = Pseudonyms(b"one"), Pseudonyms(b"other")
    assert one.of("x") == Pseudonyms(b"one").of("x") != other.of("x")
    assert one.mark == Pseudonyms(b"one").mark != other.mark
    assert one.of("x") != one.of("x ")
    assert one.of("\ud800").startswith("masked-")


def test_days_like_another_stay_patches_and_changes_are_told(days):
    days.add({"Data.zip": zipped({"Contacts_001.csv": written(people())})})
    layout = days.add(
        {"Data.zip": zipped({"Contacts_001.csv": written(people(changed=[3, 9], day=2))})}
    )
    assert f"history/{ZIPPED}/01.zst" in layout.stored
    assert layout.new_bytes < 8_000
    (table,) = layout.tables
    assert [table["since"][kind] for kind in ("added", "changed", "removed")] == [0, 2, 0]
    assert says(days, *CLEAR, "+49 171 2000003") == []


def test_parts_of_a_table_are_masked_whichever_of_them_is_named(tmp_path):
    days = Days(tmp_path, folder(TableRule("Contacts_001.csv", mask=("Phone",))))
    parts = {
        f"Contacts_00{n}.csv": written(people()[:1] + people()[n * 50 : n * 90]) for n in (1, 2)
    }
    copy = {"again/Contacts_002.csv": parts["Contacts_002.csv"]}
    days.add({"Data.zip": zipped(parts | copy)})
    assert says(days, "+49 171") == []


def test_a_table_is_named_by_what_a_person_calls_it(tmp_path):
    days = Days(tmp_path, folder(TableRule("*contacts", mask=("Phone",))))
    days.add({"hubspot-contacts-2026-11-21.csv": written(people())})
    assert says(days, "+49 171") == []


def test_every_rule_that_is_about_a_table_hides_what_it_says(tmp_path):
    rules = (TableRule("Contacts*", ignore=("City",)), RULE, TableRule("*.csv", mask=("City",)))
    days = Days(tmp_path, folder(*rules))
    days.add({"Contacts_001.csv": written(people())})
    assert says(days, *CLEAR, "Bonn") == []
    assert told(days)["masked"] == ["City", "Phone"]


def test_what_no_rule_is_about_stays_as_it_came_with_its_recipe(days):
    deals = zipped({"Deals.csv": written(people(300))})
    layout = days.add({"a.zip": zipped({"Contacts.csv": written(people())}), "Deals.zip": deals})
    assert originals(layout.root) == (("Deals.zip", len(deals)),)
    assert days.restored(only=["Deals*"], original=True) == {"Deals.zip": deals}
    with pytest.raises(ApplianceError, match=r"a\.zip was never stored"):
        days.restored(only=["Contacts*"], original=True)


def test_a_zip_that_no_recipe_makes_is_not_kept_beside(days, monkeypatch):
    def odd(kind, *_):
        if kind == zipfile.ZIP_DEFLATED:
            return zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_HUFFMAN_ONLY)
        return None

    monkeypatch.setattr(zipfile, "_get_compressor", odd)
    inner = zipped({"Contacts_001.csv": written(people())})
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("Contacts_002.csv")
        info.size = len(written(people()))
        archive.addfile(info, io.BytesIO(written(people())))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("inner.zip", inner)
    files = {
        "outer.zip": outer.getvalue(),
        "odd.zip": inner,
        "all.tar.gz": gzip.compress(tar.getvalue()),
    }
    layout = days.add(files)
    assert not [path for path in layout.stored if path.startswith("original/")]
    assert says(days, *CLEAR) == []


def test_a_masked_file_whose_cells_are_all_blank_is_given_back_as_it_came(days):
    lines = ["Record Id,Name,Phone,Notes", *(f"{n},Name {n},,x" for n in range(9))]
    days = Days(days.folder / "blank", folder(TableRule("contacts", mask=("Phone",))))
    original = zipped({"Contacts.csv": written(lines)})
    days.add({"Data.zip": original})
    assert days.restored(original=True) == {"Data.zip": original}


# --- switched on, switched off ------------------------------------------------------------------


def switched(tmp_path, before, after, old=None, new=None):
    """A day with one rule, and the next with another."""
    files = [{"Contacts.csv": written(each or people())} for each in (old, new)]
    days = Days(tmp_path, before)
    days.add(files[0])
    days.exports = after
    return days, days.add(files[1])


def long_lived(count=400, phone="+49 171"):
    """Contacts of whom nearly all is as it was, so that a patch would be far smaller than they."""
    chance = random.Random(3)
    lines = ["Record Id,Name,Phone,Notes,Story"]
    for number in range(count):
        story = chance.randbytes(150).hex()
        lines.append(f"{number},Name {number},{phone} {number if number % 9 == 0 else ''},,{story}")
    return lines


def test_from_the_day_on_that_something_is_hidden_no_base_holds_it_in_clear(tmp_path):
    days = Days(tmp_path, ExportFolder())
    days.add({"Contacts.csv": written(long_lived())})
    days.exports = folder()
    layout = days.add({"Contacts.csv": written(long_lived())})
    assert says(days, *CLEAR) == []
    assert "export/Contacts.csv" in layout.stored, "a new base"
    layout = days.add({"Contacts.csv": written(long_lived(401))})
    assert "history/Contacts.csv/01.zst" in layout.stored
    assert says(days, *CLEAR) == []


def test_what_is_hidden_besides_makes_a_new_base_and_what_is_shown_again_does_not(tmp_path):
    days = Days(tmp_path, folder())
    days.add({"Contacts.csv": written(long_lived())})
    days.exports = folder(replace(RULE, mask=("Phone", "Name")))
    layout = days.add({"Contacts.csv": written(long_lived())})
    assert says(days, *CLEAR, "Name 3") == []
    assert "export/Contacts.csv" in layout.stored
    days.exports = folder()
    layout = days.add({"Contacts.csv": written(long_lived())})
    assert "history/Contacts.csv/01.zst" in layout.stored
    assert says(days, *CLEAR) == []


def test_a_file_that_is_not_masked_has_no_base_that_should_be_either(tmp_path):
    """Somebody brings contacts under another name, and keeps the old ones from then on hidden."""
    days = Days(tmp_path, ExportFolder(comes_in_parts=True))
    days.add({"Contacts.csv": written(long_lived())})
    others = {"Persons.csv": written(long_lived(phone="+49 30"))}
    layout = days.add(others)
    assert "history/Persons.csv/01.zst" in layout.stored, "else this shows nothing"
    days = Days(tmp_path / "hidden", ExportFolder(comes_in_parts=True))
    days.add({"Contacts.csv": written(long_lived())})
    days.exports = folder(RULE, TableRule("Persons*"), comes_in_parts=True)
    layout = days.add(others)
    assert "export/Persons.csv" in layout.stored
    assert says(days, *CLEAR) == []


def test_on_the_day_of_the_switch_nothing_is_said_to_have_changed_but_what_has(tmp_path):
    new = [line.replace("Name 7,", "Name seven,") for line in people()]
    _, layout = switched(tmp_path, ExportFolder(), folder(), new=new)
    assert layout.held == ()
    assert layout.changes == "contacts: 1 changed."
    since = layout.tables[0]["since"]
    assert (since["lost_columns"], since["new_columns"], since["retyped"]) == ([], [], {})


def test_numbers_that_become_pseudonyms_are_no_other_type(tmp_path):
    lines = ["Record Id,Name,Phone,Notes", *(f"{n},Name {n},{n + 10},x" for n in range(99))]
    _, layout = switched(tmp_path, ExportFolder(), folder(), lines, lines)
    assert layout.changes == "No record has changed."


def test_switched_off_again_nothing_changed_either(tmp_path):
    _, layout = switched(tmp_path, folder(), ExportFolder())
    assert layout.held == ()
    assert layout.tables[0]["since"]["changed"] == 0
    assert "masked" not in layout.tables[0]


def test_another_key_changes_every_pseudonym_and_no_record(tmp_path):
    other = replace(folder(), pseudonym_key=lambda: b"of a new box")
    _, layout = switched(tmp_path, folder(), other)
    assert layout.changes == "No record has changed."
    assert layout.held == ()


@pytest.mark.parametrize("how", ["mask", "drop"])
def test_a_hidden_column_by_which_records_were_known_is_no_loss_of_all(tmp_path, how):
    old = ["Id,Name,City", *(f"{n}@x,Name {n},Bonn" for n in range(99))]
    rule = TableRule("contacts", **{how: ("Id",)})
    days, layout = switched(tmp_path, ExportFolder(), folder(rule), old, old)
    assert layout.held == ()
    assert layout.tables[0]["since"]["removed"] == 0
    changed = [line.replace("Name 7,", "Name seven,") for line in old]
    layout = days.add({"Contacts.csv": written(changed)})
    wanted = {"mask": "contacts: 1 changed.", "drop": "1 contacts differ."}
    assert layout.changes == wanted[how]


def test_a_date_that_is_hidden_makes_no_export_an_old_one(tmp_path):
    lines = [
        "Record Id,Name,Modified,Created",
        *(f"{n},N{n},2026-11-0{1 + n % 9},2025-01-01" for n in range(99)),
    ]
    rule = TableRule("contacts", mask=("Modified",))
    new = [line.replace("N7,", "M7,") for line in lines]
    _, layout = switched(tmp_path, ExportFolder(), folder(rule), lines, new)
    assert layout.held == ()


def test_the_same_bytes_under_another_rule_say_what_is_hidden_now(tmp_path):
    lines = ["Record Id,Name,Phone", *(f"{n},Name {n}," for n in range(9))]
    days, layout = switched(
        tmp_path, ExportFolder(), folder(TableRule("contacts", mask=("Phone",))), lines, lines
    )
    assert layout.tables[0]["masked"] == ["Phone"]
    days.exports = ExportFolder()
    assert "masked" not in days.add({"Contacts.csv": written(lines)}).tables[0]


def test_whoever_compares_two_backups_across_the_switch_is_told_the_same(tmp_path):
    new = [line.replace("Name 7,", "Name seven,") for line in people()][:-1]
    days = Days(tmp_path, ExportFolder())
    before = days.add({"Contacts.csv": written(people())}).root
    days.exports = folder()
    after = days.add({"Contacts.csv": written(new)}).root
    work = tmp_path / "between"
    work.mkdir()
    (found,) = Between.of(before, after, work, Watch()).changes(())
    assert (found.added, found.changed, found.removed) == (0, 1, 1)
    assert found.hidden == "Phone (masked), Notes (left out)"
    (record,) = (one for one in found.records if one.kind == "changed")
    assert record.fields == {"Name": ("Name 7", "Name seven")}
    assert found.lost_columns == []


# --- nothing is stored --------------------------------------------------------------------------


def refused(tmp_path, files, *rules, **more):
    """What is said where nothing is stored."""
    days = Days(tmp_path, folder(*rules, **more))
    with pytest.raises(ExportUnsafe) as caught:
        days.add(files)
    left = read(days.folder / "work-1")
    assert not [path for path in left if path.startswith("tree/")]
    said = f"{caught.value.message} {caught.value.hint}"
    assert "+49 171" not in said + caught.value.detail
    return said


def test_a_column_that_is_called_otherwise_now_stops_the_export(tmp_path):
    lines = people(header="Record Id,Name,Phone No,Notes,City")
    said = refused(tmp_path, {"Contacts.csv": written(lines)})
    assert 'no column “Phone” to hide (did you mean "Phone No"?)' in said
    assert "nothing of this was stored" in said
    lines = people(header="Record Id,Name,Rufnummer,Notes,City")
    said = refused(tmp_path / "b", {"Contacts.csv": written(lines)})
    assert "there is City, Name, Notes, Record Id, Rufnummer" in said


def test_a_column_that_one_table_of_several_calls_otherwise_stops_the_export_too(tmp_path):
    days = Days(tmp_path, folder(TableRule("*", mask=("Phone",))))
    leads = {"Leads.csv": written(people())}
    days.add(leads | {"Contacts.csv": written(people())})
    renamed = written(people(header="Record Id,Name,Mobile,Notes,City"))
    with pytest.raises(ExportUnsafe, match=r"contacts lacks “Phone”.*has “Mobile”"):
        days.add(leads | {"Contacts.csv": renamed})
    gone = written([line.rpartition(",+49")[0] or "Record Id,Name" for line in people()])
    days.add(leads | {"Contacts.csv": gone})


def fields(name, count=20):
    """Records whose numbers lie in a field of this name."""
    people = [{"id": n, "name": f"n{n}", name: {"no": CLEAR[0], "n": n}} for n in range(count)]
    return json.dumps(people).encode()


def cards(name, count=20):
    """An address book in which numbers are called like this."""
    card = "BEGIN:VCARD\nUID:{n}\nFN:n{n}\n{name}:+49 171 {n}\nEND:VCARD\n"
    return "".join(card.format(n=n, name=name) for n in range(count)).encode()


def pages(name):
    """A workbook of one sheet in which numbers stand in a column of this name."""
    return book_of(A=[["Id", "Name", name], *([n, f"n{n}", f"{CLEAR[0]} {n}"] for n in range(20))])


RENAMED = [
    ("properties", "attributes", fields, "json"),
    ("TEL", "X-PHONE", cards, "vcf"),
    ("TEL work", "X-PHONE", cards, "vcf"),
    ("Phone", "Mobile", pages, "xlsx"),
]


@pytest.mark.parametrize(("asked", "other", "write", "kind"), RENAMED)
def test_what_a_name_means_in_one_file_of_several_may_be_called_otherwise_there(
    tmp_path, asked, other, write, kind
):
    days = Days(tmp_path, folder(TableRule(f"*.{kind}", mask=(asked,))))
    name = asked.replace(" ", ";TYPE=") + (";TYPE=home" if asked == "TEL" else "")
    stays = {f"firms.{kind}": write(name)}
    days.add(stays | {f"people.{kind}": write(name)})
    days.add(stays | {f"people.{kind}": write(name)})
    assert load(days.archive)[0].members[0].hidden.meant == (asked,)
    with pytest.raises(ExportUnsafe, match=f"people lacks “{asked}”"):
        days.add(stays | {f"people.{kind}": write(other)})
    days.add(stays)


def test_a_part_of_a_table_may_not_call_it_otherwise_either(tmp_path):
    days = Days(tmp_path, folder(TableRule("Contacts", mask=("Phone",))))
    lines = people(40)
    first, second = (written([lines[0], *lines[at : at + 20]]) for at in (1, 21))
    days.add({"Contacts_001.csv": first, "Contacts_002.csv": second})
    with pytest.raises(ExportUnsafe, match=r"contacts lacks “Phone”.*has “Mobile”"):
        days.add(
            {"Contacts_001.csv": first, "Contacts_002.csv": second.replace(b"Phone", b"Mobile")}
        )


def test_a_manifest_that_does_not_say_what_was_meant_is_believed_by_its_columns(tmp_path):
    days = Days(tmp_path, folder(TableRule("*.json", mask=("properties",))))
    days.add({"firms.json": fields("properties"), "people.json": fields("properties")})
    file = days.archive / "manifest.json"
    said = re.sub(rb',"meant":(\["properties"\]|\{"properties":true\})', b"", file.read_bytes())
    assert b"meant" not in said
    file.write_bytes(said)
    assert load(days.archive)[0].members[0].hidden.meant == ("properties",)
    with pytest.raises(ExportUnsafe, match="people lacks “properties”"):
        days.add({"firms.json": fields("properties"), "people.json": fields("attributes")})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Kontakte.csv", written(people())),
        ("Kontakte.csv", written(people(header="Record Id,Name,PHONE,Text,City"))),
        ("Kontakte.json", fields("Phone")),
        ("Kontakte.vcf", cards("PHONE;TYPE=work")),
        ("Kontakte.xlsx", pages("Phone")),
    ],
)
def test_from_an_inbox_nothing_with_a_hidden_column_is_stored_that_nobody_spoke_of(
    tmp_path, name, content
):
    said = refused(tmp_path, {name: content}, RULE, comes_in_parts=True)
    assert f"{name} has “Phone”" in said
    assert "give it a [[source.table]] of its own" in said
    inside = {"a.zip": zipped({name: content}), "Contacts.csv": written(people(50))}
    assert "has “Phone”" in refused(tmp_path / "zip", inside, RULE, comes_in_parts=True)
    fine = Days(tmp_path / "fine", folder(RULE, TableRule("Kontakte"), comes_in_parts=True))
    fine.add({name: content})
    assert fine.restored() == {name: content}


def test_from_an_inbox_a_workbook_is_hidden_whole_whichever_of_its_sheets_is_meant(tmp_path):
    sheets = {name: [["Id", "Phone"], [1, "+49 171 1"]] for name in ("People", "Firms")}
    days = Days(tmp_path, folder(TableRule("People", mask=("Phone",)), comes_in_parts=True))
    days.add({"all.xlsx": book_of(**sheets)})
    assert says(days, "+49 171") == []


HEADERLESS = [line.partition(",")[2] for line in people()[1:]]


def test_a_first_row_that_is_no_header_tells_nobody_of_a_customer(tmp_path):
    lines = ["Hedwig Meyer,+49 171 1,x,Lindau", *HEADERLESS]
    for number, content in enumerate(
        (written(lines), book_of(A=[line.split(",") for line in lines]))
    ):
        kind = ("csv", "xlsx")[number]
        said = refused(tmp_path / kind, {f"Contacts.{kind}": content})
        assert "no column “Phone” to hide (there are 4 columns" in said
        assert "begins with the names of its columns" in said
        assert not [word for word in ("Hedwig", "Meyer", "Lindau", "did you") if word in said]
    days = Days(tmp_path / "later", folder(TableRule("*", mask=("Phone",))))
    days.add({"Leads.csv": written(people()), "Contacts.csv": written(people())})
    with pytest.raises(ExportUnsafe, match=r"contacts lacks “Phone”.*has 4 new columns"):
        days.add({"Leads.csv": written(people()), "Contacts.csv": written(lines)})


def test_names_of_columns_are_told_where_the_backup_before_had_them(tmp_path):
    lines = [line.partition(",")[2] for line in people()]
    days = Days(tmp_path, folder(TableRule("Contacts", mask=("Phone",))))
    days.add({"Contacts.csv": written(lines)})
    with pytest.raises(ExportUnsafe, match=r"no column “Phone” to hide .*Phone No"):
        days.add({"Contacts.csv": written([lines[0].replace("Phone", "Phone No"), *lines[1:]])})


def test_a_file_that_is_called_otherwise_now_stops_the_export_unless_parts_are_brought(tmp_path):
    files = {"People.csv": written(people())}
    assert "No file of this export is what “Contacts*” means" in refused(tmp_path, files)
    days = Days(tmp_path / "inbox", folder(comes_in_parts=True))
    days.add({"Deals.csv": b"Id,Sum\n1,2\n"})
    assert days.restored() == {"Deals.csv": b"Id,Sum\n1,2\n"}


def broken(book):
    return with_part(book, "xl/worksheets/sheet1.xml", lambda part: part[:-40])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("Contacts.xlsx", workbook(["Id,Phone", "1,+49 171 1"]), "no column “Notes”"),
        ("Contacts.xlsx", broken(workbook(["Id,Phone,Notes"])), "this workbook is damaged"),
        ("Contacts.sql", b"CREATE TABLE c (Phone text);\n", "no CSV, JSON, vCard or workbook"),
        ("Contacts.pdf", b"%PDF-1.7 +49 171", "no CSV, JSON, vCard or workbook"),
        ("Contacts.json", b'{"Phone": "+49 171 1"}', "no column “Phone”"),
        ("Contacts.json", b'[{"Phone": "+49 171 1", "Notes": ""}, {"Phone', "not JSON to its end"),
        ("Contacts.csv", b"<!doctype html><html><p>Log in, please", "is a web page"),
        ("Contacts.json", b"<!doctype html><html><p>Log in, please", "a web page, not an export"),
    ],
)
def test_what_cannot_be_written_anew_is_not_stored(tmp_path, name, content, words):
    assert words in refused(tmp_path, {name: content}, comes_in_parts=True)
    inside = {"Data.zip": zipped({name: content, "Deals.csv": b"Id\n1\n"})}
    assert words in refused(tmp_path / "zip", inside)


def test_a_table_within_a_file_of_several_is_known_by_its_own_name(tmp_path):
    dump = (
        b"CREATE TABLE `contacts` (`id` int);\nINSERT INTO `contacts` VALUES (1);\n"
        b"CREATE TABLE `deals` (`id` int);\nINSERT INTO `deals` VALUES (1);\n"
    )
    rule = TableRule("contacts", mask=("Phone",))
    assert "to be hidden" in refused(tmp_path, {"all.sql": dump}, rule)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf\r\n", b"[]"])
def test_an_empty_file_has_nothing_to_hide_and_is_looked_at_as_ever(tmp_path, content):
    name = "Contacts.json" if content == b"[]" else "Contacts.csv"
    days = Days(tmp_path, folder())
    days.add({name: content})
    assert days.restored() == {name: content}


def lzma_zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_a_packed_file_that_stays_closed_may_hold_it_and_is_not_stored(tmp_path):
    closed = lzma_zipped({"Contacts.csv": written(people())})
    for number, (name, content) in enumerate(
        {
            "a.zip": closed,
            "b.7z": b"7z\xbc\xaf\x27\x1c" + closed,
            "c.rar": b"Rar!\x1a\x07" + closed,
        }.items()
    ):
        said = refused(tmp_path / str(number), {name: content}, comes_in_parts=True)
        assert "packed in a way that is not opened here" in said
    files = {"Data.zip": zipped({"Contacts.csv": written(people()), "more.zip": closed})}
    assert "Data.zip/more.zip is packed" in refused(tmp_path / "inside", files)


def test_an_attachment_that_stays_closed_is_no_table(tmp_path, days):
    closed = lzma_zipped({"holiday.jpg": b"\xff\xd8" * 99})
    files = {"Contacts.csv": written(people()), "mail.zip": closed, "odd.zip": closed[:-9]}
    days.add({"Data.zip": zipped(files)})
    assert says(days, *CLEAR) == []
    assert days.restored()["Data.zip/mail.zip"] == closed


def test_containers_in_containers_are_opened_where_something_is_hidden(tmp_path, days):
    content = zipped({"Contacts.csv": written(people())})
    for name in ("c.zip", "b.zip", "a.zip"):
        content = zipped({name: content})
    days.add({"Data.zip": content})
    assert says(days, *CLEAR) == []
    assert "Data.zip/a.zip/b.zip/c.zip/Contacts.csv" in days.restored()


def test_no_key_is_made_where_nothing_is_hidden(tmp_path):
    def never():
        raise AssertionError

    days = Days(
        tmp_path, ExportFolder(rules=[TableRule("contacts", ignore=("x",))], pseudonym_key=never)
    )
    days.add({"Contacts.csv": written(people())})
    days.exports = ExportFolder(rules=[RULE], pseudonym_key=never, comes_in_parts=True)
    days.add({"Deals.csv": b"Id,Sum\n1,2\n"})


def test_it_can_be_cancelled_in_the_middle(tmp_path):
    watch = Watch()

    def cancelled():
        watch.cancel.set()
        return KEY

    days = Days(tmp_path, ExportFolder(rules=[RULE], pseudonym_key=cancelled))
    with pytest.raises(Cancelled):
        days.add({"Contacts.csv": written(people(5000))}, watch)


def test_what_it_grows_to_is_bounded_like_what_was_unpacked(tmp_path):
    small = replace(SMALL, max_bytes=30_000)
    days = Days(tmp_path, replace(folder(), limits=small))
    lines = ["Record Id,Phone,Notes", *(f"{n},{n},x" for n in range(2000))]
    with pytest.raises(ExportUnsafe, match="grows far beyond"):
        days.add({"Contacts.csv": written(lines)})


def test_a_manifest_of_before_is_read_as_one_in_which_nothing_is_hidden(tmp_path):
    layout = Days(tmp_path, ExportFolder()).add({"Contacts.csv": written(people())})
    assert b'"hidden"' not in (Path(layout.root) / "manifest.json").read_bytes()
    assert load(layout.root)[0].members[0].hidden.asked == ()


# --- whatever stands in it ----------------------------------------------------------------------

SECRET = "Q7Zk9"
ODD = st.text(st.sampled_from(',;"\n\t é=\\:{}[]ab'), max_size=6)
PERSON = st.tuples(ODD, st.sampled_from(["", SECRET]), ODD, ODD)


def as_csv(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["Record Id", "Phone", "Name", "Notes"], *rows])
    return out.getvalue().encode()


def as_json(rows):
    keys = ("Record Id", "Phone", "Name", "Notes")
    return json.dumps([dict(zip(keys, row, strict=True)) for row in rows]).encode()


def as_cards(rows):
    def put(text):
        plain = text.replace("\\", "\\\\").replace("\n", "\\n").replace(";", "\\;")
        return plain.replace(",", "\\,")

    names = ("UID", "PHONE", "FN", "NOTES")
    cards = [
        "".join(f"{name}:{put(cell)}\r\n" for name, cell in zip(names, row, strict=True))
        for row in rows
    ]
    return "".join(f"BEGIN:VCARD\r\n{card}END:VCARD\r\n" for card in cards).encode()


def without_names(row):
    return {name: cell for name, cell in row.items() if name.upper() not in ("PHONE", "NOTES")}


@given(
    st.lists(PERSON, min_size=1, max_size=8),
    st.sampled_from([("c.csv", as_csv), ("c.json", as_json), ("c.vcf", as_cards)]),
    st.booleans(),
)
@hypothesis_settings(deadline=None, max_examples=60)
def test_whatever_stands_in_a_table_no_secret_is_stored_and_the_rest_comes_back(
    tmp_path_factory, people, written_as, is_zipped
):
    path, write = written_as
    names = ("PHONE", "NOTES") if path == "c.vcf" else ("Phone", "Notes")
    rule = TableRule("*", mask=names[:1], drop=names[1:])
    days = Days(tmp_path_factory.mktemp("any"), folder(rule))
    for day in (1, 2):
        rows = [
            (str(number), f"{odd}{secret}{day}", name, f"{SECRET}{notes}")
            for number, (odd, secret, name, notes) in enumerate(people)
        ]
        data = write(rows)
        days.add({"d.zip": zipped({path: data})} if is_zipped else {path: data})
        assert says(days, SECRET) == []
        (back,) = days.restored().values()
        before = records_of(rows_in(days.folder, data, path))
        after = records_of(rows_in(days.folder, back, path))
        assert list(map(without_names, after)) == list(map(without_names, before))
        masked = [pseudonym(row[names[0]]) for row in before]
        assert [row[names[0]] for row in after] == masked
