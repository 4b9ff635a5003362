"""Follows a recipe's steps: for each kind of record, in as many rounds as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

from ...core.errors import ExportUnsafe, SourceRefused
from ...core.recipes import Item, Step, item_name
from ...core.selectors import CannotSelect
from ...core.templates import MissingValue
from .answer import next_cursor
from .errand import Errand, ItemEnds, NotForUs, NothingNew
from .jobs import JobGone, Jobs, place_of
from .listing import Listing

_MOST_ROUNDS = 100_000
_FIRST_NEW = 10
_LONGEST_DETAIL = 500


class Following:
    """One pull by a recipe."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self.steps = [(step.name or str(n), step) for n, step in enumerate(errand.recipe.steps, 1)]
        """Each with its name, or number."""
        self._jobs = Jobs(errand)
        self._left_out = 0

    def follow(self, only: Sequence[str], without: Sequence[str]) -> None:
        """Bring everything into the landing; raise NothingNew or what `core.ports.Source` says."""
        self.begin()
        items, errand = self.items(only, without), self._errand
        self._jobs.require_quota(items, self.steps)
        for item in items:
            self._item(item)
        if self._left_out == len(items) and not errand.landing.files:
            raise SourceRefused(
                f"{errand.vendor} does not let us see anything.",
                hint="Check what the user or key may see there." + errand.needs(),
                detail=" ".join(errand.notes)[:_LONGEST_DETAIL],
            )

    def begin(self) -> None:
        """Do what is done once: sign in, see what there is."""
        self._anew_where_gone("/", self._what_is_done_once)
        self._errand.scope.keep()

    def _what_is_done_once(self) -> None:
        for name, step in self.steps:
            if step.once:
                try:
                    self._perform(step, f"//{name}")
                except ItemEnds:  # what it would have told is not there, the rest of it is
                    self._errand.scope.save(self._errand.of_nothing(step))

    # -- items and rounds ----------------------------------------------------------------------

    def items(self, only: Sequence[str], without: Sequence[str]) -> list[Item]:
        """Return which kinds of records are fetched: those that match `only` and not `without`."""
        each = self._errand.recipe.each
        if not each:
            return [None]
        items = self._found(each)
        names = [item_name(item) for item in items]
        self._announce(names, only, without)
        self._errand.notes += _unmatched(only, names)
        wanted = [item for item in items if _wanted(item_name(item), only, without)]
        if wanted:
            return wanted
        raise SourceRefused(
            f"{self._errand.vendor} shows no records of the kinds that this source fetches.",
            hint="Check what the user or key may see there, and `only` and `without` of this"
            " source.",
        )

    def _found(self, each: Any) -> list[Item]:
        """Return all items that there are, each once; raise ExportUnsafe where that is unclear."""
        errand = self._errand
        try:
            found = errand.scope.fill(each)
        except MissingValue as error:
            raise errand.not_as_known(Step(name="each"), error) from error
        items = found if isinstance(found, list) else [found]
        if not all(map(item_name, items)):
            raise errand.not_as_known(Step(name="each"), ValueError("one has no name"))
        return [item for number, item in enumerate(items) if item not in items[:number]]

    def _announce(self, names: list[str], only: Sequence[str], without: Sequence[str]) -> None:
        """What an office adds to its CRM is worth a word, and what is shown no more even more so:
        the user or key may have lost a right.
        """
        known = self._errand.memory.items()
        self._errand.memory.note_items(names)
        if known is None:
            return
        if new := [name for name in names if name not in known]:
            words = ", ".join(new[:_FIRST_NEW])
            self._errand.notes.append(f"There are new kinds of records: {words}.")
        gone = [name for name in known if name not in names and _wanted(name, only, without)]
        if gone:
            words = ", ".join(gone[:_FIRST_NEW])
            self._errand.notes.append(
                f"{self._errand.vendor} does not show these kinds of records any more, so they are"
                f" not in this backup: {words}."
            )

    def _item(self, item: Item) -> None:
        """Follow the steps for one item, again while there is more of it."""
        scope, more = self._errand.scope, self._errand.recipe.repeat_while
        scope.begin(item)
        had: set[str] = set()
        landed = len(self._errand.landing.files)
        for number in count(1):
            scope.local["round"] = number
            try:
                self._round(f"{place_of(item)}/{number}")
            except NotForUs as no:
                if number > 1:
                    raise self._errand.stopped(no) from None
                self._leave_out(no, landed)
                return
            except ItemEnds:
                return
            now = next_cursor(scope.saved.get(more))
            if not now:
                return
            if now in had or number > _MOST_ROUNDS:
                raise ExportUnsafe("The vendor's export has no end: it goes on with what we had.")
            had.add(now)

    def _leave_out(self, no: NotForUs, landed: int) -> None:
        has_other_files = len(self._errand.landing.files) > landed
        self._left_out += 1
        self._errand.notes.append(self._errand.left_out(no, has_other_files=has_other_files))

    def _round(self, place: str) -> None:
        """Once from the first step to the last."""

        def once_through() -> None:
            for name, step in self.steps:
                if not step.once:
                    self._perform(step, f"{place}/{name}")

        self._anew_where_gone(place, once_through)

    def _anew_where_gone(self, place: str, follow: Callable[[], None]) -> None:
        """Follow steps; from the first again where the job of an earlier pull is gone."""
        landed, saved = len(self._errand.landing.files), dict(self._errand.scope.saved)
        try:
            follow()
        except JobGone as gone:
            if len(self._errand.landing.files) > landed:
                raise gone.error from gone
            self._errand.scope.saved = saved
            self._jobs.forget(place)
            follow()
        except ExportUnsafe:
            self._jobs.distrust(place)
            raise

    # -- one step ------------------------------------------------------------------------------

    def _perform(self, step: Step, where: str) -> None:
        scope = self._errand.scope
        scope.local = {**scope.local, "n": 1, "page": 1}
        try:
            if step.starts_a_job:
                self._jobs.start(step, where)
            elif step.until:
                self._jobs.wait(step, where)
            else:
                Listing(self._errand, step, lambda one: self._renew(one, where)).bring()
            self._see_whether_new(step, where)
        except (MissingValue, CannotSelect) as error:
            unanswered = self._jobs.unanswered(where.rpartition("/")[0])
            raise unanswered or self._errand.not_as_known(step, error) from error

    def _renew(self, step: Step, where: str) -> None:
        """Have the link of a step made anew, as another step does."""
        local = self._errand.scope.local
        other = next(each for name, each in self.steps if name == step.renew)
        try:
            self._perform(other, f"{where.rpartition('/')[0]}/{step.renew}")
        except ItemEnds:
            raise SourceRefused(
                f"The link that {self._errand.vendor} gave has died, and there is no other.",
                hint="Start another backup; if it happens again, ask the vendor.",
            ) from None
        self._errand.scope.local = local

    def _see_whether_new(self, step: Step, where: str) -> None:
        if not step.unchanged:
            return
        value = self._errand.scope.fill(step.unchanged)
        if self._errand.has_archive and value == self._errand.memory.value(where):
            raise NothingNew
        self._errand.memory.note_value(where, value)


def _wanted(name: str, only: Sequence[str], without: Sequence[str]) -> bool:
    return _matches(name, only or ("*",)) and not _matches(name, without)


def _unmatched(only: Sequence[str], names: Sequence[str]) -> list[str]:
    """What somebody asked for by a name that nothing has must not be missed by nobody."""
    return [
        f'`only` of this source names "{glob}", and no kind of records has this name.'
        for glob in only
        if not any(fnmatchcase(name, glob) for name in names)
    ]


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
