"""The only home of *how things stand*: computed from the ledger now, never stored.

Never green by silence: what counts is the age of the newest copy that was proved whole, here and
in the cloud, not that the last job ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from .model import Copy, Outcome, Run
from .schedule import Schedule
from .words import age, listed, plural, when


class State(StrEnum):
    """How a Source, or the whole box, stands."""

    SAFE = "safe"
    WORKING = "working"
    GETTING_OLD = "getting old"
    LOOK = "look"
    WAITING = "waiting"
    HELD = "held"


_WORST_FIRST = (
    State.LOOK,
    State.HELD,
    State.WORKING,
    State.WAITING,
    State.GETTING_OLD,
    State.SAFE,
)
_CONFIRMS = (Outcome.SKIPPED, Outcome.WARNING)
"""A warning is of another thing (a disk that is away): its archive was proved all the same."""
_QUIET_DAYS = timedelta(days=30)
_QUIET_PERIODS = 10
"""So long nothing may change, whichever is longer, before somebody asks whether the server still
makes its export: a file that nobody writes any more is unchanged for ever."""
_DAY = timedelta(days=1)
_LOOK_EVERY = _DAY
"""How often a place is looked at while nothing changes, at least; see `engine.mirroring`."""
_QUIET_TODO = "Look in the CRM whether it still makes its export."
_NOBODY_FEEDS_TODO = "Put a new export there, or look why nobody does."
_HELD_HINT = "Look at it on the page, then accept or reject it."
_CLOCK_HINT = "Connect the box to the internet so that it can set its clock."
_DAMAGED_TODO = (
    "Keep {place} as it is and do not repair it. `appliance check --repository {place}` reads "
    "everything on it; stays it damaged, put a new disk into the configuration in its place."
)


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


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How one Source stands. Ages are None where there is no copy, or no time to trust."""

    source: str
    state: State
    sentence: str
    todo: str
    here: datetime | None
    """When the newest proved copy in any Repository was made, or last found unchanged."""
    cloud: datetime | None
    """The same in any Mirror."""
    content: datetime | None
    """Time of the newest proved copy itself: nothing has changed since."""
    here_age: timedelta | None
    cloud_age: timedelta | None
    has_cloud: bool
    places: Mapping[str, datetime | None]
    """The same for each Repository and Mirror by name."""
    to_bring: Mapping[str, int]
    """See `Expectation`; only those that lack something."""
    last_outcome: Outcome | None
    last_message: str
    last_run: int | None
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """How the box stands: the worst of its Sources, in one sentence."""

    state: State
    sentence: str
    todo: str
    clock_trusted: bool
    sources: tuple[SourceHealth, ...]


def assess(  # noqa: PLR0917 - what is expected, what is known, what goes on
    expectations: Sequence[Expectation],
    copies: Sequence[Copy],
    runs: Sequence[Run],
    now: datetime,
    running: str | None = None,
    waiting: Collection[str] = (),
    *,
    clock_trusted: bool = True,
    held: Collection[str] | None = None,
    retrying: Collection[str] = (),
    damaged: Collection[str] = (),
) -> Health:
    """Given what is expected and what the ledger knows (`runs` newest first), return how things
    stand at `now`.

    `held` names the archives that wait for a person (None: those of all held runs); `retrying`
    the sources whose failed run is tried again by itself; `damaged` the places that did not give
    back what they were given.
    """
    if held is None:
        held = {run.archive for run in runs if run.outcome is Outcome.HELD and run.archive}
    good = [copy for copy in copies if copy.archive not in held]
    assessed = tuple(
        _Case(
            expected, good, runs, now, held, damaged=damaged, clock_trusted=clock_trusted
        ).assessed(
            running=running == expected.source,
            waiting=expected.source in waiting,
            retrying=expected.source in retrying,
        )
        for expected in expectations
    )
    return _overall(assessed, clock_trusted)


class _Case:
    """One Source's evidence and the judgement over it."""

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
        self._expected, self._now, self._clock_trusted = expected, now, clock_trusted
        self._held = held
        self._damaged = [place for place in expected.places if place in damaged]
        self._runs = [run for run in runs if run.source == expected.source]
        self._confirming: dict[str, list[Run]] = {}
        for run in self._runs:
            if run.outcome in _CONFIRMS and self._is_past(run):
                self._confirming.setdefault(run.archive, []).append(run)
        mine = [copy for copy in copies if copy.source == expected.source]
        # A copy dated in the future would look fresh for years: it proves nothing about today.
        self._copies = [copy for copy in mine if copy.time <= now or not clock_trusted]
        self.places = {place: self._fresh((place,)) for place in self._all_places()}
        self.here = self._fresh(expected.places)
        self.cloud = self._fresh(expected.mirrors)
        self.content = max(
            (copy.time for copy in self._copies if copy.place in expected.places), default=None
        )
        self.to_bring = {place: count for place, count in expected.to_bring.items() if count}

    def assessed(self, *, running: bool, waiting: bool, retrying: bool) -> SourceHealth:
        """Return the judgement."""
        state, sentence, todo = self._judged(retrying)
        if running and state is not State.HELD:
            state = State.WORKING
        elif waiting and state not in (State.LOOK, State.HELD):
            state = State.WAITING
        last = self._last()
        slot = self._expected.schedule.next(self._expected.zone, self._now)
        return SourceHealth(
            source=self._expected.source,
            state=state,
            sentence=sentence,
            todo=todo,
            here=self.here,
            cloud=self.cloud,
            content=self.content,
            here_age=self._age(self.here),
            cloud_age=self._age(self.cloud),
            has_cloud=bool(self._expected.mirrors),
            places=self.places,
            to_bring=self.to_bring,
            last_outcome=last.outcome if last else None,
            last_message=last.message if last else "",
            last_run=last.id if last else None,
            next_due=slot.due if slot else None,
        )

    def _judged(self, retrying: bool) -> tuple[State, str, str]:
        last = self._last()
        if (found := self._wants_a_person(last, retrying)) is not None:
            return found
        if not self._clock_trusted and self.here is not None:
            words = f"The clock is not set yet; the last good copy is of {self._when(self.here)}."
            return State.WAITING, words, _CLOCK_HINT
        for sentence, todo in self._old():
            hint = last.hint if last else ""
            return State.GETTING_OLD, sentence, todo or hint or _todo_for_old(last)
        todo = last.hint if last and last.outcome is Outcome.WARNING else ""
        return State.SAFE, f"Last good copy {self._ages()}{self._but()}.", todo

    def _wants_a_person(self, last: Run | None, retrying: bool) -> tuple[State, str, str] | None:
        """Return what no time will mend, worst first; a damaged disk hides nothing else."""
        other = self._wants_one_now(last, retrying)
        if not self._damaged:
            return other
        todo = _DAMAGED_TODO.format(place=self._damaged[0])
        also = other or (State.LOOK, "", "")
        return State.LOOK, f"{self._damage()} {also[1]}".strip(), f"{todo} {also[2]}".strip()

    def _wants_one_now(self, last: Run | None, retrying: bool) -> tuple[State, str, str] | None:
        if (about := self._last(with_content=True)) and self._waits_for_a_person(about):
            reason = about.message or "The last export looks suspicious."
            return State.HELD, reason, about.hint or _HELD_HINT
        if last and last.outcome is Outcome.FAILED and not retrying:
            return State.LOOK, last.message or "The last backup failed.", last.hint
        if self.here is None:
            todo = "Start a backup, or wait until the next one is due."
            return State.LOOK, "There is no good copy yet.", (last.hint if last else "") or todo
        return None

    def _damage(self) -> str:
        """Name what is damaged, and what is left without it."""
        sound = [place for place in self._all_places() if place not in self._damaged]
        left = self._fresh(sound)
        elsewhere = f"the last good copy elsewhere is of {self._when(left)}" if left else ""
        return (
            f"{listed(self._damaged)} was found damaged; {elsewhere or 'there is no other copy'}."
        )

    def _old(self) -> Iterator[tuple[str, str]]:
        """Say what is older than it may be, worst first, and what to do where that is known."""
        expected, here = self._expected, self.here
        slot = expected.schedule.latest(expected.zone, self._now - expected.grace)
        if here and slot and here < slot.due:
            yield f"The last good copy is {age(self._now - here)}; a newer one should be there.", ""
        if self.content and self._now - self.content > self._longest_quiet():
            yield f"Nothing has changed since {self._date(self.content)}.", _QUIET_TODO
        for mirror in filter(self._is_late, expected.mirrors):
            where = "the cloud" if len(expected.mirrors) == 1 else mirror
            fresh = self.places[mirror]
            since = f"from {age(self._now - fresh)}" if fresh else "missing"
            yield f"The copy in {where} is {since}.", ""
        if behind := [
            place for place in expected.places if self._behind(self.places[place], expected.grace)
        ]:
            yield f"The newest copies are missing on {listed(behind)}.", ""

    def _longest_quiet(self) -> timedelta:
        periods = self._expected.schedule.span(self._expected.zone, self._now, _QUIET_PERIODS)
        return max(_QUIET_DAYS, periods)

    def _behind(self, fresh: datetime | None, grace: timedelta) -> bool:
        """Whether a place has lacked a copy that is proved here for longer than `grace`."""
        lacking = [  # by the copy's own time: proving it again must not forgive the place
            copy.time
            for copy in self._copies
            if copy.place in self._expected.places and (fresh is None or copy.time > fresh)
        ]
        return bool(lacking) and self._now - min(lacking) > grace

    def _is_late(self, mirror: str) -> bool:
        """Whether a mirror lacks what is here, or was not looked at on days without news."""
        expected, fresh = self._expected, self.places[mirror]
        grace = expected.grace if expected.cloud_grace is None else expected.cloud_grace
        there = {copy.archive for copy in self._copies if copy.place == mirror}
        nights = [run.started for name in there for run in self._confirming.get(name, ())]
        unseen = fresh and nights and max(nights) - fresh > grace + _LOOK_EVERY
        return bool(unseen) or self._behind(fresh, grace)

    def _fresh(self, places: Collection[str]) -> datetime | None:
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

    def _is_past(self, run: Run) -> bool:
        return run.started <= self._now or not self._clock_trusted

    def _waits_for_a_person(self, last: Run) -> bool:
        """Whether the last run's export is held, or is the held one unchanged."""
        return last.archive in self._held if last.archive else last.outcome is Outcome.HELD

    def _last(self, *, with_content: bool = False) -> Run | None:
        """The last Run that says something: over, and not stopped on request.

        `with_content` passes over those to which nothing was offered.
        """
        passed_over = (None, Outcome.CANCELLED, Outcome.INTERRUPTED)
        said = (run for run in self._runs if run.outcome not in passed_over)
        return next((run for run in said if not (with_content and _was_empty(run))), None)

    def _all_places(self) -> tuple[str, ...]:
        return (*self._expected.places, *self._expected.mirrors)

    def _age(self, fresh: datetime | None) -> timedelta | None:
        return self._now - fresh if fresh and self._clock_trusted else None

    def _when(self, fresh: datetime) -> str:
        return when(fresh, self._expected.zone, self._now)

    def _date(self, moment: datetime) -> str:
        return self._when(moment).rpartition(" ")[0]

    def _but(self) -> str:
        """What makes the good news less than whole: old content, a disk that is being filled."""
        words = ""
        if self.content and self.here and self.here - self.content > _DAY:
            words = f" (unchanged since {self._date(self.content)})"
        for place, count in self.to_bring.items():
            words += f"; {plural(count, 'older backup')} still to bring to {place}"
        return words

    def _ages(self) -> str:
        here = age(self._now - self.here) if self.here else "never"
        if not self._expected.mirrors:
            return f"{here}, here"
        cloud = age(self._now - self.cloud) if self.cloud else ""
        if not cloud:
            return f"{here} here, not yet in the cloud"
        if cloud == here:
            return f"{here}, here and in the cloud"
        return f"{here} here, {cloud} in the cloud"


def _was_empty(run: Run) -> bool:
    """Whether nothing was offered to this Run: it says nothing about what is backed up."""
    return run.outcome is Outcome.SKIPPED and not run.archive


def _todo_for_old(last: Run | None) -> str:
    if last is None:
        return "Check that the box is connected and switched on at the time of the backup."
    if _was_empty(last):
        return _NOBODY_FEEDS_TODO
    return "It is tried again by itself; look again tomorrow."


def _overall(sources: tuple[SourceHealth, ...], clock_trusted: bool) -> Health:
    if not sources:
        sentence = "Look: nothing is set up to be backed up yet."
        return Health(State.LOOK, sentence, "Set up a source.", clock_trusted, ())
    worst = min(sources, key=_badness)
    name = f"{worst.source}: " if len(sources) > 1 and worst.state is not State.SAFE else ""
    lead = str(worst.state).capitalize()
    return Health(
        worst.state, f"{lead}. {name}{worst.sentence}", worst.todo, clock_trusted, sources
    )


def _badness(source: SourceHealth) -> tuple[int, datetime]:
    oldest = source.here or datetime.min.replace(tzinfo=UTC)
    return _WORST_FIRST.index(source.state), oldest
