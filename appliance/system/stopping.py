"""The only home of what is finished although somebody wants this process to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def not_stopped() -> Iterator[None]:
    """Put off being ended until the block is over, where it runs in the main thread; keep it short:
    who waits for too long kills.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {each: signal.signal(each, note) for each in _ENDS}
    try:
        yield
    finally:
        for each, how in before.items():
            signal.signal(each, how)
        if came:
            signal.raise_signal(came[0])
