"""The only home of reading members out of an archive that lies in a folder, each proved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from ..core.errors import RepositoryDamaged
from ..core.ports import Watch
from . import differences
from .contents import Kept, Manifest
from .manifest import load
from .original import Recipe, rebuild
from .parts import Stretch


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
