"""The only home of what the worker and the child that looks for a record say to each other.

The child is `python -m appliance.giving_back.seeking`; see `child`. It brings the timeline of a
source up to date where that is due, and searches it, or writes one record to standard output.
Part of the rim.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..core.errors import ApplianceError
from ..core.model import Trigger
from ..core.plain import plain
from ..core.ports import Watch
from . import child

if TYPE_CHECKING:
    from ..timelines import Search

MOST_SHOWN = 50
FOLDER = "timelines"
"""Below the state folder; see `timelines`."""
_LONGEST_CELL = 300
_BLOCK_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Seeking:
    """A text to look for in all backups of a source; without one they are only read."""

    settings: Settings
    source: str
    text: str = ""
    let_go: frozenset[str] = frozenset()
    """Disks that somebody is about to unplug."""


@dataclass(frozen=True, slots=True)
class Taking:
    """A record to give back, by the mark that a search told."""

    settings: Settings
    source: str
    mark: str
    let_go: frozenset[str] = frozenset()


def sought(seeking: Seeking, watch: Watch) -> dict[str, Any]:
    """Have a child search; return what it found as plain JSON values. Raise as `child.answer`."""
    return child.answer(__name__, seeking, watch)


def taken(taking: Taking) -> tuple[str, Generator[bytes, None, None]]:
    """Have a child give a record back; return the name of its file, and its bytes as they come.

    Raise ApplianceError, also while they come, where they are not whole.
    """
    blocks = child.stream(__name__, taking)
    head = b""
    while b"\n" not in head:
        if not (block := next(blocks, b"")):
            raise ApplianceError("The record could not be given back.", hint="Search again.")
        head += block
    line, _, first = head.partition(b"\n")
    return str(json.loads(line)["name"]), _all(first, blocks)


def _all(first: bytes, blocks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    with closing(blocks):
        if first:
            yield first
        yield from blocks


def main() -> None:
    """Be the child."""
    child.obey({Seeking: _seek, Taking: _take}, streams=Taking)


def _seek(seeking: Seeking) -> None:
    from ..box import Box  # noqa: PLC0415 - the child alone
    from ..foreground import cancelled_by_signals  # noqa: PLC0415 - as above
    from ..timelines import keep_up, search  # noqa: PLC0415 - as above

    box, watch = Box(seeking.settings), Watch(child.telling())
    box.let_go = seeking.let_go
    with closing(box.ledger), cancelled_by_signals(watch):
        if seeking.text:
            found = search(box, seeking.source, seeking.text, watch, Trigger.PAGE)
            child.say(_facts(found))
        else:
            keep_up(box, seeking.source, watch)
            child.say({"kept": True})


def _facts(search: Search) -> dict[str, object]:
    return {
        "count": search.found.count,
        "newest": search.newest.time.isoformat() if search.newest else None,
        "troubles": [one.message for one in search.troubles],
        "records": _cut(plain(search.found.records[:MOST_SHOWN])),
    }


def _cut(value: Any) -> Any:
    """Return JSON values with no text longer than anybody reads on the page."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_CELL else f"{value[:_LONGEST_CELL]}…"
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return {key: _cut(each) for key, each in value.items()} if isinstance(value, dict) else value


def _take(taking: Taking) -> None:
    from ..box import Box  # noqa: PLC0415 - as above
    from ..foreground import cancelled_by_signals  # noqa: PLC0415 - as above
    from ..timelines import hand_out  # noqa: PLC0415 - as above

    box, watch = Box(taking.settings), Watch()
    box.let_go = taking.let_go
    with closing(box.ledger), cancelled_by_signals(watch):
        hand_out(box, taking.source, taking.mark, _write, watch)


def _write(path: Path) -> None:
    """Write a file's name as a line, then its bytes."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out, path.open("rb") as file:
        out.write(json.dumps({"name": path.name}).encode() + b"\n")
        while block := file.read(_BLOCK_BYTES):
            out.write(block)


if __name__ == "__main__":
    # Under its real name: what comes in is made of the classes of that module.
    from appliance.giving_back.seeking import main as real_main

    real_main()
