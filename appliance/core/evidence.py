"""What speaks for and against one Source: its proved copies, its Runs, and how old they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from .model import Copy, Outcome, Run
from .schedule import Schedule
from .signals import Reason
from .vanishing import Vanishing

_CONFIRMS = (Outcome.SKIPPED, Outcome.WARNING)
"""A warning is of another thing (a disk that is away): its archive was proved all the same."""
_QUIET_DAYS = timedelta(days=30)
_QUIET_PERIODS = 10
"""So long nothing may change, whichever is longer, before somebody asks whether the server still
makes its export: a file that nobody writes any more is unchanged for ever."""
_DAY = timedelta(days=1)
_LOOK_EVERY = _DAY
"""How often a place is looked at while nothing changes, at least; see `engine.mirroring`."""
MISSED_SLOTS = 3
"""So many backups may be missing before it is no longer a thing that time will mend."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a Source's owner may rely on."""

    source: str
    schedule: Schedule
    zone: ZoneInfo
    grace: timedelta
    """After which a missed backup is *getting old*."""
    places: tuple[str, ...]
    """Names of the Repositories that each must have a copy."""
    mirrors: tuple[str, ...] = ()
    cloud_grace: timedelta | None = None
    """How long the cloud may lack a copy that is here; None: as long as `grace`. A mirror that
    follows its own schedule needs that schedule's period on top."""
    to_bring: Mapping[str, int] = field(default_factory=dict)
    """By Repository: how many older backups it should have and does not have yet."""
    away: frozenset[str] = frozenset()
    """Repositories on disks that are not plugged in: they may be, they take turns."""
    away_grace: timedelta = timedelta(days=14)
    """How much the office is ready to lose: so long a disk may be away."""
    on_the_box: int = 0
    """How many backups wait on the box itself until a disk is here."""
    offers: tuple[Vanishing, ...] = ()
    """What the vendor keeps for a while."""


class Evidence:
    """One Source's evidence at one moment."""

    def __init__(
        self,
        expected: Expectation,
        copies: Sequence[Copy],
        runs: Sequence[Run],
        now: datetime,
        held: Collection[str],
        *,
        damaged: Collection[str],
        clock_trusted: bool,
    ) -> None:
        self.expected, self.now, self.clock_trusted = expected, now, clock_trusted
        self.held = held
        self.damaged = [place for place in expected.places if place in damaged]
        self.runs = [run for run in runs if run.source == expected.source]
        self._confirming: dict[str, list[Run]] = {}
        for run in self.runs:
            if run.outcome in _CONFIRMS and self.is_past(run):
                self._confirming.setdefault(run.archive, []).append(run)
        mine = [copy for copy in copies if copy.source == expected.source]
        # A copy dated in the future would look fresh for years: it proves nothing about today.
        self._copies = [copy for copy in mine if copy.time <= now or not clock_trusted]
        self.places = {place: self.fresh((place,)) for place in self.all_places()}
        self.here = self.fresh(expected.places)
        self.cloud = self.fresh(expected.mirrors)
        self.content = max(
            (copy.time for copy in self._copies if copy.place in expected.places), default=None
        )
        self.to_bring = {place: count for place, count in expected.to_bring.items() if count}

    def is_overdue(self) -> bool:
        """Whether a newer copy should be here by now."""
        return self.here is not None and self.slots_since(self.here) > 0

    def is_cloud_fresh(self) -> bool:
        """Whether the cloud has all that is here, and that is as new as it should be."""
        late = any(map(self.is_late, self.expected.mirrors))
        return self.cloud is not None and not late and not self.slots_since(self.cloud, self._wait)

    @property
    def _wait(self) -> timedelta:
        """How long the cloud may lack a copy that is here."""
        expected = self.expected
        return expected.grace if expected.cloud_grace is None else expected.cloud_grace

    def slots_since(self, here: datetime, grace: timedelta | None = None) -> int:
        """Return how many slots, their grace over, came after `here`; never more than matter."""
        expected = self.expected
        until = self.now - (expected.grace if grace is None else grace)
        slots = expected.schedule.newest_first(expected.zone, here, until)
        return len(list(islice(slots, MISSED_SLOTS)))

    def longest_quiet(self) -> timedelta:
        """How long nothing may change before somebody asks."""
        periods = self.expected.schedule.span(self.expected.zone, self.now, _QUIET_PERIODS)
        return max(_QUIET_DAYS, periods)

    def behind(self, fresh: datetime | None, grace: timedelta) -> bool:
        """Whether a place has lacked a copy that is proved here for longer than `grace`."""
        lacking = [  # by the copy's own time: proving it again must not forgive the place
            copy.time
            for copy in self._copies
            if copy.place in self.expected.places and (fresh is None or copy.time > fresh)
        ]
        return bool(lacking) and self.now - min(lacking) > grace

    def is_late(self, mirror: str) -> bool:
        """Whether a mirror lacks what is here, or was not looked at on days without news."""
        fresh, grace = self.places[mirror], self._wait
        there = {copy.archive for copy in self._copies if copy.place == mirror}
        nights = [run.started for name in there for run in self._confirming.get(name, ())]
        unseen = fresh and nights and max(nights) - fresh > grace + _LOOK_EVERY
        return bool(unseen) or self.behind(fresh, grace)

    def fresh(self, places: Collection[str]) -> datetime | None:
        """The time of the newest proved copy in these places, or of a later run that found its
        archive unchanged: as far as the place was looked at since, for silence confirms nothing.
        """
        mine = [copy for copy in self._copies if copy.place in places]
        confirmed = [
            min(run.started, max(copy.time, copy.verified))
            for copy in mine
            for run in self._confirming.get(copy.archive, ())
        ]
        return max((*(copy.time for copy in mine), *confirmed), default=None)

    def is_past(self, run: Run) -> bool:
        """Whether a Run began before now, as far as the clock can tell."""
        return run.started <= self.now or not self.clock_trusted

    def waits_for_a_person(self, last: Run) -> bool:
        """Whether the last run's export is held, or is the held one unchanged."""
        return last.archive in self.held if last.archive else last.outcome is Outcome.HELD

    def last(self, *, with_content: bool = False) -> Run | None:
        """The last Run that says something: over, and not stopped on request.

        `with_content` passes over those to which nothing was offered.
        """
        passed_over = (None, Outcome.CANCELLED, Outcome.INTERRUPTED)
        said = (run for run in self.runs if run.outcome not in passed_over)
        return next((run for run in said if not (with_content and was_empty(run))), None)

    def all_places(self) -> tuple[str, ...]:
        """Every Repository and Mirror that should have a copy."""
        return (*self.expected.places, *self.expected.mirrors)

    def age(self, fresh: datetime | None) -> timedelta | None:
        """How old a copy is; None without a copy, or a clock to trust."""
        return self.now - fresh if fresh and self.clock_trusted else None


def was_empty(run: Run) -> bool:
    """Whether nothing was offered to this Run: it says nothing about what is backed up."""
    return run.outcome is Outcome.SKIPPED and not run.archive


def reasons_of(run: Run) -> tuple[Reason, ...]:
    """Given a Run, return why somebody should look at what went wrong in it, worst first."""
    found = {_REASONS.get(fault, Reason.FAULT) for fault in run.faults}
    return tuple(reason for reason in Reason if reason in found)


_REASONS = {
    "RepositoryDamaged": Reason.DAMAGED,
    "DiskAbsent": Reason.DISK,
    "DiskReadOnly": Reason.DISK,
    "WrongDisk": Reason.DISK,
    "PassphraseWrong": Reason.DISK,
    "RepositoryBusy": Reason.DISK,
    "DiskFull": Reason.FULL,
    "SourceUnreachable": Reason.EXPORT,
    "SourceRefused": Reason.EXPORT,
    "LinkDead": Reason.EXPORT,
    "ExportNotReady": Reason.EXPORT,
    "ExportUnsafe": Reason.EXPORT,
    "MirrorUnreachable": Reason.CLOUD,
    "MirrorRefused": Reason.CLOUD,
    "ClockNotTrusted": Reason.CLOCK,
}
"""By the error class that a Run recorded; see `core.errors`."""
