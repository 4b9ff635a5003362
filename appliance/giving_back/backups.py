"""Which backups there are, from the ledger alone: no disk is needed to choose a day.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..box import Box
from ..core.errors import ApplianceError
from ..core.model import Copy
from ..engine import memory

Counts = dict[str, dict[str, int]]
"""By the table's name: `added`, `changed` and `removed` records."""


class _Since:
    """What several backups, one after the other, brought."""

    def __init__(self) -> None:
        self._counts: Counts = {}
        self._unknown: set[str] = set()

    def told(self) -> Counts | None:
        """Return what is known of it; None where that is nothing."""
        known = {name: dict(one) for name, one in self._counts.items() if name not in self._unknown}
        has_changed = any(sum(one.values()) for one in known.values())
        return known if known and (has_changed or not self._unknown) else None

    def add(self, tables: Sequence[Mapping[str, Any]]) -> None:
        """Count what one more brought."""
        if not tables:  # it was not understood, so nothing is known of any
            self._unknown |= self._counts.keys()
        for table in tables:
            counts = self._counts.setdefault(table["name"], dict.fromkeys(memory.CHANGES, 0))
            if not (table["compared"] and table["has_id"]):
                self._unknown.add(table["name"])
            for kind in memory.CHANGES:
                counts[kind] += table[kind]


def listed(box: Box, source: str | None, away: Collection[str]) -> dict[str, object]:
    """Given a source and the disks that are away, return its backups as plain JSON values.

    `as_of` and each `time` are ISO 8601 UTC, each `local` (and `today`) is on the office's clock.
    `newer` is how many good ones came after it, `since` what they brought of each table, None where
    that is not known.
    Without a source there is no list of them. Raise ApplianceError where there is no such source.
    """
    now = box.clock.now()
    facts: dict[str, object] = {
        "sources": [each.name for each in box.settings.source],
        "as_of": now.isoformat(),
        "today": now.astimezone(box.zone).date().isoformat(),
    }
    if source is None:
        return facts
    if all(each.name != source for each in box.settings.source):
        raise ApplianceError(f"There is no source named {source}.")
    return facts | {"source": source, "backups": _backups(box, source, away)}


def places_of(box: Box, source: str, name: str) -> list[str]:
    """Return where an archive is known to lie."""
    return [copy.place for copy in box.ledger.copies(source) if copy.archive == name]


def local(box: Box, time: datetime) -> str:
    """Return a moment on the office's clock, ISO 8601."""
    return time.astimezone(box.zone).isoformat()


def _backups(box: Box, source: str, away: Collection[str]) -> list[dict[str, object]]:
    sizes, held = box.ledger.sizes(source), memory.not_good(box.ledger, source)
    by_name: dict[str, list[Copy]] = {}
    for copy in box.ledger.copies(source):  # newest first
        by_name.setdefault(copy.archive, []).append(copy)
    facts: list[dict[str, object]] = [
        {
            "name": name,
            "time": copies[0].time.astimezone(UTC).isoformat(),
            "local": local(box, copies[0].time),
            "places": [_place(box, copy.place, away) for copy in copies],
            "held": name in held,
            "size_bytes": sizes.get(name),
        }
        for name, copies in by_name.items()
    ]
    return [
        {**backup, "newer": newer, "since": None if backup["held"] else since}
        for backup, (newer, since) in zip(facts, _came_after(box, facts), strict=True)
    ]


def _came_after(box: Box, backups: list[dict[str, object]]) -> Iterator[tuple[int, Counts | None]]:
    """For each backup, newest first: how many good ones came after it, and what they brought.

    Each says what it brought beside the good one before it.
    """
    newer, since = 0, _Since()
    for backup in backups:
        yield newer, since.told()
        if not backup["held"]:
            newer += 1
            since.add(memory.became(box.ledger, str(backup["name"]))["tables"])


def _place(box: Box, name: str, away: Collection[str]) -> Mapping[str, object]:
    if name in {each.name for each in box.settings.mirror}:
        return {"name": name, "kind": "cloud", "here": True}
    kind = "box" if name == memory.WAITING_ROOM else "disk"
    return {"name": name, "kind": kind, "here": name not in away}
