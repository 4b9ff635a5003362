"""Pairing a disk, and adopting one of a box that is gone: a person's act, as root.

Part of the rim. Root prepares the machine; what belongs to the box (repository, passphrase, mark)
is made by `appliance init`, as the user whom the state folder belongs to.
"""

from __future__ import annotations

import json
import os
import sys
import uuid as uuids
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .box import Box
from .config import Settings, editing, load
from .core.errors import ApplianceError, ConfigError, Problem, WrongDisk
from .core.model import AttachedDisk
from .hw import disks, pairing
from .hw.marker import Marker
from .system import process, service
from .system.socket import Client, WorkerAbsent


@dataclass(frozen=True, slots=True)
class Paired:
    """A disk that is ready, and what to do next."""

    name: str
    uuid: str
    sheet: str
    warning: str = ""


def require_root() -> None:
    """Raise ApplianceError where we are somebody else."""
    if os.geteuid() != 0:
        raise ApplianceError("Only root may prepare a disk.", hint="Put `sudo` before the command.")


def disk_at(node: str) -> AttachedDisk:
    """Given a device, return the disk; raise WrongDisk where none is there."""
    real = os.path.realpath(node)
    for disk in disks.attached():
        if disk.node == real or any(one.node == real for one in disk.filesystems):
            return disk
    raise WrongDisk(f"There is no disk at {node}.", hint="`appliance disk list` shows them.")


def box_id_of(file: Path) -> str:
    """Return the id of the box that a configuration describes, empty where it has none yet."""
    settings = load(file, complete=False)
    if not settings.ledger.exists():
        return ""
    return Box(settings).ledger.noted("box-id") or ""


def pair(
    file: Path,
    disk: AttachedDisk,
    name: str,
    typed: str,
    on_progress: Callable[[int, int], None],
    *,
    quick: bool = False,
) -> Paired:
    """Make a disk a backup disk of this box; what was cut off is taken up again.

    Raise WrongDisk where it must not be erased, ConfigError where the name cannot be had.
    """
    settings = load(file, complete=False)
    mark = pairing.mark_on(disk)
    ours = box_id_of(file)
    begun = mark is not None and mark.box_id == ours != ""
    if begun and mark is not None:
        _require_unfinished(settings, mark)
        identity = mark.uuid
    else:
        require_free(settings, name)
        editing.require_addable(file, name, disk.serial)
        found = pairing.signatures(disk.node)
        pairing.require_erasable(disk, found, mark, ours, typed)
        identity = _format(settings, disk, on_progress, quick=quick)
    return _enrol(file, settings, name, identity, disk.serial, ["init", name, "--json"], b"")


def _require_unfinished(settings: Settings, mark: Marker) -> None:
    known = {each.name: each.disk for each in settings.repository}
    if known.get(mark.name) == mark.uuid and mark.repository_id:
        raise WrongDisk(
            f"This disk is paired already: it is {mark.name} of this box.",
            hint="Nothing to do: plug it in, and it is used.",
        )


def require_free(settings: Settings, name: str) -> None:
    """Raise ConfigError where a name belongs to another place already."""
    if name in {each.name for each in settings.repository}:
        words = "there is one of this name already; take another one, or take that one out first"
        raise ConfigError([Problem(f"repository.{name}", words)])


def _format(
    settings: Settings,
    disk: AttachedDisk,
    on_progress: Callable[[int, int], None],
    *,
    quick: bool,
) -> str:
    identity = str(uuids.uuid4())
    owner = settings.state.stat()
    pairing.burn_in(disk.node, disk.size_bytes, on_progress, quick=quick)
    pairing.make_filesystem(disk.node, identity, (owner.st_uid, owner.st_gid))
    process.run([process.find("udevadm"), "settle"])
    return identity


def recover(file: Path, disk: AttachedDisk, name: str, passphrase: str) -> Paired:
    """Adopt the disk of a box that is gone, with all that is on it; nothing is formatted.

    Raise PassphraseWrong, leaving no trace, where the passphrase does not open it.
    """
    settings = load(file, complete=False)
    mark = pairing.mark_on(disk)
    if mark is None:
        raise WrongDisk(
            f"{disk.node} is no backup disk of such a box.",
            hint="`appliance disk list` shows what is on each disk.",
        )
    require_free(settings, name)
    editing.require_addable(file, name, disk.serial)
    argv = ["init", name, "--json", "--adopt"]
    try:
        return _enrol(file, settings, name, mark.uuid, disk.serial, argv, passphrase.encode())
    except ApplianceError:
        editing.remove_disk(file, name)
        raise


def _enrol(  # noqa: PLR0917 - what a disk of this box is
    file: Path,
    settings: Settings,
    name: str,
    identity: str,
    serial: str,
    argv: list[str],
    stdin: bytes,
) -> Paired:
    """Lay what the machine needs for the disk, then have the box itself make it its own."""
    place = settings.disks.mounts / name
    pairing.lay_mount_unit(identity, place, name)
    warning = pairing.lay_mount_point(place)
    _systemctl("daemon-reload")
    editing.add_disk(file, name, identity, serial)
    made = _as_the_box(file, argv, stdin)
    _tell_the_worker(file)
    return Paired(name, identity, str(made["sheet"]), warning)


def _as_the_box(file: Path, argv: list[str], stdin: bytes) -> dict[str, object]:
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


def _systemctl(verb: str) -> None:
    result = process.run([process.find("systemctl"), verb])
    if result.code != 0:
        raise service.UnitFailed(f"systemd could not {verb}.", detail=result.tail)


def _tell_the_worker(file: Path) -> None:
    box = Box(load(file))
    try:
        Client(box.socket).reload()
    except WorkerAbsent:
        return  # it reads the file when it starts
