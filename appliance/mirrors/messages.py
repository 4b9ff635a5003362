"""The only home of what rclone says: its JSON log, and the names that its comparison prints."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Any

from ..system.json_lines import object_in

SILENCE = timedelta(minutes=30)
"""Longer without a single byte moving or file compared is a hung cloud or disk. rclone prints its
statistics all the while, so its lines alone are no sign of life."""
COMPARING = "appliance: comparing"
"""What our script says between copying and comparing."""
_NAME = re.compile(r"data/\d+/\d+|config|README")
_MOVING = ("bytes", "checks", "transfers", "totalChecks", "totalTransfers", "listed", "deletes")


class Said:
    """Listens to rclone's JSON log and to the names that its comparison prints."""

    def __init__(self, on_progress: Callable[[int, int], None] | None = None) -> None:
        self.files = 0
        self.size_bytes = 0
        self.comparing = False
        self.differing: list[str] = []
        self.refused: list[str] = []
        self._moved: tuple[object, ...] = ()
        self._moved_at = monotonic()
        self._messages: deque[str] = deque(maxlen=20)
        self._on_progress = on_progress

    def hear(self, line: str) -> None:
        """Take one line of either stream; any byte sequence will do."""
        message = object_in(line)
        if line == COMPARING:
            self.comparing = True
        elif message is None:
            self._hear_name(line)
        elif isinstance(message.get("stats"), dict):
            self._hear_stats(message["stats"])
        else:
            self._hear_message(message)

    def _hear_name(self, line: str) -> None:
        if _NAME.fullmatch(line):  # only the comparison prints names
            self.differing.append(line)
        self._messages.append(line[:500])

    def is_stalled(self) -> bool:
        """Return whether nothing has moved for longer than a cloud or a disk may take."""
        return monotonic() - self._moved_at > SILENCE.total_seconds()

    def _hear_stats(self, stats: Mapping[str, Any]) -> None:
        moved = (self.comparing, *(stats.get(key) for key in _MOVING))
        if moved != self._moved:
            self._moved, self._moved_at = moved, monotonic()
        if self.comparing:
            return
        done, total = _number(stats.get("bytes")), _number(stats.get("totalBytes"))
        self.files, self.size_bytes = _number(stats.get("transfers")), done
        if self._on_progress:
            self._on_progress(done, total)

    def _hear_message(self, message: Mapping[str, Any]) -> None:
        text, name = str(message.get("msg", ""))[:500], str(message.get("object", ""))
        if message.get("level") in {"error", "critical"}:
            self.refused.extend([name] if name and not self.comparing else [])
        self._messages.append(f"{name}: {text}" if name else text)

    @property
    def detail(self) -> str:
        """The last messages, for the log."""
        return "\n".join(self._messages)


class OrStalled(Event):
    """Set when another event is, or when nothing moves any more."""

    def __init__(self, cancel: Event, said: Said) -> None:
        super().__init__()
        self._cancel, self._said = cancel, said

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self._cancel.is_set() or self._said.is_stalled()


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
