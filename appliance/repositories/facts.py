"""What an archive carries about itself: the home of the archive's comment and of its name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..core.model import Archive

_NAME = re.compile(r"(?P<source>[a-z0-9][a-z0-9-]*)-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def source_of(name: str) -> str | None:
    """Given an archive's name, return its source, None where the name is not one of ours."""
    found = _NAME.fullmatch(name)
    return found["source"] if found else None


def comment_for(archive: Archive) -> str:
    """Return the archive's facts as the JSON that is stored as its comment."""
    return json.dumps(
        {
            "sequence": archive.sequence,
            "clock": archive.clock_trusted,
            "manifest": archive.manifest_sha256,
            "held": archive.held,
        }
    )


def archive_from(item: Mapping[str, Any]) -> Archive | None:
    """Given an entry of `borg list --json`, return the Archive, None where it is not ours."""
    name = str(item.get("name"))
    source, facts = source_of(name), _facts(str(item.get("comment")))
    if source is None or facts is None:
        return None
    return Archive(
        name=name,
        source=source,
        time=datetime.fromisoformat(str(item["time"])).replace(tzinfo=UTC),  # Borg runs in UTC
        sequence=facts["sequence"],
        manifest_sha256=facts["manifest"],
        clock_trusted=facts["clock"],
        held=facts["held"],
    )


def by_sequence(archives: Iterable[Archive]) -> tuple[Archive, ...]:
    """Return archives in their order: the sequence, never the clock."""
    return tuple(sorted(archives, key=lambda archive: (archive.sequence, archive.name)))


def _facts(comment: str) -> dict[str, Any] | None:
    try:
        facts = json.loads(comment)
    except (ValueError, RecursionError):
        return None
    wanted = {"sequence": int, "clock": bool, "manifest": str, "held": bool}
    if not isinstance(facts, dict):
        return None
    fits = all(type(facts.get(key)) is kind for key, kind in wanted.items())
    return facts if fits else None
