"""Answers of smartctl 7 of every kind that a USB disk can give, made by hand.

Fields and their nesting are those of smartctl's JSON (its man page, `--json`; jsonfmt of its
sources) as public collections of such answers show them: the test data of the projects scrutiny
and smartctl_exporter, and the man page's own exit status bits. The values are ours. Only
`UNABLE` was recorded as it is, on a virtual disk.
"""

from __future__ import annotations

import json
from typing import Any

STANDBY = "Device is in STANDBY mode, exit(2)"
SLEEP = "Device is in SLEEP mode, exit(2)"
STANDBY_OS = "Device is in STANDBY (OS) mode, exit(2)"  # since 7.3, from the kernel's own view


def smartctl(status: int, *messages: str, device: str = "sda") -> dict[str, Any]:
    argv = ["smartctl", "--json", "-n", "standby", "-H", "-A", "-i", f"/dev/{device}"]
    said = [{"string": message, "severity": "error"} for message in messages]
    facts: dict[str, Any] = {
        "version": [7, 4],
        "svn_revision": "5530",
        "platform_info": "aarch64-linux-6.12.47+rpt-rpi-v8",
        "build_info": "(local build)",
        "argv": argv,
        "exit_status": status,
    }
    head = {"json_format_version": [1, 0], "smartctl": facts | ({"messages": said} if said else {})}
    return head | {"local_time": {"time_t": 1795842191, "asctime": "Sat Nov 28 05:03:11 2026 UTC"}}


def device(kind: str, protocol: str, name: str = "sda") -> dict[str, Any]:
    facts = {"name": f"/dev/{name}", "info_name": f"/dev/{name} [{kind}]"}
    return {"device": facts | {"type": kind, "protocol": protocol}}


def attribute(number: int, name: str, raw: int, text: str = "", value: int = 100) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "value": value,
        "worst": value,
        "thresh": 0,
        "when_failed": "",
        "flags": {"value": 50, "string": "-O--CK ", "prefailure": False},
        "raw": {"value": raw, "string": text or str(raw)},
    }


def ata(
    status: int = 0,
    *,
    passed: bool | None = True,
    kind: str = "sat",
    reallocated: int = 0,
    pending: int = 0,
    uncorrectable: int = 0,
    celsius: int = 31,
    more: tuple[dict[str, Any], ...] = (),
    messages: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A hard disk or solid-state disk behind a case that passes its report on."""
    table = [
        attribute(1, "Raw_Read_Error_Rate", 83_905_456),
        attribute(5, "Reallocated_Sector_Ct", reallocated),
        attribute(9, "Power_On_Hours", 167_031_278_144_165, "2725 (151 234 0)"),
        attribute(194, "Temperature_Celsius", 167_504_969_753, f"{celsius} (Min/Max 19/49)"),
        attribute(197, "Current_Pending_Sector", pending),
        attribute(198, "Offline_Uncorrectable", uncorrectable),
        *more,
    ]
    verdict = {} if passed is None else {"smart_status": {"passed": passed}}
    return (
        smartctl(status, *messages)
        | device(kind, "ATA")
        | {"model_name": "EXAMPLE HDD 2TB", "serial_number": "ABC123", "rotation_rate": 5400}
        | {"smart_support": {"available": True, "enabled": True}}
        | verdict
        | {"ata_smart_attributes": {"revision": 16, "table": table}}
        | {"power_on_time": {"hours": 2725}, "temperature": {"current": celsius}}
    )


def nvme(
    status: int = 0,
    *,
    passed: bool = True,
    kind: str = "sntasmedia",
    warning: int = 0,
    used: int = 3,
    spare: int = 100,
    media_errors: int = 0,
    celsius: int = 41,
) -> dict[str, Any]:
    """An NVMe disk in a USB case (types sntasmedia, sntjmicron, sntrealtek)."""
    log = {
        "critical_warning": warning,
        "temperature": celsius,
        "available_spare": spare,
        "available_spare_threshold": 10,
        "percentage_used": used,
        "power_on_hours": 1279,
        "unsafe_shutdowns": 10,
        "media_errors": media_errors,
        "num_err_log_entries": 62,
    }
    return (
        smartctl(status)
        | device(kind, "NVMe")
        | {"model_name": "EXAMPLE NVMe 1TB"}
        | {"smart_status": {"passed": passed, "nvme": {"value": warning}}}
        | {"nvme_smart_health_information_log": log, "temperature": {"current": celsius}}
    )


def refused(status: int, *messages: str) -> dict[str, Any]:
    """smartctl that got no report at all."""
    return smartctl(status, *messages)


def asleep(message: str) -> dict[str, Any]:
    return smartctl(2, message) | device("sat", "ATA")


SCSI_ONLY = (
    smartctl(0)
    | device("scsi", "SCSI")
    | {"vendor": "Generic", "product": "Flash Disk", "model_name": "Generic Flash Disk"}
    | {"smart_status": {"passed": True}}
)
"""What a case or stick without any report looks like: a verdict out of nothing."""
SAS = (
    smartctl(0)
    | device("scsi", "SCSI")
    | {"smart_status": {"passed": True}, "temperature": {"current": 38}}
    | {"scsi_grown_defect_list": 12}
    | {"scsi_error_counter_log": {"read": {"total_uncorrected_errors": 0}}}
)
UNABLE = smartctl(1, "/dev/sda: Unable to detect device type")


def said(facts: dict[str, Any]) -> bytes:
    """Return an answer as smartctl writes it."""
    return json.dumps(facts, indent=2).encode()
