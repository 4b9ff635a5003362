"""Runs programs and says what they cost: wall clock, CPU with all children, peak memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import IO

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Cost:
    """What one program, and all that it started, took."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Of the largest single process among them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result: what was measured, and whether the target is met."""

    part: str
    what: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    given: Path | None = None,
    allowed: Sequence[int] = (0,),
) -> Cost:
    """Run a program to its end; raise RuntimeError with its last words if it fails."""
    with open(given or os.devnull, "rb") as stdin, tempfile.TemporaryFile() as report:  # noqa: PTH123 - may be /dev/null
        watcher = [sys.executable, "-I", "-S", "-c", _WATCHER, str(report.fileno())]
        process = subprocess.Popen(
            [*watcher, *(str(part) for part in argv)],
            env=environment(env),
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[report.fileno()],
        )
        said = _tail(process.stdout)
        if (code := process.wait()) not in allowed:
            raise RuntimeError(f"{' '.join(map(str, argv))} ended with {code}: {said}")
        report.seek(0)
        wall, cpu, peak_kilobytes = (float(word) for word in report.read().split())
    return Cost(wall, cpu, round(peak_kilobytes * 1024))


# Stands between us and the program: Linux counts what a program's parent occupied when it forked
# as the program's own, so the parent must be small (some 9 MB, the least we can tell).
_WATCHER = """
import os, sys, time
began = time.monotonic()
try:
    child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error}")
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - began
words = f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}"
os.write(int(sys.argv[1]), words.encode())
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def _tail(stream: IO[bytes] | None) -> str:
    kept = b""
    while stream and (data := stream.read1(1 << 16)):
        kept = (kept + data)[-2000:]
    if stream:
        stream.close()
    return kept.decode("utf-8", "replace")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a bare environment in which our own programs are found first."""
    path = f"{BIN}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    home = {"HOME": os.environ.get("HOME", "/")}
    return {"PATH": path, "LANG": "C.UTF-8", "TZ": "UTC"} | home | dict(more or {})


def alternate(contenders: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """Run each contender once per round, another one first each time."""
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            costs[name].append(contenders[name]())
    return costs


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the medians, each by itself."""
    return Cost(
        median(cost.wall_seconds for cost in costs),
        median(cost.cpu_seconds for cost in costs),
        round(median(cost.peak_bytes for cost in costs)),
    )


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def missing(*programs: str) -> list[str]:
    """Return which programs this machine does not have."""
    path = environment()["PATH"]
    return [name for name in programs if shutil.which(name, path=path) is None]
