"""A disk that waits for the button: what is asked, when that is over, what is told of the end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, WrongDisk
from appliance.core.model import AttachedDisk, Filesystem
from appliance.hw import disks
from appliance.pairing_request import OPEN_FOR, PREPARED_WITHIN, REQUEST, RESULT, PairingRequest
from tests.fakes import FakeClock

SECOND = timedelta(seconds=1)
PHOTOS = AttachedDisk(
    "/dev/sdx",
    "SanDisk",
    "Ultra",
    "SN2",
    64 * 10**9,
    (Filesystem("/dev/sdx1", "exfat", "AA-BB", "PHOTOS"),),
    is_usb=True,
    is_system=False,
)


class Desk:
    """The worker's request, the runtime folder and the disks that are plugged in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.changes = 0
        self.plugged = [PHOTOS]
        self.request = self.begun()

    def begun(self) -> PairingRequest:
        """As after a start of the worker."""
        return PairingRequest(self.folder, self.clock.monotonic, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def ask(self, name: str = "disk-b") -> str:
        return self.request.make(PHOTOS.node, name, {"disk-a"})

    def root_takes_it(self) -> dict[str, object]:
        wish: dict[str, object] = json.loads((self.folder / REQUEST).read_text())
        (self.folder / REQUEST).unlink()
        return wish

    def root_says(self, text: str) -> None:
        (self.folder / RESULT).write_text(text)

    def files(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)
    monkeypatch.setattr(disks, "attached", lambda: tuple(made.plugged))
    return made


def test_the_question_names_the_disk_and_what_would_be_lost(desk: Desk) -> None:
    question = desk.ask()
    assert question == (
        "Erase SanDisk Ultra, 64.0 GB (on it: exFAT “PHOTOS”) and make it disk-b? "
        "Hold the button on the box for five seconds."
    )
    assert desk.request.facts() == {"question": question}
    assert desk.changes == 1
    assert (desk.folder / REQUEST).stat().st_mode & 0o777 == 0o640
    assert desk.root_takes_it() == {
        "node": "/dev/sdx",
        "serial": "SN2",
        "size_bytes": 64 * 10**9,
        "name": "disk-b",
        "contents": "exFAT “PHOTOS”",
        "asked": desk.clock.monotonic(),
    }


def test_a_disk_without_a_serial_number_may_be_asked_for_too(desk: Desk) -> None:
    desk.plugged = [replace(PHOTOS, serial="")]
    assert "Hold the button" in desk.ask()
    assert desk.root_takes_it()["serial"] == ""


def test_a_question_that_nobody_answers_lapses_and_nothing_is_left_for_root(desk: Desk) -> None:
    desk.ask()
    desk.clock.forward(OPEN_FOR - SECOND)
    assert not desk.request.look()
    assert desk.request.facts() is not None
    desk.clock.forward(SECOND)
    assert not desk.request.look()
    assert desk.request.facts() is None
    assert desk.files() == []


def test_a_worker_that_starts_anew_leaves_no_question_that_nobody_sees(desk: Desk) -> None:
    desk.ask()
    assert desk.begun().facts() is None
    assert desk.files() == []


def test_preparing_takes_longer_than_the_question_and_its_end_is_told_all_the_same(
    desk: Desk,
) -> None:
    desk.ask()
    desk.root_takes_it()
    desk.request.look()
    told = "SanDisk Ultra, 64.0 GB is being prepared: leave it plugged in."
    assert desk.request.facts() == {"question": "", "answer": told}
    desk.clock.forward(3 * OPEN_FOR)
    desk.request.look()
    assert desk.request.facts() == {"question": "", "answer": told}
    desk.root_says('{"ok": true, "sentence": "disk-b is ready."}')
    assert desk.request.look()
    assert desk.request.facts() == {"question": "", "answer": "disk-b is ready."}
    assert desk.files() == []
    assert not desk.request.look(), "once"
    desk.clock.forward(OPEN_FOR)
    desk.request.look()
    assert desk.request.facts() is None


def test_what_root_refused_is_said_and_no_configuration_is_read(desk: Desk) -> None:
    desk.ask()
    desk.root_takes_it()
    desk.root_says('{"ok": false, "sentence": "Another disk is plugged in."}')
    assert not desk.request.look()
    assert desk.request.facts() == {"question": "", "answer": "Another disk is plugged in."}
    assert desk.ask(), "and the next one may be asked for"


@pytest.mark.parametrize("text", ["", '{"ok": tr', "[]", "[" * 9999, '"ready"', "\0"])
def test_what_is_no_answer_ends_nothing(desk: Desk, text: str) -> None:
    desk.ask()
    desk.root_takes_it()
    desk.root_says(text)
    assert not desk.request.look()
    assert "is being prepared" in str(desk.request.facts())
    desk.clock.forward(PREPARED_WITHIN)
    desk.request.look()
    assert desk.request.facts() is None
    assert desk.files() == []


def test_D2_what_a_person_reads_does_not_become_another_disk_while_they_hold_the_button(
    desk: Desk,
) -> None:
    question = desk.ask()
    with pytest.raises(ApplianceError, match=r"SanDisk Ultra, 64.0 GB's turn"):
        desk.ask("disk-c")
    assert desk.request.facts() == {"question": question}
    assert desk.root_takes_it()["name"] == "disk-b"
    desk.request.look()
    with pytest.raises(ApplianceError, match="turn"):
        desk.ask("disk-c")


@pytest.mark.parametrize(
    "name", ["", "Disk B", "../etc", "disk-b/..", "disk_b", "-b", "disk-b\n", "disk-a"]
)
def test_a_name_that_is_none_or_taken_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(ApplianceError, match=r"not a name|disk-a already"):
        desk.ask(name)
    assert (desk.files(), desk.request.facts()) == ([], None)


@pytest.mark.parametrize(
    "disk",
    [
        None,
        replace(PHOTOS, is_system=True),
        replace(PHOTOS, is_read_only=True),
        replace(PHOTOS, filesystems=(replace(PHOTOS.filesystems[0], mounted_at="/mnt/photos"),)),
    ],
    ids=["gone", "system", "read-only", "mounted"],
)
def test_D2_a_disk_that_must_not_be_erased_is_not_even_asked_for(
    desk: Desk, disk: AttachedDisk | None
) -> None:
    desk.plugged = [disk] if disk else []
    with pytest.raises(WrongDisk):
        desk.ask()
    assert (desk.files(), desk.request.facts()) == ([], None)
