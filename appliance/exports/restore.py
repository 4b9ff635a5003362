"""The only home of a restore: files streamed out of an archive, compared, then named."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from ..core.errors import ApplianceError, Cancelled, DiskFull, RepositoryDamaged
from ..core.model import StepName
from ..core.ports import Watch
from .choosing import matches, some_of
from .contents import Box, Kept
from .extracted import Extracted
from .hidden import in_words
from .manifest import load
from .original import NotReproduced
from .parts import Stretch, sha256_of
from .remaking import Remaking

_FULL = (28, 122)  # ENOSPC, EDQUOT
_ANEW = (
    "%s was packed anew: all that is in it is as archived and proved, but the file is not byte "
    "for byte the vendor's."
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file to restore: its name there, what it must be, and how its bytes are written."""

    path: str
    size_bytes: int
    sha256: str
    modified: datetime | None
    write: Callable[[BinaryIO], None]
    anew: Remaking | None = None
    """What else will do where these bytes cannot be made again."""


def restore(
    archive_root: Path,
    into: Path,
    watch: Watch,
    *,
    only: Sequence[str] = (),
    original: bool = False,
) -> tuple[Path, ...]:
    """Given an extracted archive, rebuild its files into `into`; see `core.ports.Exports`.

    A file that is there already is left alone if it is the same, and refused if it is not; all
    that can be restored is, before what cannot is reported in one error. A spreadsheet whose
    bytes this zlib does not make comes with its proved contents packed anew, and a warning.
    """
    archive = Extracted.at(archive_root, into)
    wanted = _originals(archive, only, watch) if original else _members(archive, only, watch)
    if not wanted:
        raise ApplianceError(
            f"This backup holds no file called {', '.join(only) or 'anything'}. "
            f"It holds {some_of(kept.path for kept in archive.manifest.members)}.",
            hint="Without a name all of it comes back.",
        )
    with disk_full_of(f"the folder {into}"):
        into.mkdir(parents=True, exist_ok=True)
        return _bring(wanted, into, watch)


def originals(archive_root: Path) -> tuple[tuple[str, int], ...]:
    """Given an extracted archive, return path and size of each container that the vendor
    delivered and that can be given back byte for byte.
    """
    boxes = load(archive_root)[0].containers
    return tuple(
        (box.path, box.size_bytes)
        for box in boxes
        if not box.inside and (box.recipe or box.original)
    )


def hidden_in(archive_root: Path) -> dict[str, str]:
    """Given an extracted archive, say by path which columns of a file are not as they came."""
    members = load(archive_root)[0].members
    said = {kept.path: in_words(kept.hidden.masked, kept.hidden.dropped) for kept in members}
    return {path: words for path, words in said.items() if words}


def write_original(
    archive_root: Path, path: str, out: BinaryIO, scratch: Path, watch: Watch
) -> None:
    """Write one of the `originals` to `out` while it is made, proved only at the end.

    Raise RepositoryDamaged where what was written is not the vendor's file.
    """
    archive = Extracted.at(archive_root, scratch)
    for box in archive.manifest.containers:
        if box.path == path and not box.inside:
            hashed = _Hashed(out)
            _write_original(archive, box, watch, cast("BinaryIO", hashed))
            if hashed.sha256.hexdigest() != box.sha256:
                raise RepositoryDamaged("This file is not what the vendor delivered.", detail=path)
            return
    raise ApplianceError("This backup holds no such file.", detail=path)


class _Hashed:
    """What is written to it goes on, and into a hash."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._out.write(data)


@contextmanager
def disk_full_of(place: str) -> Iterator[None]:
    """Turn the system's "no space left" into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFull(f"There is no room left in {place}.", detail=str(error)) from error


def _members(
    archive: Extracted, only: Sequence[str], watch: Watch, *, exactly: bool = False
) -> list[_Wanted]:
    def write(kept: Kept, out: BinaryIO) -> None:
        archive.write(kept, out, watch)

    def wanted(kept: Kept) -> _Wanted:
        anew = Remaking(kept, write) if kept.recipe and not exactly else None
        size_bytes, sha256 = kept.size_bytes, kept.sha256
        return _Wanted(kept.path, size_bytes, sha256, kept.modified, partial(write, kept), anew)

    return [wanted(kept) for kept in archive.manifest.members if matches(kept.path, only)]


def _originals(archive: Extracted, only: Sequence[str], watch: Watch) -> list[_Wanted]:
    """Return the vendor's own files: outermost containers, and members in none."""
    boxes = [box for box in archive.manifest.containers if not box.inside]
    plain = [
        kept.path
        for kept in archive.manifest.members
        if not any(kept.path.startswith(f"{box.path}/") for box in boxes)
    ]
    exact = _members(archive, only, watch, exactly=True)
    wanted = [_as_it_came(archive, each) for each in exact if each.path in set(plain)]
    for box in boxes:
        inside = (k.path for k in archive.manifest.members if k.path.startswith(f"{box.path}/"))
        if matches(box.path, only) or any(matches(path, only) for path in inside):
            write = partial(_write_original, archive, box, watch)
            wanted.append(_Wanted(box.path, box.size_bytes, box.sha256, box.modified, write))
    return wanted


def _as_it_came(archive: Extracted, wanted: _Wanted) -> _Wanted:
    """Return a file that lay in no container; where columns of it are hidden it cannot be had."""
    (hidden,) = (kept.hidden for kept in archive.manifest.members if kept.path == wanted.path)
    if not (hidden.masked or hidden.dropped):
        return wanted

    def refuse(_: BinaryIO) -> None:
        raise _masked(wanted.path)

    return replace(wanted, write=refuse)


def _masked(path: str) -> ApplianceError:
    return ApplianceError(
        f"The vendor's own file {path} was never stored: columns of it are masked or dropped.",
        hint="Restore without --original; the settings of its table (mask, drop) say which.",
    )


def _write_original(archive: Extracted, box: Box, watch: Watch, out: BinaryIO) -> None:
    if box.recipe:
        archive.make(box.recipe, archive.manifest.members, out, watch)
    elif box.original:
        stored = archive.file(box.original)
        for block in Stretch(stored, 0, stored.stat().st_size).blocks():
            watch.check()
            out.write(block)
    elif box.is_masked:
        raise _masked(box.path)
    else:
        raise ApplianceError(
            f"The vendor's own file {box.path} was not kept, only what was inside it.",
            hint='Restore without --original; original = "keep" keeps such files from now on.',
        )


def _bring(wanted: Sequence[_Wanted], into: Path, watch: Watch) -> tuple[Path, ...]:
    todo = [(each, _target(into, each.path)) for each in wanted]
    there = {target: _is_there(each, target) for each, target in todo}
    total, done, failed = sum(each.size_bytes for each in wanted), 0, dict[str, ApplianceError]()
    brought = []
    for each, target in todo:
        watch.report(StepName.UNPACK, done, total, note=each.path)
        try:
            if not there[target]:
                _write(each, target)
            brought.append(target)
        except (Cancelled, DiskFull):
            raise
        except ApplianceError as error:
            failed[each.path] = error
        except OSError as error:
            failed[each.path] = _not_written(error)
        done += each.size_bytes
    watch.report(StepName.UNPACK, total, total)
    if failed:
        raise _summary(failed, len(wanted))
    return tuple(brought)


def _not_written(error: OSError) -> ApplianceError:
    """Turn the target's refusal of one name into an error; no room for any is not of one."""
    if error.errno in _FULL:
        raise error
    message = f"It cannot be written there: {error.strerror or error}."
    return ApplianceError(message, hint="Restore into a folder on an ordinary Linux disk.")


def _summary(failed: Mapping[str, ApplianceError], count: int) -> ApplianceError:
    """Return one error for all: that of damage, if any is."""
    errors = list(failed.values())
    if count == 1:
        return errors[0]
    first = next((each for each in errors if isinstance(each, RepositoryDamaged)), errors[0])
    return type(first)(
        f"{len(failed)} of {count} files of this backup could not be restored, the others are "
        f"there: {some_of(failed)}. {first.message}",
        hint=first.hint,
        detail="\n".join(f"{path}: {e.message} {e.detail}" for path, e in failed.items())[:4000],
    )


def _target(into: Path, path: str) -> Path:
    target = into / path
    if not target.resolve().is_relative_to(into.resolve()):
        raise ApplianceError(f"The file {path} would not be restored inside {into}.")
    return target


def _is_there(wanted: _Wanted, target: Path) -> bool:
    if not target.exists() and not target.is_symlink():
        return False
    is_file = target.is_file()
    is_same_size = is_file and target.stat().st_size == wanted.size_bytes
    if is_same_size and sha256_of(target) == wanted.sha256:
        return True
    if is_file and wanted.anew:
        with target.open("rb") as file:
            if wanted.anew.is_in(file):
                return True
    raise ApplianceError(
        f"There is already something else called {target}.",
        hint="Restore into an empty folder; nothing was overwritten.",
    )


def _write(wanted: _Wanted, target: Path) -> None:
    """Write under another name, compare, then give the name: half a file never has it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unproved = target.parent / f".restoring-{wanted.sha256[:16]}"
    unproved.unlink(missing_ok=True)
    try:
        _make(wanted, unproved)
        if wanted.modified:
            seconds = wanted.modified.timestamp()
            os.utime(unproved, (seconds, seconds))
        unproved.rename(target)
    finally:
        unproved.unlink(missing_ok=True)


def _make(wanted: _Wanted, file: Path) -> None:
    """Write and compare; where the bytes cannot be made again, their contents packed anew."""
    try:
        _write_through(wanted.write, file)
        is_right = sha256_of(file) == wanted.sha256
    except NotReproduced:
        if wanted.anew is None:
            raise
        file.unlink()
        is_right = _is_made_anew(wanted.anew, file)
        _log.warning(_ANEW, wanted.path)
    if not is_right:
        raise RepositoryDamaged(
            "A restored file is not what was archived.", detail=f"{wanted.path}: SHA-256"
        )


def _is_made_anew(anew: Remaking, file: Path) -> bool:
    """Write a spreadsheet from its parts; return whether each reads back by its SHA-256."""
    _write_through(anew.into, file)
    with file.open("rb") as made:
        return anew.is_in(made)


def _write_through(write: Callable[[BinaryIO], None], file: Path) -> None:
    with file.open("xb") as out:
        write(out)
        out.flush()
        os.fsync(out.fileno())
