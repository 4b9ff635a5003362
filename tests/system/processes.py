"""Looks at the processes of one office: every child inherits TMPDIR, so it marks them all."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from time import monotonic

_LOOK_EVERY_SECONDS = 0.02
_DEAR_SECONDS = 0.2


def marked(folder):
    """An environment for a command; whatever it starts can be found again by `of`."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return os.environ | {"TMPDIR": str(temporary)}


def of(folder):
    """The process ids and command lines of all that were started with `marked(folder)`."""
    mark = f"TMPDIR={folder / 'tmp'}\0".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() + b"\0" and not is_dead(process):
                found[int(process.name)] = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it ended, or is not ours
    return found


def is_dead(process):
    return "\nState:\tZ" in (process / "status").read_text()


def until(condition, seconds=10.0):
    """Look again and again until a condition holds; return whether it did in time."""
    pause, give_up = threading.Event(), monotonic() + seconds
    began = monotonic()
    while not condition():
        if monotonic() > give_up:
            return False
        took = monotonic() - began  # where a command is asked, it must not take all of the machine
        pause.wait(_LOOK_EVERY_SECONDS if took < _DEAR_SECONDS else 2 * took)
        began = monotonic()
    return True


def left_over(folder, seconds=10.0):
    """What still runs of an office after the time it takes to end."""
    until(lambda: not of(folder), seconds)
    return of(folder)
