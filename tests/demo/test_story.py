"""`appliance demo`, as somebody sees it who types it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

_COMMAND = [sys.executable, "-m", "appliance", "demo"]
_ONE_DAY = """
from appliance.demo import story
story.DAYS = 1
from appliance.cli import main
main(prog_name="appliance")
"""
_BRIEF = [sys.executable, "-c", _ONE_DAY, "demo"]
"""Where it is not the story that is looked at: it is lived whole once, and takes a minute."""


def _home(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def _ports(text: str) -> set[int]:
    return {int(port) for port in re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)", text)}


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_the_demo_backs_up_three_days_restores_and_proves_it_and_leaves_nothing_behind(tmp_path):
    environment = _home(tmp_path)
    told = subprocess.run(
        [*_COMMAND, "--once", "--folder", str(tmp_path / "demo")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("✓ Proved") == 2
    assert all(f"── Day {number}" in told.stdout for number in (1, 2, 3))
    assert len(_ports(told.stdout)) >= 3
    assert not any(_answers(port) for port in _ports(told.stdout))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "home"]
    assert list(Path(environment["HOME"]).iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_demo_ends_all_its_children_however_it_is_ended(tmp_path, number):
    argv = [*_COMMAND, "--folder", str(tmp_path / "demo")]
    said = ""
    with subprocess.Popen(
        argv, env=_home(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as demo:
        try:
            for line in demo.stdout:
                said += line
                if "$ appliance init" in line:
                    break
            assert all(_answers(port) for port in _ports(said))
            demo.send_signal(number)
            demo.wait(60)
        finally:
            demo.kill()
    for _ in range(500):
        if not any(_answers(port) for port in _ports(said)):
            break
        signal.sigtimedwait([], 0.02)
    assert not any(_answers(port) for port in _ports(said))


@pytest.mark.slow
def test_the_demo_stays_as_the_daemon_and_lets_nobody_into_its_folder(tmp_path):
    argv = [*_BRIEF, "--folder", str(tmp_path / "demo")]
    said = ""
    with subprocess.Popen(
        argv, env=_home(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        try:
            for line in demo.stdout:
                said += line
                if "daemon=ready" in line:
                    break
            config = re.search(r"APPLIANCE_CONFIG=(\S+)", said)[1]
            status = subprocess.run(
                [*_COMMAND[:-1], "--config", config, "status", "--json"],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert {each["source"] for each in json.loads(status.stdout)["sources"]} == {
                "crm-nightly",
                "site-export",
            }
            page = re.search(r"The page: +https://127\.0\.0\.1:(\d+)/\n +password: +\S+", said)
            assert _answers(int(page[1]))
            second = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
            assert second.returncode == 1
            assert "A demo is running in" in second.stderr
            demo.send_signal(signal.SIGINT)
            said += demo.stdout.read()
            assert demo.wait(60) == 0, said
        finally:
            demo.kill()
    assert "Traceback" not in said
    assert not any(_answers(port) for port in _ports(said))


def test_the_demo_empties_no_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    argv = [*_COMMAND, "--once", "--folder", str(tmp_path)]
    told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 1
    assert "not an earlier demo" in told.stderr
    assert (tmp_path / "mine.txt").read_text() == "precious"
