"""Follows a recipe's steps: for each kind of record, in as many rounds as it takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import count

from ...core.errors import ExportUnsafe, SourceRefused
from ...core.recipes import Item, Step, item_name
from ...core.selectors import CannotSelect
from ...core.templates import MissingValue
from .answer import next_cursor
from .errand import Errand, ItemEnds, NothingNew
from .jobs import JobGone, Jobs
from .listing import Listing

_MOST_ROUNDS = 100_000
_FIRST_NEW = 10


class Following:
    """One pull by a recipe."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self.steps = [(step.name or str(n), step) for n, step in enumerate(errand.recipe.steps, 1)]
        """Each with its name, or number."""
        self._jobs = Jobs(errand)

    def follow(self, only: Sequence[str], without: Sequence[str]) -> None:
        """Bring everything into the landing; raise NothingNew or what `core.ports.Source` says."""
        self.begin()
        for item in self.items(only, without):
            self._item(item)

    def begin(self) -> None:
        """Do what is done once: sign in, see what there is."""
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
        found = self._errand.scope.fill(each)
        items = found if isinstance(found, list) else [found]
        self._announce([item_name(item) for item in items])
        wanted = [
            item
            for item in items
            if _matches(item_name(item), only or ("*",)) and not _matches(item_name(item), without)
        ]
        if wanted:
            return wanted
        raise SourceRefused(
            f"{self._errand.vendor} shows no records of the kinds that this source fetches.",
            hint="Check what the user or key may see there, and `only` and `without` of this"
            " source.",
        )

    def _announce(self, names: list[str]) -> None:
        """What an office adds to its CRM is worth a word."""
        known = self._errand.memory.items()
        self._errand.memory.note_items(names)
        if known is not None and (new := [name for name in names if name not in known]):
            words = ", ".join(new[:_FIRST_NEW])
            self._errand.notes.append(f"There are new kinds of records: {words}.")

    def _item(self, item: Item) -> None:
        """Follow the steps for one item, again while there is more of it."""
        scope, more = self._errand.scope, self._errand.recipe.repeat_while
        scope.begin(item)
        scope.saved.pop(more, None)
        before = ""
        for number in count(1):
            scope.local["round"] = number
            self._round(f"{item_name(item)}/{number}")
            now = next_cursor(scope.saved.get(more))
            if not now:
                return
            if now == before or number > _MOST_ROUNDS:
                raise ExportUnsafe("The vendor's export has no end: it goes on with what we had.")
            before = now

    def _round(self, place: str) -> None:
        """Once from the first step to the last; anew where the job of an earlier pull is gone."""
        landed, saved = len(self._errand.landing.files), dict(self._errand.scope.saved)
        try:
            self._once_through(place)
        except JobGone as gone:
            if len(self._errand.landing.files) > landed:
                raise gone.error from gone
            self._errand.scope.saved = saved
            self._jobs.forget(place)
            self._once_through(place)

    def _once_through(self, place: str) -> None:
        try:
            for name, step in self.steps:
                if not step.once:
                    self._perform(step, f"{place}/{name}")
        except ItemEnds:
            return

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
            raise self._errand.not_as_known(step, error) from error

    def _renew(self, step: Step, where: str) -> None:
        """Have the link of a step made anew, as another step does."""
        local = self._errand.scope.local
        other = next(each for name, each in self.steps if name == step.renew)
        self._perform(other, f"{where.rpartition('/')[0]}/{step.renew}")
        self._errand.scope.local = local

    def _see_whether_new(self, step: Step, where: str) -> None:
        if not step.unchanged:
            return
        value = self._errand.scope.fill(step.unchanged)
        if self._errand.has_archive and value == self._errand.memory.value(where):
            raise NothingNew
        self._errand.memory.note_value(where, value)


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
