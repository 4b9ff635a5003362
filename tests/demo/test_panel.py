"""The demo's panel, as somebody at a terminal sees and presses it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.core.model import Trigger
from appliance.system.socket import Server
from tests.system import processes
from tests.system.office import panel_config
from tests.system.worker import Worker

SHOW = """
import fcntl, signal, sys, termios
from pathlib import Path
from appliance.demo.panel import shown
signal.signal(signal.SIGINT, signal.default_int_handler)  # as the demo does, whoever started us
if len(sys.argv) > 2:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
with shown(Path(sys.argv[1])):
    try:
        for number in range(3):
            print("something scrolls", number, flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
print("ended", flush=True)
"""


class Terminal:
    """What a person sees and types."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.before = termios.tcgetattr(self.theirs)
        self.text = ""

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def shows(self, pattern: str) -> bool:
        """Whether that was seen since the last call, within ten seconds."""

        def seen() -> bool:
            while select.select([self.ours], [], [], 0)[0]:
                self.text += os.read(self.ours, 65536).decode()
            return re.search(pattern, self.text) is not None

        found = processes.until(seen, 10)
        self.text = "" if found else self.text
        return found

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "appliance.toml").write_text(panel_config(tmp_path))
    made = Worker()
    server = Server(tmp_path / "worker.sock", made)
    yield made
    server.close()


def test_its_lamps_shine_in_the_last_line_and_a_key_is_its_button(tmp_path, terminal, worker):
    argv = [sys.executable, "-c", SHOW, str(tmp_path / "appliance.toml"), "tty"]
    ends = {"stdin": terminal.theirs, "stdout": terminal.theirs, "stderr": terminal.theirs}
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(argv, env=environment, start_new_session=True, **ends) as shown:
        try:
            assert terminal.shows(r"\x1b\[1;23r"), terminal.text
            assert terminal.shows("● OFFICE COPY   ● CLOUD COPY   ○ PLEASE LOOK .*space"), (
                terminal.text
            )
            terminal.type(b" ")
            assert terminal.shows("○ OFFICE COPY   ○ CLOUD COPY   ● PLEASE LOOK")
            assert processes.until(lambda: worker.asked, 10)
            assert worker.asked == [("start", "crm", Trigger.BUTTON)]
            worker.say(state="look", reasons=["damaged"])
            assert terminal.shows("● OFFICE COPY   ● CLOUD COPY   ● PLEASE LOOK")
            terminal.type(b"x\x1b[A")  # other keys do nothing
            terminal.type(b"\x03")
            assert terminal.shows(r"(?s)\x1b\[r.*ended"), terminal.text
            assert shown.wait(10) == 0
        finally:
            shown.kill()
    assert worker.asked == [("start", "crm", Trigger.BUTTON)]
    assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_holding_lets_the_disks_go(tmp_path, terminal, worker):
    argv = [sys.executable, "-c", SHOW, str(tmp_path / "appliance.toml"), "tty"]
    ends = {"stdin": terminal.theirs, "stdout": terminal.theirs, "stderr": terminal.theirs}
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(argv, env=environment, start_new_session=True, **ends) as shown:
        try:
            assert terminal.shows("● OFFICE COPY   ● CLOUD COPY   ○ PLEASE LOOK"), terminal.text
            terminal.type(b"h")
            assert processes.until(lambda: worker.asked, 15)
            assert worker.asked == [("eject", None)]
            worker.say(ejected=True)
            assert terminal.shows("○ OFFICE COPY   ● CLOUD COPY   ○ PLEASE LOOK")
        finally:
            shown.kill()


def test_without_a_terminal_nothing_is_drawn(tmp_path, worker):
    argv = [sys.executable, "-c", SHOW, str(tmp_path / "appliance.toml")]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as shown:
        try:
            assert [shown.stdout.readline() for _ in range(3)] == [
                f"something scrolls {number}\n" for number in range(3)
            ]
        finally:
            shown.kill()
