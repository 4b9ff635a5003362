"""A disk proves itself before anything is written to it, and comes to rest after."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, DiskAbsent, DiskReadOnly, WrongDisk
from appliance.core.ports import Watch
from appliance.hw import marker
from appliance.hw.usb_disk import mount_unit, mounted_at
from tests.hw.loops import KEY, A, B, Machine, make_image, run, sha256

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def test_the_right_disk_is_mounted_used_and_brought_to_rest(machine: Machine) -> None:
    machine.plug(machine.paired("disk-a", A, "SN1"), A, "SN1")
    disk = machine.disk("disk-a", A, "SN1")
    assert disk.is_present()
    assert disk.is_at_rest()
    disk.attach(Watch())
    assert disk.is_attached()
    assert not disk.is_at_rest()
    (disk.mount_point / "kept").write_text("x")
    disk.release()
    assert disk.is_at_rest()
    assert machine.flushed(A)
    assert list(disk.mount_point.iterdir()) == []
    disk.attach(Watch())
    assert (disk.mount_point / "kept").read_text() == "x"


def test_attaching_twice_mounts_once_and_letting_go_twice_is_no_error(machine: Machine) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    disk = machine.disk("disk-a", A)
    disk.attach(Watch())
    disk.attach(Watch())
    assert machine.started.count(mount_unit(disk.mount_point)) == 1
    disk.release()
    disk.release()
    assert machine.started.count(f"stop {mount_unit(disk.mount_point)}") == 1


def test_a_disk_that_is_not_plugged_in_is_absent(machine: Machine) -> None:
    with pytest.raises(DiskAbsent, match="disk-a is not plugged in"):
        machine.disk("disk-a", A).attach(Watch())


def swapped(machine: Machine) -> Path:
    """The right filesystem on another device."""
    image = machine.paired("disk-a", A, "SN1")
    machine.plug(image, A, "SN2")
    return image


def without_serial(machine: Machine) -> Path:
    image = machine.paired("disk-a", A, "SN1")
    machine.plug(image, A, "")
    return image


def unmarked(machine: Machine) -> Path:
    image = make_image(machine.root / "blank.img", A)
    machine.plug(image, A, "SN1")
    return image


def of_another_box(machine: Machine) -> Path:
    image = machine.paired("disk-a", A, "SN1")
    resealed(machine, image, b"another box's key")
    machine.plug(image, A, "SN1")
    return image


def resealed(machine: Machine, image: Path, key: bytes, **facts: str) -> None:
    place = machine.root / "at-pairing"
    run("mount", "-o", "loop", image, place)
    mark = marker.read(place)
    assert mark is not None
    marker.write(place, mark, key)
    run("umount", place)


def tampered(machine: Machine) -> Path:
    image = machine.paired("disk-a", A, "SN1", name="disk-b")
    place = machine.root / "at-pairing"
    run("mount", "-o", "loop", image, place)
    file = place / marker.FILE
    file.write_text(file.read_text().replace('"disk-b"', '"disk-a"'))
    run("umount", place)
    machine.plug(image, A, "SN1")
    return image


def torn(machine: Machine) -> Path:
    image = machine.paired("disk-a", A, "SN1")
    place = machine.root / "at-pairing"
    run("mount", "-o", "loop", image, place)
    (place / marker.FILE).write_bytes(b'{"box_id": "bo')
    run("umount", place)
    machine.plug(image, A, "SN1")
    return image


def neighbours_mark(machine: Machine) -> Path:
    """The mark of disk-b, copied onto disk-a: sealed by us, but for another filesystem."""
    image = machine.paired("disk-a", A, "SN1", uuid=B)
    machine.plug(image, A, "SN1")
    return image


def of_another_name(machine: Machine) -> Path:
    image = machine.paired("disk-a", A, "SN1", name="disk-b")
    machine.plug(image, A, "SN1")
    return image


def cloned(machine: Machine) -> Path:
    image = machine.paired("disk-a", A, "SN1")
    copy = machine.root / "clone.img"
    copy.write_bytes(image.read_bytes())
    machine.plug(image, A, "SN1")
    machine.plug(copy, A, "SN2")
    return image


def clone_alone(machine: Machine) -> Path:
    """Only the copy is plugged in: the filesystem and the mark are ours, the device is not."""
    image = machine.paired("disk-a", A, "SN1")
    machine.plug(image, A, "SN9")
    return image


WRONG = [
    swapped,
    without_serial,
    unmarked,
    of_another_box,
    tampered,
    torn,
    neighbours_mark,
    of_another_name,
    cloned,
    clone_alone,
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda case: case.__name__)
def test_A23_the_wrong_disk_is_refused_and_nothing_is_put_on_it(machine: Machine, wrong) -> None:
    image = wrong(machine)
    before = files_on(image)
    disk = machine.disk("disk-a", A, "SN1")
    with pytest.raises(WrongDisk) as caught:
        disk.attach(Watch())
    assert caught.value.hint
    assert not disk.is_attached()
    run("sync")
    assert files_on(image) == before


def files_on(image: Path) -> str:
    listing = run("debugfs", "-R", "ls -l /", image).stdout
    return listing.decode() + run("debugfs", "-R", f"cat /{marker.FILE}", image).stdout.decode()


@pytest.mark.parametrize("wrong", [swapped, without_serial, cloned, clone_alone])
def test_D4_what_is_wrong_before_it_is_mounted_is_not_even_mounted(machine, wrong) -> None:
    image = wrong(machine)
    before = sha256(image)
    disk = machine.disk("disk-a", A, "SN1")
    with pytest.raises(WrongDisk):
        disk.attach(Watch())
    run("sync")
    assert sha256(image) == before
    assert machine.started == []


def test_D8_a_disk_that_was_not_unmounted_is_checked_mended_and_used(machine: Machine) -> None:
    image = machine.paired("disk-a", A)
    run("debugfs", "-w", "-R", "set_super_value state 0", image)
    machine.plug(image, A)
    disk = machine.disk("disk-a", A)
    disk.attach(Watch())
    assert machine.fsck_code in {0, 1}
    assert disk.is_attached()


def cut_off(place: Path) -> None:
    """Let a filesystem forget what it has not written, as when its power goes (ext4's ioctl)."""
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("=I", _NO_LOG_FLUSH))
    finally:
        os.close(handle)


_EXT4_IOC_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2


def test_D8_a_journal_that_was_not_played_and_a_file_without_a_name_are_mended(
    machine: Machine,
) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    disk = machine.disk("disk-a", A)
    disk.attach(Watch())
    (disk.mount_point / "kept").write_text("x")
    with (disk.mount_point / "orphan").open("w") as orphan:
        (disk.mount_point / "orphan").unlink()
        os.sync()
        cut_off(disk.mount_point)
        with pytest.raises(OSError, match="Input/output error"):
            (disk.mount_point / "more").write_text("x")
        del orphan
    disk.release()
    disk.attach(Watch())
    assert (disk.mount_point / "kept").read_text() == "x"
    assert {one.name for one in disk.mount_point.iterdir()} == {marker.FILE, "kept", "lost+found"}


def test_A7_a_filesystem_that_died_while_its_disk_looks_alive_is_no_disk_to_write_to(
    machine: Machine,
) -> None:
    """Another process finds it mounted: `ismount` would say that all is well."""
    machine.plug(machine.paired("disk-a", A), A)
    disk, another = machine.disk("disk-a", A), machine.disk("disk-a", A)
    disk.attach(Watch())
    cut_off(disk.mount_point)
    with pytest.raises(DiskReadOnly):
        another.attach(Watch())
    disk.release()


def test_D8_a_superblock_that_is_gone_is_left_to_a_person(machine: Machine) -> None:
    image = machine.paired("disk-a", A)
    with image.open("r+b") as file:
        file.seek(1024)
        file.write(bytes(1024))
    before = sha256(image)
    machine.plug(image, A)
    disk = machine.disk("disk-a", A)
    with pytest.raises(DiskReadOnly, match="left alone"):
        disk.attach(Watch())
    run("sync")
    assert sha256(image) == before


def test_D8_what_fsck_will_not_mend_alone_stays_untouched(machine: Machine) -> None:
    image = machine.paired("disk-a", A)
    run("debugfs", "-w", "-R", "clri <2>", image)
    run("debugfs", "-w", "-R", "set_super_value state 2", image)
    node = machine.plug(image, A)
    assert run("fsck.ext4", "-n", node, check=False).returncode & 4
    disk = machine.disk("disk-a", A)
    with pytest.raises(DiskReadOnly, match="errors that do not mend by themselves") as caught:
        disk.attach(Watch())
    assert "do not format" in caught.value.hint
    assert not disk.is_attached()
    assert disk.is_at_rest(), "a person has to be able to take it out"
    assert machine.flushed(A), "fsck may have written before it gave up"


def test_a_disk_pulled_out_while_it_is_checked_is_absent_not_broken(machine, monkeypatch) -> None:
    machine.plug(machine.paired("disk-a", A), A)

    def pulled(node: str) -> int:
        machine.pull_out(A)
        return 8  # e2fsck(8): it could not read on

    monkeypatch.setattr(machine, "_fsck", pulled)
    with pytest.raises(DiskAbsent, match="not plugged in"):
        machine.disk("disk-a", A).attach(Watch())


def test_A8_a_disk_with_its_lock_switch_on_is_said_to_be_locked_and_rests(machine: Machine) -> None:
    image = machine.paired("disk-a", A)
    before = sha256(image)
    machine.plug(image, A, "", "--read-only")
    disk = machine.disk("disk-a", A)
    with pytest.raises(DiskReadOnly, match="disk-a is write-protected") as caught:
        disk.attach(Watch())
    assert "lock switch" in caught.value.hint
    assert disk.is_at_rest()
    assert sha256(image) == before


def test_A8_a_disk_that_can_only_be_read_is_refused_for_writing(machine: Machine) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    machine.read_only = True
    disk = machine.disk("disk-a", A)
    with pytest.raises(DiskReadOnly, match="can only be read"):
        disk.attach(Watch())
    assert not disk.is_attached()


def test_D6_a_mount_that_outlived_its_disk_is_taken_away_before_the_next(machine: Machine) -> None:
    image = machine.paired("disk-a", A)
    first = machine.plug(image, A)
    disk = machine.disk("disk-a", A)
    disk.attach(Watch())
    machine.pull_out(A)
    with pytest.raises(DiskAbsent):
        disk.attach(Watch())
    copy = machine.root / "again.img"
    copy.write_bytes(image.read_bytes())
    second = machine.plug(copy, A)
    assert second != first
    disk.attach(Watch())
    there = mounted_at(disk.mount_point)
    assert there is not None
    assert there.number == machine.find(A)[0].number


def fail_to_flush(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    start = machine.start

    def failing(unit: str, watch: Watch | None = None) -> None:
        if unit.startswith("appliance-flush@"):
            raise ApplianceError("The disk does not answer.")
        start(unit, watch)

    monkeypatch.setattr(machine, "start", failing)


def test_D19_a_flush_that_fails_is_no_rest(machine: Machine, monkeypatch) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    disk = machine.disk("disk-a", A)
    disk.attach(Watch())
    fail_to_flush(machine, monkeypatch)
    with pytest.raises(DiskReadOnly, match="did not come to rest"):
        disk.release()
    assert not disk.is_at_rest()


def test_what_is_wrong_first_is_said_though_it_does_not_come_to_rest_either(
    machine: Machine, monkeypatch
) -> None:
    unmarked(machine)
    fail_to_flush(machine, monkeypatch)
    disk = machine.disk("disk-a", A, "SN1")
    with pytest.raises(WrongDisk, match="does not carry the box's own mark"):
        disk.attach(Watch())
    assert not disk.is_at_rest()


def test_two_that_use_it_at_once_share_it_and_the_last_one_lets_it_go(machine: Machine) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    worker, restore = machine.disk("disk-a", A), machine.disk("disk-a", A)
    worker.attach(Watch())
    restore.attach(Watch())
    worker.release()
    assert restore.is_attached()
    restore.release()
    assert not restore.is_attached()


def test_what_a_process_that_died_left_mounted_is_let_go_by_the_next(machine: Machine) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    died = machine.disk("disk-a", A)
    died.attach(Watch())
    os.close(died._lock)
    died._lock = None
    next_one = machine.disk("disk-a", A)
    next_one.release()
    assert not next_one.is_attached()


def test_attaching_clears_that_it_was_pulled_out_once(machine: Machine) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    disk = machine.disk("disk-a", A)
    disk.lost.set()
    disk.attach(Watch())
    assert not disk.lost.is_set()


def test_being_stopped_while_it_waits_leaves_nothing_mounted(machine, monkeypatch) -> None:
    machine.plug(machine.paired("disk-a", A), A)
    disk = machine.disk("disk-a", A)

    def interrupted(unit: str, watch: Watch | None = None) -> None:
        if watch is not None:
            watch.check()

    watch = Watch(cancel=threading.Event())
    watch.cancel.set()
    monkeypatch.setattr(machine, "start", interrupted)
    with pytest.raises(ApplianceError):
        disk.attach(watch)
    assert not disk.is_attached()
    assert disk._lock is None


@pytest.mark.parametrize(
    ("place", "unit"),
    [
        ("/mnt/appliance/disk-a", r"mnt-appliance-disk\x2da.mount"),
        ("/mnt/a b", r"mnt-a\x20b.mount"),
        ("/mnt/ü", r"mnt-\xc3\xbc.mount"),
    ],
)
def test_mount_units_are_named_as_systemd_names_them(place: str, unit: str) -> None:
    assert mount_unit(Path(place)) == unit
    said = run("systemd-escape", "--path", "--suffix=mount", place, check=False).stdout.decode()
    assert said.strip() in {unit, ""}


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 15_000, '{"box_id": 1}', "\0" * 99])
def test_what_is_no_mark_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / marker.FILE).write_text(text)
    assert marker.read(tmp_path) is None
    with pytest.raises(WrongDisk):
        marker.verified(tmp_path, KEY)


def test_a_mark_that_is_a_pipe_or_a_link_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / marker.FILE)
    assert marker.read(tmp_path) is None
    (tmp_path / marker.FILE).unlink()
    (tmp_path / marker.FILE).symlink_to("/etc/hostname")
    assert marker.read(tmp_path) is None


def test_a_seal_is_ours_only_with_our_key(tmp_path: Path) -> None:
    from tests.hw.loops import NOW

    mark = marker.Marker("box", "Office", "disk-a", A, "", "0" * 64, NOW)
    marker.write(tmp_path, mark, KEY)
    assert marker.verified(tmp_path, KEY) == mark
    with pytest.raises(WrongDisk, match="another box"):
        marker.verified(tmp_path, b"other")
