"""What systemd is told, and how its answers are understood; the real one answers in tests/vm."""

import os
import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.core.errors import Cancelled
from appliance.core.ports import Watch
from appliance.system import service
from appliance.system.service import Supervisor, UnitFailed, UnitRefused


@pytest.fixture
def listener(tmp_path):
    """A socket as systemd's, which waits for nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(listener):
    return listener.recv(4096).decode().split("\n")


def supervisor(listener, **more):
    return Supervisor.of({"NOTIFY_SOCKET": listener.getsockname()} | more, process_id=7)


def test_it_says_when_it_is_ready_and_what_it_does(listener):
    supervisor(listener).ready("Waiting for 03:00")

    assert heard(listener) == ["READY=1", "STATUS=Waiting for 03:00"]


def test_a_name_with_a_line_break_in_it_says_nothing_else(listener):
    supervisor(listener).status("storing a.csv\nWATCHDOG=trigger")

    assert heard(listener) == ["STATUS=storing a.csv WATCHDOG=trigger"]


def test_D14_the_watchdog_is_fed_twice_in_its_time(listener):
    systemd = supervisor(listener, WATCHDOG_USEC="120000000", WATCHDOG_PID="7")
    systemd.alive()

    assert systemd.feed_every == timedelta(seconds=60)
    assert heard(listener) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "8"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "9" * 30},
    ],
)
def test_a_watchdog_that_is_not_ours_is_not_fed(listener, environment):
    systemd = supervisor(listener, **environment)
    systemd.alive()

    assert systemd.feed_every is None
    with pytest.raises(BlockingIOError):
        listener.recv(1)


def test_it_says_that_it_is_about_to_end(listener):
    supervisor(listener).stopping()

    assert heard(listener) == ["STOPPING=1"]


def test_an_address_that_is_no_file_is_understood():
    name = f"appliance-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.setblocking(False)
        Supervisor(f"@{name}").ready()
        assert heard(listening) == ["READY=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_without_systemd_nothing_happens(address):
    Supervisor(address, timedelta(seconds=1)).ready("x")
    Supervisor(address, timedelta(seconds=1)).alive()


def test_a_systemd_that_does_not_listen_holds_nothing_up(listener):
    systemd = supervisor(listener, WATCHDOG_USEC="1000000")
    for _ in range(5000):
        systemd.alive()

    assert heard(listener) == ["WATCHDOG=1"]


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Let a script stand where systemctl is; returns a function that writes it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(script: str) -> Path:
        program = folder / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n{script}\n')
        program.chmod(0o755)
        return tmp_path / "asked"

    return write


def test_a_unit_is_started_without_asking_anybody_for_a_password(systemctl):
    asked = systemctl("exit 0")
    service.start_unit("mnt-appliance-a.mount")
    service.stop_unit("mnt-appliance-a.mount")

    assert asked.read_text().splitlines() == [
        "--no-ask-password --no-pager start mnt-appliance-a.mount",
        "--no-ask-password --no-pager stop mnt-appliance-a.mount",
    ]


@pytest.mark.parametrize(("code", "error"), [(1, UnitFailed), (4, UnitRefused), (5, UnitRefused)])
def test_what_systemd_says_is_kept_for_the_log(systemctl, code, error):
    systemctl(f"echo 'Job failed.' >&2; exit {code}")

    with pytest.raises(error) as caught:
        service.start_unit("appliance-fsck@x.service")
    assert caught.value.detail == "Job failed."
    assert "appliance-fsck@x.service" in caught.value.message


def test_a_refusal_is_known_whatever_its_exit_code(systemctl):
    systemctl("echo 'Failed to start x.mount: Interactive authentication required.' >&2; exit 1")

    with pytest.raises(UnitRefused) as caught:
        service.start_unit("x.mount")
    assert "doctor" in caught.value.hint


def test_properties_are_read_also_where_a_value_holds_a_sign(systemctl):
    systemctl("printf 'ActiveState=active\\nWhat=/dev/a=b\\n\\n'")

    assert service.unit_properties("x.mount", "ActiveState", "What") == {
        "ActiveState": "active",
        "What": "/dev/a=b",
    }
    assert service.is_active("x.mount")


def test_whoever_waits_for_a_unit_can_be_called_off(systemctl, tmp_path):
    started = tmp_path / "started"
    os.mkfifo(started)
    systemctl(f"echo >'{started}'; exec sleep 60")
    cancel = threading.Event()
    caller = threading.Thread(target=lambda: (started.read_text(), cancel.set()))
    caller.start()

    with pytest.raises(Cancelled):
        service.start_unit("mnt-appliance-a.mount", Watch(cancel=cancel))
    caller.join()
