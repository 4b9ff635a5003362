"""The only home of getting files back out of an archive: streamed, compared, then named."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

from ..core.errors import ApplianceError, DiskFull, RepositoryDamaged
from ..core.model import StepName
from ..core.ports import Watch
from . import differences
from .contents import Box, Kept, Manifest
from .manifest import load
from .original import Recipe, rebuild
from .parts import BLOCK_BYTES, Stretch

_FULL = (28, 122)  # ENOSPC, EDQUOT
_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Extracted:
    """An archive that lies in a folder, with the members that can be rebuilt from it."""

    root: Path
    manifest: Manifest
    scratch: Path
    """Where there is room for one member at a time."""

    @classmethod
    def at(cls, root: Path, scratch: Path) -> Extracted:
        """Given the folder, read its manifest; raise RepositoryDamaged where that is impossible."""
        return cls(root, load(root)[0], scratch)

    def file(self, stored: str) -> Path:
        """Given the path of a stored file, return where it lies: really in this folder."""
        path = self.root / stored
        if path.is_symlink() or not path.resolve().is_relative_to(self.root.resolve()):
            raise RepositoryDamaged("A backup points outside of itself.", detail=stored)
        if not path.is_file():
            raise RepositoryDamaged("A file is missing in a backup.", detail=stored)
        return path

    def blocks(self, kept: Kept, watch: Watch) -> Iterator[bytes]:
        """Given a member, yield its bytes, unproved; raise RepositoryDamaged or Cancelled."""
        if kept.recipe:
            yield from self._made(kept, kept.recipe, watch)
        elif kept.whole:
            path = self.file(kept.whole)
            yield from Stretch(path, 0, path.stat().st_size).blocks()
        else:
            for chain in kept.chains:
                yield from differences.replay(
                    [self.file(link) for link in chain.links], watch.check
                )

    def write(self, kept: Kept, out: BinaryIO | None, watch: Watch) -> None:
        """Write a member's bytes to `out` (None: only prove them).

        Raise RepositoryDamaged where they are not the bytes that were archived.
        """
        hasher, size = hashlib.sha256(), 0
        for block in self.blocks(kept, watch):
            watch.check()
            hasher.update(block)
            size += len(block)
            if size > kept.size_bytes:
                break
            if out:
                out.write(block)
        if (size, hasher.hexdigest()) != (kept.size_bytes, kept.sha256):
            raise RepositoryDamaged(
                "A file in a backup is not what was archived.",
                detail=f"{kept.path}: SHA-256 differs",
            )

    def make(self, recipe: Recipe, members: Iterable[Kept], out: BinaryIO, watch: Watch) -> None:
        """Write what a recipe makes of members to `out`."""
        by_path = {kept.path: kept for kept in members}
        with TemporaryDirectory(prefix=".making-", dir=self.scratch) as scratch:

            def opened(path: str) -> BinaryIO:
                if path not in by_path:
                    raise RepositoryDamaged("A part of an original is missing.", detail=path)
                return self._as_file(by_path[path], Path(scratch), watch)

            rebuild(recipe, opened, out, watch)

    def _made(self, kept: Kept, recipe: Recipe, watch: Watch) -> Iterator[bytes]:
        with TemporaryDirectory(prefix=".making-", dir=self.scratch) as scratch:
            path = Path(scratch) / "made"
            with path.open("xb") as out:
                self.make(recipe, kept.inside, out, watch)
            yield from Stretch(path, 0, path.stat().st_size).blocks()

    def _as_file(self, kept: Kept, scratch: Path, watch: Watch) -> BinaryIO:
        """Return a member opened for reading; its file is gone as soon as it is closed."""
        path = scratch / "member"
        with path.open("xb") as out:
            self.write(kept, out, watch)
        opened = path.open("rb")
        path.unlink()
        return opened


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file to restore: its name there, what it must be, and how its bytes are written."""

    path: str
    size_bytes: int
    sha256: str
    modified: datetime | None
    write: Callable[[BinaryIO], None]


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
    that can be restored is, before a damaged one is reported.
    """
    archive = Extracted.at(archive_root, into)
    wanted = _originals(archive, only, watch) if original else _members(archive, only, watch)
    if not wanted:
        raise ApplianceError(
            f"This backup holds no file called {', '.join(only) or 'anything'}.",
            hint=f"It holds {_some_of(archive.manifest)}. Without a name all of it comes back.",
        )
    with disk_full_of(f"the folder {into}"):
        into.mkdir(parents=True, exist_ok=True)
        return _bring(wanted, into, watch)


def _some_of(manifest: Manifest) -> str:
    names = sorted(kept.path for kept in manifest.members)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (", ".join(names[:_NAMES_SHOWN]) or "nothing") + more


@contextmanager
def disk_full_of(place: str) -> Iterator[None]:
    """Turn the system's "no space left" into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFull(f"There is no room left in {place}.", detail=str(error)) from error


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Given a member's path, return whether a pattern means it.

    A pattern is a glob over the path or its last part, or the name of a table: `Contacts` means
    `Data_001.zip/Contacts_001.csv` too. No patterns mean everything.
    """
    pure = PurePosixPath(path)
    table = re.sub(r"[-_ ]*\d+$", "", pure.stem)
    return not patterns or any(
        fnmatchcase(path, each)
        or fnmatchcase(pure.name, each)
        or each.casefold() in {pure.stem.casefold(), table.casefold()}
        for each in patterns
    )


def _members(archive: Extracted, only: Sequence[str], watch: Watch) -> list[_Wanted]:
    def wanted(kept: Kept) -> _Wanted:
        return _Wanted(
            kept.path,
            kept.size_bytes,
            kept.sha256,
            kept.modified,
            lambda out: archive.write(kept, out, watch),
        )

    return [wanted(kept) for kept in archive.manifest.members if matches(kept.path, only)]


def _originals(archive: Extracted, only: Sequence[str], watch: Watch) -> list[_Wanted]:
    """Return the vendor's own files: outermost containers, and members in none."""
    boxes = [box for box in archive.manifest.containers if not box.inside]
    plain = [
        kept.path
        for kept in archive.manifest.members
        if not any(kept.path.startswith(f"{box.path}/") for box in boxes)
    ]
    wanted = [each for each in _members(archive, only, watch) if each.path in set(plain)]
    for box in boxes:
        inside = (k.path for k in archive.manifest.members if k.path.startswith(f"{box.path}/"))
        if matches(box.path, only) or any(matches(path, only) for path in inside):
            wanted.append(_original(archive, box, watch))
    return wanted


def _original(archive: Extracted, box: Box, watch: Watch) -> _Wanted:
    recipe = box.recipe
    if recipe:
        members = archive.manifest.members

        def write(out: BinaryIO) -> None:
            archive.make(recipe, members, out, watch)

    elif box.original:
        stored = archive.file(box.original)

        def write(out: BinaryIO) -> None:
            for block in Stretch(stored, 0, stored.stat().st_size).blocks():
                watch.check()
                out.write(block)

    else:
        raise ApplianceError(
            f"The vendor's own file {box.path} was not kept, only what was inside it.",
            hint='Restore without --original; original = "keep" keeps such files from now on.',
        )
    return _Wanted(box.path, box.size_bytes, box.sha256, box.modified, write)


def _bring(wanted: Sequence[_Wanted], into: Path, watch: Watch) -> tuple[Path, ...]:
    todo = [(each, _target(into, each.path)) for each in wanted]
    there = {target: _is_there(each, target) for each, target in todo}
    total, done, damaged = sum(each.size_bytes for each in wanted), 0, list[RepositoryDamaged]()
    brought = []
    for each, target in todo:
        watch.report(StepName.UNPACK, done, total, note=each.path)
        try:
            if not there[target]:
                _write(each, target)
            brought.append(target)
        except RepositoryDamaged as error:
            damaged.append(error)
        done += each.size_bytes
    watch.report(StepName.UNPACK, total, total)
    if damaged:
        raise RepositoryDamaged(
            f"{len(damaged)} of {len(wanted)} files of this backup are damaged and were not "
            "restored; the others are there.",
            detail="\n".join(f"{error.message} {error.detail}" for error in damaged[:20]),
        )
    return tuple(brought)


def _target(into: Path, path: str) -> Path:
    target = into / path
    if not target.resolve().is_relative_to(into.resolve()):
        raise ApplianceError(f"The file {path} would not be restored inside {into}.")
    return target


def _is_there(wanted: _Wanted, target: Path) -> bool:
    if not target.exists() and not target.is_symlink():
        return False
    is_file = target.is_file() and target.stat().st_size == wanted.size_bytes
    if is_file and _sha256(target) == wanted.sha256:
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
        with unproved.open("xb") as out:
            wanted.write(out)
            out.flush()
            os.fsync(out.fileno())
        if _sha256(unproved) != wanted.sha256:
            raise RepositoryDamaged(
                "A restored file is not what was archived.", detail=f"{wanted.path}: SHA-256"
            )
        if wanted.modified:
            seconds = wanted.modified.timestamp()
            os.utime(unproved, (seconds, seconds))
        unproved.rename(target)
    finally:
        unproved.unlink(missing_ok=True)


def _sha256(file: Path) -> str:
    hasher = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        while block := stream.read(BLOCK_BYTES):
            hasher.update(block)
    return hasher.hexdigest()
