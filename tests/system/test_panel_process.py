"""The panel's whole process: its loop, its pin map, its end, and the last resort after it."""

from __future__ import annotations

import contextlib
import os
import re
import socket as sockets
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from appliance import panel
from appliance.hw.panel import NoPins
from appliance.panel import Alarm, Follower, Stop
from appliance.panel_map import MapFile
from appliance.system.service import Supervisor
from appliance.system.socket import Server
from tests.system import processes
from tests.system.office import panel_config
from tests.system.panel_bench import mock
from tests.system.worker import Worker


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "appliance.toml"
    path.write_text(panel_config(tmp_path))
    return path


@contextlib.contextmanager
def living(file, tmp_path, supervisor=None):
    """The real loop with its real threads, on mock pins; yields the factories it opened."""
    factories, stop = [], Stop()

    def pins():
        factories.append(mock())
        return factories[-1]

    thread = threading.Thread(
        target=panel.live, args=(MapFile(file, tmp_path), stop, pins, supervisor), daemon=True
    )
    thread.start()
    try:
        yield factories, stop
    finally:
        stop.ask()
        thread.join(30)
        assert not thread.is_alive()


def test_the_loop_lights_lamps_hears_taps_and_ends_when_told(file, tmp_path):
    worker = Worker()
    server = Server(tmp_path / "worker.sock", worker)
    told = sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)
    told.bind(str(tmp_path / "notify"))
    told.settimeout(10)
    supervisor = Supervisor(str(tmp_path / "notify"), timedelta(seconds=60))
    with living(file, tmp_path, supervisor) as (factories, stop):
        assert b"READY=1" in told.recv(4096)
        assert told.recv(4096) == b"WATCHDOG=1"
        assert processes.until(lambda: factories and _is_steady(factories[-1]), 20)
        button = factories[-1].pin(17)
        button.drive_low()
        threading.Event().wait(0.1)  # a finger takes its time
        button.drive_high()
        assert processes.until(lambda: worker.asked, 10)
        worker.say(state="look", reasons=["damaged"])
        assert processes.until(lambda: factories[-1].pin(24).state, 10)
        stop.ask()
    said = []
    told.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            said.append(told.recv(4096))
    assert said[-1] == b"STOPPING=1"
    told.close()
    server.close()


def _is_steady(factory):
    return factory.pin(22).state and factory.pin(23).state and not factory.pin(24).state


def test_the_pin_map_is_taken_over_while_the_panel_lives_and_a_broken_file_is_not(file, tmp_path):
    with living(file, tmp_path) as (factories, stop):
        assert processes.until(lambda: factories, 10)
        file.write_text("[panel")
        stop.alarm.ring()
        file.write_text(file.read_text() + "\n")
        stop.alarm.ring()
        threading.Event().wait(0.2)
        assert len(factories) == 1
        file.write_text(panel_config(tmp_path, led_office=6))
        stop.alarm.ring()
        assert processes.until(lambda: len(factories) == 2, 10)
        assert processes.until(lambda: factories[-1].pin(6).function == "output", 10)


def test_a_thread_that_dies_ends_the_panel_so_that_systemd_starts_it_anew(
    file, tmp_path, monkeypatch
):
    monkeypatch.setattr(Follower, "run", lambda self: None)
    with pytest.raises(panel.ApplianceError, match="ended by itself"):
        panel.live(MapFile(file, None), Stop(), mock)


def test_the_last_resort_flashes_seven_times_on_the_last_pins_that_were_known(file, tmp_path):
    MapFile(file, tmp_path).first()
    file.write_text("[panel")
    factory, stop = mock(), Stop()
    tries = []

    def pins():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("busy")  # the panel that died has not let go yet
        return factory

    thread = threading.Thread(
        target=panel.ask_to_look, args=(MapFile(file, tmp_path), stop, pins), daemon=True
    )
    thread.start()
    assert processes.until(lambda: tries, 10)
    stop.alarm.ring()
    assert processes.until(lambda: len(tries) > 1 and factory.pin(24).state, 10)
    assert not factory.pin(22).state
    stop.ask()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("ends_early", [True, False])
def test_a_last_resort_that_cannot_open_the_pins_says_so(file, tmp_path, monkeypatch, ends_early):
    monkeypatch.setattr(panel, "_LAST_RESORT_EVERY_SECONDS", 0.01)
    stop, tries = Stop(), []

    def pins():
        tries.append(1)
        raise OSError("busy")

    if ends_early:
        stop.ask()
    with pytest.raises(panel.ApplianceError, match="busy"):
        panel.ask_to_look(MapFile(file, tmp_path), stop, pins)
    assert len(tries) == (1 if ends_early else panel._LAST_RESORT_TRIES)


def test_a_last_resort_without_pins_is_quiet_until_it_is_told_to_end(file, tmp_path):
    stop = Stop()
    arguments = (MapFile(file, tmp_path), stop, _no_pins)
    thread = threading.Thread(target=panel.ask_to_look, args=arguments, daemon=True)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    stop.ask()
    thread.join(10)
    assert not thread.is_alive()


def _no_pins():
    raise NoPins("This machine has no pins.")


def test_a_panel_whose_pins_stay_shut_ends_with_an_error(file, tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.front_panel.SHUT_SECONDS", 0.2)
    monkeypatch.setattr("appliance.front_panel.SHUT_AGAIN_SECONDS", 0.05)

    def pins():
        raise OSError("GPIO busy")

    with pytest.raises(panel.ApplianceError, match="GPIO busy"):
        panel.live(MapFile(file, tmp_path), Stop(), pins)


def test_the_alarm_wakes_up_whoever_waits_and_is_not_lost_before():
    alarm = Alarm()
    alarm.ring()
    alarm.ring()
    alarm.wait(60)
    woken = threading.Event()
    threading.Thread(target=lambda: (alarm.wait(60), woken.set()), daemon=True).start()
    alarm.ring()
    assert woken.wait(10)
    alarm.close()


def test_the_command_runs_where_there_are_no_pins_rests_and_ends_when_told(file, tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    argv = [sys.executable, "-m", "appliance", "--config", str(file), "panel"]
    environment = os.environ | {"RUNTIME_DIRECTORY": str(runtime)}
    log = tmp_path / "panel.log"
    with (
        log.open("w") as out,
        subprocess.Popen(argv, env=environment, stderr=out, cwd=tmp_path) as process,
    ):
        try:
            assert processes.until(lambda: "panel=" in log.read_text(), 30), log.read_text()
            status = Path("/proc", str(process.pid), "status").read_text()
            print("panel RSS", re.search(r"VmRSS:\s+(\d+ kB)", status)[1])
            process.terminate()
            assert process.wait(10) == 0, log.read_text()
        finally:
            process.kill()
    assert "Traceback" not in log.read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "appliance.toml",
        "panel.log",
        "runtime",
    ]
