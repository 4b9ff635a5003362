"""The only home of what the worker and the child that opens a backup say to each other.

The child is `python -m appliance.giving_back.opening`. It either rebuilds a backup below a folder,
telling its progress, or writes one of the vendor's own files to standard output; see `child`. Part
of the rim.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ..box import Box
from ..config import Settings
from ..core.errors import ApplianceError
from ..core.model import Lost, Trigger
from ..core.ports import Repository, Watch
from ..engine.restore import FILES, STORED, CloudCopy, Span, Wish, beside, open_up
from ..exports.between import giving_back
from ..exports.looks import Kind, look_at, table_name
from ..exports.restore import hidden_in, originals, write_original
from ..system.files import write_durably
from . import child

CONTENTS = "contents.json"
_KINDS = [str(kind) for kind in Kind]
_NONE = {
    "removed": "No record of this backup is gone from the last that came.",
    "changed": "No record of this backup is another one in the last that came.",
}


@dataclass(frozen=True, slots=True)
class Opening:
    """A backup to rebuild below a folder."""

    settings: Settings
    wish: Wish
    folder: Path
    places: tuple[str, ...]
    """Where to look, best first; names of repositories."""
    cloud: str = ""
    """The mirror to bring it from instead."""
    let_go: frozenset[str] = frozenset()
    """Disks that somebody is about to unplug."""
    only: str = ""
    """Of it only the records that are gone, or were changed, since: as they were."""


@dataclass(frozen=True, slots=True)
class Original:
    """One of the vendor's files to make from what an opening left in a folder."""

    folder: Path
    path: str


def rebuild(opening: Opening, watch: Watch) -> str:
    """Have a child rebuild a backup; return the place it came from.

    Raise what went wrong there as an ApplianceError with its class in `detail`, or Cancelled.
    """
    said = child.answer(__name__, opening, watch)
    return str(said["place"])


def original(wanted: Original) -> Generator[bytes, None, None]:
    """Yield the vendor's file while a child makes it; raise ApplianceError where it is not it."""
    yield from child.stream(__name__, wanted)


def main() -> None:
    """Be the child."""
    child.obey({Opening: _open, Original: _make}, streams=Original)


def _open(opening: Opening) -> None:
    from ..daemon import reading  # noqa: PLC0415 - a vendor's file needs none of these
    from ..foreground import cancelled_by_signals  # noqa: PLC0415 - the child alone
    from ..worker import cloud_copy  # noqa: PLC0415 - as above

    box, watch = Box(opening.settings), Watch(child.telling())
    box.let_go = opening.let_go
    waiting = [box.waiting_room] if box.waiting_room else []
    by_name = {each.name: each for each in [*box.repositories.values(), *waiting]}
    here = [by_name[name] for name in opening.places if name in by_name]
    places = cloud_copy(box, opening.cloud) if opening.cloud else here
    with reading(box), closing(box.ledger), cancelled_by_signals(watch):
        place, hidden = _opened(box, places, opening, watch)
        contents = json.dumps(_contents(opening.folder, hidden))
        write_durably(opening.folder / CONTENTS, contents.encode())
    child.say({"place": place})


def _opened(
    box: Box, places: Sequence[Repository] | CloudCopy, opening: Opening, watch: Watch
) -> tuple[str, dict[str, str]]:
    """Put the files where they can be looked at; return the place that they came from, and by path
    what is hidden in them.
    """
    if not opening.only:
        place = open_up(box.kit, places, opening.wish, opening.folder, watch).place
        return place, hidden_in(opening.folder / STORED)
    wish = Lost("changed" if opening.only == "changed" else "removed")
    root = opening.folder / FILES
    look = giving_back(wish, root, watch)
    span = Span(opening.wish.source, archive=opening.wish.archive)
    done = beside(box.kit, places, span, look, watch, Trigger.PAGE)
    if not done.found:
        hint = "Choose an earlier day, or open the whole backup."
        raise ApplianceError(_NONE[opening.only], hint=hint)
    said = {path.relative_to(root).as_posix(): words for path, words in done.found.items()}
    return done.place, said


def _contents(folder: Path, hidden: Mapping[str, str]) -> dict[str, object]:
    """Return what came back: each file with what it looks like and what was hidden in it, tables
    first, and what the vendor delivered.
    """
    root = folder / FILES
    found = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    named = {path.relative_to(root).as_posix(): path for path in found}
    files = [{**_facts(name, path), "hidden": hidden.get(name, "")} for name, path in named.items()]
    return {
        "files": sorted(files, key=lambda each: (_KINDS.index(str(each["kind"])), each["path"])),
        "originals": [{"path": path, "size_bytes": size} for path, size in _delivered(folder)],
    }


def _delivered(folder: Path) -> list[tuple[str, int]]:
    """What the vendor delivered; single records were never a file of theirs."""
    return list(originals(folder / STORED)) if (folder / STORED).is_dir() else []


def _facts(path: str, file: Path) -> dict[str, object]:
    kind = look_at(file).kind
    name = table_name(path) if kind in {Kind.TABLE, Kind.JSON, Kind.JSON_LINES} else ""
    return {"path": path, "size_bytes": file.stat().st_size, "kind": str(kind), "table": name}


def _make(wanted: Original) -> None:
    signal.signal(signal.SIGTERM, _end)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        write_original(wanted.folder / STORED, wanted.path, out, wanted.folder, Watch())


def _end(number: int, _: object) -> NoReturn:
    """Ended on request, what was made half goes too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    # Under its real name: what comes in is made of the classes of that module.
    from appliance.giving_back.opening import main as real_main

    real_main()
