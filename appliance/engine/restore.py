"""The way back: choose an archive, take it out, rebuild its files where a person wants them.

It only reads. It goes through the repositories in their order until one gives the archive back
whole, and is written down as a Run of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..core.errors import ApplianceError, Cancelled
from ..core.model import Archive, StepName, Trigger
from ..core.ports import Repository, Watch
from .journal import Journal, Remarks, record, understood
from .kit import Kit


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants back."""

    source: str
    at: datetime | None = None
    """The newest good archive at or before it, the oldest where none is that old."""
    only: tuple[str, ...] = ()
    """Patterns of members; empty for all."""
    original: bool = False
    """The vendor's own files."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, from which archive in which place."""

    archive: Archive
    place: str
    paths: tuple[Path, ...]


def choose(archives: Sequence[Archive], at: datetime | None) -> Archive | None:
    """Given a source's archives, return the newest good one at or before a time.

    Held ones are never chosen. The order is the sequence, since clocks may have been wrong.
    """
    good = sorted((one for one in archives if not one.held), key=lambda one: one.sequence)
    old_enough = [one for one in good if at is None or one.time <= at]
    candidates = old_enough or good[:1]
    return candidates[-1] if candidates else None


def restore(
    kit: Kit, repositories: Sequence[Repository], wish: Wish, into: Path, watch: Watch
) -> Restored:
    """Rebuild what is wished for into a folder; every file compared before it gets its name.

    Raise what the last repository raised, or ApplianceError where none has such an archive.
    """
    found: list[Restored] = []

    def story(journal: Journal, folder: Path) -> None:
        restoring = _Restoring(kit, journal, wish, folder, into)
        found.append(restoring.first_whole(repositories))
        journal.archive = found[0].archive.name
        journal.message = f"{len(found[0].paths)} files given back into {into}."

    ended = record(kit, f"restore:{wish.source}", Trigger.COMMAND, watch, story)
    if ended.error is not None:
        raise ended.error
    return found[0]


@dataclass(frozen=True, slots=True)
class _Restoring:
    kit: Kit
    journal: Journal
    wish: Wish
    folder: Path
    into: Path

    def first_whole(self, repositories: Sequence[Repository]) -> Restored:
        """Go from copy to copy until one is whole; raise what the first one raised."""
        failures: list[ApplianceError] = []
        for number, repository in enumerate(repositories):
            try:
                return self._from(repository, self.folder / str(number))
            except Cancelled:
                raise
            except Exception as error:  # noqa: BLE001 - the next copy may be whole
                failures.append(understood(error))
        none = ApplianceError("There is no repository to restore from.")
        raise failures[0] if failures else none

    def _from(self, repository: Repository, folder: Path) -> Restored:
        def bring_back(remarks: Remarks) -> Restored:
            archive = self._chosen(repository)
            folder.mkdir()
            watch, wish = self.journal.watch, self.wish
            repository.extract(archive.name, folder, watch)
            self.into.mkdir(parents=True, exist_ok=True)
            paths = self.kit.exports.restore(
                folder, self.into, watch, only=wish.only, original=wish.original
            )
            remarks.size_bytes, remarks.message = sum(p.stat().st_size for p in paths), archive.name
            return Restored(archive, repository.name, paths)

        return self.journal.step(StepName.VERIFY, bring_back, repository.name)

    def _chosen(self, repository: Repository) -> Archive:
        archive = choose(repository.archives(self.wish.source), self.wish.at)
        if archive is None:
            raise ApplianceError(
                f"There is no backup of {self.wish.source} on {repository.name}.",
                hint="`appliance archives` lists what there is.",
            )
        return archive
