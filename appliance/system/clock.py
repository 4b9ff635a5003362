"""The only home of the time: the wall clock, the clock that never jumps, and whether the wall
clock was set by somebody who knows.
"""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path

_TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")  # made anew at each boot
_RTC = Path("/sys/class/rtc/rtc0")
_RTC_AGREES_SECONDS = 600
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 512  # struct timex has 208 on 64 bits; the kernel fills in no more
_STATUS_OFFSET = 5  # in longs: modes (padded), offset, freq, maxerror, esterror, then status


class SystemClock:
    """The machine's own clock, as core.ports.Clock wants it."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever go forward."""
        return time.monotonic()

    def is_synchronised(self) -> bool:
        """Return whether the network set the clock since boot, or a running hardware clock did.

        Sources: the kernel's adjtimex(2), systemd-timesyncd's mark, and /sys/class/rtc.
        """
        return kernel_synchronised() or _TIMESYNC_MARK.exists() or rtc_agrees(_RTC, time.time())


def kernel_synchronised() -> bool:
    """Return what the kernel says: whether a time service steers the clock just now."""
    timex = (ctypes.c_long * (_TIMEX_BYTES // ctypes.sizeof(ctypes.c_long)))()  # modes = 0: read
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    status = timex[_STATUS_OFFSET] & 0xFFFFFFFF
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
