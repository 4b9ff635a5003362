"""The only home of keeping a timeline up to date, and of fetching what it found.

It tells of the good backups, in their order, and of nothing that no backup says any more. Each is
taken out once, and beside it stands what the one before it told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import ApplianceError, Cancelled, DiskFull, DiskReadOnly
from ..core.model import Archive, StepName, Trigger
from ..core.ports import Growth, Repository, Timeline, Watch
from ..core.words import plural
from . import memory
from .journal import Journal, record, understood
from .kit import Kit
from .places import wipe
from .restore import RESTORE, TIMELINE, all_of, taken_out

_ENDS_IT = (Cancelled, DiskFull, DiskReadOnly)
PassedOver = Callable[[Archive, ApplianceError], None]


def is_fresh(kit: Kit, source: str, timeline: Timeline) -> bool:
    """Return whether a timeline tells of all good backups, as far as the ledger alone knows."""
    known = _known(kit, source)
    told = {one.name for one in timeline.archives()}
    return bool(known) and told <= known <= told | timeline.passed_over()


def freshened(  # noqa: PLR0917 - a timeline, and what there is to bring it up to date
    kit: Kit,
    places: Sequence[Repository],
    source: str,
    timeline: Timeline,
    watch: Watch,
    trigger: Trigger = Trigger.COMMAND,
) -> list[ApplianceError]:
    """Bring a timeline up to date; return which backups were passed over, and why.

    Raise where none could be read, and what ends it: Cancelled, DiskFull. What was added stays.
    """
    due = _due(kit, places, source, timeline)
    timeline.forget(due.to_forget, watch)
    if not due.to_add:
        return []
    adding = _Adding(kit, places, timeline, due)
    ended = record(kit, f"{TIMELINE}{source}", trigger, watch, adding.tell)
    if ended.error is not None:
        raise ended.error
    return adding.troubles


def fetched(  # noqa: PLR0917 - as above
    kit: Kit,
    places: Sequence[Repository],
    archives: Sequence[Archive],
    look: Callable[[Archive, Path, Path], None],
    watch: Watch,
    trigger: Trigger = Trigger.COMMAND,
    *,
    said: str = "Records were given back.",
    with_all: bool = False,
    passed_over: PassedOver | None = None,
) -> None:
    """Take some archives of a source out, one after the other, and have each looked at.

    `look` is given the archive, its folder and an empty one; `said` is written down of it, and
    `with_all` are also the records that were to be erased. What cannot be read is `passed_over`,
    or raised as by `restore.restore`.
    """

    def take(journal: Journal, archive: Archive, into: Path) -> bool:
        try:
            taken_out(kit, journal, places, archive, into, with_all=with_all)
        except _ENDS_IT:
            raise
        except ApplianceError as error:
            if passed_over is None:
                raise
            passed_over(archive, error)
            return False
        return True

    def story(journal: Journal, folder: Path) -> None:
        for number, archive in enumerate(archives):
            if not take(journal, archive, folder / "archive"):
                continue
            work = folder / str(number)
            work.mkdir()
            look(archive, folder / "archive", work)
            wipe(work)
        journal.archive = archives[-1].name
        journal.message = said

    ended = record(kit, f"{RESTORE}{archives[0].source}", trigger, watch, story)
    if ended.error is not None:
        raise ended.error


@dataclass(frozen=True, slots=True)
class _Due:
    """What a timeline lacks, and what it must forget first."""

    stands_on: Archive | None
    to_add: tuple[Archive, ...] = ()
    to_forget: frozenset[str] = frozenset()


def _known(kit: Kit, source: str) -> frozenset[str]:
    """The good archives that are whole somewhere, here or away."""
    copies = {copy.archive for copy in kit.ledger.copies(source)}
    return frozenset(copies) - memory.not_good(kit.ledger, source)


def _due(kit: Kit, places: Sequence[Repository], source: str, timeline: Timeline) -> _Due:
    """Where an older backup turns up, what comes after it is told anew.

    Unless that lies on a disk that is away: then the older one has to wait.
    """
    good = _good(kit, places, source)
    names = {one.name for one in good}
    gone = {one.name for one in timeline.archives()} - names - _known(kit, source)
    told = [one for one in timeline.archives() if one.name not in gone]
    known = {one.name for one in told} | timeline.passed_over()
    floor = max((one.sequence for one in told if one.name not in names), default=0)
    new = [one for one in good if one.name not in known and one.sequence > floor]
    if not new:
        return _Due(None, to_forget=frozenset(gone))
    first = new[0].sequence
    again = {one.name for one in told if one.sequence > first}
    stands_on = [one for one in told if one.sequence < first]
    to_add = tuple(one for one in good if one.sequence >= first)
    return _Due(stands_on[-1] if stands_on else None, to_add, frozenset(gone | again))


def _good(kit: Kit, places: Sequence[Repository], source: str) -> list[Archive]:
    """The good archives that can be read now, oldest first."""
    not_good = memory.not_good(kit.ledger, source)
    there = all_of(kit, places, source)
    good = (one for one in there if not one.held and one.name not in not_good)
    return sorted(good, key=lambda one: one.sequence)


@dataclass(slots=True)
class _Adding:
    """Takes out what is due, one archive at a time, and adds it."""

    kit: Kit
    places: Sequence[Repository]
    timeline: Timeline
    due: _Due
    troubles: list[ApplianceError] = field(default_factory=list)

    def tell(self, journal: Journal, folder: Path) -> None:
        """Do it, as the story of a Run."""
        work = folder / "work"
        work.mkdir()
        growth = self.timeline.growth(work, journal.watch)
        stands_on = self.due.stands_on
        if stands_on is not None:  # where it cannot be read, the next is told whole
            root = folder / "archive"
            self._tried(journal, stands_on, root, lambda: growth.stand_on(stands_on, root))
        added = self._add_all(journal, growth, folder / "archive")
        journal.message = f"The timeline tells of {plural(added, 'more backup')}."
        if self.troubles and not added:
            raise self.troubles[0]

    def _add_all(self, journal: Journal, growth: Growth, root: Path) -> int:
        passed_over: list[str] = []
        added, total = 0, len(self.due.to_add)
        for number, archive in enumerate(self.due.to_add):
            journal.watch.report(StepName.INSPECT, number, total, "backups", archive.name)
            if trouble := self._tried(
                journal, archive, root, _adding(growth, archive, root, passed_over)
            ):
                self.troubles.append(_passed_over(archive, trouble))
                journal.warn(self.troubles[-1])
                passed_over.append(archive.name)
            else:
                added += 1
                passed_over = []
        return added

    def _tried(
        self, journal: Journal, archive: Archive, root: Path, use: Callable[[], None]
    ) -> ApplianceError | None:
        """Take an archive out and use it; return why that did not go."""
        try:
            taken_out(self.kit, journal, self.places, archive, root)
            use()
        except _ENDS_IT:
            raise
        except Exception as error:  # noqa: BLE001 - one backup that cannot be read is passed over
            return understood(error)
        return None


def _adding(
    growth: Growth, archive: Archive, root: Path, passed_over: Sequence[str]
) -> Callable[[], None]:
    return lambda: growth.add(archive, root, passed_over)


def _passed_over(archive: Archive, why: ApplianceError) -> ApplianceError:
    return ApplianceError(
        f"{archive.name} was passed over: it cannot be read.",
        hint=why.hint,
        detail=f"{why.message} {why.detail}".strip(),
    )
