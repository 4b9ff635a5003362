"""Pairing a disk, and adopting one of a box that is gone: a person's act, as root.

Part of the rim. Root prepares the machine; what belongs to the box (repository, passphrase, mark)
is made by `appliance init`, as the user whom the state folder belongs to.

What was cut off is taken up again by the same command: the disk's mount unit is laid before the
disk gets the filesystem that it names, so a disk that we began with is known by it.
"""

from __future__ import annotations

import json
import os
import sys
import uuid as uuids
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .box import BOX_ID, Box
from .changing import editing
from .config import MOUNTS, Settings, load
from .core.errors import ApplianceError, ConfigError, Problem, WrongDisk
from .core.model import AttachedDisk
from .engine.memory import REPOSITORY_ID, key
from .hw import disks, erasable, pairing
from .hw.pairing import Marked
from .hw.usb_disk import mount_unit
from .identity import as_writer_of, require_harmless
from .pairing_request import enrolling
from .system import process, service
from .system.socket import Client, WorkerAbsent

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Paired:
    """A disk that is ready, and what to do next."""

    name: str
    uuid: str
    sheet: str
    warning: str = ""


class Host:
    """What pairing changes outside the box: this machine's units and mounts."""

    units = Path("/etc/systemd/system")

    def attached(self) -> Sequence[AttachedDisk]:
        """Return what is plugged in now, once udev has had its say."""
        process.run([process.find("udevadm"), "settle"])
        return disks.attached()

    def reload(self) -> None:
        """Have systemd read its units anew."""
        result = process.run([process.find("systemctl"), "daemon-reload"])
        if result.code != 0:
            raise service.UnitFailed("systemd could not daemon-reload.", detail=result.tail)

    @contextmanager
    def mounted(self, unit: str) -> Iterator[None]:
        """Have a disk mounted for a while."""
        service.start_unit(unit)
        try:
            yield
        finally:
            service.stop_unit(unit)

    def as_the_box(self, file: Path, argv: Sequence[str], stdin: bytes) -> Mapping[str, object]:
        """Run a command of ours that works as the box's own user; return what it says."""
        lines: list[str] = []
        said: list[str] = []
        whole = [sys.executable, "-m", "appliance", "--config", str(file), *argv]
        result = process.run(whole, on_line=lines.append, on_error_line=said.append, stdin=stdin)
        if result.code != 0:
            sentence = next((line.removeprefix("✗ ") for line in said if line), "It did not work.")
            hint = next((line.strip() for line in said[1:] if line), "")
            raise ApplianceError(sentence, hint=hint, detail=result.tail)
        made: dict[str, object] = json.loads("\n".join(lines))
        return made


def require_root() -> None:
    """Raise ApplianceError where we are somebody else."""
    if os.geteuid() != 0:
        raise ApplianceError("Only root may prepare a disk.", hint="Put `sudo` before the command.")


def disk_at(where: str) -> AttachedDisk:
    """Given a device, or the folder a disk is mounted at, return the disk.

    Raise WrongDisk where none is there.
    """
    real = os.path.realpath(where)
    for disk in disks.attached():
        if disk.node == real or any(real in (one.node, one.mounted_at) for one in disk.filesystems):
            return disk
    raise WrongDisk(f"There is no disk at {where}.", hint="`appliance disk list` shows them.")


def box_id_of(settings: Settings) -> str:
    """Return the id of the box that a configuration describes, empty where it has none yet."""
    return _noted(settings, BOX_ID)


def _noted(settings: Settings, what: str) -> str:
    """Ask the ledger, where there is one; none is made."""
    return (Box(settings).ledger.noted(what) or "") if settings.ledger.exists() else ""


def pair(  # noqa: PLR0917 - what a person said
    file: Path,
    disk: AttachedDisk,
    name: str,
    typed: str,
    on_progress: Progress,
    host: Host | None = None,
    *,
    quick: bool = False,
) -> Paired:
    """Make a disk a backup disk of this box; what was cut off is taken up again.

    Raise WrongDisk where it must not be erased, ConfigError where the name cannot be had.
    """
    host = host or Host()
    settings = _settings(file, name, disk.serial)
    with pairing.the_same(disk, host.attached):
        begun = _begun(settings, disk, name, host.units)
        if begun:
            require_free(settings, name, begun)
            _lay(settings, name, begun, host)
        else:
            require_free(settings, name)
            _require_never_used(settings, name)
            _require_erasable(settings, disk, typed)
            begun = _prepare(settings, disk, name, on_progress, host, quick=quick)
    warnings = (pairing.lay_mount_point(settings.disks.mounts / name), pairing.cache_warning(disk))
    paired = _enrol(file, name, begun, disk.serial, ["init", name, "--json"], host)
    return replace(paired, warning=" ".join(filter(None, warnings)))


def _settings(file: Path, name: str, serial: str) -> Settings:
    """Return what root may go by; raise ApplianceError where that is not all of it, ConfigError
    where a disk of this name cannot be added.
    """
    with as_writer_of(file):
        settings = load(file, complete=False)
        editing.require_addable(file, name, serial)
    require_harmless(file, settings.state, settings.disks.mounts, MOUNTS)
    return settings


def _begun(settings: Settings, disk: AttachedDisk, name: str, units: Path) -> str:
    """Return the UUID of the filesystem on a disk that we began with, empty where there is none.

    Raise WrongDisk where it was paired to the end.
    """
    found = pairing.mark_on(disk)
    if found is not None:
        ours = box_id_of(settings)
        if found.mark.box_id != ours or not ours or found.is_copied:
            return ""
        _require_unfinished(settings, found)
        return found.uuid
    place = settings.disks.mounts / name
    laid = pairing.uuid_in(place, units)
    return laid if any(one.uuid == laid and one.kind == "ext4" for one in disk.filesystems) else ""


def _require_unfinished(settings: Settings, found: Marked) -> None:
    names = {each.disk: each.name for each in settings.repository if each.disk}
    if found.uuid in names and found.mark.repository_id:
        raise WrongDisk(
            f"This disk is paired already: it is {names[found.uuid]} of this box.",
            hint="Nothing to do: plug it in, and it is used.",
        )


def require_free(settings: Settings, name: str, uuid: str = "") -> None:
    """Raise ConfigError where a name belongs to another place than this disk already."""
    for each in settings.repository:
        is_it = bool(uuid) and each.disk == uuid
        if each.name == name and not is_it:
            words = "there is one of this name already; take another, or take that one out first"
            raise ConfigError([Problem(f"repository.{name}", words)])
        if is_it and each.name != name:
            words = f"this disk was begun as {each.name}; go on with that name"
            raise ConfigError([Problem(f"repository.{name}", words)])


def _require_never_used(settings: Settings, name: str) -> None:
    """Raise ConfigError where a disk that is out of the configuration had this name.

    It may lie in a drawer, and the box keeps the only passphrase to it under that name.
    """
    if _noted(settings, key(REPOSITORY_ID, name)):
        words = "another disk had this name before, and its backups are kept; take another name"
        raise ConfigError([Problem(f"repository.{name}", words)])


def _require_erasable(settings: Settings, disk: AttachedDisk, typed: str) -> None:
    found = pairing.mark_on(disk)
    mark = found.mark if found is not None else None
    signatures = pairing.signatures(disk.node)
    erasable.require_erasable(disk, signatures, mark, box_id_of(settings), typed)


def _prepare(
    settings: Settings,
    disk: AttachedDisk,
    name: str,
    on_progress: Progress,
    host: Host,
    *,
    quick: bool,
) -> str:
    """Try the disk, lay what the machine needs for it, and make its filesystem; return its UUID."""
    identity = str(uuids.uuid4())
    owner = settings.state.stat()
    pairing.require_empty(settings.disks.mounts / name)
    pairing.burn_in(disk.node, disk.size_bytes, on_progress, quick=quick)
    _lay(settings, name, identity, host)
    pairing.make_filesystem(disk.node, identity, (owner.st_uid, owner.st_gid))
    return identity


def _lay(settings: Settings, name: str, identity: str, host: Host) -> None:
    place = settings.disks.mounts / name
    pairing.lay_mount_unit(identity, place, name, host.units)
    pairing.lay_mount_point(place)
    host.reload()


def recover(
    file: Path, disk: AttachedDisk, name: str, passphrase: str, host: Host | None = None
) -> Paired:
    """Adopt the disk of a box that is gone, with all that is on it; nothing is formatted.

    Raise ApplianceError, leaving disk and box as they were, where the passphrase does not open it.
    """
    host = host or Host()
    settings = _settings(file, name, disk.serial)
    uuid = _adoptable(settings, disk)
    require_free(settings, name, uuid)
    before = settings.repository
    try:
        return _adopt(file, settings, name, uuid, disk.serial, passphrase, host)
    except ApplianceError:
        if name not in {each.name for each in before}:
            _take_back(file, settings, name, host)
        raise


def _adoptable(settings: Settings, disk: AttachedDisk) -> str:
    found = pairing.mark_on(disk)
    if found is None:
        raise WrongDisk(
            f"{disk.node} is no backup disk of such a box.",
            hint="`appliance disk list` shows what is on each disk.",
        )
    if found.is_copied:
        raise WrongDisk(
            f"{disk.node} is a copy of {found.mark.name}, not the disk itself.",
            hint="Take the disk itself; from the copy, files can be restored by the sheet.",
        )
    if found.mark.box_id == box_id_of(settings):
        _require_unfinished(settings, found)
    return found.uuid


def _adopt(  # noqa: PLR0917 - what a disk of this box is
    file: Path,
    settings: Settings,
    name: str,
    uuid: str,
    serial: str,
    passphrase: str,
    host: Host,
) -> Paired:
    place = settings.disks.mounts / name
    pairing.require_empty(place)
    _lay(settings, name, uuid, host)
    owner = settings.state.stat()
    unit = mount_unit(place)
    with host.mounted(unit):
        before = pairing.hand_over(place, (owner.st_uid, owner.st_gid))
    argv = ["init", name, "--json", "--adopt"]
    try:
        return _enrol(file, name, uuid, serial, argv, host, passphrase.encode())
    except ApplianceError:
        with host.mounted(unit):
            pairing.hand_over(place, before)
        raise


def _take_back(file: Path, settings: Settings, name: str, host: Host) -> None:
    """Leave no trace of a disk that did not open."""
    with as_writer_of(file):
        if name in {each.name for each in load(file, complete=False).repository}:
            editing.remove_disk(file, name)
    pairing.take_mount_away(settings.disks.mounts / name, host.units)
    host.reload()


def _enrol(  # noqa: PLR0917 - what a disk of this box is
    file: Path,
    name: str,
    identity: str,
    serial: str,
    argv: Sequence[str],
    host: Host,
    stdin: bytes = b"",
) -> Paired:
    """Write the disk down, then have the box itself make it its own."""
    host.attached()  # udev has to know the new filesystem before anybody mounts it
    with ExitStack() as alone:
        with as_writer_of(file):
            alone.enter_context(enrolling(load(file, complete=False).state))
            editing.add_disk(file, name, identity, serial)
        made = host.as_the_box(file, argv, stdin)
    _tell_the_worker(file)
    return Paired(name, identity, str(made["sheet"]))


def _tell_the_worker(file: Path) -> None:
    with as_writer_of(file):
        box = Box(load(file))
    try:
        Client(box.socket).reload()
    except WorkerAbsent:
        return  # it reads the file when it starts
