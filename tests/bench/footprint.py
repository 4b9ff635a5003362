"""What the box costs while nothing happens: the daemon's start, memory and CPU; `status`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from .measure import BIN, Finding, environment, run

MEGABYTE = 10**6
_IDLE_SECONDS = 30


def measure(folder: Path, rounds: int) -> Iterator[Finding]:
    """Given an empty folder, yield what was found."""
    config = _configuration(folder)
    appliance = [BIN / "appliance", "--config", config]
    run([*appliance, "init", "disk"])
    process = subprocess.Popen(
        [*appliance, "daemon"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Finding("footprint", "daemon: until it answers", _until_it_answers(folder), "s")
        yield from _idle(process.pid)
        yield from _status(appliance, rounds)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _configuration(folder: Path) -> Path:
    inbox = folder / "inbox"
    inbox.mkdir()
    config = folder / "appliance.toml"
    config.write_text(
        f"""
        [appliance]
        state = '{folder}/state'
        [[source]]
        name = "inbox"
        type = "inbox"
        path = '{inbox}'
        schedule = "yearly on 1 jan at 03:00"
        [[repository]]
        name = "disk"
        path = '{folder}/disk'
        passphrase = "${{secret:disk}}"
    """.replace("yearly on 1 jan at 03:00", "monthly on 1 at 03:00")
    )
    return config


def _until_it_answers(folder: Path) -> float:
    began, pause = time.monotonic(), threading.Event()
    path = str(folder / "state" / "worker.sock")
    while time.monotonic() - began < 60:
        with socket.socket(socket.AF_UNIX) as caller:
            if caller.connect_ex(path) == 0:
                return time.monotonic() - began
        pause.wait(0.01)
    raise RuntimeError("the daemon did not answer")


def _idle(pid: int) -> Iterator[Finding]:
    pause = threading.Event()
    pause.wait(3)  # what belongs to its start
    before = _cpu_seconds(pid)
    pause.wait(_IDLE_SECONDS)
    share = 100 * (_cpu_seconds(pid) - before) / _IDLE_SECONDS
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    rss, private = (
        _kilobytes(rollup, key) / 1000 for key in (["Rss"], ["Private_Clean", "Private_Dirty"])
    )
    yield Finding("footprint", "daemon: idle memory (RSS)", rss, "MB", "<= 50", rss <= 50)
    yield Finding("footprint", "daemon: idle memory (private)", private, "MB")
    yield Finding("footprint", "daemon: idle CPU", share, "%", "< 0.1", share < 0.1)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/schedstat").read_text().split()
    threads = Path(f"/proc/{pid}/task").iterdir()
    del fields
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _kilobytes(rollup: str, keys: list[str]) -> float:
    found = (line.split() for line in rollup.splitlines())
    return sum(float(words[1]) for words in found if words[0].rstrip(":") in keys)


def _status(appliance: list[str | Path], rounds: int) -> Iterator[Finding]:
    costs = [run([*appliance, "status"], allowed=(0, 1, 3)) for _ in range(max(5, rounds))]
    wall = median(cost.wall_seconds for cost in costs)
    cpu = median(cost.cpu_seconds for cost in costs)
    load = os.getloadavg()[0]
    what = f"appliance status (machine load {load:.1f})"
    yield Finding("footprint", what, wall, "s", "<= 0.3", wall <= 0.3)
    yield Finding("footprint", "appliance status: CPU", cpu, "s")
