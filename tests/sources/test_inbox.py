"""The inbox gives what lies there whole and still, and clears away exactly what was archived."""

from __future__ import annotations

import mmap
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.core.errors import (
    Cancelled,
    DiskFull,
    ExportNotReady,
    ExportUnsafe,
    SourceUnreachable,
)
from appliance.core.ports import Watch
from appliance.sources import inbox
from appliance.sources.inbox import InboxSettings

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def settings(folder: Path, **changes) -> InboxSettings:
    plain = InboxSettings("hand", str(folder), stable_for_seconds=0, reserve_bytes=0)
    return replace(plain, **changes)


def pull(folder: Path, tmp_path: Path, watch: Watch | None = None, **changes):
    stage = tmp_path / f"stage{len(list(tmp_path.iterdir()))}"
    stage.mkdir()
    return inbox.pull(settings(folder, **changes), stage, AT, (), watch or Watch())


def names(folder: Path) -> list[str]:
    """The files, without the box's own list of what it put into `done/`."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".archived")


def test_everything_whole_is_copied_and_stays_until_it_is_archived(folder, tmp_path):
    (folder / "a.csv").write_text("abc")
    (folder / "b ü.zip").write_text("b")
    export = pull(folder, tmp_path)
    by_name = {file.name: file for file in export.files}
    assert set(by_name) == {"a.csv", "b ü.zip"}
    assert by_name["a.csv"].sha256 == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert by_name["a.csv"].path.read_text() == "abc"
    assert names(folder) == ["a.csv", "b ü.zip"]
    assert (export.source, export.pulled_at) == ("hand", AT)


def test_an_empty_inbox_offers_nothing_and_a_missing_one_is_a_fault(folder, tmp_path):
    assert pull(folder, tmp_path).files == ()
    with pytest.raises(SourceUnreachable) as missing:
        pull(tmp_path / "none", tmp_path)
    assert "path" in missing.value.hint


def test_C3_C6_what_is_not_a_finished_file_is_left_alone(folder, tmp_path):
    for name in (".hidden.csv", "a.csv.part", "b.FilePart", "c.tmp", "d.crdownload"):
        (folder / name).write_text("x")
    (folder / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(folder / "fifo.csv")
    (folder / "folder.csv").mkdir()
    (folder / "done").mkdir()
    (folder / "done" / "old.csv").write_text("x")
    assert pull(folder, tmp_path).files == ()


def test_only_what_is_picked(folder, tmp_path):
    for name in ("a.csv", "b.ZIP", "c.txt"):
        (folder / name).write_text("x")
    export = pull(folder, tmp_path, pick=["*.csv", "*.zip"])
    assert {file.name for file in export.files} == {"a.csv", "b.ZIP"}


def test_C6_hostile_names_stay_inside_the_stage(folder, tmp_path):
    for raw in (b"-rf", b"a\nb", b"\xff\xfe", b"a\\..\\b", b"...", b"~", b"$(id)", b"x" * 255):
        (folder / os.fsdecode(raw)).write_bytes(raw)
    export = pull(folder, tmp_path)
    assert len(export.files) == 8
    assert all(file.path.name.isdigit() for file in export.files)
    inbox.settle(settings(folder), export)
    assert names(folder) == ["done"]
    assert len(names(folder / "done")) == 8


def test_C3_a_growing_file_is_left_for_the_next_run(folder, tmp_path):
    (folder / "still.csv").write_text("x")
    growing = folder / "growing.csv"
    growing.write_text("x")

    def grow(progress):
        if progress.note:
            with growing.open("a") as more:
                more.write("more")

    export = pull(folder, tmp_path, Watch(grow), stable_for_seconds=0.2)
    assert [file.name for file in export.files] == ["still.csv"]


def test_C3_when_all_grow_nothing_is_ready(folder, tmp_path):
    growing = folder / "growing.csv"
    growing.write_text("x")

    def grow(_progress):
        with growing.open("a") as more:
            more.write("more")

    with pytest.raises(ExportNotReady):
        pull(folder, tmp_path, Watch(grow), stable_for_seconds=0.05)


@pytest.mark.parametrize("change", ["append", "truncate", "replace"])
def test_C4_a_change_during_the_copy_is_noticed(folder, tmp_path, change):
    file = folder / "a.csv"
    file.write_bytes(bytes(3 << 20))

    def meddle(progress):
        if progress.done == 0:
            return
        if change == "append":
            with file.open("ab") as more:
                more.write(b"more")
        elif change == "truncate":
            os.truncate(file, 5)
        else:
            os.utime(file, (1, 1))

    with pytest.raises(ExportNotReady):
        pull(folder, tmp_path, Watch(meddle))
    assert all(names(stage) == [] for stage in tmp_path.glob("stage*"))


@pytest.mark.parametrize("how", ["write", "memory map"])
def test_C3_a_writer_that_pauses_for_long_is_still_waited_for(folder, tmp_path, how):
    (folder / "whole.csv").write_text("x")
    writer = (folder / "half.csv").open("w+b")
    writer.write(b"half of it")
    writer.flush()
    held = mmap.mmap(writer.fileno(), 0) if how == "memory map" else writer
    if how == "memory map":
        writer.close()
    assert [file.name for file in pull(folder, tmp_path).files] == ["whole.csv"]
    (folder / "whole.csv").unlink()
    with pytest.raises(ExportNotReady, match=r"half\.csv is still being written"):
        pull(folder, tmp_path)
    held.close()
    assert [file.name for file in pull(folder, tmp_path).files] == ["half.csv"]


def test_C4_a_file_that_is_opened_again_during_the_copy_is_not_taken(folder, tmp_path):
    file = folder / "a.csv"
    file.write_bytes(bytes(3 << 20))
    opened = []

    def meddle(progress):
        if progress.done and not opened:
            opened.append(file.open("r+b"))

    with pytest.raises(ExportNotReady, match="opened again"):
        pull(folder, tmp_path, Watch(meddle))
    opened[0].close()


def test_an_empty_file_waits_until_there_is_something_in_it(folder, tmp_path):
    (folder / "a.csv").write_text("x")
    (folder / "b.csv").touch()
    assert [file.name for file in pull(folder, tmp_path).files] == ["a.csv"]


def test_what_an_office_program_or_windows_leaves_beside_a_file_is_no_export(folder, tmp_path):
    for name in ("~$list.xlsx", ".~lock.list.ods#", "Thumbs.db", "desktop.ini", "a.csv.Download"):
        (folder / name).write_text("x")
    assert pull(folder, tmp_path).files == ()


def test_limits_room_and_cancel(folder, tmp_path):
    (folder / "a.csv").write_bytes(bytes(2000))
    with pytest.raises(ExportUnsafe):
        pull(folder, tmp_path, max_bytes=1999)
    with pytest.raises(DiskFull):
        pull(folder, tmp_path, reserve_bytes=1 << 60)
    cancelled = Watch(cancel=threading.Event())
    cancelled.cancel.set()
    with pytest.raises(Cancelled):
        pull(folder, tmp_path, cancelled)
    (folder / "a.csv").write_bytes(b"")
    with pytest.raises(ExportNotReady, match="empty"):
        pull(folder, tmp_path)


def test_settle_moves_exactly_what_was_archived(folder, tmp_path):
    for name in ("a.csv", "b.csv", "c.csv"):
        (folder / name).write_text(name)
    export = pull(folder, tmp_path)
    (folder / "b.csv").write_text("changed after the pull")
    (folder / "c.csv").unlink()
    (folder / "new.csv").write_text("new")
    inbox.settle(settings(folder), export)
    assert names(folder) == ["b.csv", "done", "new.csv"]
    assert names(folder / "done") == ["a.csv"]
    inbox.settle(settings(folder), export)  # after a power cut it is called again
    assert names(folder / "done") == ["a.csv"]


def test_settle_compares_content_even_where_size_and_time_agree(folder, tmp_path):
    file = folder / "a.csv"
    file.write_text("one")
    os.utime(file, (5, 5))
    export = pull(folder, tmp_path)
    file.write_text("two")
    os.utime(file, (5, 5))
    inbox.settle(settings(folder), export)
    assert names(folder) == ["a.csv"]
    assert file.read_text() == "two"


def test_a_name_that_is_taken_in_done_gets_a_number(folder, tmp_path):
    for content in ("1", "2", "3"):
        (folder / "a.tar.gz").write_text(content)
        inbox.settle(settings(folder), pull(folder, tmp_path))
    done = folder / "done"
    assert names(done) == ["a.tar-2.gz", "a.tar-3.gz", "a.tar.gz"]
    assert sorted((done / name).read_text() for name in names(done)) == ["1", "2", "3"]


def test_C6_a_done_that_is_a_link_is_not_followed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "done").symlink_to(outside)
    (folder / "a.csv").write_text("x")
    export = pull(folder, tmp_path)
    with pytest.raises(SourceUnreachable):
        inbox.settle(settings(folder), export)
    assert names(outside) == []
    assert (folder / "a.csv").exists()
