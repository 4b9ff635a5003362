"""`appliance disk` and `appliance recover` as a person or a program meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance import pairing, pairing_request
from appliance.cli import disks as commands
from appliance.cli import main
from appliance.core.errors import WrongDisk
from appliance.core.model import AttachedDisk, Filesystem
from appliance.hw import disks, erasable, wording
from appliance.hw import pairing as formatting
from appliance.pairing import Paired

A = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"
STICK = AttachedDisk("/dev/sdx", "SanDisk", "Ultra", "SN1", 64_000_000_000, (), True, False)
PHOTOS = replace(
    STICK, filesystems=(Filesystem("/dev/sdx1", "exfat", "1A2B-3C4D", "PHOTOS"),), serial="SN2"
)
OURS = replace(STICK, filesystems=(Filesystem("/dev/sdx", "ext4", A, "APPLIANCE"),))
SYSTEM = replace(
    STICK, node="/dev/sdc", filesystems=(Filesystem("/dev/sdc1", "ext4", "", "", "/"),),
    is_system=True,
)  # fmt: skip

Run = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "appliance.toml"
    path.write_text(
        f'[appliance]\nname = "Office"\nstate = "{tmp_path}"\n'
        f'[[repository]]\nname = "disk-a"\ndisk = "{A}"\npassphrase = "${{secret:disk-a}}"\n'
    )
    return path


@pytest.fixture
def run(file: Path) -> Run:
    def run(*words: str, typing: str = "") -> Result:
        return CliRunner().invoke(main, ["--config", str(file), *words], input=typing)

    return run


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def plug(*found: AttachedDisk) -> None:
        monkeypatch.setattr(disks, "attached", lambda: found)

    plug()
    return plug


@pytest.fixture
def pair_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was typed for each try; the real decision stands before anything is prepared."""
    typed: list[str] = []

    def pair(_: Path, disk: AttachedDisk, name: str, said: str, *__: Any, **___: Any) -> Paired:
        typed.append(said)
        erasable.require_erasable(disk, (), None, "box", said)
        return Paired(name, A, "/state/sheet.html")

    monkeypatch.setattr(pairing, "pair", pair)
    monkeypatch.setattr(pairing, "require_root", lambda: None)
    return typed


def test_the_list_says_what_each_disk_is_and_who_of_ours_is_away(run, plugged) -> None:
    plugged(PHOTOS, SYSTEM)
    lines = run("disk", "list").output.splitlines()
    assert any("SN2" in line and "holds exFAT “PHOTOS”" in line for line in lines)
    assert any("/dev/sdc" in line and "what this machine runs from" in line for line in lines)
    assert lines[-1] == "disk-a is not plugged in."
    plugged(OURS)
    told = run("disk", "list").output
    assert "disk-a of this box" in told
    assert "not plugged in" not in told


def test_the_list_is_a_sentence_where_there_is_nothing_and_json_for_programs(
    run, plugged, file
) -> None:
    assert run("disk", "list").output.startswith("No disk is plugged in.")
    plugged(OURS, PHOTOS)
    ours, photos = json.loads(run("disk", "list", "--json").output)
    assert (ours["name"], ours["disk"]["serial"]) == ("disk-a", "SN1")
    assert (photos["name"], photos["disk"]["filesystems"][0]["kind"]) == ("", "exfat")
    file.write_text("this is no configuration [")
    assert "holds ext4" in run("disk", "list").output, "a broken file hides no disk"


@pytest.mark.parametrize("words", [("disk", "pair", "/dev/sdx", "--name", "a", "--yes")])
def test_who_is_not_root_is_told_how_and_nothing_is_looked_at(run, monkeypatch, words) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ended = run(*words)
    assert ended.exit_code == 1
    assert "Only root may prepare a disk" in ended.stderr
    assert "sudo" in ended.stderr


def test_an_empty_disk_is_shown_and_a_no_leaves_it_alone(run, plugged, pair_calls) -> None:
    plugged(STICK)
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", typing="n\n")
    assert ended.exit_code == 1
    assert "SanDisk Ultra, 64.0 GB, serial SN1" in ended.output
    assert pair_calls == []
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", typing="y\n")
    assert (ended.exit_code, pair_calls) == (0, [""])
    assert "/state/sheet.html" in ended.output


def test_at_a_terminal_the_serial_of_a_disk_that_holds_something_is_asked_for(
    run, plugged, pair_calls, monkeypatch
) -> None:
    plugged(PHOTOS)
    monkeypatch.setattr(commands, "_somebody_types", lambda: True)
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", typing="y\nSN2\n")
    assert (ended.exit_code, pair_calls) == (0, ["", "SN2"])
    assert "it holds exFAT “PHOTOS”" in ended.output


@pytest.mark.parametrize("said", ["SN1", "yes", "sn2"])
def test_another_word_than_the_serial_erases_nothing(
    run, plugged, pair_calls, monkeypatch, said
) -> None:
    plugged(PHOTOS)
    monkeypatch.setattr(commands, "_somebody_types", lambda: True)
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", typing=f"y\n{said}\n")
    assert (ended.exit_code, pair_calls) == (1, ["", said])
    assert "is not empty" in ended.stderr


NAMELESS = replace(PHOTOS, serial="")
PAIR_NAMELESS = ("disk", "pair", "/dev/sdx", "--name", "disk-b")


def test_a_disk_without_a_serial_number_is_erased_by_the_same_word_wherever_it_is_asked_for(
    run, plugged, pair_calls, monkeypatch, asked, tmp_path
) -> None:
    plugged(NAMELESS)
    row = next(one for one in run("disk", "list").output.splitlines() if "PHOTOS" in one)
    assert row.split("  ")[2] == "none"
    refused = run(*PAIR_NAMELESS, "--yes")
    assert (refused.exit_code, "add --erase ERASE" in refused.stderr) == (1, True)
    assert "the word ERASE where it shows none" in " ".join(
        run("disk", "pair", "-h").output.split()
    )
    assert run(*PAIR_NAMELESS, "--yes", "--erase", "ERASE").exit_code == 0
    monkeypatch.setattr(commands, "_somebody_types", lambda: True)
    ended = run(*PAIR_NAMELESS, typing="y\nERASE\n")
    assert (ended.exit_code, "type ERASE" in ended.output) == (0, True)
    asked(NAMELESS)
    assert run("disk", "pair", "--requested").exit_code == 0
    assert pair_calls == ["", "ERASE", "", "ERASE", "ERASE"]


@pytest.mark.parametrize("said", ["none", "-", "erase", "SN2", " "])
def test_no_other_word_erases_a_disk_without_a_serial_number(
    run, plugged, pair_calls, said
) -> None:
    plugged(NAMELESS)
    ended = run(*PAIR_NAMELESS, "--yes", "--erase", said)
    assert (ended.exit_code, pair_calls) == (1, [said])


def test_the_word_erase_is_no_serial_number(run, plugged, pair_calls) -> None:
    plugged(PHOTOS)
    assert run(*PAIR_NAMELESS, "--yes", "--erase", "ERASE").exit_code == 1


@pytest.mark.parametrize("extra", [("--yes",), ("--yes", "--json")])
def test_without_a_terminal_nobody_is_asked_and_the_way_out_is_said(
    run, plugged, pair_calls, monkeypatch, extra
) -> None:
    plugged(PHOTOS)
    monkeypatch.setattr(commands, "_somebody_types", lambda: "--json" in extra)
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", *extra, typing="SN2\n")
    assert (ended.exit_code, pair_calls) == (1, [""])
    assert "--erase SN2" in ended.stderr


def test_no_word_typed_gets_the_system_disk_asked_for(
    run, plugged, pair_calls, monkeypatch
) -> None:
    plugged(SYSTEM)
    monkeypatch.setattr(commands, "_somebody_types", lambda: True)
    ended = run("disk", "pair", "/dev/sdc", "--name", "disk-b", typing="y\nSN1\n")
    assert (ended.exit_code, pair_calls) == (1, [""])
    assert "what this machine runs from" in ended.stderr


def test_a_program_gets_json_and_nothing_else(run, plugged, pair_calls) -> None:
    plugged(STICK)
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", "--yes", "--json")
    assert json.loads(ended.stdout)["name"] == "disk-b"


def test_json_alone_is_no_consent(run, plugged, pair_calls) -> None:
    plugged(STICK)
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", "--json")
    assert (ended.exit_code, pair_calls) == (2, [])
    assert "--yes" in ended.stderr


def test_a_device_that_is_not_there_is_a_sentence(run, plugged, pair_calls) -> None:
    ended = run("disk", "pair", "/dev/sdx", "--name", "disk-b", "--yes")
    assert ended.exit_code == 1
    assert "There is no disk at /dev/sdx" in ended.stderr
    assert run("disk", "pair").exit_code == 2


@pytest.fixture
def asked(tmp_path: Path) -> Callable[..., Path]:
    """What the worker wrote down before somebody held the button."""

    def ask(disk: AttachedDisk, **other: object) -> Path:
        wish = {"node": disk.node, "serial": disk.serial, "size_bytes": disk.size_bytes}
        wish |= {"name": "disk-b", "contents": wording.on_it(disk), "asked": monotonic()}
        request = tmp_path / pairing_request.REQUEST
        request.write_text(json.dumps(wish | other))
        return request

    return ask


def answered(tmp_path: Path) -> tuple[bool, str]:
    ended = json.loads((tmp_path / pairing_request.RESULT).read_text())
    return ended["ok"], ended["sentence"]


def test_what_the_button_confirmed_is_prepared_once(
    run, plugged, pair_calls, asked, tmp_path
) -> None:
    plugged(PHOTOS)
    request = asked(PHOTOS)
    assert run("disk", "pair", "--requested").exit_code == 0
    assert (pair_calls, request.exists()) == (["SN2"], False)
    assert answered(tmp_path) == (True, "disk-b is ready.")
    assert run("disk", "pair", "--requested").exit_code == 1
    assert pair_calls == ["SN2"]
    assert not answered(tmp_path)[0]


@pytest.mark.parametrize(
    "other",
    [{"serial": "SN9"}, {"size_bytes": 1}, {"contents": "nothing that is known"}],
    ids=str,
)
def test_D2_the_button_prepares_no_other_disk_than_the_one_that_was_shown(
    run, plugged, pair_calls, asked, tmp_path, other
) -> None:
    plugged(PHOTOS)
    request = asked(PHOTOS, **other)
    assert run("disk", "pair", "--requested").exit_code == 1
    assert (pair_calls, request.exists()) == ([], False)
    ok, sentence = answered(tmp_path)
    assert not ok
    assert sentence.startswith("Another disk is plugged in than the one that was shown.")


def test_the_button_erases_no_system_disk_though_the_worker_asks_for_it(
    run, plugged, pair_calls, asked, tmp_path
) -> None:
    plugged(SYSTEM)
    asked(SYSTEM)
    assert run("disk", "pair", "--requested").exit_code == 1
    ok, sentence = answered(tmp_path)
    assert not ok
    assert "what this machine runs from" in sentence


@pytest.mark.parametrize(
    ("asked_for", "said"),
    [
        ({"sheet": "disk-a"}, "The sheet of disk-a may be shown for five minutes."),
        ({"claim": True}, "The box may be made somebody's own for five minutes."),
    ],
)
def test_a_held_button_that_was_asked_for_something_else_prepares_no_disk(
    run, plugged, pair_calls, asked, tmp_path, asked_for, said
) -> None:
    plugged(PHOTOS)
    wish = asked_for | {"asked": monotonic(), "node": PHOTOS.node, "name": "disk-b"}
    asked(PHOTOS).write_text(json.dumps(wish))
    assert run("disk", "pair", "--requested").exit_code == 0
    assert pair_calls == []
    assert answered(tmp_path) == (True, said)


def test_a_torn_request_is_answered_and_prepares_nothing(
    run, plugged, pair_calls, asked, tmp_path
) -> None:
    plugged(PHOTOS)
    asked(PHOTOS).write_text('{"node": "/dev/sd')
    assert run("disk", "pair", "--requested").exit_code == 1
    assert pair_calls == []
    assert answered(tmp_path)[1].startswith("The request cannot be read")


class Worker:
    """A worker that finishes what it does after some questions."""

    def __init__(self, busy_for: int) -> None:
        self._busy_for = busy_for

    def __call__(self, _: Path) -> Worker:
        return self

    def eject(self, name: str | None) -> str:
        return "finishing" if self._busy_for else "released"

    def status(self) -> dict[str, object]:
        self._busy_for -= 1
        rests = self._busy_for < 0
        going = {"name": "disk-a", "ejected": True, "at_rest": rests}
        other = {"name": "disk-b", "ejected": False, "at_rest": False}
        return {"disks": [going, other]}


def test_safe_to_unplug_is_said_only_once_the_disk_rests(run, monkeypatch) -> None:
    monkeypatch.setattr(commands, "_LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(commands, "Client", Worker(busy_for=3))
    lines = run("disk", "eject").output.splitlines()
    assert lines == ["What runs is finished first …", "Safe to unplug: disk-a."]


def test_a_disk_that_does_not_come_to_rest_is_never_called_safe(run, monkeypatch) -> None:
    monkeypatch.setattr(commands, "_LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(commands, "_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(commands, "Client", Worker(busy_for=1000))
    ended = run("disk", "eject", "disk-a")
    assert ended.exit_code == 1
    assert "Safe" not in ended.output
    assert "Leave it plugged in" in ended.stderr


@pytest.fixture
def recovered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []

    def recover(_: Path, disk: AttachedDisk, name: str, passphrase: str, *__: Any) -> Paired:
        seen.append((name, passphrase))
        if passphrase != "six words of the sheet":
            raise WrongDisk("That is not its passphrase.")
        return Paired(name, A, "/state/sheet.html")

    monkeypatch.setattr(pairing, "recover", recover)
    monkeypatch.setattr(pairing, "require_root", lambda: None)
    monkeypatch.setattr(formatting, "mark_on", lambda _: None)
    return seen


def test_the_passphrase_is_asked_for_without_being_shown(run, plugged, recovered) -> None:
    plugged(OURS)
    words = "six words of the sheet"
    ended = run("recover", "--from", "/dev/sdx", "--name", "old", typing=f"{words}\n")
    assert (ended.exit_code, recovered) == (0, [("old", words)])
    assert words not in ended.output
    assert "old belongs to this box now" in ended.output


def test_the_passphrase_may_lie_in_a_file_and_a_wrong_one_is_a_sentence(
    run, plugged, recovered, tmp_path
) -> None:
    plugged(OURS)
    secret = tmp_path / "passphrase"
    secret.write_text("six words of the sheet\n")
    words = ("recover", "--from", "/dev/sdx", "--name", "old", "--passphrase-file", str(secret))
    assert run(*words).exit_code == 0
    secret.write_text("other words")
    ended = run(*words)
    assert ended.exit_code == 1
    assert "not its passphrase" in ended.stderr
    secret.write_bytes(b"\xff\xfe\x00")
    ended = run(*words)
    assert ended.exit_code == 1
    assert "cannot be read" in ended.stderr
    assert len(recovered) == 2
