"""Files that are encrypted at rest: what was changed in any way does not open."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.errors import DiskFull
from appliance.system.sealed import NotSealed, opened, seal

BLOCKS = [b"Ann Meyer" * 100, b"", b"Bob Schulz" * 100]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    seal(path, "able-baker", "names", BLOCKS)
    return path


def read(path, passphrase="able-baker", about="names"):
    return list(opened(path, passphrase, about))


def test_what_goes_in_comes_out(file):
    assert read(file) == BLOCKS
    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_at_all_comes_out_as_one_empty_block(tmp_path):
    seal(tmp_path / "file", "able-baker", "names", [])
    assert read(tmp_path / "file") == [b""]


def test_nothing_of_it_can_be_read_in_the_file(file):
    assert b"Meyer" not in file.read_bytes()


def test_the_same_is_another_file_each_time(file, tmp_path):
    seal(tmp_path / "again", "able-baker", "names", BLOCKS)
    assert (tmp_path / "again").read_bytes()[60:] != file.read_bytes()[60:]


@pytest.mark.parametrize("how", [{"passphrase": "able-bakes"}, {"about": "phones"}])
def test_another_passphrase_or_purpose_does_not_open_it(file, how):
    with pytest.raises(NotSealed):
        read(file, **how)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_bit_that_is_not_as_it_was_is_seen(file, data):
    as_it_was = bytearray(file.read_bytes())
    try:
        harmed = bytearray(as_it_was)
        harmed[data.draw(st.integers(0, len(harmed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(harmed)
        with pytest.raises(NotSealed):
            read(file)
    finally:
        file.write_bytes(as_it_was)


def test_wherever_it_is_cut_that_is_seen(file):
    as_it_was = file.read_bytes()
    for length in range(len(as_it_was)):
        file.write_bytes(as_it_was[:length])
        with pytest.raises(NotSealed):
            read(file)


def test_blocks_in_another_order_are_seen(tmp_path):
    path = tmp_path / "file"
    seal(path, "able-baker", "names", [b"a" * 10, b"b" * 10, b"c"])
    whole = path.read_bytes()
    start = len(whole) - (2 * 30 + 21)
    first, second = whole[start : start + 30], whole[start + 30 : start + 60]
    path.write_bytes(whole[:start] + second + first + whole[start + 60 :])
    with pytest.raises(NotSealed):
        read(path)


def test_what_ends_it_in_the_middle_leaves_the_old_file_and_nothing_else(file):
    def blocks():
        yield b"new" * 1000
        raise DiskFull("There is no room.")

    with pytest.raises(DiskFull):
        seal(file, "able-baker", "names", blocks())
    assert read(file) == BLOCKS
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("length", [10, 1 << 20])
def test_a_disk_that_is_full_is_a_sentence_and_the_old_file_stays(file, monkeypatch, length):
    """The kernel's own full disk takes what is written."""
    real = os.open

    def full(path, flags, *mode):
        return real("/dev/full", os.O_WRONLY) if flags & os.O_CREAT else real(path, flags, *mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(DiskFull, match="no room left"):
            seal(file, "able-baker", "names", [os.urandom(length)] * 3)
    assert read(file) == BLOCKS
    assert [path.name for path in file.parent.iterdir()] == ["file"]
