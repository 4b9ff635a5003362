"""The only home of what the board says of its power supply.

A Raspberry Pi's firmware knows whether the voltage is right. Its kernel asks it every two seconds
and shows the answer to everybody: `in0_lcrit_alarm` of the sensor `rpi_volt`
(drivers/hwmon/raspberrypi-hwmon.c). `vcgencmd get_throttled` knows more, also what was since it
was switched on, but needs the program and /dev/vcio (group video). The older file of the firmware
driver is read last: the kernel calls it deprecated, and says so in its log when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ..core.errors import ApplianceError
from ..core.vitals import Power, power_of
from ..system import process
from .sysfs import entries, text_of

HWMON = Path("/sys/class/hwmon")
FIRMWARE = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_SENSOR = "rpi_volt"
_ALARM = "in0_lcrit_alarm"
_ANSWER = re.compile(r"throttled=(0x[0-9a-fA-F]{1,8})\s*")
_LIMITS = process.Limits(total=timedelta(seconds=5))


def vcgencmd() -> int | None:
    """Return the bits that the firmware says, None where it cannot be asked."""
    said: list[str] = []
    try:
        argv = [process.find("vcgencmd"), "get_throttled"]
        ended = process.run(argv, on_line=said.append, limits=_LIMITS)
    except (ApplianceError, OSError):
        return None
    found = _ANSWER.fullmatch(said[0]) if said and ended.code == 0 else None
    return int(found[1], 16) if found else None


class PowerSupply:
    """The supply of this machine; on one that says nothing of it everything is None."""

    def __init__(
        self,
        hwmon: Path = HWMON,
        firmware: Path = FIRMWARE,
        ask: Callable[[], int | None] = vcgencmd,
    ) -> None:
        self._hwmon, self._firmware, self._ask = hwmon, firmware, ask

    def under_voltage(self) -> bool:
        """Return whether the voltage is known to be too low now (or was two seconds ago).

        Cheap where the kernel's sensor is: asked before a Run and all along it.
        """
        alarm = self._alarm()
        return alarm if alarm is not None else bool(self._mask().low_now)

    def read(self) -> Power:
        """Return all that is said."""
        alarm, found = self._alarm(), self._mask()
        if alarm is None:
            return found
        return replace(found, low_now=alarm, low_before=bool(found.low_before) or alarm)

    def _alarm(self) -> bool | None:
        """The sensor's number differs from boot to boot: it is found by its name."""
        for sensor in entries(self._hwmon):
            if text_of(sensor / "name") == _SENSOR:
                return {"0": False, "1": True}.get(text_of(sensor / _ALARM))
        return None

    def _mask(self) -> Power:
        mask = self._ask()
        if mask is None:
            mask = _hexadecimal(text_of(self._firmware))
            # Its history is of the last two seconds: the kernel clears it each time it asks.
            return Power() if mask is None else replace(power_of(mask), low_before=None)
        return power_of(mask)


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,8}", text) else None
