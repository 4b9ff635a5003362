"""The only home of systemd: what it is told about this process.

Without systemd (in the demo, in a terminal) nobody is told and nothing is missed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta


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
