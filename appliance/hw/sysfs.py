"""Reads the small files of /sys and /proc in which the kernel shows what it knows.

A sensor may be there and refuse to be read, and a device may go while it is looked at: then they
say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def text_of(file: Path) -> str:
    """Return what a file says, without white space around it; empty where it cannot be read."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def entries(folder: Path, pattern: str = "*") -> Sequence[Path]:
    """Return what lies in a folder under such names, by name; nothing where it cannot be read."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return ()
