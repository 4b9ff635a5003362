"""The only home of a timeline's folder: a chain of segments, each file written at once.

Whatever ends us in the middle leaves a chain that is whole up to some backup; the rest is built
anew. One program writes at a time, and nobody reads meanwhile.
"""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...core.model import StepName
from ...core.ports import Watch
from ...system.files import UNFINISHED, disk_errors, make_private
from ...system.sealed import NotSealed
from . import segment
from .joining import joined
from .segment import Header, Line

_ENDS = ".segment"
_LOCK = "lock"
_LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Link:
    """One segment of the chain, and where it lies."""

    path: Path
    passphrase: str
    about: str
    header: Header

    def lines(self) -> Iterator[Line]:
        """Yield its lines; raise NotSealed."""
        return segment.lines(self.path, self.passphrase, self.about)

    def blocks(self) -> Iterator[str]:
        """Yield its lines, many at a time; raise NotSealed."""
        return segment.blocks(self.path, self.passphrase, self.about)


@dataclass(frozen=True, slots=True)
class Chain:
    """The timeline of one source, in a folder of its own."""

    folder: Path
    passphrase: str
    source: str

    def links(self) -> tuple[Link, ...]:
        """Return its segments, oldest first, as far as they are whole and go on from each other."""
        found = [link for path in self._paths() if (link := self._link(path)) is not None]
        chain: list[Link] = []
        while after := [one for one in found if one.header.before == _end(chain)]:
            chain.append(after[-1])  # where two were joined and the first is still there
        return tuple(chain)

    def add(self, header: Header, lines: Iterable[Line]) -> None:
        """Put a segment at the end; raise DiskFull and the like, nothing is there then."""
        make_private(self.folder)
        segment.write(self._path(header), self.passphrase, self._about, header, lines)

    def forget(self, archives: Collection[str], watch: Watch) -> None:
        """Have some backups told of no more: what only they said is gone."""
        chain = list(self.links())
        for at in reversed(range(len(chain))):
            if chain[at].header.archive in archives:
                watch.check()
                if at + 1 < len(chain):
                    chain[at + 1] = self._join(chain[at], chain[at + 1])
                _remove(chain.pop(at).path)

    def throw_away(self, link: Link) -> None:
        """Remove a segment that cannot be read to its end, and all that go on from it."""
        for path in reversed(list(self._paths())):
            if path >= link.path:
                _remove(path)

    def tidy(self) -> None:
        """Remove what is no part of the chain: damaged, foreign, or left by a sudden end."""
        if not self.folder.is_dir():
            return
        kept = {link.path for link in self.links()}
        for path in [*self._paths(), *self.folder.glob(f".*{UNFINISHED}")]:
            if path not in kept:
                _remove(path)

    @contextmanager
    def alone(self, watch: Watch) -> Iterator[None]:
        """Be the only one to write for the length of the block, once nobody reads any more."""
        with self._locked(fcntl.LOCK_EX, watch):
            yield

    @contextmanager
    def at_rest(self, watch: Watch) -> Iterator[None]:
        """Have nobody write for the length of the block."""
        with self._locked(fcntl.LOCK_SH, watch):
            yield

    @contextmanager
    def _locked(self, how: int, watch: Watch) -> Iterator[None]:
        make_private(self.folder)
        with disk_errors(self.folder):
            file = (self.folder / _LOCK).open("ab")
        with file:
            while not _has(file, how):
                watch.report(StepName.INSPECT, 0, note="waiting: somebody else reads the backups")
                watch.cancel.wait(_LOOK_AGAIN_SECONDS)
            yield

    def _join(self, older: Link, newer: Link) -> Link:
        header, lines = joined(older, newer, newer.path.stat().st_size)
        self.add(header, lines)
        return Link(newer.path, self.passphrase, self._about, header)

    def _link(self, path: Path) -> Link | None:
        try:
            header = segment.read_header(path, self.passphrase, self._about)
        except NotSealed:
            return None
        is_it = path == self._path(header)
        return Link(path, self.passphrase, self._about, header) if is_it else None

    @property
    def _about(self) -> str:
        return f"timeline of {self.source}"

    def _path(self, header: Header) -> Path:
        return self.folder / f"{header.sequence:010d}{_ENDS}"

    def _paths(self) -> Sequence[Path]:
        return sorted(self.folder.glob(f"*{_ENDS}"))


def _end(chain: Sequence[Link]) -> str:
    return chain[-1].header.archive if chain else ""


def _has(file: BinaryIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(path: Path) -> None:
    with disk_errors(path):
        path.unlink(missing_ok=True)
