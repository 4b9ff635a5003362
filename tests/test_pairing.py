"""Pairing and adopting whole: real disks of files, real Borg, cut off anywhere and begun again."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance import enrolment, pairing
from appliance.box import Box
from appliance.changing import editing
from appliance.config import load
from appliance.core.errors import ApplianceError, ConfigError, WrongDisk
from appliance.core.model import AttachedDisk, Filesystem
from appliance.core.ports import Watch
from appliance.hw import disks, marker, usb_disk
from appliance.hw.disks import Found
from appliance.hw.pairing import burn_in, mark_on
from appliance.hw.usb_disk import UsbDisk
from appliance.pairing_request import is_enrolling
from appliance.system import files, process, service
from tests.hw import loops
from tests.hw.loops import run, sha256

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="only root may use loop devices"),
]
NOBODY, ANOTHER = 1234, 4321


class Ports(loops.Machine):
    """A machine whose disks are asked what is on them, as udev asks."""

    serials: dict[str, str]

    def insert(self, image: Path, serial: str = "SN1") -> AttachedDisk:
        node = run("losetup", "--find", "--show", image).stdout.decode().strip()
        self.loops.append(node)
        self.serials = {**getattr(self, "serials", {}), node: serial}
        return self.disk_of(node)

    def take_out(self, node: str) -> None:
        run("losetup", "-d", node)
        self.loops.remove(node)

    def disk_of(self, node: str) -> AttachedDisk:
        said = run("blkid", "-p", "-o", "export", node, check=False).stdout.decode()
        known = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        size = int(run("blockdev", "--getsize64", node).stdout)
        place = disks.mounts().get(self._number(node), "")
        one = Filesystem(node, known.get("TYPE", ""), known.get("UUID", ""), "", place)
        on_it = (one,) if one.kind else ()
        return AttachedDisk(node, "SanDisk", "Ultra", self.serials[node], size, on_it, True, False)

    @staticmethod
    def _number(node: str) -> tuple[int, int]:
        number = Path(node).stat().st_rdev
        return os.major(number), os.minor(number)

    def find(self, uuid: str) -> list[Found]:
        here = [self.disk_of(node) for node in self.loops]
        return [
            Found(one.node, self._number(one.node), one.serial)
            for one in here
            if any(each.uuid == uuid for each in one.filesystems)
        ]

    def exit_code(self, unit: str) -> int:
        return self.fsck_code


class Bench(pairing.Host):
    """Pairing's machine on top of that, and a box of its own whose commands run right here."""

    def __init__(self, folder: Path, ports: Ports, name: str) -> None:
        self.ports, self.folder = ports, folder / name
        self.units = self.folder / "units"
        self.state = self.folder / "state"
        self.mounts = self.folder / "mnt"
        for each in (self.units, self.state):
            each.mkdir(parents=True)
        self.file = self.folder / "appliance.toml"
        self.file.write_text(
            f'[appliance]\nname = "{name}"\nstate = "{self.state}"\n'
            f'[disks]\nmounts = "{self.mounts}"\n'
        )

    def attached(self) -> Sequence[AttachedDisk]:
        return [self.ports.disk_of(node) for node in self.ports.loops]

    def reload(self) -> None:
        for unit in self.units.glob("*.mount"):
            text = dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))
            place = Path(text["Where"])
            self.ports.places[unit.name] = (Path(text["What"]).name, place)

    @contextmanager
    def mounted(self, unit: str) -> Iterator[None]:
        self.ports.start(unit)
        try:
            yield
        finally:
            self.ports.stop(unit)

    def as_the_box(self, file: Path, argv: Sequence[str], stdin: bytes) -> Mapping[str, object]:
        assert is_enrolling(self.state), "or the worker would use the disk meanwhile"
        box = self.box()
        try:
            if "--adopt" in argv:
                made = enrolment.adopt_disk(box, argv[1], stdin.decode())
            else:
                made = enrolment.init_repository(box, argv[1])
        finally:
            box.ledger.close()
        return {"sheet": str(made.sheet)}

    def box(self) -> Box:
        settings = load(self.file)
        box = Box(settings)
        box.__dict__["disks"] = {
            each.name: UsbDisk(
                each.name,
                str(each.disk),
                each.serial,
                self.mounts / each.name,
                lambda: box.marker_key,
                self.state / "disks",
                find=self.ports.find,
                units=self.ports,
            )
            for each in settings.repository
            if each.disk
        }
        return box

    def pair(self, disk: AttachedDisk, name: str = "disk-a", typed: str = "") -> pairing.Paired:
        return pairing.pair(self.file, disk, name, typed, lambda *_: None, self, quick=True)

    def recover(self, disk: AttachedDisk, passphrase: str, name: str = "disk-a") -> pairing.Paired:
        return pairing.recover(self.file, disk, name, passphrase, self)

    def passphrase(self, name: str = "disk-a") -> str:
        return (self.state / "secrets" / name).read_text().strip()


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ports]:
    ports = Ports(tmp_path)
    monkeypatch.setattr(disks, "with_uuid", ports.find)
    monkeypatch.setattr(service, "start_unit", ports.start)
    yield ports
    ports.close()
    run("chattr", "-R", "-i", tmp_path, check=False)


@pytest.fixture
def bench(tmp_path: Path, ports: Ports) -> Bench:
    return Bench(tmp_path, ports, "office")


@pytest.fixture
def stick(tmp_path: Path, ports: Ports) -> AttachedDisk:
    return ports.insert(blank(tmp_path / "stick.img"))


def blank(path: Path, size: str = "112M") -> Path:
    run("truncate", "-s", size, path)
    return path


def is_used(bench: Bench, name: str = "disk-a") -> bool:
    """Whether the box itself takes the disk for its own and finds its repository there."""
    box = bench.box()
    try:
        box.disks[name].attach(Watch())
        return len(box.repositories[name].id()) == 64
    finally:
        box.release()
        box.ledger.close()


def now(bench: Bench, node: str) -> AttachedDisk:
    return bench.ports.disk_of(node)


def test_a_blank_disk_becomes_a_backup_disk_and_rests_until_it_is_used(bench, stick) -> None:
    paired = bench.pair(stick)
    assert is_used(bench)
    (entry,) = load(bench.file).repository
    assert (entry.name, entry.disk, entry.serial) == ("disk-a", paired.uuid, "SN1")
    assert bench.passphrase() in Path(paired.sheet).read_text()
    assert not bench.box().disks["disk-a"].is_attached()
    with pytest.raises(OSError, match="not permitted"):
        (bench.mounts / "disk-a" / "x").touch()


def test_a_disk_that_is_paired_already_is_told_so_and_keeps_every_byte(bench, stick) -> None:
    bench.pair(stick)
    run("sync")
    before = sha256(bench.folder.parent / "stick.img")
    for name in ("disk-a", "disk-b"):
        with pytest.raises(ApplianceError, match="paired already: it is disk-a"):
            bench.pair(now(bench, stick.node), name, "SN1")
    run("sync")
    assert sha256(bench.folder.parent / "stick.img") == before


def test_a_disk_without_a_serial_number_is_erased_by_a_word_and_used(
    bench, ports, tmp_path
) -> None:
    other = ports.insert(blank(tmp_path / "nameless.img"), "")
    run("mkfs.ext4", "-q", "-F", other.node)
    with pytest.raises(WrongDisk, match="is not empty") as refused:
        bench.pair(now(bench, other.node))
    assert refused.value.hint.endswith("add --erase ERASE")
    bench.pair(now(bench, other.node), typed="ERASE")
    assert is_used(bench)


def test_D2_another_disk_in_the_port_by_the_time_of_the_answer_keeps_every_byte(
    bench, ports, stick, tmp_path
) -> None:
    """A person is asked; meanwhile the stick goes and a customer's disk gets its name."""
    ports.take_out(stick.node)
    photos = blank(tmp_path / "photos.img")
    run("mkfs.ext4", "-q", "-F", photos)
    before = sha256(photos)
    other = ports.insert(photos, "PHOTOS")
    assert other.node == stick.node
    with pytest.raises(WrongDisk, match="not what it was a moment ago"):
        bench.pair(stick, typed="SN1")
    run("sync")
    assert sha256(photos) == before


def test_D2_a_disk_that_somebody_mounted_meanwhile_is_not_erased(bench, stick, tmp_path) -> None:
    run("mkfs.ext4", "-q", "-F", stick.node)
    shown = now(bench, stick.node)
    place = tmp_path / "at"
    place.mkdir()
    run("mount", stick.node, place)
    with pytest.raises(WrongDisk):
        bench.pair(shown, typed="SN1")
    with pytest.raises(WrongDisk, match="is in use"):
        burn_in(stick.node, stick.size_bytes, lambda *_: None)
    run("umount", place)


def test_a_mount_point_with_something_in_it_stops_pairing_before_anything_is_erased(
    bench, stick, tmp_path
) -> None:
    lost = bench.mounts / "disk-a" / "lost-and-found.txt"
    lost.parent.mkdir(parents=True)
    lost.write_text("x")
    before = sha256(tmp_path / "stick.img")
    with pytest.raises(ApplianceError, match="There is something in"):
        bench.pair(stick)
    assert sha256(tmp_path / "stick.img") == before
    assert lost.read_text() == "x"


def test_a_name_whose_disk_may_lie_in_a_drawer_is_refused_before_anything_is_erased(
    bench, ports, stick, tmp_path
) -> None:
    bench.pair(stick)
    editing.remove_disk(bench.file, "disk-a")
    other = ports.insert(blank(tmp_path / "other.img"), "SN2")
    before = sha256(tmp_path / "other.img")
    with pytest.raises(ConfigError, match="take another name"):
        bench.pair(other)
    run("sync")
    assert sha256(tmp_path / "other.img") == before


@pytest.mark.parametrize("name", ["../../etc", "Disk A", "a/b", "", "x\nOptions=suid"])
def test_a_name_that_is_none_reaches_neither_units_nor_folders(bench, stick, name) -> None:
    with pytest.raises(ConfigError):
        bench.pair(stick, name)
    assert list(bench.units.iterdir()) == []
    assert not bench.mounts.exists()


class PowerCut(BaseException):
    """The end, without a goodbye."""


STEPS = [
    (process, "run"),
    (process, "started"),
    (files, "_write_synced"),
    (os, "pwrite"),
    (os, "chown"),
    (os, "fchmod"),
    (Path, "replace"),
    (usb_disk, "prove_writable"),
]


@contextmanager
def dying_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Die before the effect of that number: what changes the world, or starts a program."""
    seen = [0]

    def watched(act: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **named: object) -> object:
            seen[0] += 1
            if seen[0] >= number:
                raise PowerCut
            return act(*args, **named)

        return step

    with monkeypatch.context() as patch:
        for home, name in STEPS:
            patch.setattr(home, name, watched(getattr(home, name)))
        yield seen


def after_the_cut(bench: Bench) -> None:
    """The power is back: nothing is mounted any more, no lock is held."""
    for _, place in bench.ports.places.values():
        run("umount", place, check=False)


@contextmanager
def paired_already_is_fine() -> Iterator[None]:
    """After the last mark come only a note for whoever finds the disk, and a word to the worker."""
    try:
        yield
    except WrongDisk as error:
        if "paired already" not in error.message:
            raise


def test_pairing_cut_off_at_any_step_is_finished_by_the_same_command(
    tmp_path, ports, monkeypatch
) -> None:
    number = 1
    ended = False
    while not ended:
        bench = Bench(tmp_path, ports, f"office-{number}")
        image = blank(tmp_path / f"stick-{number}.img")
        disk = ports.insert(image)
        try:
            with dying_at(number, monkeypatch):
                bench.pair(disk)
            ended = True
        except PowerCut:
            after_the_cut(bench)
            with paired_already_is_fine():
                bench.pair(now(bench, disk.node))
        assert is_used(bench), f"cut at {number}"
        ports.take_out(disk.node)
        image.unlink()
        number += 8  # each of them was tried once; all of them would take minutes
    assert number > 40


def test_what_was_begun_under_one_name_goes_on_only_under_that_name(
    bench, stick, monkeypatch
) -> None:
    monkeypatch.setattr(bench, "as_the_box", lambda *_: (_ for _ in ()).throw(PowerCut()))
    with pytest.raises(PowerCut):
        bench.pair(stick)
    monkeypatch.undo()
    with pytest.raises(WrongDisk, match="not empty"):
        bench.pair(now(bench, stick.node), "disk-b")


@pytest.fixture
def theirs(tmp_path: Path, ports: Ports, stick: AttachedDisk) -> Bench:
    """Another box, which paired the stick and is gone."""
    bench = Bench(tmp_path, ports, "gone")
    os.chown(bench.state, ANOTHER, ANOTHER)
    bench.pair(stick)
    with mounted(stick.node, tmp_path / "look") as place:
        run("chown", "-R", f"{ANOTHER}:{ANOTHER}", place)
    return bench


@contextmanager
def mounted(node: str, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    run("mount", node, place)
    try:
        yield place
    finally:
        run("umount", place)


def whole(node: str, place: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a disk with its owner, mode and content."""
    with mounted(node, place) as there:
        return {
            str(one.relative_to(there)): (
                one.lstat().st_uid,
                one.lstat().st_mode,
                one.read_bytes() if one.is_file() else b"",
            )
            for one in [there, *there.rglob("*")]
            if one.name != "lost+found"
        }


def test_the_disk_of_a_box_that_is_gone_is_taken_over_with_all_that_is_on_it(
    bench, theirs, stick, tmp_path
) -> None:
    os.chown(bench.state, NOBODY, NOBODY)
    paired = bench.recover(now(bench, stick.node), theirs.passphrase())
    assert is_used(bench)
    found = whole(stick.node, tmp_path / "look")
    assert {owner for owner, _, _ in found.values()} - {0} == {NOBODY}
    with mounted(stick.node, tmp_path / "look") as place:
        mark = marker.verified(place, bench.box().marker_key)
    assert (mark.box_name, mark.uuid) == ("office", paired.uuid)
    with pytest.raises(WrongDisk, match="belongs to another box"):
        theirs.box().disks["disk-a"].attach(Watch())


def test_a_wrong_passphrase_leaves_disk_and_box_as_they_were(
    bench, theirs, stick, tmp_path
) -> None:
    os.chown(bench.state, NOBODY, NOBODY)
    disk, text = whole(stick.node, tmp_path / "look"), bench.file.read_text()
    with pytest.raises(ApplianceError) as caught:
        bench.recover(now(bench, stick.node), "not the one")
    assert "emergency sheet" in caught.value.hint
    assert whole(stick.node, tmp_path / "look") == disk
    assert bench.file.read_text().strip() == text.strip()
    assert list(bench.units.iterdir()) == []
    assert not (bench.mounts / "disk-a").exists()
    assert not (bench.state / "secrets" / "disk-a").exists()
    assert is_used(theirs)


def test_a_box_that_died_while_it_wrote_left_a_lock_that_holds_nobody_up(
    bench, theirs, stick, tmp_path
) -> None:
    with mounted(stick.node, tmp_path / "look") as place:
        lock = place / "appliance" / "lock.exclusive"
        lock.mkdir()
        (lock / "appliance@99999.4242-0").touch()
        run("chown", "-R", str(ANOTHER), lock)
    bench.recover(now(bench, stick.node), theirs.passphrase())
    assert is_used(bench)


def test_the_passphrase_of_a_disk_in_a_drawer_is_never_written_over(bench, theirs, stick) -> None:
    secrets = bench.state / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "disk-a").write_text("the only one\n")
    (secrets / "disk-a").chmod(0o600)
    with pytest.raises(ApplianceError, match="passphrase of another disk"):
        bench.recover(now(bench, stick.node), theirs.passphrase())
    assert bench.passphrase() == "the only one"
    bench.recover(now(bench, stick.node), theirs.passphrase(), "disk-b")
    assert is_used(bench, "disk-b")


def test_taking_over_cut_off_at_any_step_is_finished_by_the_same_command(
    tmp_path, ports, theirs, stick, monkeypatch
) -> None:
    run("sync")
    kept = (tmp_path / "stick.img").read_bytes()
    ports.take_out(stick.node)
    number = 1
    ended = False
    while not ended:
        bench = Bench(tmp_path, ports, f"office-{number}")
        os.chown(bench.state, NOBODY, NOBODY)
        image = tmp_path / f"stick-{number}.img"
        image.write_bytes(kept)
        disk = ports.insert(image)
        try:
            with dying_at(number, monkeypatch):
                bench.recover(disk, theirs.passphrase())
            ended = True
        except PowerCut:
            after_the_cut(bench)
            with paired_already_is_fine():
                bench.recover(now(bench, disk.node), theirs.passphrase())
        assert is_used(bench), f"cut at {number}"
        ports.take_out(disk.node)
        image.unlink()
        number += 8
    assert number > 30


def test_a_hostile_mark_makes_no_unit_and_is_shown_without_its_tricks(
    bench, ports, tmp_path
) -> None:
    image = loops.make_image(tmp_path / "hostile.img", loops.A, "112M")
    evil = "x\nOptions=suid\n[Mount]\nWhat=/dev/vda"
    with mounted(image_node(ports, image), tmp_path / "look") as place:
        facts = marker.Marker("other", "\x1b[2JBox", "../../etc", evil, "SN1", "0" * 64, loops.NOW)
        marker.write(place, facts, b"theirs")
    disk = ports.disk_of(ports.loops[-1])
    with pytest.raises(WrongDisk) as caught:
        bench.recover(disk, "whatever", "disk-a")
    assert "\x1b" not in str(caught.value)
    with pytest.raises(WrongDisk) as caught:
        bench.pair(disk, typed="SN1")
    assert "\x1b" not in str(caught.value)
    assert list(bench.units.iterdir()) == []


def image_node(ports: Ports, image: Path) -> str:
    return ports.insert(image).node


def test_a_mark_as_long_as_the_disk_is_not_read_into_memory(bench, ports, tmp_path) -> None:
    image = loops.make_image(tmp_path / "long.img", loops.A, "112M")
    node = image_node(ports, image)
    with mounted(node, tmp_path / "look") as place:
        subprocess.run(["truncate", "-s", "20G", place / marker.FILE], check=True)
    assert mark_on(ports.disk_of(node)) is None
