"""The only home of subprocess: starts programs, streams them, stops them.

Every program runs in its own process group with a bare environment and no standard input
unless given one. It is stopped (TERM to the group, KILL after a grace) when somebody cancels,
when it takes too long, when it falls silent too long, and by the kernel when this process dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from time import monotonic
from typing import IO

from ..core.errors import Cancelled, ToolFailed
from ..core.ports import Watch

KILL_AFTER = timedelta(seconds=30)
_LOOK_EVERY_SECONDS = 0.1
_TAIL_LINES = 40
_INHERITED = ("HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")


class TimedOut(ToolFailed):
    """Raised when a program took longer, or was silent for longer, than it may."""

    retry = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a program may take in all, and between two signs of life."""

    total: timedelta | None = None
    idle: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended: its exit code (128 + signal when killed) and its last words."""

    code: int
    tail: str


def find(program: str) -> str:
    """Given a program's name, return its path: beside our own Python first, then on PATH.

    Raise ToolFailed if it is not installed.
    """
    beside = Path(sys.executable).parent / program
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # where Debian keeps servers
    found = str(beside) if beside.exists() else shutil.which(program, path=path)
    if found is None:
        raise ToolFailed(f"The program {program} is not installed.", hint="Run `make install`.")
    return found


def installed_version(path: str, package: str) -> str:
    """Given a program's path and the Python package it came with, return the package's version;
    empty where the program is not the one beside our own Python.

    It spares a start of the program, which may cost seconds on a small board.
    """
    if Path(path).parent != Path(sys.executable).parent:
        return ""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


class Running:
    """A started program: read `stdout`, then ask for the `result`."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, watch: Watch) -> None:
        self._process = process
        self._limits = limits
        self._watch = watch
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ended = threading.Event()
        self._listener: threading.Thread | None = None
        self._stopped_for: ToolFailed | Cancelled | None = None
        self._started = self._last_sign = monotonic()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    @property
    def stdout(self) -> IO[bytes]:
        """The program's output; call `sign_of_life` while reading where an idle limit is set."""
        if self._process.stdout is None:
            raise ValueError("stdout is not a pipe")
        return self._process.stdout

    @property
    def alive(self) -> bool:
        """Whether the program has not ended yet."""
        return self._process.poll() is None

    def sign_of_life(self) -> None:
        """Start the idle limit anew."""
        self._last_sign = monotonic()

    def heard(self, line: str) -> None:
        """Keep a line for the tail."""
        self._tail.append(line)
        self.sign_of_life()

    def result(self) -> Result:
        """Wait for the end; raise Cancelled or TimedOut where we stopped it."""
        code = self._process.wait()
        self._ended.set()
        self._supervisor.join()
        if self._listener:
            self._listener.join(timeout=1)  # a grandchild may hold the pipe for longer
        if self._stopped_for is not None:
            raise self._stopped_for
        return Result(128 - code if code < 0 else code, "\n".join(self._tail))

    def listen_to(self, on_line: Callable[[str], None] | None) -> threading.Thread:
        """Keep the last lines of stderr, and hand each to `on_line`."""

        def listen() -> None:
            if self._process.stderr is None:
                return
            with self._process.stderr as stream:
                for raw in stream:
                    line = raw.decode("utf-8", "replace").rstrip("\n")
                    self.heard(line)
                    if on_line:
                        on_line(line)

        self._listener = threading.Thread(target=listen, daemon=True)
        self._listener.start()
        return self._listener

    def stop(self) -> None:
        """Ask the whole group to end, then make it."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(KILL_AFTER.total_seconds())
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _supervise(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS) and self._process.poll() is None:
            self._stopped_for = self._reason_to_stop()
            if self._stopped_for is not None:
                self.stop()
                return

    def _reason_to_stop(self) -> ToolFailed | Cancelled | None:
        now, limits = monotonic(), self._limits
        if self._watch.cancel.is_set():
            return Cancelled("Stopped because somebody asked for it.")
        if limits.total and now - self._started > limits.total.total_seconds():
            return TimedOut(f"It took longer than {limits.total} and was stopped.")
        if limits.idle and now - self._last_sign > limits.idle.total_seconds():
            return TimedOut(f"Nothing happened for {limits.idle}, so it was stopped.")
        return None


@contextmanager
def started(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    secrets: Mapping[str, str] | None = None,
    on_error_line: Callable[[str], None] | None = None,
    limits: Limits | None = None,
    watch: Watch | None = None,
) -> Iterator[Running]:
    """Start a program whose output the caller reads; it never outlives the block.

    `secrets` maps the name of an environment variable to a secret: the variable then holds the
    number of a pipe to read the secret from (as BORG_PASSPHRASE_FD wants it). `env` adds to a
    bare environment.
    """
    with ExitStack() as stack:
        handed, pipes = _pipes(secrets or {}, stack)
        process = subprocess.Popen(  # noqa: S603 - fixed programs, no shell
            _dying_with_us(argv),
            env=_bare_environment() | dict(env or {}) | handed,
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pipes,
            start_new_session=True,
        )
        running = Running(process, limits or Limits(), watch or Watch())
        helpers = [running.listen_to(on_error_line)]
        if stdin is not None:
            helpers.append(_feed(process, stdin))
        try:
            yield running
        finally:
            running.stop()
            for helper in helpers:
                helper.join()
            running.stdout.close()


def run(
    argv: Sequence[str],
    *,
    on_line: Callable[[str], None] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    secrets: Mapping[str, str] | None = None,
    on_error_line: Callable[[str], None] | None = None,
    limits: Limits | None = None,
    watch: Watch | None = None,
) -> Result:
    """Run a program to its end, handing each line of output to `on_line`; return how it ended.

    The other arguments are those of `started`. Raise Cancelled or TimedOut where it was stopped.
    """
    with started(
        argv,
        env=env,
        cwd=cwd,
        stdin=stdin,
        secrets=secrets,
        on_error_line=on_error_line,
        limits=limits,
        watch=watch,
    ) as running:
        for line in running.stdout:
            running.sign_of_life()
            if on_line:
                on_line(line.decode("utf-8", "replace").rstrip("\n"))
        return running.result()


def _bare_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return {"LANG": "C.UTF-8"} | kept | {"PATH": path, "TZ": "UTC"}


def _dying_with_us(argv: Sequence[str]) -> list[str]:
    """Have the kernel end the program when we are killed: no orphan keeps a lock.

    Of a service of systemd's nothing outlives its main process anyway, and setpriv would fail
    there: it sets capabilities, which the worker's sandbox forbids to everybody.
    """
    setpriv = None if "NOTIFY_SOCKET" in os.environ else shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *argv] if setpriv else list(argv)


def _pipes(secrets: Mapping[str, str], stack: ExitStack) -> tuple[dict[str, str], tuple[int, ...]]:
    numbers = {}
    for name, secret in secrets.items():
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        with os.fdopen(writing, "wb") as pipe:  # far smaller than a pipe's buffer
            pipe.write(secret.encode())
        numbers[name] = reading
    return {name: str(number) for name, number in numbers.items()}, tuple(numbers.values())


def _feed(process: subprocess.Popen[bytes], data: bytes) -> threading.Thread:
    def feed() -> None:
        if process.stdin is None:
            return
        try:
            with process.stdin as pipe:
                pipe.write(data)
        except BrokenPipeError:
            return  # it ended early; its exit code says why

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    return thread
