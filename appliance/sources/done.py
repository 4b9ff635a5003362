"""The only home of `done/`: what was archived is put there, and after a while removed from there.

A list beside the files (`.archived`) says which of them the box itself put there, with size and
time. Nothing else is ever removed, and nothing that was changed since. The time of a file's
arrival is written by `remove_old`, which is called with a trusted clock only: a clock that was
wrong on the day of the backup makes no file look old.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from ..core.errors import SourceUnreachable

DONE = "done"
_LIST, _NEW_LIST = b".archived", b".archived.new"
_LONGEST_LIST_BYTES = 64 << 20
_OPENING = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that the box put into `done/`, as it was then."""

    size_bytes: int
    modified_ns: int
    since: datetime | None = None
    """When a trusted clock first saw it there."""


def put_away(folder: int, names: Sequence[bytes]) -> None:
    """Given an inbox's descriptor, move these files of it into `done/`, on the disk on return.

    Of two with one name the second gets a number. Raise SourceUnreachable where `done` is no
    folder, OSError where a file cannot be moved.
    """
    if not names:
        return
    with suppress(FileExistsError):  # from last time; a link or file of that name fails below
        os.mkdir(DONE, dir_fd=folder)
    with _opened(folder) as done:
        kept = _read(done)
        there = {raw: found for raw in names if (found := _as_it_is(folder, raw)) is not None}
        moves = dict(zip(there, _free_names(done, there), strict=True))
        kept |= {free: there[raw] for raw, free in moves.items()}
        with _or_say_so("the list of what was archived could not be written"):
            _write(done, kept)  # first: a file that is moved but not listed would stay for ever
        for raw, free in moves.items():
            with suppress(FileNotFoundError):  # taken away in this moment
                os.rename(raw, free, src_dir_fd=folder, dst_dir_fd=done)
        os.fsync(done)
        os.fsync(folder)


def remove_old(folder: int, now: datetime, keep: timedelta) -> tuple[str, ...]:
    """Given an inbox's descriptor and a trusted time, remove from its `done/` what was put there
    by `put_away`, is as it was then, and has been there for `keep`; return the names.
    """
    try:
        with _opened(folder) as done:
            before = _read(done)
            after, old = _sorted_out(done, before, now, keep)
            removed = tuple(raw for raw in old if _remove(done, raw))
            after |= {raw: before[raw] for raw in old if raw not in removed}
            if after != before:
                _write(done, after)
    except SourceUnreachable:
        return ()  # nothing was ever put there
    return tuple(os.fsdecode(raw) for raw in removed)


def _sorted_out(
    done: int, kept: Mapping[bytes, Kept], now: datetime, keep: timedelta
) -> tuple[dict[bytes, Kept], list[bytes]]:
    """Return what stays listed, and what is to go."""
    stays: dict[bytes, Kept] = {}
    old: list[bytes] = []
    for raw, each in kept.items():
        if not _is_still(done, raw, each):
            continue  # taken away or changed by somebody: theirs
        if each.since is None or each.since > now:
            stays[raw] = replace(each, since=now)
        elif now - each.since < keep:
            stays[raw] = each
        else:
            old.append(raw)
    return stays, old


def _remove(done: int, raw: bytes) -> bool:
    with _or_say_so("an old file of done/ could not be removed"):
        os.unlink(raw, dir_fd=done)
        return True
    return False


def _is_still(done: int, raw: bytes, kept: Kept) -> bool:
    try:
        found = os.stat(raw, dir_fd=done, follow_symlinks=False)
    except OSError:  # gone, or a name that no file can have
        return False
    same = (found.st_size, found.st_mtime_ns) == (kept.size_bytes, kept.modified_ns)
    return same and stat.S_ISREG(found.st_mode)


def _as_it_is(folder: int, raw: bytes) -> Kept | None:
    try:
        found = os.stat(raw, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Kept(found.st_size, found.st_mtime_ns)


@contextmanager
def _opened(folder: int) -> Iterator[int]:
    """Open `done/` and have it to ourselves: a Run may put away while old files are removed."""
    try:
        done = os.open(DONE, _OPENING, dir_fd=folder)
    except OSError as error:
        message = f"The folder {DONE} in the inbox cannot be used."
        raise SourceUnreachable(message, hint="Remove what has its name.") from error
    try:
        with suppress(OSError):  # a share that knows no locks has one box all the same
            fcntl.flock(done, fcntl.LOCK_EX)
        yield done
    finally:
        os.close(done)


def _free_names(done: int, names: Iterable[bytes]) -> Iterator[bytes]:
    taken: set[bytes] = {_LIST, _NEW_LIST}
    for raw in names:
        free = next(
            name for name in _numbered(raw) if name not in taken and not _exists(done, name)
        )
        taken.add(free)
        yield free


def _numbered(raw: bytes) -> Iterator[bytes]:
    """Yield `a.csv`, `a-2.csv`, `a-3.csv` and so on."""
    yield raw
    name = Path(os.fsdecode(raw))
    for number in count(2):
        yield os.fsencode(f"{name.stem[:180]}-{number}{name.suffix[:20]}")


def _exists(folder: int, raw: bytes) -> bool:
    try:
        os.stat(raw, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _read(done: int) -> dict[bytes, Kept]:
    """Return the list; what cannot be understood in it is as if it were not there."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(_LIST, flags, dir_fd=done), "rb") as file:
            said = json.loads(file.read(_LONGEST_LIST_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("the list of what was archived cannot be read: %s", error)
        return {}
    understood = (_understood(name, facts) for name, facts in _items(said))
    return dict(each for each in understood if each is not None)


def _items(said: object) -> Iterator[tuple[str, object]]:
    if isinstance(said, dict):
        yield from said.items()


def _understood(name: str, facts: object) -> tuple[bytes, Kept] | None:
    match facts:
        case [int(size_bytes), int(modified_ns), None | str() as since]:
            pass
        case _:
            return None
    try:
        raw = os.fsencode(name)
        when = None if since is None else datetime.fromisoformat(since)
    except ValueError:
        return None
    plain = b"/" not in raw and b"\0" not in raw and raw not in (b"", b".", b"..")
    aware = when is None or when.tzinfo is not None
    return (raw, Kept(size_bytes, modified_ns, when)) if plain and aware else None


def _write(done: int, kept: Mapping[bytes, Kept]) -> None:
    said = {
        os.fsdecode(raw): (
            each.size_bytes,
            each.modified_ns,
            each.since.isoformat() if each.since else None,
        )
        for raw, each in kept.items()
    }
    with suppress(FileNotFoundError):
        os.unlink(_NEW_LIST, dir_fd=done)  # from a power cut
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(_NEW_LIST, flags, 0o600, dir_fd=done), "wb") as file:
        file.write(json.dumps(said).encode())
        file.flush()
        os.fsync(file.fileno())
    os.rename(_NEW_LIST, _LIST, src_dir_fd=done, dst_dir_fd=done)
    os.fsync(done)


@contextmanager
def _or_say_so(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _log.warning("%s: %s", what, error)
