"""What is dropped into an inbox is told once it is whole: real files, real inotify."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from queue import Queue
from time import monotonic

import pytest

from appliance.box import Box
from appliance.config import load
from appliance.sources import arrivals as module
from appliance.sources.arrivals import Arrivals
from appliance.sources.inbox import InboxSettings

SOON = 20.0
"""A limit for what happens at once on a machine that is not overloaded."""
root = pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def inbox(folder: Path, stable_for_seconds: float = 2.0, **more) -> InboxSettings:
    return InboxSettings("hand", str(folder), stable_for_seconds=stable_for_seconds, **more)


class Time:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Looked:
    """Arrivals whose looks a test makes itself, on a clock of the test's."""

    def __init__(self, folder: Path, **more) -> None:
        self.time = Time()
        self.told: list[str] = []
        self.looks = 0
        self.answer: object = "queued"
        self.arrivals = Arrivals({"hand": inbox(folder, **more)}, self.hear, self.time)

    def hear(self, name: str) -> object:
        self.told.append(name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def after(self, seconds: float) -> int:
        """Let time pass, look as a thread would, return how often something was told."""
        end = self.time.now + seconds
        before, self.looks = len(self.told), 1
        while (pause := self.arrivals.look()) is not None and self.time.now + pause <= end:
            self.time.now += max(pause, 0.01)
            self.looks += 1
        self.time.now = end
        self.arrivals.look()
        return len(self.told) - before

    def is_idle(self) -> bool:
        """Whether nothing but the slow look goes on."""
        return self.after(600) == 0 and self.looks <= 12

    def woken(self) -> bool:
        """Whether the kernel tells us that something happened."""
        return self.arrivals._wake.wait(SOON)


@pytest.fixture
def looked(folder: Path) -> Iterator[Looked]:
    looked = Looked(folder)
    yield looked
    looked.arrivals.close()


@contextmanager
def running(folder: Path, **more) -> Iterator[Queue]:
    """Arrivals in their thread; yields what is told."""
    told: Queue = Queue()
    slow = more.pop("slow_look_seconds", 60.0)
    arrivals = Arrivals({"hand": inbox(folder, **more)}, told.put, slow_look_seconds=slow)
    stop = threading.Event()
    thread = threading.Thread(target=arrivals.run, args=(stop,))
    thread.start()
    try:
        assert until(lambda: arrivals._folders[0].next_look > 0)
        yield told
    finally:
        stop.set()
        thread.join(SOON)
        assert not thread.is_alive()


def until(condition, seconds: float = SOON) -> bool:
    """Wait for it, a while."""
    end, pause = monotonic() + seconds, threading.Event()
    while not condition():
        if monotonic() > end:
            return False
        pause.wait(0.01)
    return True


def test_a_file_that_is_dropped_in_is_told_within_five_seconds_as_it_is_set_by_default(folder):
    with running(folder) as told:
        (folder / "a.csv").write_text("whole")
        dropped = monotonic()
        assert told.get(timeout=SOON) == "hand"
        assert 2.0 <= monotonic() - dropped < 5.0


def test_a_file_that_is_moved_in_or_linked_or_renamed_is_told_too(folder, tmp_path):
    (tmp_path / "a.csv").write_text("moved")
    (tmp_path / "b.csv").write_text("linked")
    with running(folder, stable_for_seconds=0.1) as told:
        (tmp_path / "a.csv").rename(folder / "a.csv")
        assert told.get(timeout=SOON) == "hand"
        (folder / "b.csv").hardlink_to(tmp_path / "b.csv")
        assert told.get(timeout=SOON) == "hand"
        (folder / "c.csv.part").write_text("renamed")
        (folder / "c.csv.part").rename(folder / "c.csv")
        assert told.get(timeout=SOON) == "hand"


def test_what_lay_there_before_is_told_when_we_begin(folder):
    (folder / "a.csv").write_text("dropped in while the box was off")
    with running(folder, stable_for_seconds=0.1) as told:
        assert told.get(timeout=SOON) == "hand"


def test_it_is_told_once_and_then_nothing_wakes_us_for_a_minute(looked, folder):
    (folder / "a.csv").write_text("whole")
    assert looked.after(1.9) == 0
    assert looked.after(0.2) == 1
    assert looked.is_idle()


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden.csv", "a.csv.part", "a.csv.filepart", "a.csv.crdownload", "a.csv.tmp"),
        *("a.partial", "~$a.xlsx", ".~lock.a.ods#", "Thumbs.db", "desktop.ini", "a.txt"),
        "a.csv.download",
    ],
)
def test_C3_what_is_unfinished_or_not_wanted_is_not_told(folder, name):
    looked = Looked(folder, pick=["*.csv", "*.xlsx", "*.ods*", "*.db", "*.ini", "*.partial"])
    (folder / name).write_text("x")
    assert looked.after(600) == 0
    looked.arrivals.close()


def test_what_is_no_file_is_not_told(looked, folder):
    (folder / "link.csv").symlink_to("/etc/passwd")
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    assert looked.after(600) == 0


def test_C3_an_empty_file_waits_and_needs_no_timer(looked, folder):
    (folder / "a.csv").touch()
    assert looked.is_idle()
    looked.arrivals._wake.clear()
    (folder / "a.csv").write_text("now")
    assert looked.woken()
    assert looked.after(3) == 1


@pytest.mark.parametrize("how", ["write", "memory map"])
def test_C3_a_writer_that_pauses_is_waited_for_until_it_closes(looked, folder, how):
    writer = (folder / "a.csv").open("w+b")
    writer.write(b"half of it")
    writer.flush()
    held = mmap.mmap(writer.fileno(), 0) if how == "memory map" else writer
    if how == "memory map":
        writer.close()
    assert looked.after(3) == 0
    assert looked.is_idle()
    held.close()
    assert looked.after(60) == 1


def test_C3_closing_it_wakes_us_at_once(looked, folder):
    with (folder / "a.csv").open("w") as writer:
        writer.write("half of it")
        writer.flush()
        assert looked.after(60) == 0
        looked.arrivals._wake.clear()
        writer.write("the rest")
    assert looked.woken()
    assert looked.after(2.1) == 1


def test_C3_a_file_that_grows_is_not_told(looked, folder):
    for number in range(50):
        with (folder / "a.csv").open("a") as more:
            more.write(f"{number}\n")
        looked.arrivals._folders[0].noticed.set()
        assert looked.after(1.5) == 0
    assert looked.after(2) == 1


def test_C3_where_the_kernel_does_not_tell_the_events_do(looked, folder, monkeypatch):
    """As for a file of another user: a lease is refused."""
    monkeypatch.setattr(module, "is_being_written", lambda *_: None)
    looked.after(0)
    with (folder / "a.csv").open("w") as writer:
        writer.write("half of it")
        writer.flush()
        assert looked.woken()
        assert looked.after(50) == 0
        looked.arrivals._wake.clear()
    assert looked.woken()
    assert looked.after(0.1) == 1


def test_where_nothing_tells_a_still_file_is_believed_after_a_minute(looked, folder, monkeypatch):
    """A link is made and never closed."""
    monkeypatch.setattr(module, "is_being_written", lambda *_: None)
    looked.after(0)
    (folder / "b").write_text("x")
    (folder / "a.csv").hardlink_to(folder / "b")
    assert looked.woken()
    assert until(lambda: b"a.csv" in looked.arrivals._folders[0]._unclosed)
    (folder / "b").unlink()
    assert looked.after(59) == 0
    assert looked.after(70) == 1


def test_a_run_under_way_is_asked_for_again_until_it_takes_the_file(looked, folder):
    looked.answer = "already running"
    (folder / "a.csv").write_text("dropped in during a Run")
    assert looked.after(20) > 3
    looked.answer = "queued"
    assert looked.after(5) == 1
    assert looked.after(600) == 0


def test_a_file_that_the_run_under_way_took_is_not_asked_for_again(looked, folder):
    looked.answer = "already running"
    (folder / "a.csv").write_text("x")
    assert looked.after(2.1) == 1
    (folder / "a.csv").unlink()
    assert looked.after(600) == 0


def test_who_cannot_be_told_is_told_again_and_we_live_on(looked, folder, caplog):
    looked.answer = RuntimeError("no ledger")
    (folder / "a.csv").write_text("x")
    assert looked.after(3) == 1
    assert "no ledger" in caplog.text
    looked.answer = "queued"
    assert looked.after(3) == 1


def test_what_was_told_and_is_written_anew_is_told_again(looked, folder):
    (folder / "a.csv").write_text("first")
    assert looked.after(3) == 1
    (folder / "a.csv").write_text("second, longer")
    assert looked.after(63) == 1


def test_a_folder_that_is_made_later_is_found_and_watched(folder, caplog):
    folder.rmdir()
    looked = Looked(folder)
    assert looked.after(300) == 0
    assert caplog.text.count("it is not there") == 1
    folder.mkdir()
    looked.after(60)
    (folder / "a.csv").write_text("x")
    assert looked.woken()
    assert looked.after(3) == 1
    looked.arrivals.close()


def test_a_folder_that_is_removed_and_made_again_is_watched_again(looked, folder):
    looked.after(0)
    shutil.rmtree(folder)
    assert looked.woken()
    looked.arrivals._wake.clear()
    folder.mkdir()
    looked.after(60)
    (folder / "a.csv").write_text("x")
    assert looked.woken()
    assert looked.after(3) == 1


def test_a_folder_that_another_one_replaces_is_watched_within_a_minute(looked, folder, tmp_path):
    looked.after(0)
    folder.rename(tmp_path / "old")
    folder.mkdir()
    (folder / "a.csv").write_text("x")
    assert looked.after(63) == 1
    looked.arrivals._wake.clear()
    (folder / "b.csv").write_text("x")
    assert looked.woken()


@root
def test_a_mount_in_its_place_is_watched_and_so_is_what_was_below(looked, folder):
    looked.after(0)
    for _ in range(2):  # the same disk again is another watch
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
        try:
            looked.after(60)
            looked.arrivals._wake.clear()
            (folder / "a.csv").write_text("x")
            assert looked.woken()
            assert looked.after(3) == 1
        finally:
            subprocess.run(["umount", folder], check=True)
        looked.after(60)
        looked.arrivals._wake.clear()
        (folder / "b.csv").write_text("x")
        assert looked.woken()
        looked.after(3)
        (folder / "b.csv").unlink()


@pytest.mark.parametrize("trouble", [PermissionError(13, "no"), OSError(116, "Stale file handle")])
def test_a_share_that_fails_is_looked_at_again_later(looked, folder, monkeypatch, caplog, trouble):
    (folder / "a.csv").write_text("x")

    def fail(_folder):
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "scandir", fail)
        assert looked.after(300) == 0
        assert caplog.text.count("cannot be read") == 1
    assert looked.after(63) == 1


def test_without_events_as_on_a_network_share_the_slow_look_finds_it(looked, folder, monkeypatch):
    monkeypatch.setattr(module._Folder, "on_any_event", lambda *_: None)
    looked.after(0)
    (folder / "a.csv").write_text("written by another computer")
    assert looked.after(63) == 1


WITHOUT_A_WATCH = """
import ctypes, sys, threading
libc = ctypes.CDLL(None)
held = []
while (one := libc.inotify_init()) >= 0:
    held.append(one)
from appliance.sources.arrivals import Arrivals
from appliance.sources.inbox import InboxSettings
settings = InboxSettings("hand", sys.argv[1], stable_for_seconds=0.1)
heard = threading.Event()
stop = threading.Event()
def hear(name):
    print("told", name, len(held) > 0, flush=True)
    stop.set()
Arrivals({"hand": settings}, hear, slow_look_seconds=0.2).run(stop)
"""


@root
def test_where_the_kernel_has_no_watch_to_give_the_slow_look_has_to_do(folder):
    """As a user of its own: the limit counts by user, and ours is the other programs' too."""
    for each in [folder, *folder.parents][:5]:
        each.chmod(0o755)
    (folder / "a.csv").write_text("x")
    argv = ["setpriv", "--reuid", "54321", "--clear-groups", sys.executable, "-c", WITHOUT_A_WATCH]
    ended = subprocess.run(
        [*argv, folder], check=False, capture_output=True, text=True, timeout=60, cwd="/"
    )
    assert ended.stdout == "told hand True\n", ended.stderr
    assert "cannot be watched" in ended.stderr


def test_ten_thousand_files_are_told_in_few_words_and_none_is_forgotten(folder):
    """Ten thousand flushes take as long as the disk is busy: looks are counted, not seconds."""
    told: list[str] = []
    arrivals = Arrivals({"hand": inbox(folder, stable_for_seconds=0.2)}, told.append)
    looks, look = [], arrivals.look

    def counted():
        looks.append(monotonic())
        return look()

    arrivals.look = counted
    stop = threading.Event()
    thread = threading.Thread(target=arrivals.run, args=(stop,))
    thread.start()
    try:
        for number in range(10_000):
            (folder / f"{number}.csv").write_text("x")
        assert until(lambda: len(arrivals._folders[0].settling._told) == 10_000, 600)
    finally:
        stop.set()
        thread.join(60)
    assert len(told) <= len(looks), "no more than a word for each look"
    pauses = [after - before for before, after in pairwise(looks)]
    assert min(pauses) >= module._GAP_SECONDS * 0.9, "however many files came meanwhile"


def test_two_inboxes_are_told_apart_and_none_at_all_is_no_trouble(tmp_path):
    told: list[str] = []
    folders = {name: tmp_path / name for name in ("one", "two")}
    for each in folders.values():
        each.mkdir()
    time = Time()
    arrivals = Arrivals({name: inbox(each) for name, each in folders.items()}, told.append, time)
    (folders["two"] / "a.csv").write_text("x")
    arrivals.look()
    time.now += 2
    arrivals.look()
    assert told == ["two"]
    arrivals.close()
    nobody = Arrivals({}, told.append)
    assert nobody.look() is None
    stop = threading.Event()
    thread = threading.Thread(target=nobody.run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(SOON)
    assert not thread.is_alive()


def test_the_end_is_no_error_in_the_log(folder, caplog):
    for _ in range(20):
        with running(folder, stable_for_seconds=0.1):
            pass
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


def test_the_configuration_says_which_folders_are_watched_and_how(tmp_path):
    config = tmp_path / "appliance.toml"
    config.write_text(
        f"""
        [appliance]
        state = '{tmp_path}/state'
        [[source]]
        name = "hand"
        type = "inbox"
        path = '{tmp_path}/inbox'
        stable_for = "7s"
        keep_done = "90d"
        [[source]]
        name = "site"
        type = "http"
        url = "https://crm.example.org/export.zip"
        [[repository]]
        name = "disk-a"
        path = '{tmp_path}/disk'
        passphrase = "${{secret:disk-a}}"
        """
    )
    ((name, watched),) = Box(load(config)).inboxes.items()
    assert (name, watched.path) == ("hand", f"{tmp_path}/inbox")
    assert (watched.stable_for_seconds, watched.keep_done_seconds) == (7, 90 * 86400)


def test_C6_hostile_names_end_nothing(looked, folder):
    for raw in (b"-rf", b"a\nb", b"\xff\xfe", b"a\\..\\b", b"...x", b"$(id)", b"x" * 255):
        (folder / os.fsdecode(raw)).write_bytes(b"x")
    assert looked.after(3) == 1
    assert looked.after(600) == 0


def test_A15_what_is_told_lies_on_the_disk_and_not_in_memory_alone(looked, folder, monkeypatch):
    order: list[str] = []

    def note(descriptor: int) -> None:
        order.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(module.os, "fsync", note)
    looked.arrivals._on_arrival = order.append
    (folder / "a.csv").write_text("whole")
    looked.after(10)
    assert order == ["a.csv", "inbox", "hand"]


def test_a_file_that_cannot_be_flushed_is_told_all_the_same(looked, folder, monkeypatch):
    def refuse(_descriptor):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(module.os, "fsync", refuse)
    (folder / "a.csv").write_text("whole")
    assert looked.after(10) == 1
