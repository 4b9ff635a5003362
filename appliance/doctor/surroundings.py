"""What the machine has: tools, a clock, a name, pins, a watchdog, memory, room."""

from __future__ import annotations

from datetime import timedelta

from ..core.errors import ToolFailed
from ..mirrors.transfer import OLDEST_RCLONE
from ..repositories.program import checked_borg
from ..system import machine as facts
from ..system import process
from ..system.clock import SystemClock
from .installation import AGAIN, Finding, Findings, Installation

_ROOM_BYTES = 300 * 10**6
_RUN_ROOM_BYTES = 10 * 10**6
_NAME_WITHIN = timedelta(seconds=3)
_SLOW_SECONDS = 1.0
_TOOLS = {
    "fsck.ext4": "e2fsprogs",
    "mkfs.ext4": "e2fsprogs",
    "smartctl": "smartmontools",
    "sg_sync": "sg3-utils",
    "ssh": "openssh-client",
}


def programs(_: Installation) -> Findings:
    """The tools, and the oldest versions that are safe (traps, section 7)."""
    try:
        checked_borg(process.find("borg"), asking=True)
        yield Finding("programs", "ok", "Borg is one that can be trusted.")
    except ToolFailed as error:
        yield Finding("programs", "bad", f"{error.message} ({error.detail})", AGAIN)
    rclone = facts.version_of("rclone", "version") if facts.is_installed("rclone") else ()
    if rclone >= OLDEST_RCLONE:
        yield Finding("programs", "ok", "rclone is one that can be trusted.")
    else:
        yield Finding("programs", "bad", "rclone is missing or too old.", AGAIN)
    for tool, package in _TOOLS.items():
        if facts.is_installed(tool):
            yield Finding("programs", "ok", f"{tool} is there.")
        else:
            yield Finding("programs", "bad", f"{tool} is missing.", f"sudo apt install {package}")


def clock(_: Installation) -> Findings:
    """Whether somebody sets the clock."""
    if SystemClock().is_synchronised():
        yield Finding("clock", "ok", "The clock is set by the network.")
    else:
        sentence = "Nobody has set the clock since the start. Backups run; nothing is tidied up."
        todo = "Connect the box to the internet, or: sudo apt install systemd-timesyncd"
        yield Finding("clock", "warn", sentence, todo)


def host_name(_: Installation) -> Findings:
    """The machine's own name, which Borg looks up at every start."""
    seconds = facts.seconds_to_find_own_name(_NAME_WITHIN)
    if seconds is not None and seconds < _SLOW_SECONDS:
        yield Finding("host_name", "ok", "The machine finds its own name at once.")
    else:
        todo = "Add a line to /etc/hosts: 127.0.1.1 and the name that `hostname` prints."
        sentence = "The machine does not find its own name: every step waits for seconds."
        yield Finding("host_name", "warn", sentence, todo)


def pins(box: Installation) -> Findings:
    """The device that lamps and button hang on, where the configuration has a panel."""
    if box.settings is None or box.settings.panel is None:
        return
    devices = box.machine.pin_devices()
    if not devices:
        sentence = "There are lamps in the configuration, but this machine has no pins for them."
        yield Finding("pins", "bad", sentence, "Remove [panel], or look whether this is a Pi.")
    for device in devices:
        owned = box.machine.owned(device)
        if owned.group == "gpio" and owned.mode & 0o060 == 0o060:
            yield Finding("pins", "ok", f"The panel may use {device.name}.")
        else:
            todo = "Run: sudo udevadm trigger --subsystem-match=gpio"
            yield Finding("pins", "bad", f"The panel may not use {device.name}.", todo)


def watchdog(box: Installation) -> Findings:
    """What starts the box anew when it hangs."""
    match box.machine.watchdog():
        case "active":
            yield Finding("watchdog", "ok", "A box that hangs starts anew by itself.")
        case "":
            yield Finding("watchdog", "warn", "The machine has no watchdog: it may hang for ever.")
        case _:
            yield Finding("watchdog", "warn", "The watchdog does not work.", "Restart the machine.")


def memory(box: Installation) -> Findings:
    """Whether the kernel holds the services to their share."""
    if box.machine.limits_memory():
        yield Finding("memory", "ok", "The services are held to their share of the memory.")
    else:
        todo = "Add to the one line of /boot/firmware/cmdline.txt: cgroup_enable=memory. Restart."
        sentence = "The kernel does not limit memory: a large backup could choke the machine."
        yield Finding("memory", "warn", sentence, todo)


def room(box: Installation) -> Findings:
    """Room for the ledger, and for what lasts until the next start."""
    for path, least in ((box.state, _ROOM_BYTES), (box.machine.at("/run"), _RUN_ROOM_BYTES)):
        name = f"/{path.relative_to(box.machine.root)}"
        if box.machine.free_bytes(name) >= least:
            yield Finding("room", "ok", f"There is room in {name}.")
        else:
            yield Finding("room", "bad", f"There is hardly any room left in {name}.", "Make room.")
