"""The only home of which files of an inbox hold links: they are read, and never archived."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from ...core.errors import ApplianceError, ExportNotReady
from ...core.model import Export
from .. import done
from ..picking import Entry
from ..writers import READING
from . import waiting
from .link import Links, ending, is_mail, is_of_a_link, most_bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A file of the inbox that holds links."""

    name: str
    raw: bytes
    key: str
    """What tells it from all others, its content included."""
    said: Links | ApplianceError
    """What stands in it, or why nobody knows."""
    is_mail: bool = False
    is_kept: bool = False
    """Whether it is archived itself: a mail, where no links are followed."""


def sorted_out(
    folder: int, entries: Sequence[Entry], follows: bool
) -> tuple[tuple[Entry, ...], tuple[Held, ...]]:
    """Given whole files of an inbox's descriptor, return which are to be archived, and which hold
    links; a mail is both where no links are followed. Raise ExportNotReady where one went away.
    """
    held = {entry: found for entry in entries if (found := _held(folder, entry, follows))}
    kept = (entry for entry in entries if entry not in held or held[entry].is_kept)
    return tuple(kept), tuple(held.values())


def _held(folder: int, entry: Entry, follows: bool) -> Held | None:
    """Return a file with what stands in it; None where it is one like any other."""
    if not is_of_a_link(entry.name) and (
        ending(entry.name) != "txt" or entry.size_bytes > most_bytes(entry.name)
    ):
        return None
    from . import files  # noqa: PLC0415 - most inboxes see no link, and the worker none

    try:
        data = _read(folder, entry)
        if not is_of_a_link(entry.name):
            found = files.links_alone(data)
            return Held(entry.name, entry.raw, _key(entry, data), found) if found else None
        held = Held(entry.name, entry.raw, _key(entry, data), files.read(entry.name, data))
    except ApplianceError as error:
        if not is_of_a_link(entry.name):
            raise
        held = Held(entry.name, entry.raw, "", error)
    return _as_mail(held, follows) if is_mail(entry.name) else held


def _as_mail(held: Held, follows: bool) -> Held | None:
    """Where no links are followed a mail is a file like any other; it is told of if it looks like
    a notice.
    """
    from . import choosing  # noqa: PLC0415 - as above

    if follows:
        return replace(held, is_mail=True)
    is_notice = isinstance(held.said, Links) and choosing.looks_like_a_notice(held.said)
    return replace(held, is_mail=True, is_kept=True) if is_notice else None


def settle(
    folder: int, entries: Sequence[Entry], export: Export, memory: Path, last: timedelta | None
) -> None:
    """Once an export is archived, remember what of it links led to, and move those files to `done/`
    whose links were all archived.
    """
    archived = {file.sha256 for file in export.files}
    before = waiting.read(memory)
    after = {key: each.after(archived) for key, each in before.items()}
    if after == before:
        return
    waiting.write(memory, after, last)  # first: what cannot be moved is not fetched once more
    whole = {key for key, each in after.items() if each.is_done}
    done.put_away(folder, [raw for raw, key in _keys(folder, entries) if key in whole])
    waiting.write(memory, {key: each for key, each in after.items() if not each.is_done}, last)


def forget(memory: Path) -> None:
    """Nothing in the inbox holds a link: nothing waits."""
    if waiting.read(memory):
        waiting.write(memory, {}, None)


def _keys(folder: int, entries: Sequence[Entry]) -> list[tuple[bytes, str]]:
    found = []
    for entry in entries:
        if is_of_a_link(entry.name) or ending(entry.name) == "txt":
            try:
                found.append((entry.raw, _key(entry, _read(folder, entry))))
            except ExportNotReady:
                continue  # taken away meanwhile
    return found


def _read(folder: int, entry: Entry) -> bytes:
    """Return the beginning of a file, one byte more than may be looked at."""
    try:
        with os.fdopen(os.open(entry.raw, READING, dir_fd=folder), "rb") as file:
            return file.read(most_bytes(entry.name) + 1)
    except OSError as error:
        raise ExportNotReady(
            f"{entry.name} cannot be opened.",
            hint="Check that the box may read the file, or put it into the inbox again.",
            detail=str(error),
        ) from error


def _key(entry: Entry, data: bytes) -> str:
    about = f"{entry.size_bytes} {entry.modified.isoformat()} ".encode()
    return hashlib.sha256(about + entry.raw + b"\0" + data).hexdigest()
