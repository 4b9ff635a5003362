"""Every command as somebody types it: what it teaches, answers, refuses, and how it ends."""

import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest

from appliance import cli
from appliance.core.model import Outcome
from appliance.screen import exit_code
from tests import servers
from tests.system import processes
from tests.system.office import Office, contacts, put, zipped

COMMANDS = sorted(cli.main.commands)


def refused(done, *parts, code):
    """A refusal is a sentence for a person: its parts, the exit code, and never a traceback."""
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert done.stderr.startswith(("✗ ", "Usage:")), said
    for part in parts:
        assert part in said
    return said


@pytest.mark.slow
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_teaches(office, command):
    office.forks = False
    done = office.call(*filter(None, [command]), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("Usage: ")
    assert "--help" in done.stdout
    assert len(done.stdout) > 150


def test_a_terminal_of_80_columns_is_wide_enough_for_help(office):
    for command in cli.main.commands.values():
        text = command.get_help(click.Context(command, info_name="x", max_content_width=80))
        assert max(map(len, text.splitlines())) <= 80, text


def test_exit_codes_tell_fine_failed_and_waiting_apart():
    codes = {outcome: exit_code([outcome]) for outcome in Outcome}
    assert {outcome for outcome, code in codes.items() if code == 0} == {"ok", "warning", "skipped"}
    assert {outcome for outcome, code in codes.items() if code == 3} == {"held"}
    assert exit_code([Outcome.OK, Outcome.HELD]) == 3
    assert exit_code([Outcome.HELD, Outcome.FAILED]) == 1


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An office with a disk, a cloud and two days of backups; who uses it may add to it."""
    office = Office(tmp_path_factory.mktemp("office"))
    inbox = office.inbox()
    office.disk()
    (office.folder / "cloud").mkdir()
    keys = {"name": "cloud", "repository": "disk-a", "remote": office.folder / "cloud"}
    office.add("[[mirror]]", **keys)
    for day in (1, 2):
        members = {"Contacts.csv": contacts(300, changed=range(day * 5)), "Leads.csv": contacts(9)}
        put(inbox, "Data.zip", zipped(members))
        office.ok("run")
    return office


RUN_KEYS = {"id", "source", "trigger", "started", "finished", "outcome", "archive", "message"}
RUN_KEYS |= {"hint", "detail", "steps"}


@pytest.mark.slow
def test_every_listing_is_json_for_programs(filled, tmp_path):
    status, history = filled.json("status"), filled.json("history")
    archives, one = filled.json("archives"), filled.json("history", "--run", "2")
    back = filled.json("restore", "by-hand", "--to", tmp_path / "back")
    mirrored, drilled = filled.json("mirror"), filled.json("drill")
    checked = filled.json("check")

    assert {"state", "sentence", "todo", "sources", "running", "waiting"} <= set(status)
    assert {each["name"] for each in status["vitals"]} >= {"memory", "clock"}
    for run in (*history, one, *mirrored, *drilled):
        assert set(run) >= RUN_KEYS
    numbers = [run["id"] for run in history]
    assert numbers == sorted(numbers, reverse=True)
    assert {"archive", "places"} == set(archives[0])
    assert set(archives[0]["archive"]) >= {"name", "source", "time", "sequence", "held"}
    assert sorted(back) == ["archive", "masked", "paths", "place"]
    assert sorted(back["paths"]) == [
        str(tmp_path / "back" / "Data.zip" / name) for name in ("Contacts.csv", "Leads.csv")
    ]
    assert checked == {
        "configuration": str(filled.config),
        "problems": [],
        "source": 1,
        "repository": 1,
        "mirror": 1,
    }


@pytest.mark.slow
def test_the_data_protection_sheet_is_made_from_what_is_there(filled, tmp_path):
    sheet = filled.ok("data-protection")
    assert sheet.startswith("<!doctype html>")
    assert "contacts (300 records)" in sheet
    assert "2 backups, of " in sheet
    assert f"The folder {filled.folder / 'disk-a' / 'repo'}" in sheet
    said = filled.json("data-protection")
    assert [part["title"] for part in said["parts"]][:3] == [
        "What is kept",
        "For how long",
        "Where",
    ]
    filled.ok("data-protection", "--to", tmp_path / "sheet.html")
    assert (tmp_path / "sheet.html").read_text() == sheet.strip() + "\n"
    refused(filled.call("data-protection", "--to", tmp_path / "no" / "x.html"), "x.html", code=1)


@pytest.mark.slow
def test_what_is_asked_for_wrongly_is_answered_by_a_sentence(filled, tmp_path):
    to = ["--to", tmp_path / "back"]
    close = 'did you mean "by-hand"?'
    refused(filled.call("run", "by-hadn"), "by-hadn", close, code=2)
    refused(filled.call("cancel", "by-hadn"), close, code=2)
    refused(filled.call("trust", "by-hadn"), close, code=2)
    refused(filled.call("archives", "by-hadn"), close, code=2)
    refused(filled.call("history", "by-hadn"), close, code=2)
    refused(filled.call("restore", "by-hadn", *to), close, code=2)
    refused(filled.call("init", "disk-aa"), 'disk-a"?', code=2)
    refused(filled.call("sheet", "disk-aa"), 'disk-a"?', code=2)
    refused(filled.call("archives", "--repository", "disk-aa"), 'disk-a"?', code=2)
    refused(filled.call("restore", "by-hand", "--repository", "x", *to), '"x"', code=2)
    refused(filled.call("restore", "by-hand", "--from-mirror", "clout", *to), 'cloud"?', code=2)
    refused(filled.call("mirror", "clout"), 'cloud"?', code=2)
    refused(filled.call("drill", "--from-mirror", "clout"), 'cloud"?', code=2)
    refused(filled.call("history", "--run", "99"), "There is no such run.", code=1)
    refused(filled.call("history", "--limit", "0"), "--limit", code=2)
    for time in ("yesteryear", "2026-13-01", "-3 days ago", ""):
        refused(filled.call("restore", "by-hand", "--at", time, *to), "--at", code=2)
    refused(filled.call("trust", "by-hand"), "is not an SFTP source", code=1)
    refused(filled.call("frobnicate"), "No such command", code=2)
    refused(filled.call("restore", "by-hand"), "--to", code=2)
    assert not (tmp_path / "back").exists()


@pytest.mark.slow
def test_restore_never_overwrites_and_names_what_there_is(filled, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(filled.call("restore", "by-hand", "--to", tmp_path / "file"), "file", code=2)
    (tmp_path / "full" / "Data.zip").mkdir(parents=True)
    (tmp_path / "full" / "Data.zip" / "Leads.csv").write_text("mine")
    filled.call("restore", "by-hand", "--to", tmp_path / "full")
    assert (tmp_path / "full" / "Data.zip" / "Leads.csv").read_text() == "mine"
    assert not list(tmp_path.rglob("*.part"))

    done = filled.call("restore", "by-hand", "--table", "Deals", "--to", tmp_path / "back")
    refused(done, "Deals", "Contacts.csv", "Leads.csv", code=1)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_restore_into_a_folder_that_may_not_be_written(filled, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    refused(filled.call("restore", "by-hand", "--to", folder), str(folder), code=1)


@pytest.mark.slow
def test_restore_onto_a_missing_place_says_so(filled):
    done = filled.call("restore", "by-hand", "--to", "/proc/nowhere")
    said = refused(done, "/proc/nowhere", code=1)
    assert "fault in the box's own program" not in said


@pytest.mark.slow
def test_a_state_folder_that_cannot_be_made_is_a_sentence(office):
    text = office.config.read_text().replace(str(office.state), "/proc/nope/state")
    office.config.write_text(text)
    for words in (["status"], ["history"], ["archives"], ["run"]):
        done = office.call(*words)
        assert "Traceback" not in done.stderr, words
        assert done.returncode in {1, 2}, words


def test_the_configuration_may_be_named_behind_the_command_too(office):
    argv = [sys.executable, "-m", "appliance", "check", "--config", str(office.config)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, str(office.config) in done.stdout) == (0, True)


def test_check_says_its_problems_as_json(office):
    office.add("[[mirror]]", name="cloud", repository="nowhere", remote="x:y")
    (problem,) = office.json("check", code=2)["problems"]
    assert problem["path"] == "mirror.cloud.repository"


@pytest.mark.slow
def test_no_disk_here_is_not_the_same_as_no_backup(filled):
    (filled.folder / "disk-a").rename(filled.folder / "away")
    try:
        refused(filled.call("archives"), "On what can be read now there is no backup.", code=1)
    finally:
        (filled.folder / "away").rename(filled.folder / "disk-a")


def test_a_missing_or_broken_configuration_is_explained_at_once(office):
    done = office.call("--config", office.folder / "none.toml", "status")
    refused(done, "none.toml", code=2)
    office.config.write_text("[appliance\n")
    refused(office.call("check"), "line 1", code=2)
    office.config.write_text(
        '[appliance]\ntimezone = "Mars/Base"\nstat = "/x"\n[[source]]\nname = "A b"\n'
        'type = "sftp"\nhost = "h"\nuser = "u"\npassword = "hunter2"\nschedule = "dayly at 25:00"\n'
    )
    said = refused(office.call("check"), "Mars/Base", "state", "password", "schedule", code=2)
    assert "hunter2" not in said
    assert said.count("✗") >= 4, "each problem has its line"
    refused(office.call("run"), "Mars/Base", code=2)


def test_secrets_that_are_missing_or_open_to_others_are_named(office):
    office.add("[[repository]]", name="d", path=office.folder, passphrase="${secret:d}")
    keys = {"type": "sftp", "host": "h.example", "user": "u", "path": "."}
    office.add("[[source]]", name="a", password="${secret:not-there}", **keys)
    office.add("[[source]]", name="b", password=office.secret("open", "tell-tale"), **keys)
    (office.state / "secrets" / "open").chmod(0o644)

    said = refused(office.call("check"), "“not-there” is missing", "chmod 600", code=2)

    assert "source.a.password" in said
    assert "source.b.password" in said
    assert "tell-tale" not in said


@pytest.mark.slow
def test_init_is_asked_for_first_and_does_no_harm_twice(office):
    put(office.inbox(), "a.csv", contacts(100))
    keys = {"name": "disk-a", "path": office.folder / "disk-a" / "repo"}
    office.add("[[repository]]", passphrase="${secret:disk-a}", **keys)

    refused(office.call("init", "disk-a"), "disk-a", code=1)
    (office.folder / "disk-a").mkdir()
    before = office.call("run")
    assert before.returncode == 1, before.stdout
    assert "appliance init disk-a" in before.stdout
    assert "Traceback" not in before.stdout + before.stderr
    assert "appliance init disk-a" in office.call("archives").stderr
    refused(office.call("sheet", "disk-a"), "appliance init disk-a", code=1)

    first, second = office.ok("init", "disk-a"), office.ok("init", "disk-a")
    assert first == second, "the same repository, the same passphrase"
    sheet = office.state / "sheet-disk-a.html"
    assert sheet.stat().st_mode & 0o777 == 0o600
    assert (office.state / "secrets" / "disk-a").stat().st_mode & 0o777 == 0o600
    office.ok("run")


@pytest.mark.slow
def test_nothing_is_pulled_before_trust_nor_from_another_server(office, sshd, served):
    put(served, "a.csv", contacts(100))
    office.sftp(sshd)
    office.disk()

    before = office.call("run")
    assert before.returncode == 1
    assert "appliance trust crm" in before.stdout
    declined = office.call("trust", "crm", input="n\n")
    assert declined.returncode == 1
    assert "SHA256:" in declined.stdout
    said = office.call("trust", "crm", input="y\n").stdout
    assert "Pinned. Go on with `appliance run crm`." in said
    assert "This key is pinned already." in office.ok("trust", "crm")
    office.ok("run")

    known = office.state / "known_hosts"
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIHVwZ3JhZGUtdG8tYW5vdGhlci1rZXktMDEyMzQ1Njc4"
    known.write_text(re.sub(r"(ssh-ed25519) \S+", rf"\1 {other}", known.read_text()))
    changed = office.call("run")
    assert changed.returncode == 1, changed.stdout
    assert "Traceback" not in changed.stdout + changed.stderr
    assert "trust crm" in changed.stdout
    shown = office.call("trust", "crm", input="n\n")
    assert "Until now another key was pinned" in shown.stdout


@pytest.mark.slow
def test_a_server_that_is_down_or_gives_no_export_is_a_failed_run(office, https, served):
    office.disk()
    office.http(https, "/bearer/export.zip")
    down = {"name": "down", "type": "http", "url": f"https://127.0.0.1:{servers.free_port()}/x.zip"}
    office.add("[[source]]", **down, auth={"kind": "none"})

    for data, why in (
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "page"),
        (b"", "empty"),
        (zipped({}), "nothing in it"),
    ):
        (served / "export.zip").write_bytes(data)
        (run,) = office.json("run", "site", code=1)
        assert run["outcome"] == "failed"
        assert why in run["message"].lower(), run
    (run,) = office.json("run", "down", code=1)
    assert run["outcome"] == "failed"
    assert run["hint"]
    assert office.json("archives") == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_staging_is_said_and_leaves_nothing_behind(office, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        office.sections[0] += f'staging = "{small / "staging"}"\n'
        office.disk()
        put(office.inbox(), "a.zip", zipped({"a.csv": contacts(300)}))
        office.ok("run")
        put(office.folder / "by-hand", "a.zip", zipped({"a.csv": os.urandom(9_000_000)}))
        (run,) = office.json("run", code=1)
        assert run["outcome"] == "failed"
        assert "free" in run["message"] or "room" in run["message"], run
        assert run["hint"]
        assert list((small / "staging").iterdir()) == []
        assert len(office.json("archives")) == 1
        put(office.folder / "by-hand", "a.zip", zipped({"a.csv": contacts(301)}))
        office.ok("run")
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def on_a_terminal(office, *words):
    """Run a command on a terminal of 100 columns; return its exit code and what it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    env = os.environ | {"TERM": "xterm-256color"}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(office.argv(*words), env=env, **streams) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            said += piece
        process.wait(60)
    os.close(ours)
    return process.returncode, said.decode()


@pytest.mark.slow
def test_bars_on_a_terminal_and_plain_lines_elsewhere(office):
    inbox = office.inbox()
    office.disk()
    put(inbox, "Data.zip", zipped({"a.bin": os.urandom(8_000_000)}, level=0))
    code, seen = on_a_terminal(office, "run")
    assert code == 0, seen
    assert "━" in seen
    assert re.search(r"[\d.]+/[\d.]+ MB", seen)
    assert "✓ by-hand: done in" in seen

    put(inbox, "Data.zip", zipped({"a.bin": os.urandom(1_000_000)}, level=0))
    plain = office.ok("run")
    assert "\x1b" not in plain
    assert "\r" not in plain
    assert "━" not in plain


@pytest.mark.slow
def test_the_shell_completes_names(office):
    office.inbox("crm-nightly")
    office.inbox("crm-weekly")
    office.add("[[repository]]", name="d", path=office.folder, passphrase="${secret:d}")
    bin_folder = office.folder / "bin"
    bin_folder.mkdir()
    program = bin_folder / "appliance"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m appliance "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(appliance completion bash)"
        COMP_WORDS=(appliance run crm-n) COMP_CWORD=2
        "$(complete -p appliance | sed 's/.*-F \\([^ ]*\\).*/\\1/')" appliance
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    env = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "APPLIANCE_CONFIG": str(office.config),
        "PYTHONPATH": str(Path(cli.__file__).parents[1]),
    }
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["crm-nightly"], done
    for shell in ("zsh", "fish"):
        assert "_APPLIANCE_COMPLETE" in office.ok("completion", shell)


@pytest.mark.slow
def test_output_into_a_pipe_that_closes_is_no_fault(filled):
    for words in (["history", "--json"], ["archives"], ["--help"], ["sheet", "disk-a"], ["run"]):
        reading, writing = os.pipe()
        os.close(reading)
        with subprocess.Popen(
            filled.argv(*words), stdout=writing, stderr=subprocess.PIPE, text=True
        ) as process:
            os.close(writing)
            _, err = process.communicate(timeout=60)
        assert "Traceback" not in err, words
        assert "Exception" not in err, words


@pytest.mark.slow
def test_ctrl_c_in_the_middle_ends_in_good_order(filled, tmp_path):
    put(filled.folder / "by-hand", "Data.zip", zipped({"a.csv": contacts(60_000)}))
    for words in (["run"], ["restore", "by-hand", "--to", tmp_path / "back"], ["mirror"]):
        runs = len(filled.json("history", "--limit", "1000"))
        with filled.started(*words, env=processes.marked(filled.folder)) as process:
            begun = processes.until(
                lambda runs=runs: (
                    len(filled.json("history", "--limit", "1000")) > runs
                    or process.poll() is not None
                ),
                30,
            )
            assert begun
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert "Traceback" not in out + err, words
        (newest,) = filled.json("history", "--limit", "1")
        if newest["outcome"] == "cancelled":
            assert process.returncode in {1, 130}, (words, out, err)
        else:
            assert process.returncode == 0, (words, out, err)
        assert processes.left_over(filled.folder) == {}
        assert list((filled.state / "staging").glob("*")) == []
    filled.ok("run")


@pytest.mark.slow
def test_history_tells_everything_about_one_run(filled):
    text = filled.ok("history", "--run", "2")
    first, second, *_ = text.splitlines()
    assert re.fullmatch(r"Run 2, \w+ \d+ \w+ \d\d:\d\d, by command", first)
    assert second.startswith("✓ Backup of by-hand: done in")
    assert "storing it (disk-a)" in text
    assert all(run["source"] == "by-hand" for run in filled.json("history", "by-hand"))
