"""One question to systemd over the system bus, asked without a child process.

The panel starts no programs once it has opened its pins: a child would inherit them. So it speaks
just as much D-Bus as `StartUnit` takes. Source: the D-Bus specification and
org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import ApplianceError

SYSTEM_BUS = Path("/run/dbus/system_bus_socket")
_WITHIN_SECONDS = 10.0
_LONGEST_BYTES = 1 << 20
_CALL, _ANSWER, _ERROR = 1, 2, 3
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _ANSWERS, _TO, _SIGNATURE = 1, 2, 3, 4, 5, 6, 8
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_SYSTEMD = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
)


class BusRefused(ApplianceError):
    """Raised when the bus or systemd says no, or does not answer."""

    hint = "Run `sudo appliance doctor`: it says what is wrong with the installation."


def start_unit(unit: str, bus: Path = SYSTEM_BUS) -> None:
    """Have systemd start a unit; return once it took that on. Raise BusRefused."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_WITHIN_SECONDS)
            connection.connect(str(bus))
            _introduce(connection)
            _ask(connection, 1, _BUS, "Hello", ())
            _ask(connection, 2, _SYSTEMD, "StartUnit", (unit, "replace"))
    except (OSError, struct.error, UnicodeError, IndexError) as error:
        raise BusRefused(f"{unit} could not be started.", detail=repr(error)) from None


def _introduce(connection: socket.socket) -> None:
    """Say who we are; the kernel vouches for it."""
    who = str(os.getuid()).encode().hex()
    connection.sendall(b"\0AUTH EXTERNAL " + who.encode() + b"\r\n")
    answer = b""
    while not answer.endswith(b"\r\n"):
        answer += _read(connection, 1)
    if not answer.startswith(b"OK "):
        raise BusRefused("The system bus does not let the panel in.", detail=repr(answer))
    connection.sendall(b"BEGIN\r\n")


def _ask(
    connection: socket.socket,
    serial: int,
    whom: tuple[str, str, str],
    member: str,
    words: tuple[str, ...],
) -> None:
    connection.sendall(call(serial, whom, member, words))
    while True:
        kind, fields, body = _message(connection)
        if fields.get(_ANSWERS) != serial:
            continue
        if kind == _ERROR:
            said = body[4:-1].decode("utf-8", "replace")
            raise BusRefused(f"{member} was refused.", detail=f"{fields.get(_ERROR_NAME)}: {said}")
        return


def call(serial: int, whom: tuple[str, str, str], member: str, words: tuple[str, ...]) -> bytes:
    """Return a method call with strings as its arguments."""
    to, path, interface = whom
    body = b""
    for word in words:
        body = _aligned(body, 4) + _string(word)
    fields = b""
    for code, kind, text in (
        (_PATH, b"o", path),
        (_INTERFACE, b"s", interface),
        (_MEMBER, b"s", member),
        (_TO, b"s", to),
    ):
        fields = _aligned(fields, 8) + bytes((code, 1)) + kind + b"\0" + _string(text)
    if words:
        signature = bytes((len(words),)) + b"s" * len(words) + b"\0"
        fields = _aligned(fields, 8) + bytes((_SIGNATURE, 1)) + b"g\0" + signature
    head = struct.pack("<cBBBIII", b"l", _CALL, 0, 1, len(body), serial, len(fields))
    return _aligned(head + fields, 8) + body


def _message(connection: socket.socket) -> tuple[int, dict[int, object], bytes]:
    """Return the next message: its kind, its header's fields, its body."""
    head = _read(connection, 16)
    _, kind, _, _, body_bytes, _, fields_bytes = struct.unpack("<cBBBIII", head)
    if head[:1] != b"l" or body_bytes + fields_bytes > _LONGEST_BYTES:
        raise BusRefused("The system bus answered nonsense.", detail=repr(head))
    fields = _read(connection, fields_bytes + -fields_bytes % 8)[:fields_bytes]
    return kind, dict(_fields(fields)), _read(connection, body_bytes)


def _fields(data: bytes) -> Iterator[tuple[int, object]]:
    at = 0
    while at < len(data):
        code, kind = data[at], data[at + 2 : at + 3]
        at += 4
        if kind == b"u":
            yield code, struct.unpack_from("<I", data, at)[0]
            at += 4
        elif kind == b"g":
            at += data[at] + 2
        elif kind in {b"s", b"o"}:
            (length,) = struct.unpack_from("<I", data, at)
            yield code, data[at + 4 : at + 4 + length].decode()
            at += 4 + length + 1
        else:
            raise BusRefused("The system bus answered nonsense.", detail=repr(data))
        at += -at % 8


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def _aligned(data: bytes, to: int) -> bytes:
    return data + b"\0" * (-len(data) % to)


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise BusRefused("The system bus went away without an answer.")
        data += more
    return data
