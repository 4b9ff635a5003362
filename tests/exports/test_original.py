from __future__ import annotations

import gzip
import io
import json
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.errors import Cancelled, RepositoryDamaged, ToolFailed
from appliance.core.ports import Watch
from appliance.exports.original import Piece, Recipe, Settings, rebuild
from appliance.exports.unpack import Limits, Member, open_spreadsheet
from tests.exports.packing import contents, csv_of, made_again, opened, tar_of, zip_of

CSV = csv_of(20_000)


def deflated(data: bytes, level: int, memory: int = 8, strategy: int = 0) -> bytes:
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)
    return stream.compress(data) + stream.flush()


def streamed_zip(name: str, data: bytes, packed: bytes, flags: int = 8) -> bytes:
    """As Java's ZipOutputStream writes it: sizes after the data, zeros before."""
    raw, crc = name.encode(), zlib.crc32(data)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, flags, 8, 0, 0x5B75, 0, 0, 0, len(raw), 0)
    after = struct.pack("<4s3I", b"PK\7\x08", crc, len(packed), len(data))
    body = local + raw + packed + after
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, flags, 8, 0, 0x5B75, crc, len(packed), len(data),
        len(raw), 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central + raw), len(body), 0)
    return body + central + raw + end


def only_container(folder: Path, name: str, data: bytes):
    unpacked = opened(folder, {name: data})
    container = unpacked.containers[0]
    assert container.file.read_bytes() == data
    return container, unpacked


def assert_exact(folder: Path, name: str, data: bytes) -> None:
    container, unpacked = only_container(folder, name, data)
    assert container.recipe is not None
    assert made_again(container, unpacked) == data


@pytest.mark.parametrize("memory", [8, 9])
@pytest.mark.parametrize("level", range(1, 10))
def test_a_zip_of_every_zlib_level_is_made_again_exactly(tmp_path, level, memory):
    data = streamed_zip("Leads.csv", CSV, deflated(CSV, level, memory))
    assert_exact(tmp_path, "export.zip", data)


@pytest.mark.parametrize("flags", [0, 2, 4, 6])
def test_the_flags_about_the_level_are_a_hint_that_may_be_wrong(tmp_path, flags):
    assert_exact(tmp_path, "a.zip", streamed_zip("a.csv", CSV, deflated(CSV, 6), 8 | flags))


@pytest.mark.parametrize("level", [None, 1, 6, 9])
def test_pythons_zips_are_made_again_with_comment_and_junk_before_them(tmp_path, level):
    box = io.BytesIO(b"#!/bin/sh\nexit\n")
    box.seek(0, io.SEEK_END)
    with zipfile.ZipFile(box, "a", zipfile.ZIP_DEFLATED, compresslevel=level) as out:
        out.writestr("Leads.csv", CSV)
        out.writestr("empty.csv", b"")
        out.writestr("folder/", b"")
        out.writestr("logo.png", b"\x89PNG" * 99, zipfile.ZIP_STORED)
        out.comment = b"made by the CRM"
    assert_exact(tmp_path, "export.zip", box.getvalue())


def test_a_streamed_zip64_is_made_again(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, chunk):
            self.data += chunk
            return len(chunk)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as out:
        with out.open("Leads.csv", "w", force_zip64=True) as file:
            file.write(CSV)
        out.writestr("Notes.csv", CSV[:99])

    assert_exact(tmp_path, "export.zip", bytes(pipe.data))


@pytest.mark.skipif(not shutil.which("zip"), reason="zip is not installed")
@pytest.mark.parametrize("level", ["-0", "-1", "-6", "-9"])
def test_what_the_zip_program_made_is_exact_or_has_no_recipe(tmp_path, level):
    (tmp_path / "Leads.csv").write_bytes(CSV)
    argv = ["zip", "-q", level, "out.zip", "Leads.csv"]
    subprocess.run(argv, cwd=tmp_path, check=True)
    data = (tmp_path / "out.zip").read_bytes()

    container, unpacked = only_container(tmp_path, "out.zip", data)

    assert contents(unpacked) == {"out.zip/Leads.csv": CSV}
    assert container.recipe is None or made_again(container, unpacked) == data


@pytest.mark.parametrize("level", range(1, 10))
def test_pythons_gzips_are_made_again(tmp_path, level):
    assert_exact(tmp_path, "Leads.csv.gz", gzip.compress(CSV, level))


@pytest.mark.parametrize("level", ["-1", "-6", "-9"])
def test_what_the_gzip_program_made_is_exact_or_has_no_recipe(tmp_path, level):
    (tmp_path / "Leads.csv").write_bytes(CSV)
    subprocess.run(["gzip", "-k", level, "Leads.csv"], cwd=tmp_path, check=True)
    data = (tmp_path / "Leads.csv.gz").read_bytes()

    container, unpacked = only_container(tmp_path, "export.gz", data)

    assert contents(unpacked) == {"export.gz/Leads.csv": CSV}
    assert container.recipe is None or made_again(container, unpacked) == data


def test_a_gzip_of_several_parts_and_padding_is_made_again(tmp_path):
    parts = [gzip.compress(CSV[n : n + 40_000], 1 + n % 9) for n in range(0, len(CSV), 40_000)]
    assert_exact(tmp_path, "Leads.csv.gz", b"".join(parts) + bytes(1000))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_every_format_are_made_again(tmp_path, mode, format_):
    name = "folder/" * 12 + "Anhänge und anderes, mit einem langen Namen.csv"
    data = tar_of({"Leads.csv": CSV, name: b"a,b\n1,2\n"}, mode, format=format_)
    container, unpacked = only_container(tmp_path, "backup", data)

    assert contents(unpacked) == {"backup/Leads.csv": CSV, f"backup/{name}": b"a,b\n1,2\n"}
    assert made_again(container, unpacked) == data


def test_a_zip_in_a_zip_is_made_again_from_the_innermost_files(tmp_path):
    inner = zip_of({"Leads.csv": CSV}, level=9)
    outer = zip_of({"inner.zip": inner, "again.csv.gz": gzip.compress(CSV), "a.csv": b"1"})
    container, unpacked = only_container(tmp_path, "outer.zip", outer)

    assert contents(unpacked) == {
        "outer.zip/inner.zip/Leads.csv": CSV,
        "outer.zip/again.csv.gz/again.csv": CSV,
        "outer.zip/a.csv": b"1",
    }
    assert sorted(container.recipe.members) == sorted(contents(unpacked))
    assert made_again(container, unpacked) == outer
    assert [one.inside for one in unpacked.containers] == ["", "outer.zip", "outer.zip"]


def test_an_inner_zip_of_another_deflate_stays_closed_so_that_the_outer_can_be_made(tmp_path):
    inner = streamed_zip("a.csv", CSV, deflated(CSV, 6, 8, zlib.Z_HUFFMAN_ONLY))
    outer = zip_of({"inner.zip": inner})
    container, unpacked = only_container(tmp_path, "outer.zip", outer)

    assert contents(unpacked) == {"outer.zip/inner.zip": inner}
    assert made_again(container, unpacked) == outer


def test_a_stream_of_another_deflate_has_no_recipe_but_is_unpacked(tmp_path):
    other = deflated(CSV, 6, 8, zlib.Z_HUFFMAN_ONLY)
    container, unpacked = only_container(tmp_path, "a.zip", streamed_zip("a.csv", CSV, other))

    assert container.recipe is None
    assert contents(unpacked) == {"a.zip/a.csv": CSV}


def test_a_stream_that_is_zlibs_only_at_first_has_no_recipe(tmp_path):
    stream = zlib.compressobj(6, zlib.DEFLATED, -15)
    first = stream.compress(CSV[:500_000]) + stream.flush(zlib.Z_SYNC_FLUSH)
    packed = first + stream.compress(CSV[500_000:]) + stream.flush()
    container, _ = only_container(tmp_path, "a.zip", streamed_zip("a.csv", CSV, packed))

    assert container.recipe is None


def test_a_recipe_is_small_beside_what_it_makes(tmp_path):
    container, _ = only_container(tmp_path, "a.zip", zip_of({"a.csv": CSV, "b.csv": CSV[::-1]}))

    assert len(json.dumps(container.recipe.to_json())) < 1000


def test_a_member_that_differs_is_told_and_not_taken_for_the_original(tmp_path):
    container, _ = only_container(tmp_path, "a.zip", zip_of({"a.csv": CSV}))

    for wrong in (CSV[:-1] + b"?", CSV[:-1], b""):
        with pytest.raises(ToolFailed, match="byte for byte"):
            rebuild(container.recipe, lambda _, w=wrong: io.BytesIO(w), io.BytesIO(), Watch())


def test_making_the_original_stops_when_somebody_asks(tmp_path):
    container, _ = only_container(tmp_path, "a.zip", zip_of({"a.csv": CSV}))
    watch = Watch()
    watch.cancel.set()

    with pytest.raises(Cancelled):
        rebuild(container.recipe, lambda _: io.BytesIO(CSV), io.BytesIO(), watch)


def test_members_are_read_from_what_cannot_seek_and_are_closed(tmp_path):
    data = gzip.compress(CSV[:70_000], 1) + gzip.compress(CSV[70_000:], 9)
    container, _ = only_container(tmp_path, "a.csv.gz", data)
    given = []

    class OneWay(io.BytesIO):
        def seek(self, *_):
            raise OSError("a pipe")

        def read(self, size=-1):
            return super().read(min(size, 777))

    def give(path):
        given.append(OneWay(CSV))
        return given[-1]

    out = io.BytesIO()
    rebuild(container.recipe, give, out, Watch())

    assert out.getvalue() == data
    assert len(given) == 1
    assert given[0].closed


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"size": 1, "sha256": "", "members": [], "pieces": [[0, 5]], "skeleton": ""},
        {"size": "x", "sha256": "", "members": [], "pieces": [], "skeleton": "eJwDAAAAAAE="},
        {"size": 1, "sha256": "", "members": [], "pieces": [], "skeleton": "no base64!"},
        {"size": 1, "sha256": "", "members": ["a"], "pieces": ["x"], "skeleton": "eJwDAAAAAAE="},
        {"size": 1, "sha256": "", "members": ["a"], "pieces": [[0]], "skeleton": "eJwDAAAAAAE="},
    ],
)
def test_a_broken_recipe_is_told_as_damage(broken):
    with pytest.raises(RepositoryDamaged):
        Recipe.from_json(broken)


def test_a_recipe_survives_json():
    inner = Recipe(4, "cd", b"", (Piece(4, "b/c"),))
    pieces = (
        Piece(3),
        Piece(9, "a", Settings(6, 8)),
        Piece(5, "a", Settings(9, 9), 9),
        Piece(4, "b"),
    )
    recipe = Recipe(99, "ab", b"xyz", pieces).over("b", inner)

    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert recipe.members == ("a", "b/c")


def test_a_spreadsheet_stays_whole_until_somebody_opens_it(tmp_path):
    parts = {"[Content_Types].xml": b"<Types/>", "xl/worksheets/sheet1.xml": CSV}
    outer = zip_of({"Report.xlsx": zip_of(parts, level=1)})
    container, unpacked = only_container(tmp_path, "outer.zip", outer)
    assert list(contents(unpacked)) == ["outer.zip/Report.xlsx"]

    sheet, members = open_spreadsheet(unpacked.members[0], tmp_path, Limits(), Watch())

    files = {member.path: member.file for member in members}
    recipe = container.recipe.over(sheet.path, sheet.recipe)
    out = io.BytesIO()
    rebuild(recipe, lambda path: files[path].open("rb"), out, Watch())
    assert out.getvalue() == outer
    assert files["outer.zip/Report.xlsx/xl/worksheets/sheet1.xml"].read_bytes() == CSV


def test_a_spreadsheet_of_another_deflate_or_none_at_all_is_not_opened(tmp_path):
    other = deflated(CSV, 6, 8, zlib.Z_HUFFMAN_ONLY)
    for data in (streamed_zip("[Content_Types].xml", CSV, other), b"no ZIP", b""):
        (tmp_path / "x").write_bytes(data)
        member = Member("x.xlsx", tmp_path / "x", len(data), "")
        assert open_spreadsheet(member, tmp_path, Limits(), Watch()) is None


plain_files = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=9),
    st.binary(max_size=3000) | st.sampled_from([CSV[:70_000], CSV[:65_536]]),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(
    files=plain_files,
    kind=st.sampled_from(["zip", "tar", "tgz", "zipped zip", "gz"]),
    level=st.integers(1, 9),
)
@example(files={"0/": b"\0"}, kind="zip", level=1)
@example(files={"\0a": b"x"}, kind="zip", level=1)
def test_whatever_was_packed_comes_back_and_so_does_the_packing(files, kind, level):
    honest = {name: data for name, data in files.items() if ".." not in name}
    honest = {name: data for name, data in honest.items() if name.strip("/\\. \0")}
    if kind in ("zip", "zipped zip"):  # Python ends a ZIP's name at a NUL
        honest = {name: data for name, data in honest.items() if name.partition("\0")[0]}
    if kind == "tar":
        honest = {name.replace("\0", "0"): data for name, data in honest.items()}
        packed = tar_of(honest)
    elif kind == "tgz":
        honest = {name.replace("\0", "0"): data for name, data in honest.items()}
        packed = tar_of(honest, "w:gz", compresslevel=level)
    elif kind == "gz":
        honest = {"data": b"".join(honest.values())}
        packed = gzip.compress(honest["data"], level)
    else:
        packed = zip_of(list(honest.items()), level=level)
        packed = zip_of({"inner.zip": packed}) if kind == "zipped zip" else packed
    with tempfile.TemporaryDirectory() as folder:
        unpacked = opened(Path(folder), {"export": packed})
        if not honest and kind in ("tar", "tgz"):
            return  # a tar of nothing is a file of zeros

        assert made_again(unpacked.containers[0], unpacked) == packed
        found = sorted(contents(unpacked).values())
        is_zip = kind in ("zip", "zipped zip")  # in a tar a backslash is a letter like any other
        ends = ("/", "\\") if is_zip else ("/",)
        names_end = {name for name in honest if not name.endswith(ends) or honest[name]}
        assert found == sorted(honest[name] for name in names_end)
