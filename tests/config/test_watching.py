"""The configuration's file is watched: whatever an editor does to it, it is told of once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest

from appliance.config.watching import FileWatch

PATIENCE = 20.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    (file := folder / "appliance.toml").write_text("one\n")
    return file


@contextmanager
def watched(file: Path, slow: float = 600.0) -> Iterator[Queue[str]]:
    """What is told of a file, by what it says then; the first word is of the start."""
    told: Queue[str] = Queue()
    stop = threading.Event()

    def tell() -> None:
        told.put(file.read_text() if file.exists() else "gone")

    watch = FileWatch(file, tell, quiet_seconds=0.1, slow_look_seconds=slow)
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        assert watch.watching.wait(PATIENCE)
        assert told.get(timeout=PATIENCE)
        yield told
    finally:
        stop.set()
        thread.join()


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def another_in_its_place(file: Path, text: str) -> None:
    (new := file.with_name(".x.swp")).write_text(text)
    new.replace(file)


def away_and_back(file: Path, text: str) -> None:
    file.rename(file.with_name("appliance.toml~"))
    file.write_text(text)


def from_elsewhere(file: Path, text: str) -> None:
    (new := file.parent.parent / "new").write_text(text)
    new.replace(file)


@pytest.mark.parametrize("edit", [in_place, another_in_its_place, away_and_back, from_elsewhere])
def test_however_an_editor_saves_it_is_told(file: Path, edit) -> None:
    with watched(file) as told:
        edit(file, "two\n")
        assert told.get(timeout=PATIENCE) == "two\n"


def test_many_saves_in_a_row_are_told_as_what_came_of_them(file: Path) -> None:
    with watched(file) as told:
        for number in range(20):
            another_in_its_place(file, f"{number}\n")
        heard = [told.get(timeout=PATIENCE)]
        while heard[-1] != "19\n":
            heard.append(told.get(timeout=PATIENCE))
    assert len(heard) < 10


def test_other_files_of_the_folder_are_nobody_s_business(file: Path) -> None:
    with watched(file) as told:
        (file.parent / "rclone.conf").write_text("x")
        with pytest.raises(Empty):
            told.get(timeout=0.5)


def test_a_link_is_watched_where_it_leads_to(tmp_path: Path, file: Path) -> None:
    (link := tmp_path / "link.toml").symlink_to(file)
    with watched(link) as told:
        another_in_its_place(file, "two\n")
        assert told.get(timeout=PATIENCE) == "two\n"


def test_a_folder_that_was_replaced_is_found_by_the_slow_look(file: Path) -> None:
    with watched(file, slow=0.1) as told:
        file.parent.rename(file.parent.with_name("old"))
        file.parent.mkdir()
        file.write_text("two\n")
        heard = told.get(timeout=PATIENCE)
        while heard != "two\n":
            heard = told.get(timeout=PATIENCE)
        another_in_its_place(file, "three\n")
        while heard != "three\n":
            heard = told.get(timeout=PATIENCE)
