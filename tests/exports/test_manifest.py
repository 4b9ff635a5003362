import json
from datetime import UTC, datetime

import pytest

from appliance.core.errors import ApplianceError, RepositoryDamaged
from appliance.core.model import SeenFile, StoredFile
from appliance.exports.contents import Box, Chain, Kept, Likeness, Manifest
from appliance.exports.manifest import decode, encode, load
from appliance.exports.original import Piece, Recipe, Settings

MOMENT = datetime(2026, 11, 21, 3, tzinfo=UTC)
RECIPE = Recipe(
    90, "e" * 64, b"PK\x03\x04", (Piece(4), Piece(50, "b/x.csv", settings=Settings(6, 8)))
)


def full() -> Manifest:
    stored = StoredFile(10, "a" * 64)
    inner = Kept("b/x.xlsx/xl/a.xml", 50, "c" * 64, whole="export/b/x.xlsx/xl/a.xml")
    return Manifest(
        "crm",
        MOMENT,
        files=(SeenFile("b", 90, "e" * 64, MOMENT, '"etag"'), SeenFile("ü.csv", 10, "f" * 64)),
        containers=(
            Box("b", 90, "e" * 64, MOMENT, "", RECIPE),
            Box("k.zip", 9, "1" * 64, original="original/k.zip"),
            Box("b/inner.zip", 9, "2" * 64, inside="b"),
        ),
        members=(
            Kept(
                "ü.csv",
                10,
                "f" * 64,
                MOMENT,
                "export/ü.csv",
                likeness=Likeness("0a", (1, 2**32 - 1)),
            ),
            Kept(
                "b/x.csv", 50, "d" * 64, chains=(Chain(("history/00", "history/01.zst"), 50, 20),)
            ),
            Kept("b/x.xlsx", 50, "d" * 64, recipe=RECIPE, inside=(inner,)),
        ),
        stored=dict.fromkeys(
            ("export/ü.csv", "history/00", "history/01.zst", "original/k.zip", inner.whole), stored
        ),
        notes=("A note.",),
    )


def test_what_is_written_is_read_again():
    again = decode(encode(full()))
    assert again == full()
    assert encode(again) == encode(full())


def test_it_is_one_json_object_with_one_entry_per_line():
    text = encode(full()).decode()
    value = json.loads(text)
    assert value["format"] == 1
    assert value["pulled_at"] == "2026-11-21T03:00:00+00:00"
    assert value["files"][0]["name"] == "b"
    assert value["members"][1]["chains"] == [
        {"links": ["history/00", "history/01.zst"], "size": 50, "packed": 20}
    ]
    assert value["stored"]["history/00"] == {"size": 10, "sha256": "a" * 64}
    assert sum(line.startswith('{"path"') for line in text.splitlines()) == 6


def test_the_order_of_the_stored_files_does_not_matter():
    manifest = full()
    turned = dict(reversed(manifest.stored.items()))
    other = Manifest(manifest.source, manifest.pulled_at, stored=turned)
    assert encode(other) == encode(Manifest("crm", MOMENT, stored=manifest.stored))


def value() -> dict:
    return json.loads(encode(full()))


def again(changed: dict) -> Manifest:
    return decode(json.dumps(changed).encode())


def test_keys_of_later_versions_are_ignored():
    later = value()
    later["weather"] = "fine"
    for entry in (*later["files"], *later["members"], *later["containers"]):
        entry["colour"] = "blue"
    assert again(later) == full()


def test_a_newer_format_is_refused_with_a_sentence():
    later = value() | {"format": 2}
    with pytest.raises(ApplianceError, match="newer version") as caught:
        again(later)
    assert not isinstance(caught.value, RepositoryDamaged)
    assert "HOW-TO-RESTORE" in caught.value.hint


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "export/../../x", "", ".", "a//b", "a/./b", "a\0b", "..", "a/"]
)
@pytest.mark.parametrize(
    "place", ["member", "whole", "link", "box", "original", "stored", "inside"]
)
def test_C6_a_path_that_leaves_the_archive_is_refused(path, place):
    hostile = value()
    if place == "member":
        hostile["members"][0]["path"] = path
    elif place == "whole":
        hostile["members"][0]["whole"] = path or "/"
    elif place == "link":
        hostile["members"][1]["chains"][0]["links"][0] = path
    elif place == "box":
        hostile["containers"][0]["path"] = path
    elif place == "original":
        hostile["containers"][1]["original"] = path or "/"
    elif place == "inside":
        hostile["members"][2]["inside"][0]["path"] = path
    hostile["stored"][path] = {"size": 1, "sha256": "a"}
    with pytest.raises(RepositoryDamaged):
        again(hostile)


def test_a_file_that_is_not_listed_as_stored_is_a_gap():
    short = value()
    del short["stored"]["history/01.zst"]
    with pytest.raises(RepositoryDamaged, match="gap"):
        again(short)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"format": "1"}',
        b"null",
        b'{"format":1,"source":5,"pulled_at":"2026-11-21T03:00:00+00:00"}',
        b"[" * 200_000,
    ],
)
def test_nonsense_is_damage(data):
    with pytest.raises(RepositoryDamaged):
        decode(data)


def test_every_missing_key_and_every_wrong_type_is_damage_or_harmless():
    for key in value():
        for wrong in (None, 5, "x", [5], {"a": 5}, [{}]):
            bad = value() | {key: wrong}
            try:
                again(bad)
            except ApplianceError:
                continue
    for key in ("format", "source", "pulled_at", "files", "containers", "members", "stored"):
        short = value()
        del short[key]
        with pytest.raises(RepositoryDamaged):
            again(short)


def test_a_missing_file_is_damage(tmp_path):
    with pytest.raises(RepositoryDamaged):
        load(tmp_path)


def test_the_files_own_size_and_hash_come_with_it(tmp_path):
    (tmp_path / "manifest.json").write_bytes(encode(full()))
    manifest, itself = load(tmp_path)
    assert manifest == full()
    assert itself.size_bytes == (tmp_path / "manifest.json").stat().st_size
