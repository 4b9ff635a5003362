"""The configuration is changed for a person, and what they wrote stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from appliance.changing import editing
from appliance.config import load
from appliance.core.errors import ConfigError, DiskFull

A = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"
TEXT = """# Our box. Ask Ada before you change anything.

[appliance]
name = "Front office"   # above the door

[[repository]]
name = "nas"            # in the cellar
path = "/mnt/nas/appliance"
passphrase = "${secret:nas}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "appliance.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def test_a_disk_is_added_and_every_word_of_the_person_stays(file: Path) -> None:
    editing.add_disk(file, "disk-a", A, "SN1")
    assert file.read_text().startswith(TEXT.rstrip())
    disk = load(file).repository_named("disk-a")
    assert (disk.disk, disk.serial, disk.passphrase) == (A, "SN1", "disk-a")
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_same_disk_twice_is_one_entry_with_the_newest_facts(file: Path) -> None:
    editing.add_disk(file, "disk-a", A.replace("4f", "5f"), "SN1")
    editing.add_disk(file, "disk-a", A, "")
    assert [each.name for each in load(file).repository] == ["nas", "disk-a"]
    assert load(file).repository_named("disk-a").serial == ""


def test_a_name_that_belongs_to_a_folder_is_refused_and_nothing_changes(file: Path) -> None:
    with pytest.raises(ConfigError, match="take another one"):
        editing.add_disk(file, "nas", A, "")
    assert file.read_text() == TEXT


def test_a_file_that_would_be_wrong_afterwards_is_left_as_it_is(file: Path) -> None:
    with pytest.raises(ConfigError, match="is not a name"):
        editing.add_disk(file, "Disk A", A, "")
    with pytest.raises(ConfigError, match="is not a name"):
        editing.require_addable(file, "Disk A", "")
    assert file.read_text() == TEXT


def test_what_was_added_can_be_taken_out_again(file: Path) -> None:
    editing.add_disk(file, "disk-a", A, "SN1")
    editing.remove_disk(file, "disk-a")
    assert file.read_text().rstrip() == TEXT.rstrip()


@pytest.mark.parametrize("text", ['[appliance]\nname = "x"\n', "repository = []\n"])
def test_a_file_without_any_repository_gets_its_first_also_the_second_time(
    tmp_path: Path, text: str
) -> None:
    (file := tmp_path / "a.toml").write_text(text)
    for _ in range(2):
        editing.add_disk(file, "disk-a", A, "")
        assert [each.name for each in load(file).repository] == ["disk-a"]
        editing.remove_disk(file, "disk-a")
    assert file.read_text().strip() in {text.strip(), ""}


def test_a_configuration_that_is_a_link_stays_one_and_what_it_points_to_is_changed(
    file: Path, tmp_path: Path
) -> None:
    link = tmp_path / "etc" / "appliance.toml"
    link.parent.mkdir()
    link.symlink_to(file)
    editing.add_disk(link, "disk-a", A, "")
    assert link.is_symlink()
    assert load(file).repository_named("disk-a").disk == A


def test_a_full_card_leaves_the_file_as_it_was_and_no_scrap_beside_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="no room left"):
        editing.add_disk(file, "disk-a", A, "")
    assert file.read_text() == TEXT
    assert list(file.parent.iterdir()) == [file]


def test_a_card_that_cannot_be_written_is_a_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(ConfigError, match="cannot be written"):
        editing.add_disk(file, "disk-a", A, "")
    assert list(file.parent.iterdir()) == [file]
