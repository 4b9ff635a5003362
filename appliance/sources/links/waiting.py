"""The only home of which links of an inbox were fetched, and since when the others wait.

One small file beside the ledger. Names of the files in the inbox stand in it, links only as hashes.
A link counts as fetched once the file that it led to is archived: until then it is fetched anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ...system.files import make_private, write_durably

FOLDER = "links"
"""Below the state folder; a file for each inbox."""
_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file of the inbox that holds links."""

    name: str
    since: datetime
    """When it came, or its mail was sent."""
    wanted: frozenset[str] = frozenset()
    """Marks of the links that are to be fetched."""
    fetched: frozenset[str] = frozenset()
    landed: Mapping[str, str] = field(default_factory=dict)
    """By mark: the hash of the file that it led to, in the last pull."""
    is_dead: bool = False
    """Whether its time is over: it was asked for, and leads to nothing any more."""

    @property
    def is_done(self) -> bool:
        """Whether all that it leads to is archived."""
        return bool(self.wanted) and self.wanted <= self.fetched

    def after(self, archived: Collection[str]) -> Waiting:
        """Return it once files of these hashes are archived."""
        new = {mark for mark, sha256 in self.landed.items() if sha256 in archived}
        return replace(self, fetched=self.fetched | new, landed={})


def read(path: Path) -> dict[str, Waiting]:
    """Return what waits, by the hash of its file; what cannot be understood is as if new."""
    try:
        told = json.loads(path.read_bytes())["files"]
        return {str(key): _from_json(each) for key, each in told.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write(path: Path, waiting: Mapping[str, Waiting], last: timedelta | None) -> None:
    """Remember what waits, and until when each may be fetched; raise as `write_durably` does."""
    kept = dict(list(waiting.items())[-_MOST_KEPT:])
    told = {
        "files": {key: _as_json(each) for key, each in kept.items()},
        "offers": [
            {
                "what": each.name,
                "since": each.since.isoformat(),
                "until": (each.since + last).isoformat(),
            }
            for each in kept.values()
            if last and not each.is_done and not each.is_dead
        ],
    }
    if path.is_file() or kept:
        make_private(path.parent)
        write_durably(path, json.dumps(told).encode())


def _as_json(waiting: Waiting) -> dict[str, object]:
    return {
        "name": waiting.name,
        "since": waiting.since.isoformat(),
        "wanted": sorted(waiting.wanted),
        "fetched": sorted(waiting.fetched),
        "landed": dict(waiting.landed),
        "dead": waiting.is_dead,
    }


def _from_json(told: Mapping[str, Any]) -> Waiting:
    since = datetime.fromisoformat(told["since"])
    if since.tzinfo is None:
        raise ValueError(since)
    return Waiting(
        str(told["name"]),
        since,
        frozenset(map(str, told["wanted"])),
        frozenset(map(str, told["fetched"])),
        {str(mark): str(sha256) for mark, sha256 in told["landed"].items()},
        bool(told.get("dead")),
    )
