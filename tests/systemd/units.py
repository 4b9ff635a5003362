"""The unit files that the product ships, read as systemd reads them: a key may stand many times."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
ETC = ROOT / "systemd" / "etc"
UNITS = ETC / "systemd" / "system"
SERVICES = sorted(UNITS.glob("*.service"))


def values(unit: Path, key: str) -> list[str]:
    """Given a unit and a key, return its values in their order, continued lines joined."""
    text = unit.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith(("#", ";"))]
    return [line.partition("=")[2] for line in lines if line.partition("=")[0] == key]


def is_root(unit: Path) -> bool:
    return values(unit, "User") in ([], ["root"])
