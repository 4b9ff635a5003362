"""Reads what a program says in lines of JSON, among whatever else it says."""

from __future__ import annotations

import json
from typing import Any


def object_in(line: str) -> dict[str, Any] | None:
    """Given a line of a program, return the JSON object in it, None where it is none."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
