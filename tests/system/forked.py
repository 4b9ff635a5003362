"""The real command line in a process of its own, forked from one that has loaded the program.

Loading takes most of a second of CPU, and whole-box tests run a thousand commands: a third of
their time. What is forked is fresh, as nothing but imports was done in it; each command imports
what it alone needs by itself. Where the start of the process is what is tested, do not use this.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

_lock = threading.Lock()
_template: list[tuple[subprocess.Popen, socket.socket]] = []
_LONGEST_REQUEST = 1 << 17


def fits(argv, options) -> bool:
    """Whether a command may be forked: it is the plain one, with nothing of its own around it."""
    return (
        argv[:3] == [sys.executable, "-m", "appliance"]
        and not options
        and "LD_PRELOAD" not in os.environ
    )


def run(argv, seconds=300.0) -> subprocess.CompletedProcess[str]:
    """Run `python -m appliance …` as `subprocess.run` does; return how it ended."""
    request = json.dumps([argv[3:], dict(os.environ), str(Path.cwd())]).encode()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with theirs, Path(os.devnull).open("rb") as nothing:
            files = [each.fileno() for each in (nothing, out, err, theirs)]
            with _lock:
                socket.send_fds(_asked(), [request], files)
        code = _ended(ours, argv, seconds)
        return subprocess.CompletedProcess(argv, code, _text(out), _text(err))


def _text(file) -> str:
    """As subprocess gives it: lines end with \\n."""
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n").replace("\r", "\n")


def _ended(told, argv, seconds) -> int:
    told.settimeout(seconds)
    number = told.recv(32)
    try:
        return int(told.recv(32))
    except TimeoutError as error:
        os.kill(int(number), signal.SIGKILL)
        raise subprocess.TimeoutExpired(argv, seconds) from error


def _asked() -> socket.socket:
    if not _template:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        _template.append((process, ours))
        atexit.register(_end)
    return _template[0][1]


def _end() -> None:
    process, asked = _template.pop()
    asked.close()
    process.wait(20)


def _become_each(asked: socket.socket) -> None:
    """Fork for each request; return only in a fork, which then is that command."""
    while True:
        request, files, _, _ = socket.recv_fds(asked, _LONGEST_REQUEST, 4)
        _reap()
        if not request:
            sys.exit()
        if os.fork() == 0:
            asked.close()
            return _become(request, files)
        for each in files:
            os.close(each)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _become(request: bytes, files: list[int]) -> None:
    """The command is a child of this one, which tells its number and how it ended."""
    *streams, telling = files
    if number := os.fork():
        os.write(telling, b"%d" % number)
        _, status = os.waitpid(number, 0)
        os.write(telling, b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    words, environment, folder = json.loads(request)
    for wanted, each in enumerate(streams):
        os.dup2(each, wanted)
        os.close(each)
    os.close(telling)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv[1:] = words


if __name__ == "__main__":
    import appliance.box  # noqa: F401 - what nearly each command loads by itself
    from appliance.cli import main

    gc.freeze()
    _become_each(socket.socket(fileno=int(sys.argv[1])))
    main(prog_name="appliance")
