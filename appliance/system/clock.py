"""The only home of the time: the wall clock, the clock that never jumps, and whether the wall
clock was set by somebody who knows.
"""

from __future__ import annotations

import ctypes
import errno
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..core.errors import ApplianceError
from .process import Limits, find, run

_TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")  # made anew at each boot
_RTC = Path("/sys/class/rtc/rtc0")
_RTC_AGREES_SECONDS = 600
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 512  # struct timex has 208 on 64 bits; the kernel fills in no more
_STATUS_OFFSET = 5  # in longs: modes (padded), offset, freq, maxerror, esterror, then status


_ANSWERS_WITHIN = Limits(total=timedelta(seconds=10))
_BELIEVED_SECONDS = 60


def timedated_says() -> bool:
    """Return what systemd says of the kernel's state; False where there is no systemd.

    Source: NTPSynchronized of org.freedesktop.timedate1(5), which is adjtimex(2) asked by another.
    """
    said: list[str] = []
    try:
        argv = [find("timedatectl"), "show", "--property=NTPSynchronized", "--value"]
        run(argv, on_line=said.append, limits=_ANSWERS_WITHIN)
    except ApplianceError:
        return False
    return said == ["yes"]


class SystemClock:
    """The machine's own clock, as core.ports.Clock wants it."""

    def __init__(
        self,
        kernel: Callable[[], bool | None] | None = None,
        ask: Callable[[], bool] = timedated_says,
    ) -> None:
        self._kernel = kernel or kernel_synchronised
        self._ask = ask
        self._asked_until = float("-inf")
        self._answer = False

    def now(self) -> datetime:
        """Return the wall-clock time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever go forward."""
        return time.monotonic()

    def is_synchronised(self) -> bool:
        """Return whether the network set the clock since boot, or a running hardware clock did.

        Sources: the kernel's adjtimex(2), systemd-timesyncd's mark, and /sys/class/rtc. The
        worker's cage forbids the first; there systemd is asked in our place, once a minute.
        """
        kernel = self._kernel()
        if kernel or _TIMESYNC_MARK.exists() or rtc_agrees(_RTC, time.time()):
            return True
        return kernel is None and self._systemd_says()

    def _systemd_says(self) -> bool:
        if self.monotonic() >= self._asked_until:
            self._answer = self._ask()
            self._asked_until = self.monotonic() + _BELIEVED_SECONDS
        return self._answer


def kernel_synchronised() -> bool | None:
    """Return what the kernel says: whether a time service steers the clock just now.

    None where we may not ask it.
    """
    timex = (ctypes.c_long * (_TIMEX_BYTES // ctypes.sizeof(ctypes.c_long)))()  # modes = 0: read
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    status = timex[_STATUS_OFFSET] & 0xFFFFFFFF
    if state == -1 and ctypes.get_errno() == errno.EPERM:
        return None
    return state not in (-1, _TIME_ERROR) and not status & _STA_UNSYNC


def rtc_agrees(rtc: Path, now_seconds: float) -> bool:
    """Return whether the kernel set its time from this hardware clock and it still agrees.

    A Pi 5 without a battery has one that starts at 1970: it does not agree for long.
    """
    try:
        used = (rtc / "hctosys").read_text().strip() == "1"
        seconds = int((rtc / "since_epoch").read_text())
    except (OSError, ValueError):
        return False
    return used and abs(seconds - now_seconds) <= _RTC_AGREES_SECONDS
