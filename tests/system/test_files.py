"""F4: a small file is the old one or the new one, whatever happens."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, DiskFull
from appliance.system.files import replace_durably, write_durably

WRITER = """
import sys
from pathlib import Path
from appliance.system.files import write_durably
print("ready", flush=True)
n = 0
while True:
    n += 1
    write_durably(Path(sys.argv[1]), str(n % 10).encode() * 300_000)
    print(n, flush=True)
"""


@pytest.mark.slow
def test_F4_twenty_kills_leave_the_old_or_the_new_and_never_less_than_acknowledged(
    tmp_path: Path,
) -> None:
    dice = random.Random(4)
    for turn in range(20):
        path = tmp_path / f"file-{turn}"
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            timer = threading.Timer(
                dice.uniform(0.005, 0.05), process.send_signal, [signal.SIGKILL]
            )
            timer.start()
            said = process.stdout.read().split()
            timer.join()
        data = path.read_bytes() if path.exists() else b""
        acknowledged = int(said[-1]) if said else 0
        whole = {str(n % 10).encode() * 300_000 for n in (acknowledged, acknowledged + 1)}
        assert data in (whole if acknowledged else whole | {b""})


def test_F4_the_file_and_the_folder_are_synced_around_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "file", list[str]()
    sync, rename = os.fsync, Path.replace

    def synced(handle: int) -> None:
        seen.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112 - a handle's path
        sync(handle)

    def renamed(self: Path, target: Path) -> Path:
        seen.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_durably(path, b"new")
    assert seen == ["file", "rename", "folder"]


def test_it_is_private_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_durably(tmp_path / "a", b"x")
        os.umask(0o777)
        write_durably(tmp_path / "b", b"x", 0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o644


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    write_durably(tmp_path / "link", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "link").read_bytes() == b"new"
    assert not (tmp_path / "link").is_symlink()


def test_a_file_keeps_its_owner_its_mode_and_the_link_that_leads_to_it(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(b"old")
    (link := tmp_path / "link").symlink_to(file)
    owner = (4711, 4712) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(file, *owner)
    file.chmod(0o640)
    replace_durably(link, b"new")
    there = file.stat()
    assert (there.st_uid, there.st_gid, there.st_mode & 0o7777) == (*owner, 0o640)
    assert file.read_bytes() == b"new"
    assert link.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}


def test_a_file_that_is_not_there_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match="cannot be written"):
        replace_durably(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def full(handle: int) -> None:
        raise OSError(28, os.strerror(28))  # ENOSPC: many filesystems say it only now

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull):
            write_durably(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("data", [b"", b"\x00" * 10, b"x" * 3_000_000])
def test_any_content_comes_back(tmp_path: Path, data: bytes) -> None:
    write_durably(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize("path", ["no/such/folder/file", "file/below"])
def test_where_nothing_can_be_written_there_is_a_sentence(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ApplianceError, match="cannot be written") as caught:
        write_durably(tmp_path / path, b"x")
    assert "folder" in caught.value.hint
