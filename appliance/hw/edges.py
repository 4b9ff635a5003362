"""One input of the kernel's GPIO character device, waited for instead of looked at.

lgpio looks at its alerts two thousand times a second for as long as there is one; a box that
mostly waits for a finger should not. The kernel tells an edge by itself (uAPI v2, since Linux
5.10): see `linux/gpio.h`, whose structures and numbers these are.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

Changed = Callable[[bool, int], None]
"""Hears whether the line is high now, and since when: nanoseconds on the monotonic clock."""

GET_LINE = 0xC250B407
GET_VALUES = 0xC010B40E
_INPUT, _RISING, _FALLING = 1 << 2, 1 << 4, 1 << 5
_PULLS = MappingProxyType({"up": 1 << 8, "down": 1 << 9, "floating": 1 << 10})
_REQUEST = struct.Struct("=256s32sQI20x240xII20xi")
"""offsets, consumer, flags, attributes of which there are none, lines, buffer, descriptor"""
_EVENT = struct.Struct("=QIIII24x")
_VALUES = struct.Struct("=QQ")
_RISEN = 1
_EVENTS_AT_ONCE = 16


def requested(offset: int, pull: str) -> bytes:
    """Return what asks the kernel for a line as an input that tells both edges."""
    flags = _INPUT | _RISING | _FALLING | _PULLS[pull]
    return _REQUEST.pack(struct.pack("=I", offset), b"appliance button", flags, 0, 1, 0, 0)


class Line:
    """An open line; `changed` is called from a thread of its own, one edge after the other.

    Raise OSError where the kernel refuses it: the line is taken, or the kernel is older.
    """

    def __init__(self, chip: Path, offset: int, pull: str, changed: Changed) -> None:
        request = bytearray(requested(offset, pull))
        handle = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(handle, GET_LINE, request)
        finally:
            os.close(handle)
        self._events = Events(_REQUEST.unpack(request)[-1], changed)

    def is_high(self) -> bool:
        """Return the level now."""
        values = bytearray(_VALUES.pack(0, 1))
        fcntl.ioctl(self._events.handle, GET_VALUES, values)
        return bool(_VALUES.unpack(values)[0] & 1)

    def close(self) -> None:
        """Give the line back."""
        self._events.close()


class Events:
    """Reads events from a descriptor, which it closes in the end."""

    def __init__(self, handle: int, changed: Changed) -> None:
        self.handle = handle
        self._changed = changed
        self._closed = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="button", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading; when this returns, nothing is told any more."""
        os.eventfd_write(self._closed, 1)
        if self._thread is not threading.current_thread():
            self._thread.join()
        os.close(self._closed)
        os.close(self.handle)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        poll.register(self._closed, select.POLLIN)
        while self._closed not in dict(poll.poll()):
            data = os.read(self.handle, _EVENT.size * _EVENTS_AT_ONCE)
            if not data:
                return
            for when_ns, edge, *_ in _EVENT.iter_unpack(data):
                self._changed(edge == _RISEN, when_ns)
