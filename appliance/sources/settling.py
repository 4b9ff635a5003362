"""The only home of when what lies in an inbox is whole, and whether that was told already.

No files, no threads, no clock: it is told what a look found and when that was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A file as a look found it; whatever is written to it changes one of these."""

    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int
    """Nobody can set this one, and a change of owner or mode moves it too."""

    @property
    def content(self) -> tuple[int, int, int]:
        """What tells one content from another: told of it once, nobody is told again."""
        return self.inode, self.size_bytes, self.modified_ns


class Settling:
    """The files of one folder, from look to look; times are seconds on a monotonic clock."""

    def __init__(
        self, stable_for_seconds: float, is_being_written: Callable[[bytes, float], bool]
    ) -> None:
        """`is_being_written` is asked about files that have held still, with the seconds that
        they have.
        """
        self._stable_for = stable_for_seconds
        self._is_being_written = is_being_written
        self._since: dict[bytes, tuple[Mark, float]] = {}
        self._told: dict[bytes, tuple[int, int, int]] = {}
        self._whole: dict[bytes, tuple[int, int, int]] = {}
        self.soonest: float | None = None
        """When the next file may have held still for long enough, if one is on its way."""

    def look(self, files: Mapping[bytes, Mark], now: float) -> bool:
        """Given all files of the folder that have something in them, return whether one that
        nobody was told about is whole: still for long enough, and closed by its writer.
        """
        self._since = {
            raw: (mark, self._still_since(raw, mark, now)) for raw, mark in files.items()
        }
        self._told = {raw: told for raw, told in self._told.items() if self._is(raw, told)}
        news = {
            raw: (mark, since)
            for raw, (mark, since) in self._since.items()
            if raw not in self._told
        }
        due = {raw: since + self._stable_for for raw, (_, since) in news.items()}
        self.soonest = min((when for when in due.values() if when > now), default=None)
        self._whole = {
            raw: mark.content
            for raw, (mark, since) in news.items()
            if due[raw] <= now and not self._is_being_written(raw, now - since)
        }
        return bool(self._whole)

    def whole(self) -> Collection[bytes]:
        """Return the names of what the last look found whole."""
        return self._whole.keys()

    def told(self) -> None:
        """What the last look found whole was passed on: it is news only if it changes."""
        self._told |= self._whole

    def _still_since(self, raw: bytes, mark: Mark, now: float) -> float:
        before = self._since.get(raw)
        return before[1] if before and before[0] == mark else now

    def _is(self, raw: bytes, content: tuple[int, int, int]) -> bool:
        return raw in self._since and self._since[raw][0].content == content
