"""The test restore that leaves evidence: what a restore would do, done, compared and recorded.

It takes the newest archive of each source and one other by chance, from a repository or from
a mirror brought back whole, compares every stored file with the manifest and rebuilds every
member of the export.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from ..core.errors import ApplianceError, MirrorRefused
from ..core.model import Archive, Run, StepName, Trigger
from ..core.ports import Mirror, Repository, Watch
from . import memory, rotation
from .journal import Journal, Remarks, record
from .kit import Ended, Kit
from .places import Place, take_out, wipe

Choose = Callable[[list[Archive]], Archive]


def job_name(place: str) -> str:
    """Return the name under which the drills of a place stand in the ledger."""
    return f"drill:{place}"


def drill(
    repository: str,
    trigger: Trigger,
    kit: Kit,
    watch: Watch,
    slot: str = "",
    *,
    choose: Choose = random.choice,
) -> Ended:
    """Restore from a repository of the kit and compare; return the finished Run."""

    def story(journal: Journal, folder: Path) -> None:
        (place,) = rotation.reachable(kit, journal, only=repository)
        _restore_some(kit, journal, place, folder, choose)

    return record(kit, job_name(repository), trigger, watch, story, slot)


def drill_mirror(  # noqa: PLR0917 - shaped as `drill`, and how to open
    mirror: Mirror,
    open_copy: Callable[[Path], Repository],
    trigger: Trigger,
    kit: Kit,
    watch: Watch,
    slot: str = "",
    *,
    choose: Choose = random.choice,
) -> Ended:
    """Bring a whole mirror back, open it read-only with `open_copy`, restore and compare."""

    def story(journal: Journal, folder: Path) -> None:
        into = folder / "fetched"
        into.mkdir()
        identity = kit.ledger.noted(memory.key(memory.REPOSITORY_ID, mirror.repository))

        def fetch(remarks: Remarks) -> Place:
            copy = open_copy(mirror.fetch(identity, into, journal.watch))
            remarks.message = "The cloud copy was brought back."
            return Place(copy, list(copy.archives()), known_as=mirror.name)

        place = journal.step(StepName.PULL, fetch, mirror.name)
        _restore_some(kit, journal, place, folder, choose)

    return record(kit, job_name(mirror.name), trigger, watch, story, slot)


def run_drill(repository: str, trigger: Trigger, kit: Kit, watch: Watch, slot: str = "") -> Run:
    """As `drill`, returning only the Run."""
    return drill(repository, trigger, kit, watch, slot).run


def _restore_some(kit: Kit, journal: Journal, place: Place, folder: Path, choose: Choose) -> None:
    chosen = _chosen(place, choose)
    if not chosen:
        raise MirrorRefused(
            f"There is no backup on {place.name} to restore.", hint="Back up first."
        )
    files = [_restore(kit, journal, place, archive, folder) for archive in chosen]
    journal.archive = chosen[0].name
    journal.message = f"{len(chosen)} backups restored from {place.name}: {sum(files)} files equal."


def _chosen(place: Place, choose: Choose) -> list[Archive]:
    chosen = []
    for last in place.newest_of_each():
        *older, newest = place.of(last.source)
        chosen += [newest, choose(older)] if older else [newest]
    return chosen


def _restore(kit: Kit, journal: Journal, place: Place, archive: Archive, folder: Path) -> int:
    """Take one archive out, compare it, rebuild its export; return the number of files."""
    taken = take_out(kit, journal, place, archive, folder / "archive")
    if isinstance(taken, ApplianceError):
        raise taken

    def rebuild(remarks: Remarks) -> int:
        into = folder / "restored"
        into.mkdir()
        paths = kit.exports.restore(taken.root, into, journal.watch)
        remarks.size_bytes = sum(path.stat().st_size for path in paths)
        remarks.message = f"{archive.name}: {len(paths)} files rebuilt and equal"
        return len(paths)

    count = journal.step(StepName.VERIFY, rebuild, place.name)
    wipe(folder / "restored")
    return count
