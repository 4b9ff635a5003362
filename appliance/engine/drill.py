"""The test restore that leaves evidence: what a restore would do, done, compared and recorded.

It takes the newest archive of each source and one other by chance, from a repository or from
a mirror brought back whole, compares every stored file with the manifest and rebuilds every
member of the export.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from ..core.errors import ApplianceError, MirrorRefused, RepositoryDamaged
from ..core.model import Archive, Outcome, Run, StepName, Trigger
from ..core.ports import Watch
from . import memory, rotation
from .journal import Journal, Remarks, record
from .kit import Ended, Kit
from .places import Place, proved, take_out, wipe
from .restore import CloudCopy, fetched

Choose = Callable[[list[Archive]], Archive]

OF_THE_FIRST_REPOSITORY = "monthly on 1 at 12:00"
OF_EACH_MIRROR = "0 12 2 1,4,7,10 *"
"""Each quarter: it brings the whole cloud copy down. At noon, far from the night's backups."""


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
        gone = RepositoryDamaged(f"The backups that were on {repository} are gone.")
        known = proved(kit, repository)
        (place,) = rotation.reachable(kit, journal, only=repository)
        _try(kit, journal, place, folder, choose, gone if known else None)

    return record(kit, job_name(repository), trigger, watch, story, slot)


def drill_mirror(
    copy: CloudCopy,
    trigger: Trigger,
    kit: Kit,
    watch: Watch,
    slot: str = "",
    *,
    choose: Choose = random.choice,
) -> Ended:
    """Bring a whole mirror back, restore from it and compare; return the finished Run."""
    name = copy.mirror.name

    def story(journal: Journal, folder: Path) -> None:
        known = proved(kit, name)
        if not known and _is_empty(kit, copy, watch):
            _pass_over(journal, name)
            return
        repository = fetched(kit, journal, copy, folder / "fetched")
        archives = memory.as_decided(kit.ledger, repository.archives())
        place = Place(repository, archives, known_as=name)
        gone = MirrorRefused(f"The backups that were in {name} are gone.")
        _try(kit, journal, place, folder, choose, gone if known else None)

    return record(kit, job_name(name), trigger, watch, story, slot)


def run_drill(repository: str, trigger: Trigger, kit: Kit, watch: Watch, slot: str = "") -> Run:
    """As `drill`, returning only the Run."""
    return drill(repository, trigger, kit, watch, slot).run


def _is_empty(kit: Kit, copy: CloudCopy, watch: Watch) -> bool:
    """Whether the cloud answers, and has nothing of ours."""
    identity = kit.ledger.noted(memory.key(memory.REPOSITORY_ID, copy.mirror.repository)) or None
    return copy.mirror.size_bytes(identity, watch) == 0


def _try(  # noqa: PLR0917 - what a test restore needs
    kit: Kit,
    journal: Journal,
    place: Place,
    folder: Path,
    choose: Choose,
    gone: ApplianceError | None,
) -> None:
    """Restore from a place; where it is empty raise `gone`, or pass it over if it always was."""
    if place.archives:
        _restore_some(kit, journal, place, folder, choose)
    elif gone is not None:
        raise gone
    else:
        _pass_over(journal, place.name)


def _pass_over(journal: Journal, place: str) -> None:
    """A place that nothing was ever stored in is no fault of the place."""
    journal.outcome = Outcome.SKIPPED
    journal.message = f"There is nothing on {place} to restore yet."


def _restore_some(kit: Kit, journal: Journal, place: Place, folder: Path, choose: Choose) -> None:
    chosen = _chosen(place, choose)
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
        kit.staging.require(taken.export_bytes)
        paths = kit.exports.restore(taken.root, into, journal.watch)
        remarks.size_bytes = sum(path.stat().st_size for path in paths)
        remarks.message = f"{archive.name}: {len(paths)} files rebuilt and equal"
        return len(paths)

    count = journal.step(StepName.VERIFY, rebuild, place.name)
    wipe(folder / "restored")
    return count
