"""What `sudo make install` and pairing laid down: program, system files, owners, disks."""

from __future__ import annotations

import filecmp
from pathlib import Path

from .. import place
from ..config import RepositorySection, SftpSource
from ..hw.usb_disk import mount_unit
from ..system import machine as facts
from ..system.machine import Owned
from ..web.people import FILE as PEOPLE
from .installation import AGAIN, PROGRAM, UNITS, Finding, Findings, Installation

_USERS = ("appliance", "appliance-panel", "appliance-web")
_MEMBERS = {
    "appliance-clients": ("appliance-panel", "appliance-web"),
    "gpio": ("appliance-panel",),
}


def program(box: Installation) -> Findings:
    """The release that is in place, and none that an interrupted upgrade left behind."""
    folder = box.machine.at(PROGRAM)
    if not (folder / "current" / "whole").is_file():
        yield Finding("program", "bad", "The program below /opt/appliance is not whole.", AGAIN)
        return
    releases = list((folder / "releases").iterdir())
    if len(releases) > 1:
        yield Finding("program", "warn", "An upgrade was cut off before its end.", AGAIN)
    else:
        yield Finding("program", "ok", "The program is whole.")


def system_files(box: Installation) -> Findings:
    """Units, rules, users' and folders' lists, as they were shipped."""
    for file in sorted(path for path in box.shipped.rglob("*") if path.is_file()):
        name = f"/{file.relative_to(box.shipped)}"
        there = box.machine.at(name)
        if not there.is_file():
            yield Finding("system_files", "bad", f"{name} is missing.", AGAIN)
        elif not filecmp.cmp(file, there, shallow=False):
            todo = f"{AGAIN} (What you want to change belongs into `systemctl edit`.)"
            yield Finding("system_files", "bad", f"{name} is not as it was shipped.", todo)
        else:
            yield Finding("system_files", "ok", f"{name} is as it was shipped.")


def users(box: Installation) -> Findings:
    """The services' users and groups."""
    known, groups = box.machine.users(), box.machine.groups()
    lost = [f"user {name}" for name in _USERS if name not in known]
    lost += [f"group {name}" for name in _MEMBERS if name not in groups]
    for group, wanted in _MEMBERS.items():
        outside = set(wanted) - box.machine.members(group)
        lost += [f"{name} in the group {group}" for name in sorted(outside)]
    if lost:
        yield Finding("users", "bad", f"Missing: {', '.join(lost)}.", AGAIN)
    else:
        yield Finding("users", "ok", "The services' users are there.")


def files(box: Installation) -> Findings:
    """Whose the configuration, the state and the secrets are, and who may read them."""
    fix = "Run: sudo systemd-tmpfiles --create /etc/tmpfiles.d/appliance.conf"
    if box.configuration.exists():
        owned = box.machine.owned(box.configuration)
        yield _as_wanted(box, box.configuration, owned.mode & 0o027 == 0, "others may read it", fix)
    owned = box.machine.owned(box.state)
    well = owned.user == "appliance" and owned.mode & 0o077 == 0
    yield _as_wanted(box, box.state, well, "it is not the worker's alone", fix)
    credentials = box.machine.at("/etc/appliance/credentials")
    if credentials.exists():
        owned = box.machine.owned(credentials)
        yield _as_wanted(box, credentials, owned == Owned("root", "root", 0o700), "not root's", fix)
    yield from _contents(box)


def _as_wanted(box: Installation, path: Path, well: bool, fault: str, todo: str) -> Finding:
    name = f"/{path.relative_to(box.machine.root)}"
    if well:
        return Finding("files", "ok", f"{name} is closed to everybody else.")
    return Finding("files", "bad", f"{name}: {fault}.", todo)


def _contents(box: Installation) -> Findings:
    """What root made among the worker's files stops the worker."""
    for folder in (box.state, box.state / "secrets"):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            owned = box.machine.owned(path)
            if owned.user != "appliance":
                todo = f"Run: sudo chown -R appliance:appliance {box.state}"
                yield Finding(
                    "files", "bad", f"{path} is not the worker's but {owned.user}'s.", todo
                )
            elif folder.name == "secrets" and owned.mode & 0o077:
                yield Finding("files", "bad", f"{path} can be read by others.", f"chmod 600 {path}")


def page(box: Installation) -> Findings:
    """The page's own things, which are nobody else's; and that they are somebody's at all."""
    folder = box.machine.at(place.PAGE)
    fix = f"Run: sudo chown -R appliance-web: {place.PAGE}; sudo chmod -R go= {place.PAGE}"
    for path in (folder, *sorted(folder.iterdir())):
        owned = box.machine.owned(path)
        well = owned.user == "appliance-web" and owned.mode & 0o077 == 0
        yield _as_wanted(box, path, well, "it is not the page's alone", fix)
    if not (folder / PEOPLE).exists():
        todo = "`sudo appliance web claim` prints the code that makes it yours."
        yield Finding("page", "warn", "The page is nobody's yet.", todo)


def keys(box: Installation) -> Findings:
    """Keys that the configuration names: page and panel read its folder, and must not read them."""
    for key in _keys(box):
        path = box.machine.at(key)
        if path.exists() and box.machine.owned(path).mode & 0o077:
            todo = f"Run: sudo chown appliance: {key}; sudo chmod 600 {key}"
            yield Finding("keys", "bad", f"{key} can be read by others than the worker.", todo)
        elif path.exists():
            yield Finding("keys", "ok", f"{key} is closed to everybody else.")


def _keys(box: Installation) -> tuple[Path, ...]:
    settings = box.settings
    if settings is None:
        return ()
    found = [each.key_file for each in settings.source if isinstance(each, SftpSource)]
    found += [each.ssh_key_file for each in settings.repository]
    found += [each.rclone_config for each in settings.mirror]
    return tuple(each for each in found if each is not None)


def permissions(box: Installation) -> Findings:
    """polkit, without which the worker may mount no disk."""
    daemons = ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")
    if any(box.machine.at(path).exists() for path in daemons):
        yield Finding("permissions", "ok", "The worker may have its disks mounted (polkit).")
    else:
        sentence = "polkit is missing: the worker may mount no disk."
        yield Finding("permissions", "bad", sentence, "Run: sudo apt install polkitd")


def disks(box: Installation) -> Findings:
    """Each disk's mount unit, and a mount point that nobody can fill while the disk is away."""
    settings = box.settings
    for each in box.disks if settings else ():
        point = settings.disks.mounts / each.name if settings else Path()
        yield from _mount_unit(each, box.machine.at(UNITS) / mount_unit(point))
        yield from _mount_point(box, each, box.machine.at(point))


def _mount_unit(disk: RepositorySection, unit: Path) -> Findings:
    again = f"Pair the disk again: sudo appliance disk pair DEVICE --name {disk.name}"
    if not unit.is_file():
        yield Finding("disks", "bad", f"{disk.name} has no {unit.name}: it is not mounted.", again)
    elif str(disk.disk) not in unit.read_text(encoding="utf-8"):
        yield Finding("disks", "bad", f"{unit.name} is about another disk than {disk.name}.", again)
    elif unit.stat().st_uid != 0:
        yield Finding("disks", "bad", f"{unit.name} is not root's.", f"sudo chown root: {unit}")
    else:
        yield Finding("disks", "ok", f"{disk.name} has its mount unit.")


def _mount_point(box: Installation, disk: RepositorySection, point: Path) -> Findings:
    name = f"/{point.relative_to(box.machine.root)}"
    if point.is_mount():
        yield Finding("disks", "ok", f"{disk.name} is mounted just now.")
    elif not point.is_dir():
        yield Finding("disks", "bad", f"{name} is missing.", f"Pair the disk {disk.name} again.")
    elif any(point.iterdir()):
        todo = f"Look what it is and move it away; then: sudo chattr +i {name}"
        yield Finding("disks", "bad", f"There are files in {name} though no disk is there.", todo)
    elif facts.is_immutable(point) is False:
        sentence = f"{name} can be written to while no disk is there."
        yield Finding("disks", "bad", sentence, f"Run: sudo chattr +i {name}")
    else:
        yield Finding("disks", "ok", f"{name} stays empty while no disk is there.")
