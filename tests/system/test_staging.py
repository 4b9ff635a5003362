"""Staging: private while a Run works, and nothing of it left afterwards (F10, in part)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, ConfigError, DiskFull
from appliance.system.staging import FolderStaging


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "staging"


def canaries(folder: Path) -> str:
    found = subprocess.run(
        ["grep", "-rl", "canary", folder], check=False, capture_output=True, text=True
    )
    return found.stdout


def test_F10_staging_is_private_and_wiped_at_the_end(root: Path) -> None:
    staging = FolderStaging(root, 0)
    path = staging.open(7)
    assert [folder.stat().st_mode & 0o777 for folder in (root, path)] == [0o700, 0o700]
    (path / "deep" / "er").mkdir(parents=True)
    (path / "deep" / "er" / "a.csv").write_text("canary")
    staging.close(path)
    assert list(root.iterdir()) == []
    staging.close(path)  # once more is as good as once


def test_F10_what_a_crash_left_is_wiped_at_the_start(root: Path) -> None:
    for number in (1, 2):
        (FolderStaging(root, 0).open(number) / "a.csv").write_text("canary")
    assert canaries(root)
    FolderStaging(root, 0).wipe()
    assert canaries(root) == ""


def test_a_folder_left_under_the_same_number_is_emptied(root: Path) -> None:
    staging = FolderStaging(root, 0)
    (staging.open(1) / "a.csv").write_text("canary")
    assert list(staging.open(1).iterdir()) == []


def test_links_are_removed_and_never_followed(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o750)
    (precious / "file").write_text("precious")
    staging = FolderStaging(root, 0)
    path = staging.open(1)
    (path / "link").symlink_to(precious)
    (path / "file-link").symlink_to(precious / "file")
    (root / "run-2").symlink_to(precious)
    (root / "run-3").symlink_to("/nowhere")
    staging.close(path)
    staging.wipe()
    assert list(root.iterdir()) == []
    assert (precious / "file").read_text() == "precious"
    assert precious.stat().st_mode & 0o777 == 0o750
    (root / "run-4").symlink_to(precious)
    assert not staging.open(4).is_symlink()


def test_write_protected_folders_are_removed_too(root: Path) -> None:
    staging = FolderStaging(root, 0)
    path = staging.open(1)
    inner = path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "x").write_text("canary")
    for folder in (inner, path / "a", path):
        folder.chmod(0o000 if folder == inner else 0o500)
    staging.close(path)
    assert not path.exists()


def test_hostile_names_pipes_and_depth_are_removed(root: Path) -> None:
    staging = FolderStaging(root, 0)
    path = staging.open(1)
    for name in (b"-rf", b"na\xefve", b"a\nb", b" "):
        Path(os.fsdecode(bytes(path) + b"/" + name)).write_text("x")
    os.mkfifo(path / "pipe")
    deep = path
    for _ in range(300):
        deep = deep / "d"
        deep.mkdir()
    staging.wipe()
    assert list(root.iterdir()) == []


def test_only_folders_of_our_own_names_are_wiped(root: Path) -> None:
    root.mkdir()
    (root / "holiday.jpg").write_text("mine")
    FolderStaging(root, 0).wipe()
    assert (root / "holiday.jpg").exists()


@pytest.mark.parametrize("name", ["", "..", "other", "run-1/deeper"])
def test_only_a_runs_folder_can_be_closed(root: Path, name: str) -> None:
    staging = FolderStaging(root, 0)
    staging.open(1)
    with pytest.raises(ApplianceError):
        staging.close(root / name)
    assert (root / "run-1").exists()


def test_the_reserve_stays_free(root: Path) -> None:
    free = FolderStaging(root, 0).free_bytes()
    assert 0 < FolderStaging(root, 10_000_000).free_bytes() < free
    greedy = FolderStaging(root, 10**18)
    assert greedy.free_bytes() == 0
    with pytest.raises(DiskFull):
        greedy.open(1)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_root_that_is_no_folder_is_refused(root: Path, tmp_path: Path, kind: str) -> None:
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        root.symlink_to(tmp_path / "elsewhere")
    else:
        root.touch()
    staging = FolderStaging(root, 0)
    staging.wipe()
    with pytest.raises(ConfigError):
        staging.open(1)


def test_F5_what_does_not_fit_above_the_reserve_is_refused_with_both_numbers(root: Path) -> None:
    staging = FolderStaging(root, 1_000_000)
    staging.require(0)
    staging.require(1_000_000)
    with pytest.raises(
        DiskFull, match=r"needs 1.0 PB in .*, but only .* is free \(1.0 MB are kept"
    ):
        staging.require(10**15)


def test_what_a_person_looks_at_lies_apart_and_is_wiped_apart(tmp_path):
    staging = FolderStaging(tmp_path / "staging", 0)
    run, one, other = staging.open(1), staging.open_apart("one"), staging.open_apart("other")
    assert one.stat().st_mode & 0o777 == 0o700
    staging.wipe()
    assert (run.exists(), one.exists()) == (False, True)
    staging.wipe_apart([one])
    assert (one.exists(), other.exists()) == (True, False)
    staging.close(one)
    assert list((tmp_path / "staging").iterdir()) == []


def test_where_a_run_finds_no_room_whoever_is_there_for_a_person_gives_way(tmp_path, monkeypatch):
    staging, free = FolderStaging(tmp_path / "staging", 0), [0]
    monkeypatch.setattr(staging, "free_bytes", lambda: free[0])
    staging.give_way = lambda: free.__setitem__(0, 1000)
    staging.require(1000)
    free[0] = 0
    assert staging.open(1).is_dir()
    with pytest.raises(DiskFull):
        staging.require(1001)
