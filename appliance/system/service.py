"""The only home of systemd: what it is told about this process, and which units it starts for us.

Without systemd (in the demo, in a terminal) nobody is told and nothing is missed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from ..core.errors import ApplianceError, ToolFailed
from ..core.ports import Watch
from .process import Limits, Result, find, run

UNIT_WITHIN = timedelta(minutes=65)
"""Longer than the longest of our oneshots may take: checking a disk's filesystem."""
_QUESTION_WITHIN = timedelta(seconds=20)
_NO_PERMISSION = 4  # systemctl(1), "Exit status": as LSB says; since systemd 254 it is often 1
_NO_SUCH_UNIT = 5
_NOT_ALLOWED = ("Interactive authentication required", "Access denied")
_DOCTOR = "Run `sudo appliance doctor`: it says what is wrong with the installation."


class UnitRefused(ApplianceError):
    """Raised when we may not start or stop a unit, or there is none of that name."""

    hint = _DOCTOR


class UnitFailed(ToolFailed):
    """Raised when a unit was started or stopped and that did not work."""


class Supervisor:
    """systemd, which started this process and wants to know how it is doing.

    Given no address it is nobody, and every call is for nothing. Source: sd_notify(3).
    """

    def __init__(self, address: str = "", watchdog: timedelta | None = None) -> None:
        self._address = address
        self.feed_every = watchdog / 2 if watchdog else None
        """How often `alive` wants to be called; None where no watchdog waits for it."""

    @classmethod
    def of(cls, environment: Mapping[str, str], process_id: int) -> Supervisor:
        """Given a process's environment and its id, return who supervises it."""
        return cls(environment.get("NOTIFY_SOCKET", ""), _watchdog(environment, process_id))

    @classmethod
    def ours(cls) -> Supervisor:
        """Return who supervises this process."""
        return cls.of(os.environ, os.getpid())

    def ready(self, sentence: str = "") -> None:
        """Say that this process does its work from now on."""
        self._say({"READY": "1", "STATUS": sentence})

    def status(self, sentence: str) -> None:
        """Say in words what this process does; `systemctl status` shows it."""
        self._say({"STATUS": sentence})

    def alive(self) -> None:
        """Feed the watchdog: call it only where the work itself was seen to move."""
        if self.feed_every is not None:
            self._say({"WATCHDOG": "1"})

    def stopping(self) -> None:
        """Say that this process is about to end."""
        self._say({"STOPPING": "1"})

    def _say(self, words: Mapping[str, str]) -> None:
        if not self._address:
            return
        lines = "\n".join(
            f"{name}={' '.join(text.split())}" for name, text in words.items() if text
        )
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.setblocking(False)  # a full queue must not hold up the work
            connection.sendto(lines.encode(), name)


def _watchdog(environment: Mapping[str, str], process_id: int) -> timedelta | None:
    """What a child inherited is not meant for it."""
    if environment.get("WATCHDOG_PID", str(process_id)) != str(process_id):
        return None
    try:
        length = timedelta(microseconds=int(environment.get("WATCHDOG_USEC", "0")))
    except (ValueError, OverflowError):
        return None
    return length if length > timedelta() else None


def start_unit(unit: str, watch: Watch | None = None, within: timedelta = UNIT_WITHIN) -> None:
    """Start a unit and return once it is active, or a oneshot has ended well.

    Raise UnitRefused, UnitFailed (`detail` says what systemd said), TimedOut or Cancelled.
    """
    _do("start", unit, watch, within)


def stop_unit(unit: str, watch: Watch | None = None) -> None:
    """Stop a unit and return once it is inactive; raise as `start_unit` does."""
    _do("stop", unit, watch, UNIT_WITHIN)


def unit_properties(unit: str, *names: str) -> dict[str, str]:
    """Given a unit and names of its properties, return them as systemctl prints them.

    A unit that there is none of has LoadState=not-found. Raise UnitFailed without systemd.
    """
    lines: list[str] = []
    wanted = f"--property={','.join(names)}"
    result = _systemctl("show", wanted, unit, on_line=lines, within=_QUESTION_WITHIN)
    if result.code != 0:
        raise UnitFailed(f"systemd does not answer about {unit}.", detail=result.tail)
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name: value for name, _, value in pairs}


def is_active(unit: str) -> bool:
    """Return whether a unit is active now."""
    return unit_properties(unit, "ActiveState").get("ActiveState") == "active"


def _do(verb: str, unit: str, watch: Watch | None, within: timedelta) -> None:
    result = _systemctl(verb, unit, watch=watch, within=within)
    if result.code == 0:
        return
    if result.code == _NO_SUCH_UNIT:
        raise UnitRefused(f"The system knows no {unit}.", detail=result.tail)
    if result.code == _NO_PERMISSION or any(words in result.tail for words in _NOT_ALLOWED):
        raise UnitRefused(f"The box may not {verb} {unit}.", detail=result.tail)
    raise UnitFailed(f"The system could not {verb} {unit}.", detail=result.tail)


def _systemctl(
    *arguments: str,
    within: timedelta,
    on_line: list[str] | None = None,
    watch: Watch | None = None,
) -> Result:
    return run(
        [find("systemctl"), "--no-ask-password", "--no-pager", *arguments],
        on_line=on_line.append if on_line is not None else None,
        limits=Limits(total=within),
        watch=watch,
    )
