"""The little D-Bus we speak: understood by a real bus, and proof against one that lies."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import threading

import pytest

from appliance.system import bus

_CONFIG = """<busconfig><type>system</type><listen>unix:path={path}</listen>
<auth>EXTERNAL</auth><policy context="default"><allow send_destination="*"/>
<allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>"""


@pytest.fixture
def real_bus(tmp_path):
    """A bus of our own, on which nobody is systemd."""
    program = shutil.which("dbus-daemon")
    if program is None:
        pytest.skip("dbus-daemon is not installed")
    path, config = tmp_path / "bus", tmp_path / "bus.conf"
    config.write_text(_CONFIG.format(path=path))
    argv = [program, f"--config-file={config}", "--nofork", "--print-address=1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout.readline().startswith("unix:path=")
        yield path
        daemon.terminate()


def test_a_real_bus_understands_us_and_says_that_systemd_is_not_there(real_bus):
    with pytest.raises(bus.BusRefused) as caught:
        bus.start_unit("appliance-pair.service", real_bus)
    assert "ServiceUnknown" in caught.value.detail


def test_no_bus_is_a_sentence(tmp_path):
    with pytest.raises(bus.BusRefused, match="could not be started"):
        bus.start_unit("appliance-pair.service", tmp_path / "nobody")


def answer(kind, serial, body=b"", error=b""):
    """A message as a bus sends it."""
    fields = struct.pack("<BB1sBI", 5, 1, b"u", 0, serial)
    if error:
        fields += struct.pack("<BB1sB", 4, 1, b"s", 0) + struct.pack("<I", len(error)) + error
        fields += b"\0"
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), 9, len(fields))
    return head + fields + b"\0" * (-len(fields) % 8) + body


@contextlib.contextmanager
def lying(path, replies, greeting=b"OK 1234\r\n"):
    """A bus that says what it is told to, whatever it is asked; yields what it heard."""
    heard = bytearray()

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                heard.extend(connection.recv(4096))
                connection.sendall(greeting + b"".join(replies))
                while more := connection.recv(4096):
                    heard.extend(more)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield heard
        thread.join(10)


def test_a_unit_is_started_and_what_others_say_meanwhile_is_passed_over(tmp_path):
    signal = answer(4, 77)
    replies = [answer(2, 1) + signal, signal + answer(2, 2)]
    with lying(tmp_path / "bus", replies) as heard:
        bus.start_unit("appliance-pair.service", tmp_path / "bus")
    said = bytes(heard)
    assert said.startswith(b"\0AUTH EXTERNAL ")
    assert said.endswith(b"\x16\0\0\0appliance-pair.service\0\0\x07\0\0\0replace\0")


@pytest.mark.parametrize(
    ("greeting", "replies"),
    [
        (b"REJECTED\r\n", []),
        (b"OK 1\r\n", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        (b"OK 1\r\n", [b"l\x02\0\x01\xff\xff\xff\x7f" + b"\0" * 8]),
        (b"OK 1\r\n", [struct.pack("<cBBBIIIII", b"l", 2, 0, 1, 0, 1, 4, 0x99, 0)]),
        (b"OK 1\r\n", [answer(2, 1), answer(3, 2, b"\x02\0\0\0no\0", b"Access.Denied")]),
    ],
)
def test_a_bus_that_refuses_or_lies_is_an_error_and_nothing_else(tmp_path, greeting, replies):
    with lying(tmp_path / "bus", replies, greeting), pytest.raises(bus.BusRefused):
        bus.start_unit("appliance-pair.service", tmp_path / "bus")


def test_what_systemd_refuses_is_said(tmp_path):
    replies = [answer(2, 1), answer(3, 2, b"\x02\0\0\0no\0", b"Access.Denied")]
    with lying(tmp_path / "bus", replies), pytest.raises(bus.BusRefused) as caught:
        bus.start_unit("appliance-pair.service", tmp_path / "bus")
    assert caught.value.detail == "Access.Denied: no"
