"""The clock: aware, and trusted only where somebody set it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.core.ports import Clock
from appliance.system import clock
from appliance.system.clock import (
    SystemClock,
    kernel_synchronised,
    rtc_agrees,
    timedated_says,
)


def test_now_is_aware_and_utc() -> None:
    here: Clock = SystemClock()
    now = here.now()
    assert now.utcoffset() == timedelta()
    assert abs(now.timestamp() - time.time()) < 5


def test_F7_a_jump_of_the_wall_clock_does_not_touch_durations() -> None:
    """libfaketime moves the wall clock on by a day; the monotonic clock is left alone."""
    script = (
        "from appliance.system.clock import SystemClock; import time\n"
        "c = SystemClock(); print(c.now().timestamp(), c.monotonic(), time.time())"
    )
    faked = subprocess.run(
        ["faketime", "-f", "+1d", sys.executable, "-c", script],
        env={
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PATH": "/usr/bin:/bin",
            "DONT_FAKE_MONOTONIC": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    wall, steady = float(faked[0]), float(faked[1])
    assert 86_000 < wall - datetime.now(UTC).timestamp() < 87_000
    assert abs(steady - time.monotonic()) < 60


def test_the_kernels_answer_is_read_without_setting_anything() -> None:
    before = time.time() - time.monotonic()
    answers = {kernel_synchronised() for _ in range(5)}
    assert len(answers) == 1
    assert abs(time.time() - time.monotonic() - before) < 0.5


def rtc(folder: Path, used: str, since_epoch: str) -> Path:
    (folder / "hctosys").write_text(used)
    (folder / "since_epoch").write_text(since_epoch)
    return folder


@pytest.mark.parametrize(
    ("used", "since_epoch", "agrees"),
    [
        ("1\n", "1795000000\n", True),
        ("1\n", "1794999500\n", True),
        ("1\n", "1794999000\n", False),
        ("0\n", "1795000000\n", False),
        ("1\n", "12\n", False),  # a Pi 5 without a battery: seconds since it was switched on
        ("1\n", "", False),
        ("1\n", "soon", False),
    ],
)
def test_a_hardware_clock_counts_while_it_agrees(
    tmp_path: Path, used: str, since_epoch: str, agrees: bool
) -> None:
    assert rtc_agrees(rtc(tmp_path, used, since_epoch), 1_795_000_000.0) is agrees


def test_without_a_hardware_clock_there_is_none_to_agree(tmp_path: Path) -> None:
    assert not rtc_agrees(tmp_path / "rtc0", time.time())


def test_where_the_kernel_may_not_be_asked_systemd_is_but_once_a_minute(monkeypatch) -> None:
    monkeypatch.setattr(clock, "_TIMESYNC_MARK", Path("/nowhere"))
    monkeypatch.setattr(clock, "_RTC", Path("/nowhere"))
    answers = iter([False, True])
    caged = SystemClock(kernel=lambda: None, ask=lambda: next(answers))
    times = iter([0.0, 0.0, 59.0, 60.0, 60.0])
    monkeypatch.setattr(caged, "monotonic", lambda: next(times))

    assert [caged.is_synchronised() for _ in range(3)] == [False, False, True]


def test_a_kernel_that_says_no_is_not_overruled(monkeypatch) -> None:
    monkeypatch.setattr(clock, "_TIMESYNC_MARK", Path("/nowhere"))
    monkeypatch.setattr(clock, "_RTC", Path("/nowhere"))

    assert not SystemClock(kernel=lambda: False, ask=lambda: True).is_synchronised()


@pytest.mark.parametrize(("said", "is_set"), [("yes", True), ("no", False), ("", False)])
def test_systemds_answer_is_understood(monkeypatch, tmp_path, said: str, is_set: bool) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "show --property=NTPSynchronized --value" ] && echo {said}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert timedated_says() is is_set
