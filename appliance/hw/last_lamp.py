"""The last resort: lights PLEASE LOOK for a while, when the panel's own program is dead.

systemd starts it by its path with the system's Python, so that nothing which may have killed the
panel is needed: no library, no package of ours, no worker. Only the pin, as the panel noted it when
its configuration was last sound. It speaks the kernel's GPIO character device (uAPI v2, since
Linux 5.10): see `linux/gpio.h`, whose structures and numbers these are.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import struct
import sys
import time
from pathlib import Path

NOTED = Path("/var/lib/appliance-panel/panel.json")
_GET_CHIP, _GET_LINE = 0x8044B401, 0xC250B407
_CHIP = struct.Struct("=32s32sI")
_REQUEST = struct.Struct("=256s32sQI20x" + "IIQQ" + "216xII20xi")
"""offsets, consumer, flags, attributes, the one attribute, lines, buffer, descriptor"""
_OUTPUT, _ATTRIBUTE_VALUES = 1 << 3, 2
_HEADER = b"pinctrl-"  # what a Pi calls the chip of its 40 pins: pinctrl-bcm2711, pinctrl-rp1


def pin(noted: Path) -> int:
    """Given the panel's note, return the pin of PLEASE LOOK; raise whatever is wrong with it."""
    return int(json.loads(noted.read_text(encoding="utf-8"))["panel"]["led_attention"])


def is_header(chip: int) -> bool:
    """Given an open GPIO chip, return whether it has the Pi's 40 pins."""
    answer = bytearray(_CHIP.size)
    fcntl.ioctl(chip, _GET_CHIP, answer)
    return bytes(_CHIP.unpack(answer)[1]).startswith(_HEADER)


def request(offset: int) -> bytearray:
    """Given a line's number, return the kernel's structure that claims it as an output, high."""
    offsets = struct.pack("=I", offset).ljust(256, b"\0")
    attribute = (_ATTRIBUTE_VALUES, 0, 1, 1)
    return bytearray(_REQUEST.pack(offsets, b"last lamp", _OUTPUT, 1, *attribute, 1, 0, 0))


def light(devices: Path, offset: int) -> bool:
    """Claim the line high on the Pi's own chip; it stays so until we end. False without a Pi."""
    for device in sorted(devices.glob("gpiochip*")):
        chip = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        if is_header(chip):
            fcntl.ioctl(chip, _GET_LINE, request(offset))
            return True
        os.close(chip)
    return False


def main() -> int:
    """Light the lamp for `--seconds`; return 1 where there is none."""
    words = argparse.ArgumentParser()
    words.add_argument("--seconds", type=float, required=True)
    seconds = words.parse_args().seconds
    try:
        lit = light(Path("/dev"), pin(NOTED))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"The lamp cannot be lit: {error}", file=sys.stderr)  # noqa: T201 - for the journal
        return 1
    if lit:
        time.sleep(seconds)
    return int(not lit)


if __name__ == "__main__":
    sys.exit(main())
