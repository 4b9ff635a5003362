"""What udev says becomes disks; events only mean that somebody should look again."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.core.errors import DiskAbsent, WrongDisk
from appliance.core.model import AttachedDisk
from appliance.core.ports import Watch
from appliance.hw import disks, erasable, wording
from appliance.hw.disks import Block, disks_among, mounts
from tests.hw.loops import A, B, Machine, run, sha256

SYSTEM = (179, 2)


def block(node: str, parent: str = "", number: tuple[int, int] = (8, 0), **known: str) -> Block:
    return Block(node, parent, number, 64_000_000_000, False, known)


STICK = {
    "ID_BUS": "usb",
    "ID_VENDOR": "SanDisk",
    "ID_MODEL": "Ultra_Fit__",
    "ID_SERIAL_SHORT": "4C530001",
}


def only(*blocks: Block, mounted: dict[tuple[int, int], str] | None = None) -> AttachedDisk:
    (disk,) = disks_among(blocks, mounted or {})
    return disk


def test_a_blank_stick_is_named_in_words() -> None:
    disk = only(block("/dev/sda", **STICK))
    assert (disk.maker, disk.model, disk.serial) == ("SanDisk", "Ultra Fit", "4C530001")
    assert disk.is_usb
    assert disk.filesystems == ()
    assert not disk.is_system


def test_what_lies_on_its_partitions_is_on_the_disk() -> None:
    disk = only(
        block("/dev/sda", **STICK),
        block("/dev/sda1", "/dev/sda", (8, 1), ID_FS_TYPE="exfat", ID_FS_LABEL="PHOTOS"),
        mounted={(8, 1): "/media/photos"},
    )
    (filesystem,) = disk.filesystems
    assert (filesystem.kind, filesystem.label) == ("exfat", "PHOTOS")
    assert filesystem.mounted_at == "/media/photos"
    assert not disk.is_system


def test_D2_partitions_that_nobody_recognises_make_no_empty_disk() -> None:
    """Encrypted without a header, or of a system that udev does not know: still somebody's."""
    parts = [block(f"/dev/sda{number}", "/dev/sda", (8, number)) for number in (1, 2)]
    disk = only(block("/dev/sda", **STICK), *parts)
    assert wording.on_it(disk) == "something unknown"
    with pytest.raises(WrongDisk, match="it holds something unknown"):
        erasable.require_erasable(disk, (), None, "box", "")


def test_D2_what_is_in_use_counts_though_nobody_recognises_it() -> None:
    """An opened container without a header: the partition says nothing, what lies on it is used."""
    disk = only(
        block("/dev/sda", **STICK),
        block("/dev/sda1", "/dev/sda", (8, 1)),
        block("/dev/sda2", "/dev/sda", (8, 2), ID_FS_TYPE="vfat"),
        mounted={(8, 1): "/srv/secret"},
    )
    with pytest.raises(WrongDisk, match="in use at /srv/secret"):
        erasable.require_erasable(disk, (), None, "box", disk.serial)


def test_small_parts_that_say_nothing_are_not_named_beside_what_is_known() -> None:
    """Each disk from a shop has a reserved part."""
    disk = only(
        block("/dev/sda", **STICK),
        block("/dev/sda1", "/dev/sda", (8, 1)),
        block("/dev/sda2", "/dev/sda", (8, 2), ID_FS_TYPE="ntfs"),
    )
    assert wording.on_it(disk) == "NTFS"


def test_the_disk_that_the_machine_runs_from_is_known_as_such() -> None:
    card = only(
        block("/dev/mmcblk0"),
        block("/dev/mmcblk0p2", "/dev/mmcblk0", SYSTEM, ID_FS_TYPE="ext4"),
        mounted={SYSTEM: "/"},
    )
    assert card.is_system


def test_a_system_on_a_volume_in_an_encrypted_part_is_known_as_such(tmp_path, monkeypatch) -> None:
    """sda2 holds a container, the container a volume group, a volume of that is the root."""
    for device, holders in {
        "sda": {},
        "sda2": {"dm-0": "254:0"},
        "dm-0": {"dm-1": "254:1"},
    }.items():
        (tmp_path / device / "holders").mkdir(parents=True, exist_ok=True)
        for holder, number in holders.items():
            (tmp_path / holder).mkdir()
            (tmp_path / holder / "dev").write_text(f"{number}\n")
            (tmp_path / device / "holders" / holder).symlink_to(tmp_path / holder)
    monkeypatch.setattr(disks, "_SYSFS", tmp_path)
    disk = only(
        block("/dev/sda"),
        block("/dev/sda2", "/dev/sda", (8, 2), ID_FS_TYPE="crypto_LUKS"),
        mounted={(254, 1): "/"},
    )
    assert disk.is_system


@pytest.mark.parametrize("node", ["/dev/loop0", "/dev/zram0", "/dev/sr0", "/dev/dm-0", "/dev/ram1"])
def test_what_is_no_disk_is_not_listed(node: str) -> None:
    assert disks_among([block(node)], {}) == ()


def test_an_empty_card_reader_is_no_disk() -> None:
    reader = Block("/dev/sdb", "", (8, 16), 0, False, STICK)
    assert disks_among([reader], {}) == ()


def test_mounts_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n"
        "40 22 8:1 / /media/two\\040words rw - exfat /dev/sda1 rw\n"
    )
    found = mounts(table)
    assert found[179, 2] == "/"
    assert found[8, 1] == "/media/two words"


def test_mounts_are_read_whatever_bytes_a_place_is_named_with(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(
        "30 22 8:1 / /media/Büro rw - ext4 /dev/sda1 rw\n".encode()
        + b"31 22 8:2 / /media/B\xfcro rw - ext4 /dev/sda2 rw\n"
    )
    assert mounts(table)[8, 1] == "/media/Büro"
    assert mounts(table)[8, 2].startswith("/media/B")


def test_btrfs_which_says_a_number_of_its_own_is_found_by_its_device(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("22 1 0:31 /@ / rw shared:1 - btrfs /dev/null rw,subvol=/@\n")
    assert mounts(table)[1, 3] == "/"  # null's number, as devices.txt has it


def test_what_is_plugged_into_this_machine_can_be_asked() -> None:
    assert all(disk.node.startswith("/dev/") for disk in disks.attached())
    assert disks.with_uuid("00000000-0000-0000-0000-000000000000") == ()


class Monitor:
    """Says what it is told, then stops whoever listens."""

    def __init__(self, events: list[object | None], stop: threading.Event) -> None:
        self.events, self.stop = events, stop

    def poll(self, _: float) -> object | None:
        if not self.events:
            self.stop.set()
            return None
        return self.events.pop(0)


def looks(
    events: list[object | None],
    monkeypatch: pytest.MonkeyPatch,
    look: Callable[[], None] = lambda: None,
) -> int:
    stop, seen = threading.Event(), []
    monkeypatch.setattr(disks, "_monitor", lambda: Monitor(events, stop))
    disks.watch(stop, lambda: (seen.append(1), look()))
    return len(seen)


def test_the_events_of_one_disk_are_one_look_at_once_and_one_when_it_has_settled(
    monkeypatch,
) -> None:
    add, change = object(), object()
    assert looks([add, change, add, None], monkeypatch) == 2


def test_somebody_looks_now_and_then_without_any_event(monkeypatch) -> None:
    assert looks([None, None, None], monkeypatch) == 3


def test_without_word_from_udev_somebody_looks_all_the_same(monkeypatch) -> None:
    stop, seen = threading.Event(), []

    def look() -> None:
        seen.append(1)
        if len(seen) == 3:
            stop.set()

    monkeypatch.setattr(disks, "_monitor", lambda: None)
    monkeypatch.setattr(disks, "LOOK_EVERY_SECONDS", 0.01)
    disks.watch(stop, look)
    assert len(seen) == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root may use loop devices")
def test_D2_thirty_strangers_come_and_go_a_thousand_times_and_keep_every_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the worker does at each event, it does here: look, and try to use its own two disks."""
    chance = random.Random(2)
    machine = Machine(tmp_path)
    images = [stranger(tmp_path / f"{number}.img", number) for number in range(30)]
    before = [sha256(image) for image in images]
    nodes = [machine.plug(image, f"stranger-{number}") for number, image in enumerate(images[:4])]
    ours = [machine.disk("disk-a", A), machine.disk("disk-b", B)]

    def look() -> None:
        for disk in ours:
            with suppress(DiskAbsent):
                disk.attach(Watch())
        node = chance.choice(nodes)
        run("losetup", "-d", node)
        run("losetup", node, chance.choice(images))
        for each in nodes:
            with Path(each).open("rb") as device:  # as udev's own programs do
                device.read(512)

    try:
        events: list[object | None] = [object() if one % 2 else None for one in range(1000)]
        assert looks(events, monkeypatch, look) > 400
    finally:
        machine.close()
    run("sync")
    assert [sha256(image) for image in images] == before
    assert machine.started == []


def stranger(path: Path, number: int) -> Path:
    run("truncate", "-s", "2M", path)
    kinds = (["mkfs.vfat"], ["mkfs.ext4", "-q", "-F"], ["mkswap"], ["true"])
    run(*kinds[number % len(kinds)], path)
    return path
