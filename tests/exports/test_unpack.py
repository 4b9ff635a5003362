from __future__ import annotations

import errno
import gzip
import io
import os
import resource
import struct
import subprocess
import sys
import tarfile
import textwrap
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.core.errors import Cancelled, DiskFull, ExportUnsafe
from appliance.core.ports import Watch
from appliance.exports import budget
from appliance.exports.names import Names, clean
from appliance.exports.unpack import Limits
from tests.exports.packing import contents, csv_of, made_again, opened, tar_of, zip_of

CSV = csv_of(3000)
KEYS = b"id,name\n1,Ann\n"

CLIMBING = [
    "../evil", "../../../../etc/cron.d/evil", "a/../../evil", "a/..", "..", "..\\evil",
    "..\\..\\windows\\evil", "a\\..\\..\\evil", "/../evil", "C:\\..\\evil", "C:..\\evil/../x",
    "a/b/../../../c", "./../x", "....//../x", " .. /evil", "..\0/evil", "../", "x/../", "a/.. /b",
    "\\..\\x",
]  # fmt: skip
ODD = [
    "/etc/passwd", "//server/share/x", "\\\\server\\share\\x", "C:\\Users\\x.csv", "c:/x.csv", "C:",
    "C:x.csv", ".", "./", "/", "//", "", "a//b", "./a", "a/./b", "a\0b.csv", "\0", "a\nb.csv",
    "a\r\nb.csv", "\x1b[2Jx", "\x7f", "\u202egpj.exe", "\u2066x", "a\u2028b", "-rf", "--help",
    "~", "~root/.ssh/x", "$HOME", "`id`", "a;b", "a|b", "a'b\"c", "*", "?", "a:b", "con", "nul.txt",
    "aux", "x" * 300, "x" * 300 + ".csv", "/".join(["x" * 100] * 30), "ä" * 200, "😀" * 90,
    ".hidden", "...", "....", "a. ", " a", "a\tb", "\ud800", "a/" * 200 + "b", "manifest.json",
    "history/x/00",
]  # fmt: skip


def inside(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]


def with_raw_name(name: bytes, data: bytes = KEYS, flags: int = 0) -> bytes:
    """A ZIP whose one name is just these bytes, as Python's own writer would never write it."""
    placeholder = "N" * len(name)
    made = bytearray(zip_of({placeholder: data}, zipfile.ZIP_STORED))
    made[6:8] = struct.pack("<H", flags)
    central = made.index(b"PK\1\2")
    made[central + 8 : central + 10] = struct.pack("<H", flags)
    return bytes(made).replace(placeholder.encode(), name)


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


# --- what is what ------------------------------------------------------------------------------


def test_kinds_are_told_by_bytes_and_not_by_name(tmp_path):
    files = {
        "Leads.csv": zip_of({"a.csv": KEYS}),
        "b.zip": KEYS,
        "c.tar": gzip.compress(KEYS),
        "d.gz": tar_of({"d.csv": KEYS}),
    }
    unpacked = opened(tmp_path, files)

    assert list(contents(unpacked)) == ["Leads.csv/a.csv", "b.zip", "c.tar/c.tar", "d.gz/d.csv"]
    assert set(contents(unpacked).values()) == {KEYS}
    assert unpacked.notes == ()


def test_a_plain_file_passes_as_it_came_where_it_lies(tmp_path):
    unpacked = opened(tmp_path, {"notes.csv": KEYS, "empty.csv": b""})

    assert contents(unpacked) == {"notes.csv": KEYS, "empty.csv": b""}
    assert unpacked.members[0].file == tmp_path / "export" / "export-0"
    assert unpacked.containers == ()


def test_an_export_of_nothing_is_nothing(tmp_path):
    assert opened(tmp_path, {}).members == ()


@pytest.mark.parametrize(
    ("outer", "header", "inner"),
    [
        ("Leads.csv.gz", "", "Leads.csv"),
        ("Leads.csv.GZ", "", "Leads.csv"),
        ("dump", "", "dump"),
        ("dump.tgz", "", "dump.tar"),
        ("x.gz", "Contacts.csv", "Contacts.csv"),
        ("x.gz", "C:\\temp\\Contacts.csv", "Contacts.csv"),
        (".gz", "", ".gz"),
    ],
)
def test_the_file_in_a_gzip_has_the_name_of_its_header_or_of_the_gzip(
    tmp_path, outer, header, inner
):
    box = io.BytesIO()
    with gzip.GzipFile(header, "wb", fileobj=box, mtime=1_763_694_000) as file:
        file.write(KEYS)
    unpacked = opened(tmp_path, {outer: box.getvalue()})

    assert contents(unpacked) == {f"{outer}/{inner}": KEYS}
    assert unpacked.members[0].modified == datetime.fromtimestamp(1_763_694_000, UTC)


def test_a_gzip_with_every_optional_field_is_read(tmp_path):
    raw = zlib.compress(KEYS, wbits=-15)
    head = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\x04\x00abcd" + b"n.csv\0" + b"comment\0" + b"\0\0"
    data = head + raw + struct.pack("<2I", zlib.crc32(KEYS), len(KEYS))
    unpacked = opened(tmp_path, {"a.gz": data})

    assert contents(unpacked) == {"a.gz/n.csv": KEYS}
    assert made_again(unpacked.containers[0], unpacked) == data


def test_what_lies_deeper_than_one_level_stays_a_file(tmp_path):
    third = zip_of({"a.csv": KEYS})
    unpacked = opened(tmp_path, {"1.zip": zip_of({"2.zip": zip_of({"3.zip": third})})})

    assert contents(unpacked) == {"1.zip/2.zip/3.zip": third}


@pytest.mark.parametrize("first", ["[Content_Types].xml", "mimetype"])
def test_an_office_document_stays_whole(tmp_path, first):
    document = zip_of({first: b"x", "content.xml": KEYS})

    assert contents(opened(tmp_path, {"a.xlsx": document})) == {"a.xlsx": document}


def test_an_empty_zip_is_told(tmp_path):
    unpacked = opened(tmp_path, {"a.zip": zip_of({})})

    assert unpacked.members == ()
    assert unpacked.notes == ("a.zip is empty.",)
    assert unpacked.containers[0].size_bytes == 22


def test_a_zip_of_an_unknown_method_stays_whole_and_is_told(tmp_path):
    data = zip_of({"a.csv": CSV}, zipfile.ZIP_LZMA)
    unpacked = opened(tmp_path, {"a.zip": data})

    assert contents(unpacked) == {"a.zip": data}
    assert "method 14" in unpacked.remarks[0]


def test_xz_and_bzip2_stay_as_they_came(tmp_path):
    files = {"a.tar.xz": tar_of({"a": KEYS}, "w:xz"), "b.tar.bz2": tar_of({"a": KEYS}, "w:bz2")}

    assert contents(opened(tmp_path, files)) == files


def test_dates_come_from_the_container(tmp_path):
    info = zipfile.ZipInfo("a.csv", (2026, 11, 21, 3, 0, 2))
    broken = zipfile.ZipInfo("b.csv", (1980, 0, 0, 0, 0, 0))
    unpacked = opened(tmp_path, {"a.zip": zip_of([(info, KEYS), (broken, KEYS)])})

    assert unpacked.members[0].modified == datetime(2026, 11, 21, 3, 0, 2, tzinfo=UTC)
    assert unpacked.members[1].modified is None


# --- C6: names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIMBING)
def test_C6_a_name_that_climbs_out_is_refused_in_zip_tar_and_export(tmp_path, name):
    raw = name.encode()
    for number, data in enumerate([with_raw_name(raw), tar_of({name.replace("\0", ""): KEYS})]):
        with pytest.raises(ExportUnsafe, match="outside its folder"):
            opened(tmp_path / str(number), {"a": data})
    with pytest.raises(ExportUnsafe, match="outside its folder"):
        opened(tmp_path / "2", {name: KEYS})
    assert {path.name for path in inside(tmp_path)} <= {"export-0"}


@pytest.mark.parametrize("name", ODD)
def test_C6_an_odd_name_becomes_a_safe_one_and_nothing_lands_elsewhere(tmp_path, name):
    raw = name.encode("utf-8", "surrogatepass")
    data = with_raw_name(raw) if raw and not raw.endswith((b"/", b"\\")) else zip_of({"x": KEYS})
    unpacked = opened(tmp_path, {name: KEYS, "a.zip": data})

    assert len(unpacked.members) == 2
    for member in unpacked.members:
        parts = member.path.split("/")
        assert all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in parts)
        assert member.path.isprintable() or not any(ord(c) < 32 for c in member.path)
        assert len(member.path.encode()) < 1100
        assert member.file.read_bytes() == KEYS
    assert {path.parent for path in inside(tmp_path)} == {tmp_path / "export", tmp_path / "into"}


@pytest.mark.parametrize(
    ("raw", "flags", "name"),
    [
        ("Müller.csv".encode("cp437"), 0, "Müller.csv"),
        ("Müller.csv".encode(), 0, "Müller.csv"),
        ("Müller.csv".encode(), 0x800, "Müller.csv"),
        ("名前.csv".encode(), 0x800, "名前.csv"),
        (b"M\xfcller.csv", 0x800, "M\ufffdller.csv"),
    ],
)
def test_C6_names_are_read_in_the_zips_own_encoding(tmp_path, raw, flags, name):
    unpacked = opened(tmp_path, {"a.zip": with_raw_name(raw, flags=flags)})

    assert contents(unpacked) == {f"a.zip/{name}": KEYS}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_of_one_name_are_both_kept_and_told(tmp_path):
    pairs = [
        ("a.csv", b"1"),
        ("a.csv", b"2"),
        ("A.csv", b"3"),
        ("./a.csv", b"4"),
        ("a~2.csv", b"5"),
    ]
    data = zip_of(pairs)
    unpacked = opened(tmp_path, {"x.zip": data, "X.zip": KEYS})

    assert contents(unpacked) == {
        "x.zip/a.csv": b"1",
        "x.zip/a~2.csv": b"2",
        "x.zip/A~3.csv": b"3",
        "x.zip/a~4.csv": b"4",
        "x.zip/a~2~2.csv": b"5",
        "X~2.zip": KEYS,
    }
    assert len(unpacked.remarks) == 5
    assert made_again(unpacked.containers[0], unpacked) == data


def test_an_accent_written_in_two_ways_is_one_name():
    names = Names()

    assert [names.claim("é.csv"), names.claim("e\u0301.csv")] == ["é.csv", "e\u0301~2.csv"]


def test_a_name_that_is_file_and_folder_is_kept_as_both(tmp_path):
    pairs = {"a": b"1", "a/b": b"2", "a/c": b"3", "d/e": b"4", "d": b"5"}
    unpacked = opened(tmp_path, {"x.zip": zip_of(pairs)})

    assert contents(unpacked) == {
        "x.zip/a": b"1",
        "x.zip/a~2/b": b"2",
        "x.zip/a~2/c": b"3",
        "x.zip/d/e": b"4",
        "x.zip/d~2": b"5",
    }


def test_a_thousand_notes_are_not_a_thousand_lines(tmp_path):
    unpacked = opened(tmp_path, {f"{'./' * n}a.csv": KEYS for n in range(1000)})

    assert len({member.path for member in unpacked.members}) == 1000
    assert len(unpacked.remarks) == 21
    assert "979 more" in unpacked.remarks[-1]


def test_cleaning_twice_changes_nothing():
    for name in ODD:
        assert clean(clean(name)) == clean(name)


# --- C6: links and devices ---------------------------------------------------------------------


def test_C6_links_in_a_zip_are_left_out_and_told_and_still_made_again(tmp_path):
    link, device = entry("link", 0o120777), entry("device", 0o060666)
    data = zip_of([(link, b"/etc/passwd"), (device, b""), (entry("a.csv", 0o100644), KEYS)])
    unpacked = opened(tmp_path, {"a.zip": data})

    assert contents(unpacked) == {"a.zip/a.csv": KEYS}
    assert unpacked.remarks == ("2 links or devices in a.zip are left out: they are no files.",)
    assert made_again(unpacked.containers[0], unpacked) == data


def test_C6_links_and_devices_in_a_tar_are_left_out_and_told(tmp_path):
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"x{kind!r}")
            info.type, info.linkname = kind, "../../etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("a.csv")
        info.size = len(KEYS)
        tar.addfile(info, io.BytesIO(KEYS))
    unpacked = opened(tmp_path, {"a.tar": box.getvalue()})

    assert contents(unpacked) == {"a.tar/a.csv": KEYS}
    assert unpacked.remarks == ("4 links or devices in a.tar are left out: they are no files.",)
    assert made_again(unpacked.containers[0], unpacked) == box.getvalue()
    assert not any(path.is_symlink() for path in inside(tmp_path))


# --- locked, cut, damaged ----------------------------------------------------------------------


def locked() -> bytes:
    return with_raw_name(b"a.csv", flags=1)


def test_a_zip_with_a_password_is_refused_with_advice(tmp_path):
    with pytest.raises(ExportUnsafe, match="password") as caught:
        opened(tmp_path, {"a.zip": locked()})
    assert "Switch off the password" in caught.value.hint


def test_somebodys_broken_attachment_does_not_refuse_the_export(tmp_path):
    cut = zip_of({"a.csv": CSV})[:-30]
    files = {
        "locked.zip": locked(),
        "cut.zip": cut,
        "slip.zip": with_raw_name(b"../evil"),
        "cut.gz": gzip.compress(CSV)[:-5],
        "lzma.zip": zip_of({"a": KEYS}, zipfile.ZIP_LZMA),
    }
    data = zip_of(files)
    unpacked = opened(tmp_path, {"outer.zip": data})

    assert contents(unpacked) == {f"outer.zip/{name}": inner for name, inner in files.items()}
    assert unpacked.notes == ()
    assert made_again(unpacked.containers[0], unpacked) == data


MADE = {
    "zip": zip_of({"a.csv": CSV, "b.csv": KEYS}),
    "stored zip": zip_of({"a.csv": CSV, "b.zip": zip_of({"c": CSV})}, zipfile.ZIP_STORED),
    "gzip": gzip.compress(CSV),
    "tar": tar_of({"a.csv": CSV, "b.csv": KEYS}),
    "tar.gz": tar_of({"a.csv": CSV, "b.csv": KEYS}, "w:gz"),
}


@pytest.mark.parametrize("kind", MADE)
def test_a_cut_container_is_refused_wherever_it_is_cut(tmp_path, kind):
    data = MADE[kind]
    last_needed = data.rstrip(b"\0") if kind == "tar" else data
    cuts = {len(last_needed) * tenth // 20 for tenth in range(11, 20)} | {len(last_needed) - 1}
    for cut in cuts:
        with pytest.raises(ExportUnsafe, match="cut off or damaged"):
            opened(tmp_path / str(cut), {"export": data[:cut]})
        assert {
            path.name for path in inside(tmp_path / str(cut) / "into")
        } == set() or kind != "gzip"


def test_a_tar_cut_just_between_two_files_is_refused(tmp_path):
    whole = tar_of({"a.csv": bytes(512), "b.csv": KEYS})

    with pytest.raises(ExportUnsafe, match="cut off"):
        opened(tmp_path, {"a.tar": whole[:1024]})


def test_a_tar_with_a_broken_header_in_its_middle_is_refused(tmp_path):
    whole = bytearray(tar_of({"a.csv": KEYS, "b.csv": KEYS}))
    whole[1024 + 5] ^= 1

    with pytest.raises(ExportUnsafe, match="cut off"):
        opened(tmp_path, {"a.tar": bytes(whole)})


@pytest.mark.parametrize("kind", ["zip", "stored zip", "gzip", "tar.gz"])
def test_a_flipped_bit_is_refused_or_changes_no_content(tmp_path, kind):
    data = MADE[kind]
    right = set(contents(opened(tmp_path / "right", {"export": data})).values())
    refused = 0
    for place in range(3, len(data), max(1, len(data) // 60)):
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        try:
            unpacked = opened(tmp_path / str(place), {"export": bytes(flipped)})
        except ExportUnsafe:
            refused += 1
            continue
        found = set(contents(unpacked).values())
        assert found <= right | {bytes(flipped)}
    assert refused > 30


def test_a_sparse_tar_stays_whole_and_is_told(tmp_path):
    (tmp_path / "hole").write_bytes(b"")
    os.truncate(tmp_path / "hole", 5 << 20)
    argv = ["tar", "--sparse", "-cf", "a.tar", "hole"]
    subprocess.run(argv, cwd=tmp_path, check=True)
    data = (tmp_path / "a.tar").read_bytes()
    unpacked = opened(tmp_path, {"a.tar": data, "a.tar.gz": gzip.compress(data)})

    assert contents(unpacked) == {"a.tar": data, "a.tar.gz/a.tar": data}
    assert unpacked.remarks == ("a.tar is kept as it came: it holds sparse files.",)


def test_what_follows_an_end_is_never_lost(tmp_path):
    two = tar_of({"a.csv": KEYS}) + tar_of({"b.csv": KEYS})
    more = gzip.compress(KEYS) + b"more"
    unpacked = opened(tmp_path, {"two.tar": two, "more.gz": more})

    assert contents(unpacked) == {"two.tar": two, "more.gz": more}
    assert len(unpacked.remarks) == 2


# --- C8: bombs ---------------------------------------------------------------------------------


def test_C8_a_bomb_is_stopped_while_it_unpacks(tmp_path):
    bomb = zip_of({"zeros": bytes(40 << 20)})

    with pytest.raises(ExportUnsafe, match="far beyond its size"):
        opened(tmp_path, {"a.zip": bomb}, Limits(max_bytes=5 << 20, reserve_bytes=0))
    assert sum(path.stat().st_size for path in inside(tmp_path / "into")) <= 5 << 20


@pytest.mark.parametrize("pack", [lambda data: zip_of({"z": data}), gzip.compress])
def test_C8_a_bomb_is_told_by_its_ratio(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(budget, "_FREE_OF_RATIO_BYTES", 1 << 20)

    with pytest.raises(ExportUnsafe, match="far beyond its size"):
        opened(tmp_path, {"a": pack(bytes(9 << 20))}, Limits(max_ratio=100, reserve_bytes=0))


def test_C8_a_nested_bomb_is_stopped_too(tmp_path):
    bomb = zip_of({f"{n}.zip": zip_of({"zeros": bytes(2 << 20)}) for n in range(10)})

    with pytest.raises(ExportUnsafe, match="far beyond its size"):
        opened(tmp_path, {"a.zip": bomb}, Limits(max_bytes=5 << 20, reserve_bytes=0))


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_C8_too_many_files_are_refused_before_one_is_written(tmp_path, pack):
    many = pack({f"{n}.csv": b"" for n in range(101)})

    with pytest.raises(ExportUnsafe, match="more than 100 files"):
        opened(tmp_path, {"a": many}, Limits(max_members=100, reserve_bytes=0))
    assert inside(tmp_path / "into") == []


def test_C8_a_hundred_names_for_one_stretch_are_refused(tmp_path):
    """Fifield's bomb: the directory names the same bytes again and again."""
    made = zip_of({"a": bytes(1 << 20)})
    start, end = made.index(b"PK\1\2"), made.index(b"PK\5\6")
    directory = made[start:end] * 100
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 100, 100, len(directory), start, 0)

    with pytest.raises(ExportUnsafe, match="overlap"):
        opened(tmp_path, {"a.zip": made[:start] + directory + tail})
    assert inside(tmp_path / "into") == []


def test_C8_a_size_that_lies_is_refused(tmp_path):
    made = bytearray(zip_of({"a": bytes(3 << 20)}))
    central = made.index(b"PK\1\2")
    made[central + 24 : central + 28] = struct.pack("<I", 10)

    with pytest.raises(ExportUnsafe, match="cut off or damaged"):
        opened(tmp_path, {"a.zip": bytes(made)})
    assert inside(tmp_path / "into") == []


def test_C8_a_tar_header_of_a_gigabyte_is_refused_unread(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    data = info.tobuf(tarfile.GNU_FORMAT)

    with pytest.raises(ExportUnsafe, match="cut off or damaged"):
        opened(tmp_path, {"a.tar": data + bytes(4096)})


def test_C8_headers_for_headers_for_headers_are_refused(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 10
    data = (info.tobuf(tarfile.GNU_FORMAT) + b"name".ljust(512, b"\0")) * 3000

    with pytest.raises(ExportUnsafe, match="cut off or damaged"):
        opened(tmp_path, {"a.tar": data})


# --- C7: room and stopping ---------------------------------------------------------------------


def test_C7_a_disk_without_room_is_told_before_it_is_full(tmp_path):
    with pytest.raises(DiskFull):
        opened(tmp_path, {"a.zip": zip_of({"a": CSV})}, Limits(reserve_bytes=1 << 60))
    assert sum(path.stat().st_size for path in inside(tmp_path / "into")) == 0


def test_C7_a_write_that_finds_no_room_is_told_as_that(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = zip_of({"a": bytes(3 << 20)})
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        with pytest.raises(DiskFull) as caught:
            opened(tmp_path, {"a.zip": data})
        assert caught.value.__cause__.errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_unpacking_stops_when_somebody_asks(tmp_path):
    watch = Watch()
    watch.cancel.set()

    with pytest.raises(Cancelled):
        opened(tmp_path, {"a.zip": zip_of({"a": CSV})}, watch=watch)


def test_progress_is_told_in_bytes(tmp_path):
    told = []
    opened(tmp_path, {"a.zip": zip_of({"a": CSV * 400})}, watch=Watch(progress=told.append))

    assert told[-1].done > 16 << 20
    assert {one.step for one in told} == {"unpack"}


LARGE = """
    import hashlib, re, sys, zipfile
    from datetime import UTC, datetime
    from pathlib import Path
    from appliance.core.model import Export, ExportFile
    from appliance.core.ports import Watch
    from appliance.exports.original import rebuild
    from appliance.exports.unpack import Limits, unpack

    folder, size = Path(sys.argv[1]), int(sys.argv[2])
    line = "".join(f"{n},{n * n % 99991},Name {n % 97}\\n" for n in range(4000)).encode()
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as box:
        with box.open("Leads.csv", "w", force_zip64=True) as out:
            for _ in range(size // len(line)):
                out.write(line)
    with (folder / "a.zip").open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    packed = ExportFile("a.zip", folder / "a.zip", (folder / "a.zip").stat().st_size, sha256)
    export = Export("crm", (packed,), datetime.now(UTC))
    (folder / "into").mkdir()
    unpacked = unpack(export, folder / "into", Limits(reserve_bytes=0), Watch())
    (member,), (container,) = unpacked.members, unpacked.containers
    with (folder / "again").open("wb") as out:
        rebuild(container.recipe, lambda _: member.file.open("rb"), out, Watch())
    assert (folder / "again").stat().st_size == packed.size_bytes
    # not getrusage: its peak is that of the tests' own process where that was larger at the fork
    (peak,) = re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
    print(member.size_bytes, peak)
"""


@pytest.mark.slow
def test_C7_a_large_member_takes_no_more_memory_than_a_small_one(tmp_path):
    """Of a large member: see test_large_members."""
    argv = [sys.executable, "-c", textwrap.dedent(LARGE), str(tmp_path), str(600 << 20)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    size_bytes, peak_kib = map(int, done.stdout.split())
    assert size_bytes > 600_000_000
    assert peak_kib < 100 << 10
