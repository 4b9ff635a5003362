"""Which disks may be erased, and that nothing else is: real signatures on real loop devices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.core.errors import WrongDisk
from appliance.core.model import AttachedDisk, Filesystem
from appliance.hw import erasable, pairing
from appliance.hw.marker import Marker
from tests.hw.loops import NOW, A, Machine, run, sha256
from tests.test_layers import PACKAGE, imports

STICK = AttachedDisk("/dev/sda", "SanDisk", "Ultra", "SN1", 64_000_000_000, (), True, False)


def holding(kind: str, mounted_at: str = "", **more: object) -> AttachedDisk:
    from dataclasses import replace

    one = Filesystem("/dev/sda1", kind, "1234", "PHOTOS", mounted_at)
    return replace(STICK, filesystems=(one,), **more)


def mark(box: str) -> Marker:
    return Marker(box, "Old office", "disk-a", A, "SN1", "0" * 64, NOW)


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (holding("ext4", is_system=True), "this machine runs from"),
        (holding("ext4", "/srv/data"), "in use at /srv/data"),
        (
            holding("exfat"),
            "not empty: it holds exFAT “PHOTOS”. The box keeps backups on ext4 only",
        ),
        (holding("vfat"), "it holds FAT"),
        (holding("ntfs"), "it holds NTFS"),
        (holding("crypto_LUKS"), "an encrypted part"),
        (holding("ext4"), "it holds ext4"),
    ],
)
def test_D2_a_disk_that_holds_something_is_refused_with_the_reason_and_the_way_out(
    disk, words
) -> None:
    with pytest.raises(WrongDisk, match=words) as caught:
        erasable.require_erasable(disk, (), None, "box", "")
    assert caught.value.hint


def test_what_wipefs_finds_counts_though_udev_knows_nothing() -> None:
    with pytest.raises(WrongDisk, match="it holds dos"):
        erasable.require_erasable(STICK, ("dos",), None, "box", "")


def test_the_typed_serial_erases_what_nobody_needs_and_only_that_one() -> None:
    erasable.require_erasable(holding("exfat"), ("exfat",), None, "box", "SN1")
    with pytest.raises(WrongDisk):
        erasable.require_erasable(holding("exfat"), ("exfat",), None, "box", "SN2")


@pytest.mark.parametrize("typed", ["", "SN1"])
def test_another_boxs_backups_are_never_erased_and_recover_is_named(typed: str) -> None:
    with pytest.raises(WrongDisk, match="disk-a of another box") as caught:
        erasable.require_erasable(holding("ext4"), (), mark("other"), "box", typed)
    assert "appliance recover --from /dev/sda" in caught.value.hint


def test_the_system_disk_and_a_mounted_one_are_refused_whatever_is_typed() -> None:
    for disk in (holding("ext4", is_system=True), holding("ext4", "/srv")):
        with pytest.raises(WrongDisk):
            erasable.require_erasable(disk, (), None, "box", "SN1")


def test_an_empty_disk_needs_no_typing() -> None:
    erasable.require_erasable(STICK, (), None, "box", "")


root = pytest.mark.skipif(os.getuid() != 0, reason="only root may use loop devices")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def blank(path: Path, size: str = "64M") -> Path:
    run("truncate", "-s", size, path)
    return path


@root
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (("mkfs.vfat",), "vfat"),
        (("mkfs.exfat",), "exfat"),
        (("mkfs.ext4", "-q", "-F"), "ext4"),
        (("mkswap",), "swap"),
    ],
)
def test_D2_looking_at_a_disk_finds_what_is_on_it_and_changes_nothing(
    machine, tmp_path, make, kind
) -> None:
    image = blank(tmp_path / "stick.img")
    run(*make, image)
    before = sha256(image)
    node = machine.plug(image, A)
    assert kind in pairing.signatures(node)
    run("sync")
    assert sha256(image) == before


@root
def test_a_blank_disk_has_no_signature_and_becomes_one_filesystem_of_the_boxs_user(
    machine, tmp_path
) -> None:
    node = machine.plug(blank(tmp_path / "stick.img"), A)
    assert pairing.signatures(node) == ()
    seen: list[tuple[int, int]] = []
    pairing.burn_in(node, 64 << 20, lambda done, total: seen.append((done, total)), quick=True)
    assert seen[-1] == (31, 32)
    pairing.make_filesystem(node, A, (1234, 1234))
    told = run("dumpe2fs", "-h", node).stdout.decode()
    assert A in told
    assert "APPLIANCE" in told
    place = tmp_path / "at"
    place.mkdir()
    run("mount", node, place)
    assert place.stat().st_uid == 1234
    run("umount", place)


@root
def test_D10_a_disk_that_does_not_give_back_what_it_was_given_is_refused(
    machine, tmp_path, monkeypatch
) -> None:
    """A counterfeit stick: what is written beyond its end lands on what was written before."""
    node = machine.plug(blank(tmp_path / "stick.img"), A)
    write = os.pwrite

    def wrapped(device: int, data: bytes, place: int) -> int:
        return write(device, data, place % (16 << 20))

    monkeypatch.setattr(os, "pwrite", wrapped)
    with pytest.raises(WrongDisk, match="do not trust it"):
        pairing.burn_in(node, 64 << 20, lambda *_: None, quick=True)


@root
def test_the_mark_of_another_box_is_read_without_mounting(machine: Machine) -> None:
    from dataclasses import replace

    image = machine.paired("disk-a", A, "SN1")
    node = machine.plug(image, A)
    before = sha256(image)
    disk = replace(STICK, node=node, filesystems=(Filesystem(node, "ext4", A, "APPLIANCE"),))
    found = pairing.mark_on(disk)
    assert found is not None
    assert (found.mark.name, found.mark.uuid, found.is_copied) == ("disk-a", A, False)
    assert sha256(image) == before


def test_the_mount_unit_says_all_that_protects(tmp_path: Path) -> None:
    unit = pairing.lay_mount_unit(A, Path("/mnt/appliance/disk-a"), "disk-a", tmp_path)
    assert unit.name == r"mnt-appliance-disk\x2da.mount"
    text = unit.read_text()
    for option in ("nosuid", "nodev", "noexec", "noatime", "errors=remount-ro", "device-bound"):
        assert option in text
    assert f"Requires=appliance-fsck@{A}.service" in text
    assert "LazyUnmount=yes" in text


@root
def test_D5_the_empty_mount_point_takes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "mnt" / "disk-a"
    warning = pairing.lay_mount_point(place)
    try:
        assert warning == ""
        with pytest.raises(OSError, match="not permitted"):
            (place / "x").write_text("x")
        assert pairing.lay_mount_point(place) == "", "and again is no error"
    finally:
        run("chattr", "-i", place, check=False)


def test_D2_the_worker_never_loads_what_formats() -> None:
    """Nothing that the daemon's imports lead to, at once or at need, can format a disk."""
    reached = reached_from("appliance.daemon", "appliance.panel", "appliance.sources.__main__")
    assert {"appliance.hw.usb_disk", "appliance.hw.erasable"} <= set(reached)
    assert "appliance.hw.pairing" not in reached
    for name, text in reached.items():
        assert "mkfs" not in text, name
        assert '"wipefs"' not in text, name


def reached_from(*names: str) -> dict[str, str]:
    """Return the text of each module of ours that these import, inside functions too."""
    texts: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        file = Path(*name.split("."))
        file = file / "__init__.py" if (PACKAGE.parent / file).is_dir() else file.with_suffix(".py")
        if name in texts or not (PACKAGE.parent / file).exists():
            continue
        texts[name] = (PACKAGE.parent / file).read_text()
        for _, word in imports(PACKAGE.parent / file, PACKAGE):
            waiting += [word, word.rpartition(".")[0]]
    return texts


@pytest.mark.parametrize(
    ("mode", "is_usb", "warns"),
    [("write through", True, True), ("write back", True, False), ("write through", False, False)],
)
def test_D9_a_bridge_that_does_not_say_what_it_keeps_back_is_warned_of(
    tmp_path: Path, mode: str, is_usb: bool, warns: bool
) -> None:
    from dataclasses import replace

    (tmp_path / "sda" / "queue").mkdir(parents=True)
    (tmp_path / "sda" / "queue" / "write_cache").write_text(f"{mode}\n")
    disk = replace(STICK, is_usb=is_usb)
    assert bool(pairing.cache_warning(disk, tmp_path)) == warns
    assert pairing.cache_warning(replace(disk, node="/dev/sdz"), tmp_path) == ""
