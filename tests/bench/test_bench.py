"""The bench itself: it runs to its end, measures what it says, and its relay is as late as told."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from . import compare
from .measure import run
from .relay import delayed

_ROOT = Path(__file__).parent.parent.parent


def _echo(listener: socket.socket) -> None:
    with listener.accept()[0] as caller:  # whether it listens is asked first
        caller.recv(1)
    with listener.accept()[0] as caller:
        while data := caller.recv(100):
            caller.sendall(data)


def test_the_relay_is_as_late_as_it_is_told_in_each_direction():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        echo = threading.Thread(target=_echo, args=(listener,))
        echo.start()
        with (
            delayed(listener.getsockname()[1], 50) as port,
            socket.create_connection(("127.0.0.1", port)) as caller,
        ):
            began = time.monotonic()
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"
            assert time.monotonic() - began >= 0.1
        echo.join()


def test_a_program_is_charged_for_its_children_and_not_for_us():
    ballast = bytearray(200_000_000)
    work = "sum(range(3_000_000)); x = bytearray(60_000_000)"
    cost = run(["sh", "-c", f"{sys.executable} -c '{work}'; true"])
    del ballast
    assert cost.cpu_seconds > 0.02
    assert 60_000_000 < cost.peak_bytes < 120_000_000


def test_a_program_that_fails_says_its_last_words():
    with pytest.raises(RuntimeError, match="so it went"):
        run(["sh", "-c", "echo so it went; exit 3"])


def findings(tmp_path, *options):
    """Run parts of the bench to their end; return what was measured."""
    into = ["--json", str(tmp_path / "bench.json"), "--folder", str(tmp_path)]
    argv = [sys.executable, "-m", "tests.bench", "--rounds", "1", *options, *into]
    told = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert "could not be measured" not in told.stderr, told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    return json.loads((tmp_path / "bench.json").read_text())["findings"]


@pytest.mark.slow
def test_the_page_is_measured_to_its_end(tmp_path):
    found = findings(tmp_path, "--scale", "0.02", "--only", "page")
    values = {finding["what"]: finding["value"] for finding in found}
    assert values["50 clients during a backup: looks"] > 0
    assert values["50 clients during a backup: errors"] == 0
    assert values["first screen: requests"] >= 2


@pytest.mark.slow
def test_the_parts_that_compare_run_to_their_end(tmp_path):
    parts = ["--only", "storage", "--only", "transfer"]
    found = findings(tmp_path, "--scale", "0.005", "--days", "3", "--file-mb", "2", *parts)
    assert {finding["part"] for finding in found} == {"storage", "by day", "effort", "transfer"}
    assert all(finding["value"] > 0 for finding in found if finding["unit"] == "x")


@pytest.mark.slow
def test_finding_is_measured_to_its_end(tmp_path):
    found = findings(tmp_path, "--scale", "0.02", "--only", "find")
    assert {"ever after", "after one more night"} <= {finding["what"] for finding in found}


@pytest.mark.slow
def test_comparing_is_measured_to_its_end_and_all_come_to_the_same(tmp_path):
    found = findings(tmp_path, "--scale", "0.005", "--only", "compare")
    assert all(finding["value"] > 0 for finding in found)
    days = [tmp_path / name for name in ("before.csv", "after.csv")]
    compare._write(days, 3000)
    assert compare._ours(*days) == compare._sqlite3(*days)


@pytest.mark.slow
def test_recipes_are_measured_to_their_end_and_ask_no_more_than_they_must(tmp_path):
    found = findings(tmp_path, "--scale", "0.004", "--zip-mb", "3", "--only", "recipe")
    values = {finding["what"]: finding["value"] for finding in found}
    assert values["2,000 records by 500: requests"] == 4
    assert values["2,000 records by 1000 at 20 ms: requests"] == 2
    assert values["ZIP of 3 MB: requests"] == 1
