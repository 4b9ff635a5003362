"""D-11: what disks say of themselves through USB cases; "not available" is never "ok"."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import ToolFailed
from appliance.core.signals import Reason
from appliance.core.smart import Answer, Smart, health
from appliance.core.vitals import Condition
from appliance.hw.smart import SmartReader, parse, start_unit

from . import reports

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
DAY = timedelta(days=1)
OK, LOOK, UNKNOWN = Condition.OK, Condition.LOOK, Condition.UNKNOWN
LIFE_LEFT = reports.attribute(231, "SSD_Life_Left", 88, value=88)
WORN = reports.attribute(202, "Percent_Lifetime_Remain", 96, value=4)
PACKED = reports.attribute(5, "Reallocated_Sector_Ct", 53_416_508_262_463, "2111 (12437 0)")

TOLD = {
    "a healthy hard disk behind SAT": (reports.ata(), OK, "is well"),
    "a healthy one behind JMicron": (reports.ata(kind="usbjmicron"), OK, "is well"),
    "one whose bridge cannot say its status, but its values": (
        reports.ata(4, messages=("SMART Status not supported: Incomplete response",)),
        OK,
        "is well",
    ),
    "one that tells values and no verdict": (reports.ata(4, passed=None), OK, "is well"),
    "one that will fail": (reports.ata(216, passed=False, reallocated=1975), LOOK, "fail soon"),
    "one that will fail, said by the exit status alone": (
        reports.ata(8, passed=None),
        LOOK,
        "fail soon",
    ),
    "one with a value below its threshold": (reports.ata(16), LOOK, "fail soon"),
    "one that once was too warm": (reports.ata(32), OK, "is well"),
    "one with old errors in its log": (reports.ata(64), OK, "is well"),
    "one whose own test found something": (reports.ata(128), LOOK, "failed its own test"),
    "one with a spot it cannot read": (reports.ata(pending=1), LOOK, "1 spot that"),
    "one with spots lost": (reports.ata(uncorrectable=8), LOOK, "8 spots that"),
    "one with a few spots replaced": (reports.ata(reallocated=3), OK, "3 spots replaced"),
    "one with many spots replaced": (reports.ata(reallocated=50), LOOK, "50 bad spots"),
    "one that packs its counts": (reports.ata(more=(PACKED,)), LOOK, "2,111 bad spots"),
    "one that is too hot": (reports.ata(celsius=63), LOOK, "63 °C"),
    "a solid-state disk": (reports.ata(more=(LIFE_LEFT,)), OK, "is well"),
    "a worn solid-state disk": (reports.ata(more=(WORN,)), LOOK, "worn out (96 %"),
    "a worn one that says so plainly": (
        reports.ata() | {"endurance_used": {"current_percent": 91}},
        LOOK,
        "worn out (91 %",
    ),
    "NVMe in a USB case": (reports.nvme(), OK, "is well"),
    "NVMe behind Realtek, warm as they are": (
        reports.nvme(kind="sntrealtek", celsius=68),
        OK,
        "is well",
    ),
    "NVMe too hot": (reports.nvme(celsius=76), LOOK, "76 °C"),
    "NVMe without spare": (reports.nvme(8, passed=False, warning=1), LOOK, "fail soon"),
    "NVMe without spare, said by its warning alone": (
        reports.nvme(warning=1),
        LOOK,
        "worn out",
    ),
    "NVMe that lets nobody write": (reports.nvme(warning=8), LOOK, "worn out"),
    "NVMe past its life": (reports.nvme(used=103), LOOK, "103 %"),
    "NVMe that lost data": (reports.nvme(media_errors=7), LOOK, "7 spots"),
    "a real SCSI disk": (reports.SAS, OK, "12 spots replaced"),
}
SILENT = {
    "an unknown bridge": reports.refused(
        1, "/dev/sda: Unknown USB bridge [0x0bda:0x9201 (0xf200)]"
    ),
    "a device that is none": reports.UNABLE,
    "no permission": reports.refused(2, "Smartctl open device: /dev/sda failed: Permission denied"),
    "no such device any more": reports.refused(
        2, "Smartctl open device: /dev/sda failed: No such device"
    ),
    "a bridge that answers nonsense": reports.refused(
        2, "Read Device Identity failed: scsi error unsupported field in scsi command"
    ),
    "JMicron with nothing behind it": reports.refused(
        2, "Smartctl open device: /dev/sda [USB JMicron] failed: No device connected"
    ),
    "a case that calls every disk well": reports.SCSI_ONLY,
    "a disk whose report is switched off": reports.smartctl(4)
    | reports.device("sat", "ATA")
    | {"smart_support": {"available": True, "enabled": False}},
    "a stick without a report": reports.smartctl(4)
    | reports.device("sat", "ATA")
    | {"smart_support": {"available": False}},
    "an answer about another disk": reports.ata() | reports.device("sat", "ATA", "sdb"),
}


def judged(answer: Smart):
    return health("disk-a", answer, answer if answer.answer is Answer.TOLD else None, None, NOW)


@pytest.mark.parametrize("kind", TOLD)
def test_D11_what_a_disk_tells_is_judged(kind):
    facts, state, words = TOLD[kind]
    answer = parse(reports.said(facts), "sda", NOW)
    assert answer.answer is Answer.TOLD
    vital = judged(answer)
    assert vital.state is state, vital
    assert words in vital.sentence
    assert bool(vital.todo) is (state is LOOK)


@pytest.mark.parametrize("kind", SILENT)
def test_D11_what_says_nothing_of_a_disk_is_shown_as_not_known_and_never_as_ok(kind):
    answer = parse(reports.said(SILENT[kind]), "sda", NOW)
    assert answer.answer is Answer.SILENT
    assert answer.why
    vital = judged(answer)
    assert vital.state is UNKNOWN
    assert "does not tell" in vital.sentence
    assert vital.todo


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"[]", b"5", b'"x"', b"\xff\xfe", b"[" * 200_000, b"{}"),
        *(b'{"smartctl":5}', b'{"smart_status": {"passed": "yes"}}'),
        b'{"smartctl": {"exit_status": "8", "messages": [5, {"string": 5}]}, "device": []}',
        b'{"ata_smart_attributes": {"table": [[], {}]}}',
    ],
)
def test_D11_garbage_is_not_known(content):
    assert parse(content, "sda", NOW).answer is Answer.SILENT


@pytest.mark.parametrize("message", [reports.STANDBY, reports.SLEEP, reports.STANDBY_OS])
def test_D11_a_disk_that_sleeps_is_left_asleep_and_its_last_answer_is_told_with_its_age(message):
    answer = parse(reports.said(reports.asleep(message)), "sda", NOW)
    assert answer.answer is Answer.ASLEEP
    never = health("disk-a", answer, None, None, NOW)
    assert (never.state, never.sentence) == (UNKNOWN, "disk-a sleeps and could not be asked yet.")
    told = parse(reports.said(reports.ata()), "sda", NOW - 12 * DAY)
    vital = health("disk-a", answer, told, None, NOW)
    assert vital.sentence == "disk-a says that it is well (asked 12 days ago; it sleeps)."
    bad = parse(reports.said(reports.ata(pending=2)), "sda", NOW - 12 * DAY)
    assert health("disk-a", answer, bad, None, NOW).state is LOOK
    unsure = health("disk-a", answer, told, None, None)
    assert unsure.sentence == "disk-a says that it is well (when it was asked last)."
    ahead = parse(reports.said(reports.ata()), "sda", NOW + DAY)
    assert "asked last" in health("disk-a", answer, ahead, None, NOW).sentence


def test_D11_the_power_mode_says_it_too():
    for mode in ("STANDBY", {"string": "SLEEP"}):
        facts = reports.smartctl(2) | {"power_mode": mode}
        assert parse(reports.said(facts), "sda", NOW).answer is Answer.ASLEEP


def test_new_bad_spots_are_told_even_where_they_are_few():
    before = parse(reports.said(reports.ata(reallocated=3)), "sda", NOW - DAY)
    same = parse(reports.said(reports.ata(reallocated=3)), "sda", NOW)
    more = parse(reports.said(reports.ata(reallocated=4)), "sda", NOW)
    assert health("disk-a", same, same, before, NOW).state is OK
    vital = health("disk-a", more, more, before, NOW)
    assert (vital.state, vital.reason) == (LOOK, Reason.DISK)
    assert "new bad spots (4 by now)" in vital.sentence


def test_a_disk_that_was_never_asked_is_not_known():
    assert health("disk-a", None, None, None, NOW).state is UNKNOWN


def test_a_disk_that_said_it_will_fail_and_answers_no_more_is_still_looked_after():
    bad = Smart(NOW - DAY, Answer.TOLD, passed=False)
    vital = health("disk-a", Smart(NOW, Answer.SILENT), bad, None, NOW)
    assert (vital.state, vital.reason) == (LOOK, Reason.DISK)
    assert "will fail soon (asked" in vital.sentence
    assert "it does not answer now" in vital.sentence


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.data())
def test_D11_whatever_stands_in_a_field_nothing_is_raised(data):
    facts = reports.ata() | reports.nvme() | {"endurance_used": {"current_percent": 5}}
    for _ in range(data.draw(st.integers(1, 4))):
        place = facts
        while isinstance(place, dict) and place:
            key = data.draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or data.draw(st.booleans()):
                place[key] = data.draw(JSON)
                break
            place = place[key]
    answer = parse(json.dumps(facts).encode(), "sda", NOW)
    vital = health("disk-a", answer, answer, None, NOW)
    assert vital.sentence.endswith(".")


class Unit:
    """Root's unit, as far as we see it: a file appears, or not."""

    def __init__(self, folder: Path, content: bytes | None) -> None:
        self.folder, self.content = folder, content
        self.started: list[str] = []

    def __call__(self, device: str) -> None:
        self.started.append(device)
        if self.content is not None:
            new = self.folder / ".new"
            new.write_bytes(self.content)
            new.rename(self.folder / f"{device}.json")


def test_a_disk_is_asked_by_the_unit_and_its_fresh_answer_is_read(tmp_path):
    unit = Unit(tmp_path, reports.said(reports.ata(celsius=33)))
    answer = SmartReader(tmp_path, unit).read("sda", NOW)
    assert (answer.answer, answer.temperature_celsius, answer.read_at) == (Answer.TOLD, 33, NOW)
    assert unit.started == ["sda"]


def test_yesterdays_answer_is_not_taken_for_todays(tmp_path):
    (tmp_path / "sda.json").write_bytes(reports.said(reports.ata()))
    answer = SmartReader(tmp_path, Unit(tmp_path, None)).read("sda", NOW)
    assert (answer.answer, answer.why) == (Answer.SILENT, "no answer was written")


@pytest.mark.parametrize("device", ["sda1", "../sda", "", "sda;x", "vda", "sda\n", "dm-0", "SDA"])
def test_C6_only_a_disks_name_becomes_part_of_a_unit_or_a_path(tmp_path, device):
    unit = Unit(tmp_path, reports.said(reports.ata()))
    assert SmartReader(tmp_path, unit).read(device, NOW).answer is Answer.SILENT
    assert unit.started == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "huge"])
def test_C6_what_is_no_plain_answer_is_not_read(tmp_path, kind):
    other = tmp_path / "other"
    other.write_bytes(reports.said(reports.ata()))
    file = tmp_path / "sda.json"

    def unit(_device):
        if kind == "link":
            file.symlink_to(other)
        elif kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
        else:
            with file.open("wb") as large:
                large.write(reports.said(reports.ata())[:-2] + b',"x":"')
                large.truncate(1 << 34)

    assert SmartReader(tmp_path, unit).read("sda", NOW).answer is Answer.SILENT


def test_a_unit_that_cannot_be_started_makes_it_unknown(tmp_path):
    def unit(_device):
        raise ToolFailed("The program systemctl is not installed.")

    answer = SmartReader(tmp_path, unit).read("sda", NOW)
    assert (answer.answer, answer.why) == (
        Answer.SILENT,
        "The program systemctl is not installed.",
    )


def test_the_unit_is_started_by_its_name_without_asking_anybody(tmp_path, monkeypatch):
    called = tmp_path / "called"
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {called}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    start_unit("sdb")
    assert called.read_text() == "--no-ask-password --no-pager start appliance-smart@sdb.service\n"
