"""Spreadsheets packed anew: valid for other programs, and refused where anything differs."""

import hashlib
import io
import zipfile
from typing import BinaryIO

import pytest

from appliance.exports.contents import Kept
from appliance.exports.original import NotReproduced, Piece, Recipe, Settings
from appliance.exports.remaking import Remaking

from .packing import zip_of

FILES = {
    "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
    "content.xml": b"<content/>" * 500,
    "empty": b"",
    "Pictures/Ümläut 1.png": b"\x89PNG" * 100,
}


def kept_of(path: str, content: bytes, **more: object) -> Kept:
    return Kept(path, len(content), hashlib.sha256(content).hexdigest(), **more)


def document(path: str, files: dict[str, bytes], inside: tuple[Kept, ...] = ()) -> Kept:
    """A document of which only the mimetype lies unpacked in it."""
    pieces = tuple(
        Piece(len(content), f"{path}/{name}", None if name == "mimetype" else Settings(6, 8))
        for name, content in files.items()
    )
    named = tuple(kept_of(f"{path}/{name}", content) for name, content in files.items())
    recipe = Recipe(1, "ab", b"", pieces)
    return kept_of(path, b"the vendor's bytes", recipe=recipe, inside=(*named, *inside))


def writer(files: dict[str, bytes]):
    def write(kept: Kept, out: BinaryIO) -> None:
        if kept.recipe:
            raise NotReproduced("Another zlib.")
        out.write(files[kept.path])

    return write


def made(remaking: Remaking) -> bytes:
    out = io.BytesIO()
    remaking.into(out)
    assert remaking.is_in(io.BytesIO(out.getvalue()))
    return out.getvalue()


@pytest.fixture
def remaking() -> Remaking:
    inside = {f"a.ods/{name}": content for name, content in FILES.items()}
    return Remaking(document("a.ods", FILES), writer(inside))


def test_an_open_document_keeps_its_mimetype_first_and_unpacked(remaking):
    with zipfile.ZipFile(io.BytesIO(made(remaking))) as box:
        assert box.testzip() is None
        assert {name: box.read(name) for name in box.namelist()} == FILES
        first, second, *_ = box.infolist()
    assert (first.filename, first.compress_type, first.extra) == ("mimetype", 0, b"")
    assert second.compress_type == zipfile.ZIP_DEFLATED


def test_it_is_made_the_same_twice(remaking):
    assert made(remaking) == made(remaking)


def test_a_document_in_a_document_is_packed_anew_too():
    inner = document("a.ods/b.ods", FILES)
    whole = document("a.ods", {"mimetype": b"x"}, (inner,))
    contents = {f"a.ods/b.ods/{name}": content for name, content in FILES.items()}
    data = made(Remaking(whole, writer({**contents, "a.ods/mimetype": b"x"})))
    with zipfile.ZipFile(io.BytesIO(data)) as box, box.open("b.ods") as part:
        found = zipfile.ZipFile(io.BytesIO(part.read()))
        assert {name: found.read(name) for name in found.namelist()} == FILES


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"no ZIP at all",
        zip_of({**FILES, "content.xml": b"<content/>" * 499 + b"<kontent/>"}),
        zip_of({**FILES, "more.xml": b""}),
        zip_of({name: content for name, content in FILES.items() if name != "empty"}),
        zip_of(FILES)[:-30],
    ],
)
def test_anything_else_is_not_taken_for_it(remaking, other):
    assert not remaking.is_in(io.BytesIO(other))


def test_a_broken_stream_is_not_taken_for_it(remaking):
    data = bytearray(made(remaking))
    data[data.index(b"content.xml") + 15] ^= 0xFF
    assert not remaking.is_in(io.BytesIO(data))
