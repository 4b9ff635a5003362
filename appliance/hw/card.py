"""The only home of how worn a memory card says it is.

The kernel shows what JEDEC's eMMC standard (EXT_CSD registers 267 to 269) has for it: `life_time`,
two estimates in tenths of its life, and `pre_eol_info`. An SD card has no such counter.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..core.vitals import Card
from .sysfs import entries, text_of

BLOCK = Path("/sys/block")


def cards(block: Path = BLOCK) -> tuple[Card, ...]:
    """Return every memory card of the machine, with what it tells."""
    whole = (each for each in entries(block) if re.fullmatch(r"mmcblk\d+", each.name))
    return tuple(_card(each / "device") for each in whole)


def _card(device: Path) -> Card:
    tenths = [value for value in _numbers(device / "life_time") if 1 <= value <= 0x0B]
    spare = [value for value in _numbers(device / "pre_eol_info") if 1 <= value <= 3]
    return Card(
        text_of(device / "type"),
        life_used_percent=max(tenths) * 10 if tenths else None,
        spare_blocks=max(spare) if spare else None,
    )


def _numbers(file: Path) -> list[int]:
    """`0x01 0x02`; 0 says that nothing is known."""
    return [int(word, 16) for word in re.findall(r"\b0x[0-9a-fA-F]{1,4}\b", text_of(file))]
