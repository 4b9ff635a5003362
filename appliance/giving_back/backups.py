"""Which backups there are, from the ledger alone: no disk is needed to choose a day.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
        return known if has_changed or not self._unknown else None

    def add(self, tables: Sequence[Mapping[str, Any]]) -> None:
        """Count what one more brought."""
        for table in tables:
            counts = self._counts.setdefault(table["name"], dict.fromkeys(memory.CHANGES, 0))
            if not table["is_known"]:
                self._unknown.add(table["name"])
            for kind in memory.CHANGES:
                counts[kind] += table[kind]


def listed(box: Box, source: str | None, away: Collection[str]) -> dict[str, object]:
    """Given a source and the disks that are away, return its backups as plain JSON values.

    `as_of` and each `time` are ISO 8601 UTC, each `local` (and `today`) is on the office's clock.
    `newer` is how many good ones came after it, `since` what they brought of each table (None where
    that is not known), `last_is_held` whether the last that came is.

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
    since, good = _came_since(box, facts), 0
    for number, backup in enumerate(facts):
        backup |= {
            "newer": good,
            "since": since.get(str(backup["name"])),
            "is_last": number == 0,
            "last_is_held": facts[0]["held"],
        }
        good += not backup["held"]
    return facts


def _came_since(box: Box, backups: Sequence[Mapping[str, object]]) -> dict[str, Counts | None]:
    """For good backups, what came after each: from the newest on, each says beside which it was
    looked at, also where that one is gone since.
    """
    names = [str(backup["name"]) for backup in backups if not backup["held"]]
    found: dict[str, Counts | None] = {}
    since, name = _Since(), names[0] if names else ""
    while name and name not in found:
        found[name] = since.told()
        told = memory.became(box.ledger, name)
        since.add(told["tables"])
        name = told["beside"]
    return found


def _place(box: Box, name: str, away: Collection[str]) -> Mapping[str, object]:
    if name in {each.name for each in box.settings.mirror}:
        return {"name": name, "kind": "cloud", "here": True}
    kind = "box" if name == memory.WAITING_ROOM else "disk"
    return {"name": name, "kind": kind, "here": name not in away}
