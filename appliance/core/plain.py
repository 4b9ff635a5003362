"""The only home of how our values become JSON: for the worker's socket and for `--json`."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """Given values of ours, return them as JSON has them: times as ISO, durations in seconds."""
    return json.loads(json.dumps(value, default=form))


def form(value: Any) -> Any:
    """Given a value that JSON does not know, return one that it may know; raise TypeError."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(type(value).__name__)
