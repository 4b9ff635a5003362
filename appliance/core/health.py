"""The only home of *how things stand*: computed from the ledger now, never stored.

Never green by silence: what counts is the age of the newest copy that was proved whole, here and
in the cloud, not that the last job ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from .evidence import MISSED_SLOTS, Evidence, Expectation, reasons_of, was_empty
from .model import Copy, Outcome, Run
from .signals import Reason
from .vanishing import URGENT_BELOW, Countdown, countdowns
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
_DAY = timedelta(days=1)
_MOST_COUNTED = 2
_QUIET_TODO = "Look in the CRM whether it still makes its export."
_NOBODY_FEEDS_TODO = "Put a new export there, or look why nobody does."
_HELD_HINT = "Look at it on the page, then accept or reject it."
_NO_DISK_TODO = "Plug in a backup disk; what was fetched meanwhile goes to it by itself."
_AWAY_TODO = "Bring {place} and plug it in; it catches up by itself."
_CLOCK_HINT = "Connect the box to the internet so that it can set its clock."
_DAMAGED_TODO = (
    "Keep {place} as it is and do not repair it. `appliance check --repository {place}` reads "
    "everything on it. If it is still damaged then, pair a new disk and use that one."
)


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
    reasons: tuple[Reason, ...] = ()
    """What somebody should look at, worst first; empty where it is safe."""
    good_until: datetime | None = None
    """Until when this judgement holds without news; None where it is not safe."""
    is_fresh: bool = False
    """Whether the newest copy here is as new as it should be."""
    is_cloud_fresh: bool = False
    countdowns: tuple[Countdown, ...] = ()
    """What the vendor removes, and is not backed up yet; the soonest first."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the box stands: the worst of its Sources, in one sentence."""

    state: State
    sentence: str
    todo: str
    clock_trusted: bool
    sources: tuple[SourceHealth, ...]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why somebody should look, worst first."""
        found = {reason for source in self.sources for reason in source.reasons}
        return tuple(reason for reason in Reason if reason in found)

    @property
    def good_until(self) -> datetime | None:
        """Until when *safe* may be believed without another word; None where it is not safe."""
        times = [source.good_until for source in self.sources]
        return min((time for time in times if time), default=None) if all(times) else None


@dataclass(frozen=True, slots=True)
class _Verdict:
    state: State
    sentence: str
    todo: str = ""
    reasons: tuple[Reason, ...] = ()


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
    rejected: Collection[str] = (),
    retrying: Collection[str] = (),
    damaged: Collection[str] = (),
) -> Health:
    """Given what is expected and what the ledger knows (`runs` newest first), return how things
    stand at `now`.

    `held` names the archives that do not count (None: those of all held runs), `rejected` those
    of them that nobody has to look at any more; `retrying`
    the sources whose failed run is tried again by itself; `damaged` the places that did not give
    back what they were given.
    """
    if held is None:
        held = {run.archive for run in runs if run.outcome is Outcome.HELD and run.archive}
    good = [copy for copy in copies if copy.archive not in held]
    asked = set(held) - set(rejected)
    assessed = tuple(
        _Case(
            expected,
            good,
            runs,
            now,
            asked,
            damaged=damaged,
            clock_trusted=clock_trusted,
        ).assessed(
            running=running == expected.source,
            waiting=expected.source in waiting,
            retrying=expected.source in retrying,
            offered=_offered(expected, copies, runs, now if clock_trusted else None),
        )
        for expected in expectations
    )
    return _overall(assessed, clock_trusted)


def _offered(
    expected: Expectation, copies: Sequence[Copy], runs: Sequence[Run], now: datetime | None
) -> tuple[Countdown, ...]:
    """Return what the vendor may yet take away: not what is held, or waits here for a disk."""
    kept = {copy.archive for copy in copies if copy.source == expected.source}
    mine = [run for run in runs if run.source == expected.source]
    return countdowns(expected.offers, mine, kept, expected.zone, now)


class _Case(Evidence):
    """One Source's evidence and the judgement over it."""

    def assessed(
        self,
        *,
        running: bool,
        waiting: bool,
        retrying: bool,
        offered: tuple[Countdown, ...] = (),
    ) -> SourceHealth:
        """Return the judgement."""
        verdict = _counting_down(self._judged(retrying), offered, running=running)
        state = verdict.state
        if running and state is not State.HELD:
            state = State.WORKING
        elif waiting and state not in (State.LOOK, State.HELD):
            state = State.WAITING
        last = self.last()
        slot = self.expected.schedule.next(self.expected.zone, self.now)
        return SourceHealth(
            source=self.expected.source,
            state=state,
            sentence=verdict.sentence,
            todo=verdict.todo,
            here=self.here,
            cloud=self.cloud,
            content=self.content,
            here_age=self.age(self.here),
            cloud_age=self.age(self.cloud),
            has_cloud=bool(self.expected.mirrors),
            places=self.places,
            to_bring=self.to_bring,
            last_outcome=last.outcome if last else None,
            last_message=last.message if last else "",
            last_run=last.id if last else None,
            next_due=slot.due if slot else None,
            reasons=verdict.reasons,
            good_until=self._good_until(verdict, offered),
            is_fresh=self.here is not None and not self.is_overdue(),
            is_cloud_fresh=self.is_cloud_fresh(),
            countdowns=offered,
        )

    def _good_until(self, verdict: _Verdict, offered: Sequence[Countdown]) -> datetime | None:
        """The end of the grace after the next slot: then even silence must not look safe."""
        expected = self.expected
        if verdict.state is not State.SAFE:
            return None
        slot = expected.schedule.next(expected.zone, self.now)
        known = slot.due + expected.grace if slot else self.now + _DAY
        calm = [each.about.until - URGENT_BELOW for each in offered if not each.wants_a_person]
        return min([known, *calm])

    def _judged(self, retrying: bool) -> _Verdict:
        last = self.last()
        if (found := self._wants_a_person(last, retrying)) is not None:
            return found
        if not self.clock_trusted and self.here is not None:
            words = f"The clock is not set yet; the last good copy is of {self._when(self.here)}."
            return _Verdict(State.WAITING, words, _CLOCK_HINT, (Reason.CLOCK,))
        if old := list(self._old(last)):
            reasons = tuple(dict.fromkeys(reason for each in old for reason in each.reasons))
            todo = old[0].todo or (last.hint if last else "") or _todo_for_old(last)
            state = min((each.state for each in old), key=_WORST_FIRST.index)
            return _Verdict(state, old[0].sentence, todo, reasons)
        todo = last.hint if last and last.outcome is Outcome.WARNING else ""
        return _Verdict(State.SAFE, f"Last good copy {self._ages()}{self._but()}.", todo)

    def _wants_a_person(self, last: Run | None, retrying: bool) -> _Verdict | None:
        """Return what no time will mend, worst first; a damaged disk hides nothing else."""
        other = self._wants_one_now(last, retrying)
        if not self.damaged:
            return other
        todo = _DAMAGED_TODO.format(place=self.damaged[0])
        also = other or _Verdict(State.LOOK, "")
        return _Verdict(
            State.LOOK,
            f"{self._damage()} {also.sentence}".strip(),
            f"{todo} {also.todo}".strip(),
            (Reason.DAMAGED, *also.reasons),
        )

    def _wants_one_now(self, last: Run | None, retrying: bool) -> _Verdict | None:
        if (about := self.last(with_content=True)) and self.waits_for_a_person(about):
            reason = about.message or "The last export looks suspicious."
            return _Verdict(State.HELD, reason, about.hint or _HELD_HINT, (Reason.HELD,))
        if last and last.outcome is Outcome.FAILED and not retrying:
            words = last.message or "The last backup failed."
            return _Verdict(State.LOOK, words, last.hint, reasons_of(last))
        if self.here is None:
            todo = "Start a backup, or wait until the next one is due."
            hint = _NO_DISK_TODO if self.expected.on_the_box else (last.hint if last else "")
            reasons = reasons_of(last) if last else (Reason.OLD,)
            words = f"There is no good copy yet{self._on_the_box()}."
            return _Verdict(State.LOOK, words, hint or todo, reasons or (Reason.OLD,))
        return None

    def _damage(self) -> str:
        """Name what is damaged, and what is left without it."""
        sound = [place for place in self.all_places() if place not in self.damaged]
        left = self.fresh(sound)
        elsewhere = f"the last good copy elsewhere is of {self._when(left)}" if left else ""
        return f"{listed(self.damaged)} was found damaged; {elsewhere or 'there is no other copy'}."

    def _old(self, last: Run | None) -> Iterator[_Verdict]:
        """Say what is older than it may be, worst first, and what to do where that is known."""
        if self.here and self.is_overdue():
            yield self._overdue(self.here, last)
        if self.content and self.now - self.content > self.longest_quiet():
            words = f"Nothing has changed since {self._date(self.content)}."
            yield _Verdict(State.GETTING_OLD, words, _QUIET_TODO, (Reason.EXPORT,))
        yield from self._old_elsewhere()

    def _overdue(self, here: datetime, last: Run | None) -> _Verdict:
        """The newest copy is too old; where only a disk is missing, time alone will not mend it."""
        no_disk = bool(self.expected.on_the_box)
        words = f"The last good copy is {age(self.now - here)}; a newer one should be there"
        missed = self.slots_since(here)
        return _Verdict(
            State.LOOK if no_disk and missed >= MISSED_SLOTS else State.GETTING_OLD,
            f"{words}{self._on_the_box()}.",
            _NO_DISK_TODO if no_disk else "",
            (Reason.DISK,) if no_disk else (reasons_of(last) if last else ()) or (Reason.OLD,),
        )

    def _old_elsewhere(self) -> Iterator[_Verdict]:
        expected = self.expected
        for mirror in filter(self.is_late, expected.mirrors):
            where = "the cloud" if len(expected.mirrors) == 1 else mirror
            fresh = self.places[mirror]
            since = f"from {age(self.now - fresh)}" if fresh else "missing"
            words = f"The copy in {where} is {since}."
            yield _Verdict(State.GETTING_OLD, words, reasons=(Reason.CLOUD,))
        if behind := [
            place
            for place in expected.places
            if place not in expected.away and self.behind(self.places[place], expected.grace)
        ]:
            words = f"The newest copies are missing on {listed(behind)}."
            yield _Verdict(State.GETTING_OLD, words, reasons=(Reason.DISK,))
        for place in sorted(expected.away):
            fresh = self.places.get(place)
            if self.behind(fresh, expected.away_grace):
                newest = f"its newest copy is of {self._date(fresh)}" if fresh else "it has no copy"
                words = f"{place} is away, and {newest}."
                todo = _AWAY_TODO.format(place=place)
                yield _Verdict(State.GETTING_OLD, words, todo, (Reason.DISK,))

    def _on_the_box(self) -> str:
        count = self.expected.on_the_box
        wait = "waits" if count == 1 else "wait"
        words = f"; {plural(count, 'backup')} {wait} on the box itself for a disk"
        return words if count else ""

    def _when(self, fresh: datetime) -> str:
        return when(fresh, self.expected.zone, self.now)

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
        here = age(self.now - self.here) if self.here else "never"
        if not self.expected.mirrors:
            return f"{here}, here"
        cloud = age(self.now - self.cloud) if self.cloud else ""
        if not cloud:
            return f"{here} here, not yet in the cloud"
        if cloud == here:
            return f"{here}, here and in the cloud"
        return f"{here} here, {cloud} in the cloud"


def _counting_down(verdict: _Verdict, offered: Sequence[Countdown], *, running: bool) -> _Verdict:
    """Add what the vendor will remove, or has; while a Run is at it, it wants nobody."""
    if not offered:
        return verdict
    told = " ".join(each.sentence for each in offered[:_MOST_COUNTED])
    said = replace(verdict, sentence=f"{verdict.sentence} {told}")
    first = offered[0]
    if not first.wants_a_person or running:
        return said
    is_known = verdict.state in (State.LOOK, State.HELD)
    reasons = {Reason.EXPORT, *verdict.reasons}
    return replace(
        said,
        state=verdict.state if is_known else State.LOOK,
        todo=verdict.todo if is_known and verdict.todo else first.todo,
        reasons=tuple(reason for reason in Reason if reason in reasons),
    )


def _todo_for_old(last: Run | None) -> str:
    if last is None:
        return "Check that the box is connected and switched on at the time of the backup."
    if was_empty(last):
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
