"""The only home of asking a disk how it is (SMART, smartctl 7).

Talking to a disk below its filesystem needs root, so it is done by a unit of its own,
`appliance-smart@sda.service`, which writes the JSON of `smartctl --json -n standby` and knows
nothing else. Exit status and fields as smartctl(8) has them.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..core.errors import ApplianceError
from ..core.smart import Answer, Smart
from ..system import service

FOLDER = Path("/run/appliance-smart")
_LONGEST_BYTES = 4 << 20
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEVICE = re.compile(r"sd[a-z]{1,3}|nvme\d{1,3}n\d{1,3}")
_ANSWERS_WITHIN = timedelta(seconds=90)  # a bridge may hang for a minute
_FAILING, _BELOW_THRESHOLD, _TEST_FAILED = 1 << 3, 1 << 4, 1 << 7
_ASLEEP = re.compile(r"\b(STANDBY|SLEEP)\b")
_WEAR = {
    *("SSD_Life_Left", "Percent_Lifetime_Remain", "Media_Wearout_Indicator"),
    *("Wear_Leveling_Count", "Remaining_Lifetime_Perc"),
}
"""Attributes of solid-state disks whose value counts down from 100 (smartmontools' drivedb.h)."""
_NVME_SPARE, _NVME_READ_ONLY = 1 << 0, 1 << 3
"""Bits of the critical warning (NVMe Base Specification, SMART / Health Information log)."""


def start_unit(device: str) -> None:
    """Have root's unit ask the disk, and return when it has; raise ApplianceError."""
    service.start_unit(f"appliance-smart@{device}.service", within=_ANSWERS_WITHIN)


class SmartReader:
    """Asks disks by the name of their device, `sda`, never waking one that sleeps."""

    def __init__(self, folder: Path = FOLDER, start: Callable[[str], None] = start_unit) -> None:
        self._folder, self._start = folder, start

    def read(self, device: str, now: datetime) -> Smart:
        """Given the name of a whole disk's device, return its answer; nothing is ever raised."""
        if not _DEVICE.fullmatch(device):
            return _silent(now, f"{device} is no disk that could be asked")
        file = self._folder / f"{device}.json"
        before = _version(file)
        try:
            self._start(device)
            if _version(file) == before:
                return _silent(now, "no answer was written")
            return parse(_content(file), device, now)
        except (ApplianceError, OSError) as error:
            return _silent(now, str(error))


def parse(content: bytes, device: str, now: datetime) -> Smart:
    """Given what smartctl said of a device at a time, return the disk's answer.

    What is no such JSON, is about another device or says nothing of a disk's health is silent.
    """
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return _silent(now, "the answer is no JSON")
    facts = _mapping(said)
    about = _mapping(facts.get("device")).get("name")
    if about not in (None, f"/dev/{device}"):
        return _silent(now, f"the answer is about {about}")
    messages = _messages(facts)
    if any(_ASLEEP.search(each) for each in messages) or _sleeps(facts):
        return Smart(now, Answer.ASLEEP)
    answer = _told(facts, now)
    return answer or _silent(now, "; ".join(messages)[:500] or "it says nothing of its health")


def _told(facts: Mapping[str, Any], now: datetime) -> Smart | None:
    """Return what a disk said of itself, None where it did not say how it is."""
    status = _number(_mapping(facts.get("smartctl")).get("exit_status")) or 0
    passed = _mapping(facts.get("smart_status")).get("passed")
    table, nvme = _attributes(facts), _mapping(facts.get("nvme_smart_health_information_log"))
    failing = bool(status & _FAILING)
    known = isinstance(passed, bool) and not _knows_only_scsi(facts)
    if not (known or failing or table or nvme):
        return None
    warning = _number(nvme.get("critical_warning")) or 0
    return Smart(
        now,
        Answer.TOLD,
        passed=False if failing else passed if isinstance(passed, bool) else None,
        below_threshold=bool(status & _BELOW_THRESHOLD),
        test_failed=bool(status & _TEST_FAILED),
        reallocated=_first_number(table.get(5), facts.get("scsi_grown_defect_list")),
        pending=_first_number(table.get(197)),
        uncorrectable=_first_number(table.get(198), nvme.get("media_errors")),
        used_percent=_used_percent(facts, table, nvme),
        spare_is_low=bool(warning & _NVME_SPARE),
        read_only=bool(warning & _NVME_READ_ONLY),
        temperature_celsius=_temperature(facts),
        is_nvme=bool(nvme),
    )


def _knows_only_scsi(facts: Mapping[str, Any]) -> bool:
    """A USB case that passes nothing on says "OK" for every disk: that is no verdict.

    A real SCSI disk counts its defects and errors.
    """
    counters = ("scsi_grown_defect_list", "scsi_error_counter_log")
    is_scsi = _mapping(facts.get("device")).get("protocol") == "SCSI"
    return is_scsi and not any(counter in facts for counter in counters)


def _attributes(facts: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    table = _mapping(facts.get("ata_smart_attributes")).get("table")
    rows = [_mapping(row) for row in table] if isinstance(table, list) else []
    return {number: row for row in rows if (number := _number(row.get("id"))) is not None}


def _first_number(*places: object) -> int | None:
    """Return a count from an attribute's row or from a plain number.

    Makers pack several counts into one raw value; smartctl's text has the wanted one first.
    """
    for place in places:
        raw = _mapping(_mapping(place).get("raw"))
        text = re.match(r"\d{1,15}\b", str(raw.get("string", "")))
        if text:
            return int(text[0])
        if (number := _number(raw.get("value", place))) is not None and number >= 0:
            return number
    return None


def _used_percent(
    facts: Mapping[str, Any], table: Mapping[int, Mapping[str, Any]], nvme: Mapping[str, Any]
) -> int | None:
    plain = _mapping(facts.get("endurance_used")).get("current_percent")
    for said in (plain, nvme.get("percentage_used")):
        if (used := _number(said)) is not None:
            return min(max(used, 0), 255)
    left = [
        value
        for row in table.values()
        if row.get("name") in _WEAR and (value := _number(row.get("value"))) is not None
    ]
    return 100 - min(left) if left and all(0 < value <= 100 for value in left) else None


def _temperature(facts: Mapping[str, Any]) -> int | None:
    celsius = _number(_mapping(facts.get("temperature")).get("current"))
    return celsius if celsius is not None and -40 <= celsius <= 150 and celsius else None


def _sleeps(facts: Mapping[str, Any]) -> bool:
    mode = facts.get("power_mode")
    words = mode if isinstance(mode, str) else _mapping(mode).get("string") or ""
    return bool(_ASLEEP.search(str(words)))


def _messages(facts: Mapping[str, Any]) -> list[str]:
    said = _mapping(facts.get("smartctl")).get("messages")
    rows = said if isinstance(said, list) else []
    return [str(_mapping(row).get("string", "")) for row in rows[:100]]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    """A count that fits 64 bits; JSON may hold anything."""
    return value if type(value) is int and abs(value) < 1 << 63 else None


def _silent(now: datetime, why: str) -> Smart:
    return Smart(now, Answer.SILENT, why=why)


def _version(file: Path) -> tuple[int, int] | None:
    """What is another one after every writing."""
    try:
        found = file.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _content(file: Path) -> bytes:
    with os.fdopen(os.open(file, _READING), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(f"{file} is no file")
        return opened.read(_LONGEST_BYTES)
