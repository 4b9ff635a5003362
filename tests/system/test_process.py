"""The one door to processes, against a real shell."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from appliance.core.errors import Cancelled, ToolFailed
from appliance.core.ports import Watch
from appliance.system import process


def sh(script, **options):
    lines = []
    result = process.run(["sh", "-c", script], on_line=lines.append, **options)
    return result, lines


def is_alive(pid):
    with suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    return False


def test_output_comes_line_by_line_and_the_code_is_the_programs():
    result, lines = sh("echo one; echo two; echo three >&2; exit 7")

    assert lines == ["one", "two"]
    assert result == process.Result(7, "three")


def test_a_secret_is_read_from_a_pipe_and_is_in_no_environment_or_argument():
    _, lines = sh(
        'cat /proc/self/fd/$KEY; tr "\\0" "\\n" </proc/$$/environ', secrets={"KEY": "canary-1\n"}
    )

    assert lines[0] == "canary-1"
    assert "canary" not in "".join(lines[1:])


def test_our_own_environment_is_not_handed_on(monkeypatch):
    monkeypatch.setenv("BORG_PASSPHRASE", "canary-2")

    assert not [line for line in sh("env")[1] if "canary" in line]


def test_cancel_ends_the_whole_group_at_once():
    watch = Watch()
    threading.Timer(0.2, watch.cancel.set).start()
    started, lines = monotonic(), []

    with pytest.raises(Cancelled):
        process.run(["sh", "-c", "sleep 60 & echo $!; wait"], on_line=lines.append, watch=watch)

    assert monotonic() - started < 5
    assert not is_alive(int(lines[0]))


def test_a_program_that_ignores_term_is_killed(monkeypatch):
    monkeypatch.setattr(process, "KILL_AFTER", timedelta(seconds=0.3))
    watch = Watch()
    threading.Timer(0.3, watch.cancel.set).start()

    with pytest.raises(Cancelled):
        sh("trap '' TERM; while :; do read -r line </dev/zero; done", watch=watch)


def test_silence_beyond_the_idle_limit_ends_it():
    with pytest.raises(process.TimedOut, match="Nothing happened"):
        sh("sleep 60", limits=process.Limits(idle=timedelta(seconds=0.3)))


def test_output_is_a_sign_of_life_but_the_total_limit_holds():
    limits = process.Limits(total=timedelta(seconds=0.8), idle=timedelta(seconds=0.4))

    with pytest.raises(process.TimedOut, match="longer than"):
        sh("while :; do echo .; sleep 0.1; done", limits=limits)


def test_input_larger_than_a_pipe_reaches_the_program():
    _, lines = sh("wc -c", stdin=b"x" * 3_000_000)

    assert lines == ["3000000"]


def test_a_program_that_does_not_read_its_input_is_no_fault():
    assert sh("exit 0", stdin=b"x" * 3_000_000)[0].code == 0


def test_leaving_the_block_early_ends_the_program():
    with process.started(["sleep", "60"]) as running:
        pid = running._process.pid

    assert not is_alive(pid)


def test_a_program_dies_with_us_when_we_are_killed(tmp_path):
    code = (
        "from appliance.system import process\n"
        "process.run(['sh', '-c', 'echo $$; exec sleep 60'],"
        " on_line=lambda s: print(s, flush=True))"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child = int(ours.stdout.readline())

    ours.send_signal(signal.SIGKILL)
    ours.communicate()

    deadline = monotonic() + 5
    while is_alive(child) and monotonic() < deadline:
        threading.Event().wait(0.02)
    assert not is_alive(child)


def test_a_missing_program_is_a_sentence():
    with pytest.raises(ToolFailed, match="no-such-program is not installed"):
        process.find("no-such-program")


def test_a_service_of_systemds_starts_programs_without_setpriv(monkeypatch):
    """Its sandbox forbids what setpriv does; systemd itself ends what is left of the group."""
    monkeypatch.setattr(process.shutil, "which", lambda name, **_: "/nowhere/setpriv")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")

    assert sh("echo here") == (process.Result(0, ""), ["here"])
