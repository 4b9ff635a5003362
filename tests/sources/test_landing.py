"""Received bytes land under our own numbers, whole and within limits, or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.core.errors import Cancelled, DiskFull, ExportUnsafe, SourceUnreachable
from appliance.core.model import Progress
from appliance.core.ports import Watch
from appliance.sources.landing import Landing, clean_name, distinct_name

HOSTILE = [
    *("..", ".", "/", "//", "///etc/passwd", "../../etc/passwd", "a/../../b", "./a", "a/./b"),
    *("/etc/shadow", "~root/.ssh/authorized_keys", "~", "-rf", "--help", "-", "|id", ";id"),
    *("$(id)", "`id`", "a\nb", "a\rb", "a\tb", "\x00", "a\x00b", "\x1b[2J", "\x1b]0;x\x07"),
    *("\x7f", "\x9b31m", "\u202egnp.exe", "\u2066a\u2069", "\ufeffa", "\u200b", "\u2028"),
    *("\ud800", "a\udcffb", "%2e%2e%2f", "..\\..\\windows", "C:\\x", "C:", "\\\\host\\share"),
    *("con", "NUL.txt", "a:b", "a*b", "a?b", "*", "", " ", "   /  ", ".. ", " ..", "../ .."),
    *("...", "....//", "a" * 5000, "é" * 300, "/".join("ab" * 500), "0001", "../0001"),
    *("a/" * 3000, "\U0001f4a9" * 100, "name.csv/", "'; DROP TABLE x;--", '"', "<script>"),
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_C6_hostile_names_are_only_ever_words(tmp_path, name):
    inside = tmp_path / "stage"
    inside.mkdir()
    landing = Landing(inside, 100, 0, Watch())
    with landing.file(name, 3) as writer:
        writer.write(b"abc")
    assert names(tmp_path) == ["stage"]
    assert names(inside) == ["0001"]
    assert_harmless(landing.files[0].name)
    assert len(HOSTILE) >= 60


def receive(landing: Landing, blocks: Iterable[bytes]) -> None:
    with landing.file("x") as writer:
        for block in blocks:
            writer.write(block)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_harmless(name: str) -> None:
    assert name
    assert name.isprintable()
    assert not name.startswith("/")
    assert "\\" not in name
    parts = name.split("/")
    assert all(part not in ("", ".", "..") for part in parts)
    assert all(len(part.encode()) <= 200 for part in parts)
    assert len(parts) <= 8


@given(st.one_of(st.text(), st.binary(), st.text(alphabet="./\\ a\n"), st.sampled_from(HOSTILE)))
@example(b"\xff\xfe.csv")
def test_C6_a_cleaned_name_is_harmless_and_stays_as_it_is(name):
    cleaned = clean_name(name)
    assert_harmless(cleaned)
    assert clean_name(cleaned) == cleaned


@given(st.lists(st.binary(min_size=1, max_size=300), unique=True))
@example([b"a\nb.csv", b"a_b.csv", b"a\rb.csv", b"\xff.csv", b"\xfe.csv"])
@example([b"x" * 250 + b"1.csv", b"x" * 250 + b"2.csv", b"x" * 199 + b"\n", b"x" * 199 + b"\r"])
def test_C6_different_names_stay_different_after_cleaning(raws):
    names = [distinct_name(raw) for raw in raws]
    assert len(set(names)) == len(raws)
    for name in names:
        assert_harmless(name)
        assert clean_name(name) == name


def test_a_name_that_had_to_be_changed_keeps_its_ending():
    assert distinct_name(b"a.csv") == "a.csv"
    assert distinct_name("Müller.csv".encode()) == "Müller.csv"
    assert distinct_name("Müller.csv".encode("latin-1")).endswith(".csv")
    assert distinct_name(b"../x").startswith("x~")


def test_ordinary_names_are_left_alone():
    for name in (
        "Data_001.zip",
        "Kontakte Müller.csv",
        "2026/11/21/export.tar.gz",
        "a..b",
        ".hidden",
    ):
        assert clean_name(name) == name


def test_a_file_lands_whole_private_and_hashed(tmp_path):
    modified = datetime(2026, 11, 21, 3, tzinfo=UTC)
    landing = Landing(tmp_path, 1 << 30, 0, Watch())
    with landing.file("a.csv", 6, modified, '"tag"') as writer:
        writer.write(b"abc")
        writer.write(memoryview(b"def"))
    with landing.file("b.csv") as writer:
        pass
    first, second = landing.files
    assert first.path.read_bytes() == b"abcdef"
    assert first.sha256 == "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"
    assert (first.size_bytes, first.modified, first.validator) == (6, modified, '"tag"')
    assert first.path == tmp_path / "0001"
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert second.sha256 == hashlib.sha256().hexdigest()
    assert landing.received_bytes == 6


def test_C6_a_planted_link_is_neither_followed_nor_replaced(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    stage = tmp_path / "stage"
    stage.mkdir()
    (stage / "0001").symlink_to(victim)
    landing = Landing(stage, 100, 0, Watch())
    with landing.file("x") as writer:
        writer.write(b"evil")
    assert victim.read_text() == "precious"
    assert landing.files[0].path.name == "0002"


def test_C6_a_stage_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(NotADirectoryError), Landing(tmp_path / "link", 100, 0, Watch()).file("x"):
        pass
    assert names(tmp_path / "real") == []


def test_C7_a_pebibyte_announced_is_refused_before_a_byte(tmp_path):
    with pytest.raises(ExportUnsafe), Landing(tmp_path, 1 << 40, 0, Watch()).file("x", 1 << 50):
        pass
    with pytest.raises(DiskFull), Landing(tmp_path, 1 << 60, 0, Watch()).file("x", 1 << 50):
        pass
    assert names(tmp_path) == []


def test_C7_an_endless_stream_ends_at_the_limit(tmp_path):
    landing = Landing(tmp_path, 1_000_000, 0, Watch())
    with pytest.raises(ExportUnsafe):
        receive(landing, repeat(bytes(65536)))
    assert landing.received_bytes <= 1_000_000
    assert names(tmp_path) == []
    assert landing.files == ()


def test_C7_the_limit_is_for_all_files_together(tmp_path):
    landing = Landing(tmp_path, 10, 0, Watch())
    with landing.file("a", 6) as writer:
        writer.write(b"abcdef")
    with pytest.raises(ExportUnsafe), landing.file("b", 6):
        pass
    assert names(tmp_path) == ["0001"]


def test_C4_fewer_and_more_bytes_than_announced_leave_nothing(tmp_path):
    landing = Landing(tmp_path, 10_000, 0, Watch())
    with pytest.raises(ExportUnsafe, match="cut off"), landing.file("x", 1000) as writer:
        writer.write(b"12345678")
    with pytest.raises(ExportUnsafe, match="more"), landing.file("x", 4) as writer:
        writer.write(b"12345678")
    assert names(tmp_path) == []


def test_the_reserve_is_kept_free(tmp_path):
    free = os.statvfs(tmp_path)
    everything = free.f_blocks * free.f_frsize
    landing = Landing(tmp_path, 1 << 40, everything, Watch())
    assert landing.free_bytes() == 0
    with pytest.raises(DiskFull), landing.file("x", 1):
        pass
    with pytest.raises(DiskFull):
        receive(landing, [bytes(1 << 20)] * 5)  # nothing announced
    with pytest.raises(DiskFull):
        landing.expect(1)


def test_a_disk_that_fills_up_is_named(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    landing = Landing(tmp_path, 100, 0, Watch())
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFull):
        receive(landing, [b"x"])
    monkeypatch.undo()
    assert names(tmp_path) == []


class Ticking:
    """A clock that a test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def each_second(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.now += 1
            yield block


def test_C15_a_dripping_server_is_ended(tmp_path):
    clock = Ticking()
    landing = Landing(tmp_path, 1 << 20, 0, Watch(), min_rate_bytes_per_second=1024, clock=clock)
    with pytest.raises(SourceUnreachable):
        receive(landing, clock.each_second([b"drip"] * 400))
    assert 300 <= clock.now < 302


def test_C15_a_pull_that_takes_too_long_in_all_is_ended(tmp_path):
    clock = Ticking()
    landing = Landing(tmp_path, 1 << 20, 0, Watch(), total_seconds=60, clock=clock)
    with pytest.raises(SourceUnreachable):
        receive(landing, clock.each_second([b"drip"] * 100))
    assert clock.now == 61


def test_progress_is_told_a_few_times_a_second_and_at_the_end(tmp_path):
    clock, told = Ticking(), []
    landing = Landing(tmp_path, 1 << 20, 0, Watch(told.append), clock=clock)
    landing.expect(1000)
    with landing.file("x", 1000) as writer:
        for _ in range(1000):
            clock.now += 0.001
            writer.write(b"x")
    assert [p.total for p in told] == [1000] * len(told)
    assert 9 <= len(told) <= 12
    assert told[-1].done == 1000


def test_a_cancelled_pull_leaves_nothing(tmp_path):
    watch, clock = Watch(), Ticking()
    landing = Landing(tmp_path, 100, 0, watch, clock=clock)

    def blocks() -> Iterator[bytes]:
        yield b"x"
        watch.cancel.set()
        clock.now += 1
        yield b"x"

    with pytest.raises(Cancelled):
        receive(landing, blocks())
    assert landing.files == ()
    assert names(tmp_path) == []


def test_an_answer_that_drips_and_becomes_no_file_ends_and_gives_signs_of_life(tmp_path):
    said: list[Progress] = []
    clock = [0.0]
    landing = Landing(
        tmp_path,
        100,
        0,
        Watch(said.append),
        min_rate_bytes_per_second=10,
        rate_seconds=300,
        clock=lambda: clock[0],
    )
    came = landing.pace()
    for clock[0] in (100.0, 200.0):
        came(1)
    assert len(said) == 2

    clock[0] = 301.0
    with pytest.raises(SourceUnreachable, match="so slowly"):
        came(1)
    assert landing.received_bytes == 0
