"""The real Borg: damage, locks, cuts, moves and hostile content (traps A1 to A28)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import appliance
from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    DiskAbsent,
    DiskFull,
    DiskReadOnly,
    PassphraseWrong,
    RepositoryBusy,
    RepositoryDamaged,
    ToolFailed,
    WrongDisk,
)
from appliance.core.model import Progress, StepName
from appliance.core.ports import Watch
from appliance.repositories import program
from appliance.repositories.borg import BorgRepository
from appliance.repositories.program import Messages, checked_borg, parse
from appliance.system import process
from tests.contract.test_repository import borg_at, ssh_to
from tests.repositories.staging import day, lay
from tests.servers import Sshd, free_port

BORG = str(Path(sys.executable).parent / "borg")
ROOT = os.getuid() == 0


@pytest.fixture
def repository(tmp_path: Path) -> BorgRepository:
    repository = borg_at(tmp_path / "repository", tmp_path / "state")
    repository.create_repository()
    return repository


def _store(repository: BorgRepository, root: Path, number: int, data: bytes = b"a,b\n") -> None:
    layout = lay(root / f"stage-{number}", {"manifest.json": b"{}", "export/a.csv": data})
    repository.create(day(number, layout), layout, Watch())


def _config(repository: BorgRepository) -> bytes:
    """The settings file, which holds the key."""
    assert repository.path
    return (repository.path / "config").read_bytes()


def _borg(repository: BorgRepository, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run stock Borg beside us, as somebody else would."""
    env = {"BORG_PASSPHRASE": "correct horse", "BORG_BASE_DIR": str(repository.path) + "-else"}
    env |= {"PATH": "/usr/bin:/bin", "BORG_EXIT_CODES": "modern", "TZ": "UTC"}
    return subprocess.run([BORG, *arguments], env=env, capture_output=True, text=True, check=False)


def _biggest_segment(repository: BorgRepository) -> Path:
    assert repository.path
    segments = (repository.path / "data").glob("*/*")
    return max(segments, key=lambda path: path.stat().st_size)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# -- making, adopting, absent ------------------------------------------------------------------


def test_a_new_repository_has_repokey_64_mib_segments_and_a_reserve(tmp_path: Path) -> None:
    repository = borg_at(tmp_path / "r", tmp_path / "state", reserve_bytes=None)
    identity = repository.create_repository()
    config = (tmp_path / "r" / "config").read_text()
    assert f"id = {identity}" in config
    assert "max_segment_size = 67108864" in config
    reserve = int(re.search(r"additional_free_space = (\d+)", config)[1])
    assert 10 << 20 <= reserve <= 2 << 30
    assert "key = " in config


def test_another_reserve_counts_from_the_next_run_and_equal_ones_write_nothing(
    repository: BorgRepository, tmp_path: Path
) -> None:
    config = tmp_path / "repository" / "config"
    assert "additional_free_space = 0" in config.read_text()
    repository.id()
    before = config.stat()
    wider = borg_at(tmp_path / "repository", tmp_path / "state", reserve_bytes=40 << 20)
    repository.id()
    assert (config.stat().st_ino, config.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    wider.id()
    assert f"additional_free_space = {40 << 20}" in config.read_text()
    before = config.stat()
    wider.id()
    assert (config.stat().st_ino, config.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    _store(wider, tmp_path, 0)


@pytest.mark.skipif(not ROOT, reason="a disk of one's own needs root")
def test_A9_a_large_disk_of_its_own_gets_ballast_and_the_boxs_own_does_not(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=9g", "none", str(mount))
    try:
        borg_at(mount / "r", tmp_path / "s1").create_repository()
        assert (mount / "r" / "appliance.ballast").stat().st_size == 96 << 20
    finally:
        _run("umount", str(mount))
    borg_at(tmp_path / "r", tmp_path / "s2").create_repository()
    assert not (tmp_path / "r" / "appliance.ballast").exists()


def test_a_missing_parent_folder_is_an_absent_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskAbsent):
        borg_at(tmp_path / "no" / "repository", tmp_path / "state").create_repository()
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_M7_an_absent_folder_is_absent_and_nothing_is_made_of_it(
    tmp_path: Path, make: object
) -> None:
    assert callable(make)
    make(tmp_path / "repository")
    repository = borg_at(tmp_path / "repository", tmp_path / "state")
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}"})
    for call in (
        repository.id,
        repository.archives,
        lambda: repository.create(day(0, layout), layout, Watch()),
        lambda: repository.check(Watch()),
        lambda: repository.with_lock(["true"], Watch()),
    ):
        with pytest.raises(DiskAbsent):
            call()
    assert not list(tmp_path.glob("repository/*"))


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(ApplianceError):
        borg_at(tmp_path / "photos", tmp_path / "state").create_repository()
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_an_existing_repository_is_adopted_only_by_its_passphrase(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0)
    fresh = tmp_path / "new-card"
    wrong = borg_at(tmp_path / "repository", fresh, passphrase=lambda: "canary-wrong")
    with pytest.raises(PassphraseWrong) as caught:
        wrong.create_repository()
    assert "canary-wrong" not in caught.value.message + caught.value.detail
    adopted = borg_at(tmp_path / "repository", fresh)
    assert adopted.create_repository() == repository.id()
    assert adopted.archives() == repository.archives()


def test_A3_an_unencrypted_repository_is_not_opened(tmp_path: Path) -> None:
    repository = borg_at(tmp_path / "plain", tmp_path / "state")
    made = _borg(repository, "init", "-e", "none", str(tmp_path / "plain"))
    assert made.returncode == 0
    with pytest.raises(WrongDisk):
        repository.id()
    with pytest.raises(WrongDisk):
        repository.create_repository()


def test_A3_a_moved_repository_is_not_opened_until_it_is_adopted(
    repository: BorgRepository, tmp_path: Path
) -> None:
    identity = repository.id()
    (tmp_path / "repository").rename(tmp_path / "elsewhere")
    moved = borg_at(tmp_path / "elsewhere", tmp_path / "state", expected_id=identity)
    with pytest.raises(WrongDisk):
        moved.id()
    assert moved.create_repository() == identity
    assert moved.id() == identity


def test_A23_another_repository_in_the_same_place_is_the_wrong_disk(
    repository: BorgRepository, tmp_path: Path
) -> None:
    expecting = borg_at(tmp_path / "repository", tmp_path / "state", expected_id="0" * 64)
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}"})
    before = hashlib.sha256((tmp_path / "repository" / "config").read_bytes()).digest()
    for call in (
        expecting.id,
        expecting.create_repository,
        lambda: expecting.create(day(0, layout), layout, Watch()),
        lambda: expecting.compact(Watch()),
    ):
        with pytest.raises(WrongDisk):
            call()
    assert hashlib.sha256((tmp_path / "repository" / "config").read_bytes()).digest() == before


def test_A1_a_hand_made_copy_without_its_counters_is_refused(
    repository: BorgRepository, tmp_path: Path
) -> None:
    (tmp_path / "repository" / "nonce").unlink()
    with pytest.raises(WrongDisk):
        repository.id()
    with pytest.raises(WrongDisk):
        _store(repository, tmp_path, 0)


def test_A2_a_known_repository_is_not_written_when_the_memory_of_it_is_gone(
    repository: BorgRepository, tmp_path: Path
) -> None:
    identity = repository.id()
    shutil.rmtree(tmp_path / "state")
    knowing = borg_at(tmp_path / "repository", tmp_path / "state", expected_id=identity)
    with pytest.raises(WrongDisk, match="memory"):
        knowing.id()
    with pytest.raises(WrongDisk, match="memory"):
        _store(knowing, tmp_path, 0)
    assert knowing.create_repository() == identity
    _store(knowing, tmp_path, 0)


def test_A2_an_id_that_was_never_noted_is_not_written_until_it_is_adopted(
    repository: BorgRepository, tmp_path: Path
) -> None:
    identity = repository.id()
    stranger = borg_at(tmp_path / "repository", tmp_path / "new-card", expected_id=None)
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}"})
    for call in (
        stranger.id,
        lambda: stranger.create(day(0, layout), layout, Watch()),
        lambda: stranger.compact(Watch()),
        lambda: stranger.with_lock(["true"], Watch()),
    ):
        with pytest.raises(WrongDisk) as caught:
            call()
        assert "`appliance init disk-a` adopts it" in caught.value.hint
    assert stranger.archives() == ()
    assert stranger.create_repository() == identity
    assert stranger.id() == identity


def test_a_forgotten_init_is_answered_with_init(tmp_path: Path) -> None:
    with pytest.raises(DiskAbsent, match="was not made yet") as caught:
        borg_at(tmp_path / "repository", tmp_path / "state", expected_id=None).id()
    assert caught.value.hint == "Run `appliance init disk-a`."
    far = borg_at(tmp_path, tmp_path / "state", location="ssh://x@127.0.0.1:1/r", expected_id=None)
    with pytest.raises(DiskAbsent, match="was not made yet"):
        far.id()


def test_an_id_noted_while_the_box_runs_counts_at_once(
    repository: BorgRepository, tmp_path: Path
) -> None:
    noted: list[str] = []
    running = borg_at(
        tmp_path / "repository",
        tmp_path / "state",
        expected_id=lambda: noted[0] if noted else None,
    )
    with pytest.raises(WrongDisk):
        running.id()
    noted.append(repository.id())
    assert running.id() == noted[0]


def test_A7_the_probe_is_written_and_leaves_nothing(repository: BorgRepository) -> None:
    assert repository.path
    before = {path.name for path in repository.path.iterdir()}
    repository.id()
    assert {path.name for path in repository.path.iterdir()} == before


@pytest.mark.skipif(not ROOT, reason="mounting needs root")
def test_A8_a_read_only_filesystem_is_named_and_still_restores(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=64m", "none", str(mount))
    try:
        repository = borg_at(mount / "repository", tmp_path / "state")
        repository.create_repository()
        _store(repository, tmp_path, 0, b"kept\n" * 100)
        _run("mount", "-o", "remount,ro", str(mount))
        with pytest.raises(DiskReadOnly):
            repository.id()
        with pytest.raises(DiskReadOnly):
            _store(repository, tmp_path, 1)
        (archive,) = repository.archives()
        assert repository.hashes(archive.name, Watch())["export/a.csv"].size_bytes == 500
        (tmp_path / "out").mkdir()
        repository.extract(archive.name, tmp_path / "out", Watch())
        assert (tmp_path / "out" / "export" / "a.csv").read_bytes() == b"kept\n" * 100
    finally:
        _run("umount", str(mount))


@pytest.mark.slow
@pytest.mark.skipif(not ROOT, reason="a small disk of one's own needs root")
def test_A9_a_full_disk_frees_itself_and_loses_nothing(tmp_path: Path) -> None:
    image, mount = tmp_path / "disk.img", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(300 << 20)
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(mount))
    try:
        repository = borg_at(
            mount / "repository",
            tmp_path / "state",
            segment_bytes=8 << 20,
            reserve_bytes=40 << 20,
            ballast_bytes=40 << 20,
        )
        repository.create_repository()
        digest = _config(repository)
        stored = _store_until_full(repository, tmp_path)
        assert stored > 3
        _fill_to_the_last_byte(mount / "else")
        archives = repository.archives()
        assert len(archives) == stored
        repository.delete("crm", archives[:2], Watch())
        repository.compact(Watch())
        (mount / "else").unlink()
        assert _config(repository) == digest
        assert repository.archives() == archives[2:]
        _store(repository, tmp_path, 90, os.urandom(1 << 20))
        repository.check(Watch())
        assert (mount / "repository" / "appliance.ballast").stat().st_size == 40 << 20
    finally:
        _run("umount", str(mount))


def test_what_was_let_go_is_there_no_more_where_all_of_it_is_wanted(
    repository: BorgRepository, tmp_path: Path
) -> None:
    """Borg leaves what is less than a tenth of a segment where it is."""
    large, small = os.urandom(2 << 20), os.urandom(100 << 10)
    both = {"manifest.json": b"1", "export/a": large, "export/b": small}
    for number, files in enumerate((both, {"manifest.json": b"2", "export/a": large})):
        layout = lay(tmp_path / f"stage-{number}", files)
        repository.create(day(number, layout), layout, Watch())
    repository.delete("crm", repository.archives()[:1], Watch())

    def size_bytes() -> int:
        assert repository.path
        return sum(path.stat().st_size for path in (repository.path / "data").glob("*/*"))

    repository.compact(Watch())
    left = size_bytes()
    assert left > len(large) + len(small)
    repository.compact(Watch(), all_of_it=True)
    assert size_bytes() < left - len(small) // 2
    assert size_bytes() < len(large) + len(small)
    repository.check(Watch())


def _store_until_full(repository: BorgRepository, root: Path) -> int:
    """Store days of 20 MB until it says "full"; return how many were stored."""
    for stored in range(40):
        try:
            _store(repository, root, stored, random.Random(stored).randbytes(20 << 20))
        except DiskFull:
            return stored
    return 40


def _fill_to_the_last_byte(path: Path) -> None:
    """Take all room that is left, as somebody else's files would."""
    try:
        with path.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 12)):
                pass
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - this is how a file says it


def test_A9_a_power_cut_while_the_reserve_is_lowered_is_undone(
    repository: BorgRepository, tmp_path: Path
) -> None:
    from appliance.repositories.folder import ConfigKeeper, RepositoryFolder

    assert repository.path
    digest = _config(repository)
    folder = RepositoryFolder("disk-a", repository.path)
    ConfigKeeper(folder, tmp_path / "state").keep()
    done = _borg(repository, "config", str(repository.path), "additional_free_space", "99M")
    assert done.returncode == 0
    assert _config(repository) != digest
    repository.id()
    assert _config(repository) == digest


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


# -- damage ------------------------------------------------------------------------------------


def test_A13_A14_a_flipped_byte_is_found_by_check_and_by_reading_back(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0, os.urandom(200_000))
    (archive,) = repository.archives()
    repository.check(Watch())
    _flip(_biggest_segment(repository))
    with pytest.raises(RepositoryDamaged):
        repository.check(Watch())
    with pytest.raises(RepositoryDamaged):
        repository.hashes(archive.name, Watch())
    (tmp_path / "out").mkdir()
    with pytest.raises(RepositoryDamaged):
        repository.extract(archive.name, tmp_path / "out", Watch())


def test_A13_a_new_archive_that_leans_on_a_rotten_chunk_is_found_by_reading_it_back(
    repository: BorgRepository, tmp_path: Path
) -> None:
    data = os.urandom(200_000)
    _store(repository, tmp_path, 0, data)
    _flip(_biggest_segment(repository))
    _store(repository, tmp_path, 1, data)
    with pytest.raises(RepositoryDamaged):
        repository.hashes(repository.archives()[1].name, Watch())


@pytest.mark.skipif(not ROOT, reason="a small working space of one's own needs root")
def test_a_full_working_space_is_full_and_says_nothing_of_the_disk(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0, os.urandom(3 << 20))
    (archive,) = repository.archives()
    staging = tmp_path / "staging"
    staging.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(staging))
    try:
        with pytest.raises(DiskFull) as caught:
            repository.extract(archive.name, staging, Watch())
    finally:
        _run("umount", str(staging))
    assert str(staging) in caught.value.message
    repository.hashes(archive.name, Watch())


@pytest.mark.skipif(not ROOT, reason="mounting needs root")
def test_a_working_space_that_went_read_only_says_nothing_of_the_disk(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0)
    staging = tmp_path / "staging"
    staging.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=1m,ro", "none", str(staging))
    try:
        with pytest.raises(DiskReadOnly, match="working space"):
            repository.extract(repository.archives()[0].name, staging, Watch())
    finally:
        _run("umount", str(staging))


def _replace_borg(monkeypatch: pytest.MonkeyPatch, folder: Path, case: str) -> None:
    """Have one called that does what a shell's `case` says first, and then is Borg itself."""
    fake = folder / "borg"
    fake.write_text(f'#!/bin/sh\ncase "$*" in {case};; esac\nexec {BORG} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr("appliance.system.process.find", lambda name: str(fake))


def test_a_read_that_fails_for_no_known_reason_is_no_damage(
    repository: BorgRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tarred EIO: Borg itself is replaced by one that ends with 2 on extract alone."""
    _store(repository, tmp_path, 0)
    (archive,) = repository.archives()
    _replace_borg(monkeypatch, tmp_path, '*" extract "*|*" export-tar "*) exit 2')
    with pytest.raises(ToolFailed):
        repository.hashes(archive.name, Watch())
    (tmp_path / "out").mkdir()
    with pytest.raises(ToolFailed):
        repository.extract(archive.name, tmp_path / "out", Watch())


def test_a_disk_that_goes_while_it_is_read_is_absent_and_not_damaged(
    repository: BorgRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _store(repository, tmp_path, 0)
    (archive,) = repository.archives()
    _replace_borg(monkeypatch, tmp_path, f'*" export-tar "*) mv {repository.path} {tmp_path}/gone')
    with pytest.raises(DiskAbsent):
        repository.hashes(archive.name, Watch())


def test_M10_a_lost_segment_is_damage(repository: BorgRepository, tmp_path: Path) -> None:
    _store(repository, tmp_path, 0, os.urandom(200_000))
    (archive,) = repository.archives()
    _biggest_segment(repository).unlink()
    with pytest.raises(RepositoryDamaged):
        repository.hashes(archive.name, Watch())
    with pytest.raises(RepositoryDamaged):
        repository.check(Watch())


def test_A14_a_hole_left_by_a_repair_is_still_found(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0, os.urandom(200_000))
    (archive,) = repository.archives()
    stored = lay(tmp_path / "same", {"x": b""}).stored
    _flip(_biggest_segment(repository))
    env = {"BORG_CHECK_I_KNOW_WHAT_I_AM_DOING": "YES", "BORG_PASSPHRASE": "correct horse"}
    env |= {"BORG_BASE_DIR": str(tmp_path / "else"), "PATH": "/usr/bin:/bin"}
    repair = [BORG, "check", "--" + "repair", "--verify-data", str(repository.path)]
    subprocess.run(repair, env=env, capture_output=True, check=False)
    try:
        found = repository.hashes(archive.name, Watch())
    except RepositoryDamaged:
        return
    original = hashlib.sha256((tmp_path / "stage-0/export/a.csv").read_bytes()).hexdigest()
    assert found["export/a.csv"].sha256 != original
    assert stored


@pytest.mark.parametrize("left", [0, 30, 250])
def test_A28_a_torn_config_stops_everything(
    repository: BorgRepository, tmp_path: Path, left: int
) -> None:
    assert repository.path
    config = repository.path / "config"
    config.write_bytes(config.read_bytes()[:left])
    with pytest.raises(ApplianceError) as caught:
        repository.id()
    assert isinstance(caught.value, RepositoryDamaged | WrongDisk | DiskAbsent)
    with pytest.raises(ApplianceError):
        _store(repository, tmp_path, 0)


def test_A28_a_config_without_its_key_is_damage(repository: BorgRepository) -> None:
    assert repository.path
    config = repository.path / "config"
    digest = _config(repository)
    config.write_text(config.read_text().partition("key = ")[0])
    with pytest.raises(RepositoryDamaged):
        repository.id()
    assert _config(repository) != digest


# -- what is stored ----------------------------------------------------------------------------


def test_A17_a_file_swapped_while_it_is_archived_leaves_no_archive(
    repository: BorgRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}", "export/a.csv": b"1234"})
    monkeypatch.setattr("appliance.repositories.borg.check_staged", lambda layout: None)
    (layout.root / "export/a.csv").write_bytes(b"12")
    with pytest.raises(ToolFailed):
        repository.create(day(0, layout), layout, Watch())
    assert repository.archives() == ()
    (layout.root / "export/a.csv").unlink()
    with pytest.raises(ToolFailed):
        repository.create(day(0, layout), layout, Watch())
    listed = _borg(repository, "list", "--short", str(repository.path)).stdout
    assert listed.split() in ([], [day(0, layout).name])


def test_A17_an_archive_of_that_name_that_lacks_files_is_not_taken_for_done(
    repository: BorgRepository, tmp_path: Path
) -> None:
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}", "export/a.csv": b"1234"})
    smaller = lay(tmp_path / "small", {"manifest.json": b"{}"})
    archive = day(0, layout)
    repository.create(archive, smaller, Watch())
    with pytest.raises(RepositoryDamaged):
        repository.create(archive, layout, Watch())


def test_an_empty_layout_is_refused(repository: BorgRepository, tmp_path: Path) -> None:
    layout = lay(tmp_path / "stage", {})
    (tmp_path / "stage").mkdir()
    with pytest.raises(ToolFailed):
        repository.create(day(0, layout), layout, Watch())


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../b"])
def test_a_layout_that_reaches_outside_is_refused(
    repository: BorgRepository, tmp_path: Path, name: str
) -> None:
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}"})
    hostile = lay(tmp_path / "stage", {"manifest.json": b"{}"})
    object.__setattr__(hostile, "stored", {name: layout.stored["manifest.json"]})
    with pytest.raises(ToolFailed):
        repository.create(day(0, layout), hostile, Watch())


def test_archives_of_others_are_not_taken_for_ours(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0)
    (tmp_path / "x").write_text("x")
    for name in ("laptop", "crm-2026-11-22T03:00:00Z"):
        made = _borg(repository, "create", f"{repository.path}::{name}", str(tmp_path / "x"))
        assert made.returncode == 0
    assert [archive.sequence for archive in repository.archives()] == [1]


def test_links_in_a_foreign_archive_are_never_extracted(
    repository: BorgRepository, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/etc")
    made = _borg(repository, "create", f"{repository.path}::laptop", str(tmp_path / "link"))
    assert made.returncode == 0
    (tmp_path / "out").mkdir()
    with pytest.raises(RepositoryDamaged):
        repository.extract("laptop", tmp_path / "out", Watch())
    with pytest.raises(RepositoryDamaged):
        repository.hashes("laptop", Watch())
    assert list((tmp_path / "out").iterdir()) == []


def test_two_names_of_one_file_come_back_as_two_files(
    repository: BorgRepository, tmp_path: Path
) -> None:
    layout = lay(tmp_path / "stage", {"a": b"same" * 100, "b": b"same" * 100})
    (layout.root / "b").unlink()
    os.link(layout.root / "a", layout.root / "b")
    repository.create(day(0, layout), layout, Watch())
    assert dict(repository.hashes(day(0, layout).name, Watch())) == dict(layout.stored)


def test_the_same_layout_is_the_same_in_two_repositories(
    repository: BorgRepository, tmp_path: Path
) -> None:
    other = borg_at(tmp_path / "second", tmp_path / "state2")
    other.create_repository()
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}", "a.csv": b"1\n"})
    for each in (repository, other):
        each.create(day(0, layout), layout, Watch())
    assert repository.archives() == other.archives()


def test_A24_progress_of_create_and_of_reading_back_grows_to_the_total(
    repository: BorgRepository, tmp_path: Path
) -> None:
    heard: list[Progress] = []
    layout = lay(tmp_path / "stage", {"a.bin": os.urandom(3_000_000), "b.bin": b"x" * 1000})
    repository.create(day(0, layout), layout, Watch(heard.append))
    repository.hashes(day(0, layout).name, Watch(heard.append))
    for step in (StepName.ARCHIVE, StepName.VERIFY):
        done = [progress.done for progress in heard if progress.step is step]
        assert done
        assert done == sorted(done)
        assert done[-1] <= layout.stored_bytes
    assert heard[-1].done == heard[-1].total == layout.stored_bytes


def test_the_overhead_of_an_archive_is_a_few_kilobytes(
    repository: BorgRepository, tmp_path: Path
) -> None:
    def size() -> int:
        return sum(path.stat().st_size for path in (tmp_path / "repository/data").rglob("*"))

    patch = os.urandom(170_000)
    chain = {f"history/c.csv/{n:02}": os.urandom(1000) for n in range(60)}
    lays = [lay(tmp_path / "stage", {**chain, "manifest.json": b"{}" * 500})]
    repository.create(day(0, lays[0]), lays[0], Watch())
    before = size()
    lays += [lay(tmp_path / "stage", {**chain, "manifest.json": b"[]" * 900, "p.zst": patch})]
    added = repository.create(day(1, lays[1]), lays[1], Watch())
    assert size() - before < 170_000 + 12_000
    assert added < 170_000 + 12_000


# -- deleting ----------------------------------------------------------------------------------


def test_A12_checkpoints_of_the_source_go_and_no_others(
    repository: BorgRepository, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("x")
    mine, other = "crm-2026-11-22T03:00:00Z.checkpoint", "crm-b-2026-11-22T03:00:00Z.checkpoint"
    for name in (mine, other, "laptop.checkpoint"):
        _borg(repository, "create", f"{repository.path}::{name}", str(tmp_path / "x"))
    _store(repository, tmp_path, 0)
    assert len(repository.archives()) == 1
    repository.delete("crm", [], Watch())
    left = _borg(repository, "list", "--short", "--consider-checkpoints", str(repository.path))
    assert set(left.stdout.split()) == {other, "laptop.checkpoint", "crm-2026-11-21T03:00:00Z"}


def test_A5_A15_nothing_of_ours_repairs_or_breaks_locks_elsewhere() -> None:
    package = Path(appliance.__file__).parent
    texts = {path: path.read_text() for path in package.rglob("*.py")}
    assert len(texts) > 10
    assert [str(path) for path, text in texts.items() if "--repair" in text] == []
    breaking = {path.name for path, text in texts.items() if "break-lock" in text}
    assert breaking == {"verdicts.py"}
    used = {path.name: text.count("BREAK_LOCK") for path, text in texts.items()}
    # At a start, of our own locks; and where a person takes the disk of a dead box over.
    assert {name: n for name, n in used.items() if n} == {
        "verdicts.py": 1,
        "borg.py": 1,
        "opening.py": 1,
    }


# -- locks, cuts, cancelling -------------------------------------------------------------------


def _plant_lock(repository: BorgRepository, host: str, pid: int) -> Path:
    assert repository.path
    folder = repository.path / "lock.exclusive"
    folder.mkdir()
    (folder / f"{host}.{pid}-0").touch()
    roster = {"exclusive": [[host, pid, 0]]}
    (repository.path / "lock.roster").write_text(json.dumps(roster))
    return folder


def test_A4_a_lock_of_ours_whose_number_lives_again_is_broken_at_start_up_only(
    repository: BorgRepository, tmp_path: Path
) -> None:
    lock = _plant_lock(repository, "test-host", 1)
    with pytest.raises(RepositoryBusy):
        _store(repository, tmp_path, 0)
    repository.break_stale_lock(Watch())
    assert not lock.exists()
    _store(repository, tmp_path, 0)


def test_A4_a_lock_of_another_host_is_left_alone(
    repository: BorgRepository, tmp_path: Path
) -> None:
    lock = _plant_lock(repository, "other-host", 1)
    repository.break_stale_lock(Watch())
    assert lock.exists()
    with pytest.raises(RepositoryBusy) as caught:
        _store(repository, tmp_path, 0)
    assert caught.value.retry


def test_A4_a_lock_of_a_dead_process_of_ours_goes_by_itself(
    repository: BorgRepository, tmp_path: Path
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    _plant_lock(repository, "test-host", ended.pid)
    _store(repository, tmp_path, 0)


def test_a_held_lock_is_busy_and_not_the_programs_own_code(
    repository: BorgRepository, tmp_path: Path
) -> None:
    entered, leave = tmp_path / "entered", tmp_path / "leave"
    script = f"touch {entered}; while [ ! -e {leave} ]; do sleep 0.05; done; exit 73"
    codes: list[int] = []
    holding = threading.Thread(
        target=lambda: codes.append(repository.with_lock(["sh", "-c", script], Watch())[0])
    )
    holding.start()
    try:
        while not entered.exists():
            time.sleep(0.02)
        with pytest.raises(RepositoryBusy):
            repository.with_lock(["true"], Watch())
    finally:
        leave.touch()
        holding.join()
    assert codes == [73]


@pytest.mark.slow
def test_A6_ten_kills_at_random_moments_lose_nothing_and_need_nobody(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0, os.urandom(500_000))
    kept = dict(repository.hashes(repository.archives()[0].name, Watch()))
    layout = lay(tmp_path / "stage", {"m": b"{}", "big.bin": os.urandom(30 << 20)})
    script = (
        "import sys; from pathlib import Path; from appliance.core.ports import Watch\n"
        "from tests.contract.test_repository import borg_at\n"
        "from tests.repositories.staging import day, lay\n"
        "root = Path(sys.argv[1])\n"
        "files = {p.name: p.read_bytes() for p in (root / 'stage').iterdir()}\n"
        "layout = lay(root / 'stage', files)\n"
        "print('go', flush=True)\n"
        "repository = borg_at(root / 'repository', root / 'state')\n"
        "repository.create(day(int(sys.argv[2]), layout), layout, Watch())\n"
    )
    chance, done = random.Random(7), 0
    for number in range(1, 11):
        argv = [sys.executable, "-c", script, str(tmp_path), str(number)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(chance.uniform(0.3, 1.6))
            _kill_family(child.pid)
        done = number
    repository.break_stale_lock(Watch())
    repository.create(day(done + 1, layout), layout, Watch())
    repository.check(Watch())
    names = [archive.name for archive in repository.archives()]
    assert dict(repository.hashes(names[0], Watch())) == kept
    for name in names[1:]:
        assert dict(repository.hashes(name, Watch())) == dict(layout.stored)


def _kill_family(pid: int) -> None:
    """Kill -9 a process of ours and the Borg that it started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    children = listed.read_text().split() if listed.exists() else []
    for each in (pid, *map(int, children)):
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_F11_a_cancelled_create_leaves_no_lock_and_no_archive(
    repository: BorgRepository, tmp_path: Path
) -> None:
    layout = lay(tmp_path / "stage", {"m": b"{}", "big.bin": os.urandom(60 << 20)})
    watch = Watch(progress=lambda progress: watch.cancel.set())
    with pytest.raises(Cancelled):
        repository.create(day(0, layout), layout, watch)
    assert not (tmp_path / "repository" / "lock.exclusive").exists()
    assert repository.archives() == ()


def test_a_cancelled_read_back_is_cancelled_and_not_damage(
    repository: BorgRepository, tmp_path: Path
) -> None:
    _store(repository, tmp_path, 0, os.urandom(8 << 20))
    watch = Watch(progress=lambda progress: watch.cancel.set())
    with pytest.raises(Cancelled):
        repository.hashes(repository.archives()[0].name, watch)


# -- secrets, versions, messages, ssh ----------------------------------------------------------


def test_E13_the_passphrase_is_in_no_argument_and_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = tmp_path / "borg"
    spy.write_text(
        f'#!/bin/sh\n{{ tr "\\0" "\\n" < /proc/$$/environ; echo "$@"; }} >> {tmp_path}/seen\n'
        f'exec {BORG} "$@"\n'
    )
    spy.chmod(0o755)
    monkeypatch.setattr("appliance.system.process.find", lambda program: str(spy))
    secret = "canary-5f3a"
    repository = borg_at(tmp_path / "r", tmp_path / "state", passphrase=lambda: secret)
    repository.create_repository()
    _store(repository, tmp_path, 0)
    repository.with_lock(
        ["sh", "-c", f"tr '\\0' '\\n' < /proc/$$/environ >> {tmp_path}/seen"], Watch()
    )
    seen = (tmp_path / "seen").read_text()
    assert "BORG_PASSPHRASE_FD" in seen
    assert secret not in seen
    assert "canary" not in "".join(p.read_text() for p in (tmp_path / "state").rglob("config"))


def test_A20_borg_tests_its_ciphers_once_in_each_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def noting(argv: Sequence[str], **how: Any) -> process.Result:
        seen.append(how["env"].get("BORG_SELFTEST"))
        return real(argv, **how)

    real = process.run
    monkeypatch.setattr(program, "_tested_itself", Event())
    monkeypatch.setattr(process, "run", noting)
    repository = borg_at(tmp_path / "repository", tmp_path / "state")
    repository.create_repository()
    repository.archives()
    assert seen[0] is None
    assert set(seen[1:]) == {"disabled"}


@pytest.mark.parametrize("version", ["borg 1.2.4", "borg 1.4.0", "borg 2.0.0b14", "", "nonsense"])
def test_A20_another_borg_is_refused(tmp_path: Path, version: str) -> None:
    old = tmp_path / "borg"
    old.write_text(f"#!/bin/sh\necho {version}\n")
    old.chmod(0o755)
    with pytest.raises(ToolFailed, match="not one"):
        checked_borg(str(old))


def test_A20_the_borg_beside_us_is_asked_itself_when_the_daemon_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "borg"
    beside.write_text("#!/bin/sh\necho borg 1.2.4\n")
    beside.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert checked_borg(str(beside)), "the package says that it is the right one"
    with pytest.raises(ToolFailed, match="not one"):
        checked_borg(str(beside), asking=True)


def test_A21_a_repository_is_of_the_kind_that_the_next_borg_can_take_over(
    repository: BorgRepository,
) -> None:
    told = json.loads(_borg(repository, "info", "--json", str(repository.path)).stdout)
    assert told["encryption"]["mode"] == "repokey"
    assert told["repository"]["id"] == repository.id()


def _delete(cache: Path, other: Path) -> None:
    shutil.rmtree(cache)


def _tear(cache: Path, other: Path) -> None:
    for path in cache.rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)


def _swap(cache: Path, other: Path) -> None:
    shutil.rmtree(cache)
    shutil.copytree(other, cache)


@pytest.mark.parametrize("spoil", [_delete, _tear, _swap])
def test_A27_whatever_becomes_of_the_cache_the_next_backup_is_right(
    tmp_path: Path, repository: BorgRepository, spoil: Callable[[Path, Path], None]
) -> None:
    other = borg_at(tmp_path / "other", tmp_path / "other-state")
    other.create_repository()
    for each in (repository, other):
        _store(each, tmp_path / each.id(), 0, os.urandom(50_000))
    (cache,) = (path.parent for path in (tmp_path / "state").rglob("chunks"))
    (foreign,) = (path.parent for path in (tmp_path / "other-state").rglob("chunks"))
    spoil(cache, foreign)
    layout = lay(tmp_path / "next", {"manifest.json": b"{}", "export/a.csv": b"one,two\n" * 9999})
    repository.create(day(1, layout), layout, Watch())
    assert dict(repository.hashes(day(1, layout).name, Watch())) == dict(layout.stored)
    spoil(cache, foreign)
    repository.delete("crm", [day(0, layout)], Watch())
    repository.check(Watch())


@pytest.mark.parametrize(
    "line",
    ["", "{", "{}", "[]", "null", '{"type": 3}', '{"type": "log_message"}', "\x00", "{" * 5000],
)
def test_A25_any_line_at_all_is_taken(line: str) -> None:
    messages = Messages(lambda said: None, lambda text: None)
    messages.hear(line)
    assert messages.error_ids == []
    assert parse(line) is None or "type" in (parse(line) or {})


def test_A25_times_are_utc_wherever_the_office_is(
    repository: BorgRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    _store(repository, tmp_path, 0)
    (archive,) = repository.archives()
    assert archive.time.isoformat() == "2026-11-21T03:00:00+00:00"


def test_an_unreachable_host_is_absent(tmp_path: Path) -> None:
    location = f"ssh://nobody@127.0.0.1:{free_port()}/./repository"
    repository = borg_at(tmp_path, tmp_path / "state", location=location, ssh_command="ssh -F none")
    assert repository.path is None
    with pytest.raises(DiskAbsent):
        repository.id()


def test_C7_a_host_with_another_key_is_not_talked_to(tmp_path: Path, ssh_shell: Sshd) -> None:
    command = ssh_to(ssh_shell, tmp_path / "known")
    stranger = ssh_shell.user_key.public_line
    (tmp_path / "known").write_text(f"[127.0.0.1]:{ssh_shell.port} {stranger}\n")
    location = f"ssh://{ssh_shell.user}@127.0.0.1:{ssh_shell.port}{tmp_path}/far"
    repository = borg_at(tmp_path, tmp_path / "state", location=location, ssh_command=command)
    with pytest.raises(DiskAbsent):
        repository.create_repository()
    assert not (tmp_path / "far").exists()


def test_a_repository_behind_ssh_is_adopted_and_told_apart(tmp_path: Path, ssh_shell: Sshd) -> None:
    options = {
        "location": f"ssh://{ssh_shell.user}@127.0.0.1:{ssh_shell.port}{tmp_path}/far",
        "ssh_command": ssh_to(ssh_shell, tmp_path / "known"),
    }
    identity = borg_at(tmp_path, tmp_path / "state", **options).create_repository()
    fresh = borg_at(tmp_path, tmp_path / "fresh", expected_id=identity, **options)
    assert fresh.create_repository() == identity
    other = borg_at(tmp_path, tmp_path / "third", expected_id="0" * 64, **options)
    with pytest.raises(WrongDisk):
        other.id()
