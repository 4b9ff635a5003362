import gzip
import io
import random
import shutil
import struct
import tarfile
import tempfile
import threading
import time
import zipfile
import zlib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import xlsxwriter

from appliance.core.errors import ApplianceError, Cancelled, RepositoryDamaged, ToolFailed
from appliance.core.model import StepName
from appliance.core.ports import Exports, Progress, Watch
from appliance.exports.layout import ExportFolder
from appliance.exports.manifest import load

from .days import MODIFIED, Days, changed, csv, export_of, read, table


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path)


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as box:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2026, 11, 20, 3, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            box.writestr(info, content)
    return out.getvalue()


def in_history(stored) -> list[str]:
    return sorted(path for path in stored if path.startswith("history/"))


def test_it_is_what_the_engine_asks_for():
    exports: Exports = ExportFolder()
    assert exports


def test_on_the_first_day_everything_is_stored_whole(days):
    content = csv(table(200))
    layout = days.add({"contacts.csv": content, "note.txt": b"hello"})
    assert (layout.root / "export/contacts.csv").read_bytes() == content
    assert (layout.root / "export/note.txt").read_bytes() == b"hello"
    assert (layout.root / "export/note.txt").stat().st_mtime == MODIFIED.timestamp()
    assert sorted(layout.stored) == [
        "HOW-TO-RESTORE.txt",
        "export/contacts.csv",
        "export/note.txt",
        "manifest.json",
    ]


def test_a_changed_member_becomes_yesterdays_bytes_and_a_small_patch(days):
    first = table(2000)
    days.add({"contacts.csv": csv(first)})
    layout = days.add({"contacts.csv": csv(changed(first, 2))})
    assert in_history(layout.stored) == ["history/contacts.csv/00", "history/contacts.csv/01.zst"]
    assert (layout.root / "history/contacts.csv/00").read_bytes() == csv(first)
    assert layout.stored["history/contacts.csv/01.zst"].size_bytes < 1500
    assert days.restored() == {"contacts.csv": csv(changed(first, 2))}


def test_each_day_adds_one_patch_and_repeats_the_others(days):
    lines = table(2000)
    days.add({"c.csv": csv(lines)})
    before: dict[str, object] = {}
    for day in range(2, 8):
        lines = changed(lines, day)
        layout = days.add({"c.csv": csv(lines)})
        chain = {path: layout.stored[path] for path in in_history(layout.stored)}
        assert len(chain) == day
        assert before.items() <= chain.items()
        assert days.restored() == {"c.csv": csv(lines)}
        before = chain


def test_what_is_listed_is_exactly_what_lies_there(days):
    lines = table(2000)
    days.add({"c.csv": csv(lines), "d.bin": random.Random(1).randbytes(9000)})
    layout = days.add({"c.csv": csv(changed(lines, 2)), "d.bin": random.Random(2).randbytes(9000)})
    found = read(layout.root)
    assert {path: (f.size_bytes, f.sha256) for path, f in layout.stored.items()} == {
        path: (len(content), sha256(content).hexdigest()) for path, content in found.items()
    }
    assert layout.manifest_sha256 == sha256(found["manifest.json"]).hexdigest()
    assert layout.stored_bytes == sum(map(len, found.values()))
    new = {"history/c.csv/01.zst", "export/d.bin", "manifest.json", "HOW-TO-RESTORE.txt"}
    assert layout.new_bytes == sum(len(found[path]) for path in new)


def test_an_unchanged_member_repeats_its_files_without_an_empty_patch(days):
    lines = table(2000)
    days.add({"c.csv": csv(lines)})
    second = days.add({"c.csv": csv(changed(lines, 2))})
    third = days.add({"c.csv": csv(changed(lines, 2))})
    assert {p: second.stored[p] for p in in_history(second.stored)} == {
        p: third.stored[p] for p in in_history(third.stored)
    }
    assert third.new_bytes < 5000


def test_an_unchanged_first_day_stays_whole(days):
    days.add({"c.csv": csv(table(500))})
    layout = days.add({"c.csv": csv(table(500))})
    assert not in_history(layout.stored)


def test_reading_an_archive_gives_its_layout_again(days):
    lines = table(2000)
    days.add({"c.csv": csv(lines)})
    layout = days.add({"c.csv": csv(changed(lines, 2))})
    again = days.exports.read(layout.root)
    assert dict(again.stored) == dict(layout.stored)
    assert again.manifest_sha256 == layout.manifest_sha256
    assert (again.export_bytes, again.stored_bytes) == (layout.export_bytes, layout.stored_bytes)


def test_the_same_export_is_laid_out_the_same_twice(tmp_path):
    lines = table(800)
    roots = []
    for name in ("one", "two"):
        days = Days(tmp_path / name)
        days.add({"c.csv": csv(lines)})
        roots.append(days.add({"c.csv": csv(changed(lines, 2))}).root)
    assert read(roots[0]) == read(roots[1])


@pytest.mark.parametrize("victim", ["history/c.csv/00", "history/c.csv/01.zst"])
@pytest.mark.parametrize("same_again", [True, False])
def test_what_does_not_rebuild_from_the_backup_before_is_stored_whole_with_a_note(
    days, victim, same_again
):
    lines = table(2000)
    other = table(2000, seed=2)
    days.add({"c.csv": csv(lines), "d.csv": csv(other)})
    days.add({"c.csv": csv(changed(lines, 2)), "d.csv": csv(changed(other, 2))})
    path = days.archive / victim
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    today = {
        "c.csv": csv(changed(lines, 2 if same_again else 3)),
        "d.csv": csv(changed(other, 3)),
    }
    layout = days.add(today)
    assert [note for note in layout.notes if "c.csv" in note] == list(layout.notes) != []
    assert {path for path in layout.stored if "c.csv" in path} == {"export/c.csv"}
    assert "history/d.csv/02.zst" in layout.stored
    assert days.restored() == today


def test_a_missing_file_of_the_backup_before_does_not_stop_tonights(days):
    lines = table(2000)
    days.add({"c.csv": csv(lines)})
    days.add({"c.csv": csv(changed(lines, 2))})
    (days.archive / "history/c.csv/01.zst").unlink()
    layout = days.add({"c.csv": csv(changed(lines, 3))})
    assert len(layout.notes) == 1
    assert days.restored() == {"c.csv": csv(changed(lines, 3))}


def test_the_previous_archive_is_left_as_it_was(days):
    lines = table(2000)
    days.add({"c.csv": csv(lines)})
    second = days.add({"c.csv": csv(changed(lines, 2))})
    before = read(second.root)
    days.add({"c.csv": csv(changed(lines, 3))})
    assert read(second.root) == before


def test_nothing_is_shared_with_an_archive_whose_folder_is_removed(days):
    lines = table(2000)
    first = days.add({"c.csv": csv(lines)})
    days.add({"c.csv": csv(changed(lines, 2))})
    shutil.rmtree(first.root.parent)
    assert days.restored() == {"c.csv": csv(changed(lines, 2))}


def test_what_does_not_resemble_is_stored_whole(days):
    days.add({"x.bin": random.Random(1).randbytes(100_000)})
    layout = days.add({"x.bin": random.Random(2).randbytes(100_000)})
    assert not in_history(layout.stored)


def test_dated_names_go_on_with_the_chain_of_the_day_before(days):
    lines = table(2000)
    days.add({"hubspot-contacts-2026-11-20.csv": csv(lines)})
    days.add({"hubspot-contacts-2026-11-21.csv": csv(changed(lines, 2))})
    layout = days.add({"hubspot-contacts-2026-11-22.csv": csv(changed(lines, 3))})
    assert in_history(layout.stored) == [
        "history/hubspot-contacts-2026-11-22.csv/00",
        "history/hubspot-contacts-2026-11-22.csv/01.zst",
        "history/hubspot-contacts-2026-11-22.csv/02.zst",
    ]
    assert days.restored() == {"hubspot-contacts-2026-11-22.csv": csv(changed(lines, 3))}


def test_dated_containers_are_seen_through(days):
    def tarball(content: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as box:
            info = tarfile.TarInfo("contacts.csv")
            info.size = len(content)
            box.addfile(info, io.BytesIO(content))
        return gzip.compress(out.getvalue(), mtime=0)

    lines = table(3000)
    days.add({"backup-11.20.2026_03-00-00.tar.gz": tarball(csv(lines))})
    layout = days.add({"backup-11.21.2026_03-00-00.tar.gz": tarball(csv(changed(lines, 2)))})
    assert len(in_history(layout.stored)) == 2
    assert list(days.restored().values()) == [csv(changed(lines, 2))]
    assert days.restored(original=True) == {
        "backup-11.21.2026_03-00-00.tar.gz": tarball(csv(changed(lines, 2)))
    }


def test_parts_of_one_table_keep_to_their_numbers(days):
    one, two = table(1500, seed=1), table(1500, seed=2)
    days.add({"Contacts_001.csv": csv(one), "Contacts_002.csv": csv(two)})
    layout = days.add(
        {"Contacts_001.csv": csv(changed(one, 2)), "Contacts_002.csv": csv(changed(two, 3))}
    )
    assert (layout.root / "history/Contacts_001.csv/00").read_bytes() == csv(one)
    assert (layout.root / "history/Contacts_002.csv/00").read_bytes() == csv(two)


def test_a_plain_name_that_moved_to_other_content_does_not_deceive(days):
    one, two = table(1500, seed=1), table(1500, seed=2, columns="Key,Firm,Web,Kind,Text")
    days.add({"export1.csv": csv(one), "export2.csv": csv(two)})
    layout = days.add({"export1.csv": csv(changed(two, 2)), "export2.csv": csv(changed(one, 3))})
    assert (layout.root / "history/export1.csv/00").read_bytes() == csv(two)
    assert (layout.root / "history/export2.csv/00").read_bytes() == csv(one)


def test_a_new_name_is_found_by_its_columns(days):
    lines = table(1500)
    days.add({"contacts.csv": csv(lines)})
    layout = days.add({"people.csv": csv(changed(lines, 2))})
    assert in_history(layout.stored) == ["history/people.csv/00", "history/people.csv/01.zst"]


def test_members_come_and_go(days):
    one, two = table(1500, seed=1), table(1500, seed=2, columns="Key,Firm,Web,Kind,Text")
    days.add({"a.csv": csv(one)})
    days.add({"a.csv": csv(changed(one, 2)), "b.csv": csv(two)})
    days.add({"b.csv": csv(changed(two, 3))})
    layout = days.add({"a.csv": csv(changed(one, 4)), "b.csv": csv(changed(two, 4))})
    assert "export/a.csv" in layout.stored
    assert days.restored() == {"a.csv": csv(changed(one, 4)), "b.csv": csv(changed(two, 4))}


def test_empty_and_tiny_members_are_stored_whole(days):
    days.add({"empty.csv": b"", "tiny.csv": b"Id\r\n1\r\n", "grows.csv": b""})
    content = csv(table(500))
    layout = days.add({"empty.csv": b"", "tiny.csv": b"Id\r\n2\r\n", "grows.csv": content})
    assert not in_history(layout.stored)
    assert days.restored() == {"empty.csv": b"", "tiny.csv": b"Id\r\n2\r\n", "grows.csv": content}
    days.add({"grows.csv": b""})
    assert days.restored() == {"grows.csv": b""}


def test_an_export_without_files_is_an_archive_without_members(days):
    days.add({"a.csv": csv(table(500))})
    layout = days.add({})
    assert sorted(layout.stored) == ["HOW-TO-RESTORE.txt", "manifest.json"]


def test_a_large_member_is_kept_in_parts(tmp_path):
    days = Days(tmp_path, ExportFolder(part_bytes=64 << 10))
    lines = table(4000)
    size = len(csv(lines))
    days.add({"big.csv": csv(lines)})
    for day in range(2, 6):
        lines = changed(lines, day, rows=2)
        layout = days.add({"big.csv": csv(lines)})
        assert days.restored() == {"big.csv": csv(lines)}
    folders = {path.split("/")[2] for path in in_history(layout.stored)}
    assert len(folders) == round(size / (64 << 10))
    added = layout.new_bytes - sum(
        layout.stored[name].size_bytes for name in ("manifest.json", "HOW-TO-RESTORE.txt")
    )
    assert added < 3000  # a part whose rows did not change has no new patch


def test_rows_put_in_front_move_the_cuts_with_them(tmp_path):
    days = Days(tmp_path, ExportFolder(part_bytes=64 << 10))
    header, *rows = table(4000)
    days.add({"big.csv": csv([header, *rows])})
    days.add({"big.csv": csv([header, *table(30, seed=5)[1:], *rows])})
    layout = days.add({"big.csv": csv([header, *table(60, seed=5)[1:], *rows])})
    patches = [layout.stored[p].size_bytes for p in in_history(layout.stored) if "02.zst" in p]
    assert len(patches) == 1  # only the first part has changed


def test_large_binary_members_without_lines_are_cut_too(tmp_path):
    days = Days(tmp_path, ExportFolder(part_bytes=64 << 10))
    content = random.Random(1).randbytes(300_000).replace(b"\n", b"x")
    days.add({"big.bin": content})
    for start in (200_000, 100_000, 290_000):
        content = content[:start] + b"inserted" + content[start + 3 :]
        layout = days.add({"big.bin": content})
    assert in_history(layout.stored)
    assert days.restored() == {"big.bin": content}


def test_a_large_member_may_shrink_grow_and_lose_its_middle(tmp_path):
    days = Days(tmp_path, ExportFolder(part_bytes=32 << 10))
    header, *rows = table(4000)
    for keep in (rows, rows[:100], rows, rows[1500:], rows[:1000] + rows[3000:], rows * 2, rows):
        days.add({"big.csv": csv([header, *keep])})
        assert days.restored() == {"big.csv": csv([header, *keep])}


def test_a_member_that_is_called_like_a_part_is_never_taken_for_one(tmp_path):
    days = Days(tmp_path, ExportFolder(part_bytes=64 << 10))
    lines = table(800)
    days.add({"x/part-0001": csv(lines)})
    layout = days.add({"x/part-0001": csv(changed(lines, 2))})
    assert "export/x/part-0001" in layout.stored


def test_a_chain_gets_a_new_base_when_its_patches_outweigh_it(days):
    lines, bases = table(400), []
    for day in range(1, 50):
        layout = days.add({"c.csv": csv(lines)})
        bases.append("export/c.csv" in layout.stored)
        assert days.restored() == {"c.csv": csv(lines)}
        lines = changed(lines, day, rows=20)
    assert 2 <= sum(bases) <= 5


def test_a_zip_is_given_back_exactly_from_its_members(days):
    lines = table(2000)
    days.add({"Data.zip": zipped({"Contacts.csv": csv(lines)})})
    original = zipped({"Contacts.csv": csv(changed(lines, 2))})
    layout = days.add({"Data.zip": original})
    assert in_history(layout.stored) == [
        "history/Data.zip/Contacts.csv/00",
        "history/Data.zip/Contacts.csv/01.zst",
    ]
    assert not [path for path in layout.stored if path.startswith("original/")]
    assert days.restored() == {"Data.zip/Contacts.csv": csv(changed(lines, 2))}
    assert days.restored(original=True) == {"Data.zip": original}


@pytest.mark.parametrize("setting", ["keep", "drop"])
def test_a_zip_that_zlib_cannot_repeat_is_kept_beside_or_dropped_with_a_note(
    tmp_path, setting, monkeypatch
):
    def odd(*_):
        return zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_HUFFMAN_ONLY)

    monkeypatch.setattr(zipfile, "_get_compressor", odd)
    days = Days(tmp_path, ExportFolder(original=setting))
    original = zipped({"Contacts.csv": csv(table(500))})
    layout = days.add({"Data.zip": original})
    assert ("original/Data.zip" in layout.stored) == (setting == "keep")
    remarks = load(layout.root)[0].remarks
    assert any("Data.zip" in remark for remark in remarks) == (setting == "drop")
    assert layout.notes == ()
    assert days.restored() == {"Data.zip/Contacts.csv": csv(table(500))}
    if setting == "keep":
        assert days.restored(original=True) == {"Data.zip": original}
    else:
        with pytest.raises(ApplianceError, match="was not kept"):
            days.restored(original=True)


def picture(size: int) -> bytes:
    """Return a PNG that nobody can compress."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100, 100, 8, 2, 0, 0, 0))
    noise = chunk(b"IDAT", random.Random(1).randbytes(size))
    return b"\x89PNG\r\n\x1a\n" + header + noise + chunk(b"IEND", b"")


def workbook(lines: list[str], image: bytes = b"") -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "constant_memory": False}) as book:
        book.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})
        sheet = book.add_worksheet("Contacts")
        for number, line in enumerate(lines):
            sheet.write_row(number, 0, line.split(","))
        if image:
            sheet.insert_image("H2", "logo.png", {"image_data": io.BytesIO(image)})
    return out.getvalue()


def test_a_spreadsheet_that_resembles_its_predecessor_is_stored_opened(days):
    lines = table(3000)
    books = [workbook(lines)]
    days.add({"Contacts 2026-11-20.xlsx": books[0]})
    for day in range(2, 5):
        lines[day * 500] = lines[day * 500].replace("a", "e")
        books.append(workbook(lines))
        name = f"Contacts 2026-11-{19 + day}.xlsx"
        layout = days.add({name: books[-1]})
        assert days.restored() == {name: books[-1]}
        assert days.restored(original=True) == {name: books[-1]}
    assert any("xl/sharedStrings.xml/03.zst" in path for path in layout.stored)
    assert layout.new_bytes < len(books[-1]) / 3


def test_a_large_picture_in_a_spreadsheet_is_stored_once(days):
    lines, logo = table(1000), picture(300_000)
    days.add({"a.xlsx": workbook(lines, logo)})
    lines[700] = lines[700].replace("a", "e")
    days.add({"a.xlsx": workbook(lines, logo)})
    lines[800] = lines[800].replace("a", "e")
    layout = days.add({"a.xlsx": workbook(lines, logo)})
    assert layout.stored["export/a.xlsx/xl/media/image1.png"].size_bytes == len(logo)
    assert layout.new_bytes < 30_000
    assert days.restored() == {"a.xlsx": workbook(lines, logo)}


def test_a_spreadsheet_inside_a_zip_comes_back_in_it(days):
    lines = table(3000)
    days.add({"all.zip": zipped({"Contacts.xlsx": workbook(lines)})})
    lines[700] = lines[700].replace("a", "e")
    whole = zipped({"Contacts.xlsx": workbook(lines)})
    layout = days.add({"all.zip": whole})
    assert any("Contacts.xlsx/xl/" in path for path in in_history(layout.stored))
    assert days.restored() == {"all.zip/Contacts.xlsx": workbook(lines)}
    assert days.restored(original=True) == {"all.zip": whole}


def test_a_spreadsheet_that_has_nothing_in_common_stays_whole(days):
    days.add({"a.xlsx": workbook(table(500, seed=1))})
    layout = days.add({"a.xlsx": workbook(table(500, seed=2))})
    assert "export/a.xlsx" in layout.stored
    assert not in_history(layout.stored)


def test_names_with_spaces_quotes_umlauts_and_dashes_work(days):
    lines = table(800)
    names = ["-rf.csv", "a 'quoted' \"name\".csv", "Müller & Söhne $HOME.csv", "* ? [a].csv"]
    for day in (1, 2):
        files = {name: csv(changed(table(800, seed=n), day)) for n, name in enumerate(names)}
        days.add(files)
    assert days.restored() == files
    assert lines


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system here")
def test_an_archive_on_another_file_system_is_copied_from(tmp_path):
    lines = table(1000)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        days = Days(Path(elsewhere))
        first = days.add({"a.csv": csv(lines)})
        export = export_of(tmp_path / "pull", {"a.csv": csv(changed(lines, 2))}, 2)
        (tmp_path / "work").mkdir()
        layout = days.exports.lay_out(export, first.root, tmp_path / "work", Watch())
    assert (layout.root / "history/a.csv/00").read_bytes() == csv(lines)
    into = tmp_path / "out"
    days.exports.restore(layout.root, into, Watch())
    assert read(into) == {"a.csv": csv(changed(lines, 2))}


def test_cancelling_stops_between_members(tmp_path):
    cancel = threading.Event()

    def stop(progress: Progress) -> None:
        if progress.step is StepName.INSPECT and progress.done:
            cancel.set()

    days = Days(tmp_path)
    with pytest.raises(Cancelled):
        days.add({f"{n}.csv": csv(table(300, seed=n)) for n in range(3)}, Watch(stop, cancel))


@pytest.mark.slow
def test_ten_thousand_small_files_are_quick(tmp_path):
    chance = random.Random(1)
    files = {f"notes/{n:05d}.txt": chance.randbytes(1000) for n in range(10_000)}
    one, two = export_of(tmp_path / "1", files), export_of(tmp_path / "2", files, day=2)
    exports = ExportFolder()
    (tmp_path / "w1").mkdir()
    (tmp_path / "w2").mkdir()
    first = exports.lay_out(one, None, tmp_path / "w1", Watch())
    started = time.process_time()
    second = exports.lay_out(two, first.root, tmp_path / "w2", Watch())
    assert time.process_time() - started < 10
    assert len(second.stored) == 10_002


def deflating_otherwise(monkeypatch) -> None:
    """Have this machine's zlib give other bytes than the one before: an upgrade, another box."""
    usual = zlib.compressobj

    def other(level=-1, method=zlib.DEFLATED, bits=15, memory=8, *_):
        return usual(level, method, bits, memory, zlib.Z_HUFFMAN_ONLY)

    monkeypatch.setattr("appliance.exports.original.zlib.compressobj", other)


def parts_of(spreadsheet: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(spreadsheet)) as box:
        assert box.testzip() is None
        return {name: box.read(name) for name in box.namelist()}


@pytest.fixture
def opened_days(days) -> tuple[Days, dict[str, bytes]]:
    """Days whose newest archive holds a spreadsheet as parts and a recipe."""
    lines, rows = table(2000), table(900, seed=2)
    days.add({"a.xlsx": workbook(lines), "z.csv": csv(rows)})
    lines[700] = lines[700].replace("a", "e")
    files = {"a.xlsx": workbook(lines), "z.csv": csv(changed(rows, 2))}
    days.add(files)
    assert load(days.archive)[0].members[0].recipe
    return days, files


def test_with_another_zlib_a_spreadsheet_comes_back_packed_anew_and_is_said_so(
    opened_days, monkeypatch, caplog
):
    days, files = opened_days
    deflating_otherwise(monkeypatch)
    found = days.restored()
    assert found["z.csv"] == files["z.csv"]
    assert found["a.xlsx"] != files["a.xlsx"]
    assert parts_of(found["a.xlsx"]) == parts_of(files["a.xlsx"])
    assert [record.args for record in caplog.records] == [("a.xlsx",)]


def test_a_second_restore_takes_what_was_packed_anew_and_refuses_another(
    opened_days, tmp_path, monkeypatch
):
    days, _ = opened_days
    deflating_otherwise(monkeypatch)
    out = tmp_path / "again"
    first = days.exports.restore(days.archive, out, Watch())
    times = [path.stat().st_ino for path in first]
    assert days.exports.restore(days.archive, out, Watch()) == first
    assert [path.stat().st_ino for path in first] == times
    (out / "a.xlsx").write_bytes(workbook(table(10)))
    with pytest.raises(ApplianceError, match="already something else"):
        days.exports.restore(days.archive, out, Watch())


def test_with_another_zlib_a_damaged_part_of_a_spreadsheet_is_still_damage(
    opened_days, monkeypatch
):
    days, _ = opened_days
    deflating_otherwise(monkeypatch)
    victim = next(days.archive.glob("**/workbook.xml"))
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content.replace(b"Contacts", b"Kontakte"))
    with pytest.raises(RepositoryDamaged, match=r"1 of 2 .*a\.xlsx"):
        days.restored()


def test_with_another_zlib_the_original_is_refused_in_clear_words_and_the_rest_comes(
    opened_days, tmp_path, monkeypatch
):
    days, files = opened_days
    deflating_otherwise(monkeypatch)
    out = tmp_path / "originals"
    with pytest.raises(ToolFailed, match=r"1 of 2 .*a\.xlsx.*byte for byte") as caught:
        days.exports.restore(days.archive, out, Watch(), original=True)
    assert "without the original" in caught.value.hint
    assert read(out) == {"z.csv": files["z.csv"]}


def test_with_another_zlib_the_members_of_a_zip_come_back_though_the_zip_does_not(
    days, tmp_path, monkeypatch
):
    rows = csv(table(900))
    days.add({"all.zip": zipped({"Contacts.csv": rows})})
    deflating_otherwise(monkeypatch)
    with pytest.raises(ToolFailed, match="byte for byte"):
        days.exports.restore(days.archive, tmp_path / "zip", Watch(), original=True)
    assert days.restored() == {"all.zip/Contacts.csv": rows}


def test_with_another_zlib_the_next_night_is_backed_up_all_the_same_and_without_alarm(
    opened_days, monkeypatch
):
    days, _ = opened_days
    lines = table(2000)
    lines[800] = lines[800].replace("a", "e")
    today = {"a.xlsx": workbook(lines), "z.csv": csv(table(900, seed=2))}
    deflating_otherwise(monkeypatch)
    layout = days.add(today)
    assert "export/a.xlsx" in layout.stored
    assert layout.notes == ()
    assert days.restored() == today
    content = load(layout.root)[0]
    assert any("a.xlsx" in remark for remark in content.remarks)
    assert [table["name"] for table in content.tables] == ["a", "z"]


def test_F14_oddities_that_come_every_day_are_recorded_and_alarm_nobody(days):
    twice = zipped({"name.csv": csv(table(20)), "Name.csv": csv(table(30))})
    layout = days.add({"Data.zip": twice})
    assert layout.notes == ()
    assert "Name~2.csv" in load(layout.root)[0].remarks[0]
    assert days.exports.read(layout.root).notes == ()


def test_F14_an_empty_zip_is_worth_a_warning(days):
    layout = days.add({"Data.zip": zipped({}), "c.csv": csv(table(20))})
    assert layout.notes == ("Data.zip is empty.",)
