"""The two wires into a running QEMU: QMP, which is its hands, and the guest agent, a root shell
without a network or a prompt to parse. Both speak lines of JSON on a unix socket.
"""

from __future__ import annotations

import base64
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CONNECT_SECONDS = 30
_ANSWER_SECONDS = 120
_PIECE_BYTES = 1 << 20
_LOOK_FROM_SECONDS, _LOOK_AT_MOST_SECONDS = 0.01, 0.2


class Refused(Exception):
    """QEMU or the agent did not do what was asked."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a program in the guest ended."""

    code: int
    out: str
    err: str


class _Wire:
    """A socket on which lines of JSON go both ways."""

    def __init__(self, path: Path) -> None:
        self._socket = _connect(path)
        self._lines = self._socket.makefile("rb")

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def _send(self, message: dict[str, Any], before: bytes = b"") -> None:
        self._socket.sendall(before + json.dumps(message).encode() + b"\n")

    def _receive(self) -> bytes:
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the guest is gone")
        return line


def _connect(path: Path) -> socket.socket:
    """Return a connection to a socket that QEMU may not have made yet."""
    give_up = time.monotonic() + _CONNECT_SECONDS
    while True:
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(_ANSWER_SECONDS)
        try:
            wire.connect(str(path))
        except OSError:
            wire.close()
            if time.monotonic() > give_up:
                raise
            time.sleep(_LOOK_FROM_SECONDS)
        else:
            return wire


class Monitor(_Wire):
    """QMP: plugs, pulls, stops, asks. What QEMU tells unasked is kept in `events`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.events: list[dict[str, Any]] = []
        self._receive()  # the greeting
        self.call("qmp_capabilities")

    def call(self, verb: str, **arguments: Any) -> Any:
        """Return QEMU's answer; raise Refused. Underscores in names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._send({"execute": verb, "arguments": named})
        while True:
            answer = json.loads(self._receive())
            if "error" in answer:
                raise Refused(f"{verb}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
            self.events.append(answer)


class Agent(_Wire):
    """The guest agent: starts programs in the guest and writes files there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        number = time.time_ns() & 0x7FFFFFFF
        # What an earlier connection left behind ends at the byte 0xff; see guest-sync-delimited.
        self._send({"execute": "guest-sync-delimited", "arguments": {"id": number}}, before=b"\xff")
        while not self._is_answer_to(self._receive(), number):
            pass

    @staticmethod
    def _is_answer_to(line: bytes, number: int) -> bool:
        return b"\xff" in line and json.loads(line.split(b"\xff")[-1]).get("return") == number

    def call(self, verb: str, **arguments: Any) -> Any:
        """Return the agent's answer; raise Refused. Underscores in names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._send({"execute": verb, "arguments": named})
        answer = json.loads(self._receive())
        if "error" in answer:
            raise Refused(f"{verb}: {answer['error']['desc']}")
        return answer["return"]

    def start(self, command: list[str], stdin: bytes | None = None) -> int:
        """Start a program in the guest; return its process id."""
        arguments = {"path": command[0], "arg": command[1:], "capture_output": True}
        if stdin is not None:
            arguments["input_data"] = base64.b64encode(stdin).decode()
        pid: int = self.call("guest-exec", **arguments)["pid"]
        return pid

    def poll(self, pid: int) -> Done | None:
        """Return how a program ended, or None while it runs. Can be asked once after the end."""
        told = self.call("guest-exec-status", pid=pid)
        if not told["exited"]:
            return None
        code = told.get("exitcode", -told.get("signal", 0))
        return Done(code, _text(told.get("out-data", "")), _text(told.get("err-data", "")))

    def wait(self, pid: int, seconds: float) -> Done:
        """Return how a program ended; raise TimeoutError if it does not in time."""
        give_up, pause = time.monotonic() + seconds, _LOOK_FROM_SECONDS
        while (done := self.poll(pid)) is None:
            if time.monotonic() > give_up:
                raise TimeoutError(f"process {pid} in the guest still runs after {seconds} s")
            time.sleep(pause)
            pause = min(pause * 1.5, _LOOK_AT_MOST_SECONDS)
        return done

    def write(self, path: str, content: bytes) -> None:
        """Write a file in the guest."""
        handle = self.call("guest-file-open", path=path, mode="w")
        for start in range(0, len(content), _PIECE_BYTES):
            piece = base64.b64encode(content[start : start + _PIECE_BYTES]).decode()
            self.call("guest-file-write", handle=handle, buf_b64=piece)
        self.call("guest-file-close", handle=handle)


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode(errors="replace")
