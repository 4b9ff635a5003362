"""Which backups there are, from the ledger alone: no disk is needed to choose a day.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from ..box import Box
from ..core.errors import ApplianceError
from ..core.model import Copy
from ..engine.memory import WAITING_ROOM, not_good


def listed(box: Box, source: str | None, away: Collection[str]) -> dict[str, object]:
    """Given a source and the disks that are away, return its backups as plain JSON values.

    `as_of` and each `time` are ISO 8601 UTC, each `local` (and `today`) is on the office's clock.
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
    sizes, held = box.ledger.sizes(source), not_good(box.ledger, source)
    by_name: dict[str, list[Copy]] = {}
    for copy in box.ledger.copies(source):  # newest first
        by_name.setdefault(copy.archive, []).append(copy)
    return [
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


def _place(box: Box, name: str, away: Collection[str]) -> Mapping[str, object]:
    if name in {each.name for each in box.settings.mirror}:
        return {"name": name, "kind": "cloud", "here": True}
    kind = "box" if name == WAITING_ROOM else "disk"
    return {"name": name, "kind": kind, "here": name not in away}
