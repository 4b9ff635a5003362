"""What every part of a pull by a recipe works with, and how one question of a step is asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ...core import selectors
from ...core.errors import ApplianceError, ExportUnsafe, SourceRefused
from ...core.model import StepName
from ...core.ports import Watch
from ...core.recipes import Paging, Recipe, Step, item_name
from .. import answers
from ..asking import Asker, Question, signs_of_life
from ..calling import Answer
from ..landing import Landing
from ..origins import Address
from ..receiving import Receiver
from . import answer as reading
from .answer import Envelope
from .memory import Memory
from .questions import Questions
from .scope import Scope

FINE = frozenset({200, 201, 202, 203, 204})


class ItemEnds(Exception):
    """There is nothing more to be had of this item."""


class NotForUs(ItemEnds):
    """The vendor does not let us see it."""

    def __init__(self, step: Step, status: int) -> None:
        super().__init__()
        self.step, self.status = step, status


class NothingNew(Exception):
    """The vendor has what was archived last."""


@dataclass(slots=True)
class Errand:
    """One pull."""

    recipe: Recipe
    scope: Scope
    asker: Asker
    questions: Questions
    landing: Landing
    receiver: Receiver
    memory: Memory
    watch: Watch
    has_archive: bool
    """Whether something was archived that "nothing new" may be said of."""
    is_trial: bool = False
    """Whether somebody only looks: nothing is started, and nothing remembered."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what is not in this export, or is new at the vendor's."""

    @property
    def vendor(self) -> str:
        """As people call it."""
        return self.recipe.title or "The vendor"

    def select(self, expression: str, told: Envelope) -> Any:
        """Return what an expression finds, None where there is none."""
        return selectors.select(expression, told, self.scope.values()) if expression else None

    def report(self, note: str) -> None:
        """Say what is going on."""
        item = item_name(self.scope.local.get("item"))
        said = f"{item}: {note}" if item else note
        self.watch.report(StepName.PULL, self.landing.received_bytes, note=said)

    def ask(self, step: Step, question: Question, also: frozenset[int] = frozenset()) -> Answer:
        """Ask; raise ItemEnds or NotForUs where the status says so."""
        fine = FINE | set(step.empty) | set(step.skip) | also
        with signs_of_life(self.watch) if step.timeout else nullcontext():
            answer = self.asker.ask(question, fine)
        if answer.status in (*step.skip, *step.empty):
            answer.close()
            raise NotForUs(step, answer.status) if answer.status in step.skip else ItemEnds
        return answer

    def left_out(self, no: NotForUs, *, has_other_files: bool) -> str:
        """Return the sentence about what is not in this backup."""
        name = item_name(self.scope.local.get("item"))
        if not name or has_other_files:
            what = f" ({no.step.name})" if no.step.name else ""
            name = f"A part of {name}{what}" if name else f"A part{what}"
        return f"{name} is not in this backup: {self.vendor} does not let us see it ({no.status})."

    def needs(self) -> str:
        """Return the sentence about what the user or key must be allowed, nothing where it is not
        known.
        """
        return f" It needs: {', '.join(self.recipe.scopes)}." if self.recipe.scopes else ""

    def stopped(self, no: NotForUs) -> SourceRefused:
        """Return the error for a vendor that says no in the middle of what it had begun to send."""
        return SourceRefused(
            f"{self.vendor} sent a part and then did not let us see the rest ({no.status}).",
            hint="Nothing of it was kept. Check the login of this source, then start a backup.",
            detail=f"step {no.step.name}, status {no.status}",
        )

    def read(
        self,
        step: Step,
        answer: Answer,
        page: int = 1,
        came: Callable[[int], None] | None = None,
    ) -> Envelope:
        """Read an answer and take from it what the step saves; raise SourceRefused where it says
        that something failed.
        """
        told = reading.read(answer, page, step.parse, came or self.landing.pace())
        if self.has_failed(step, told):
            raise self.refused(step, told)
        return told

    def has_failed(self, step: Step, told: Envelope) -> bool:
        """Return whether an answer says that something failed."""
        return bool(self.select(step.fail, told))

    def paging(self, step: Step) -> Paging | None:
        """Return how a list goes on: of one vendor's some do by other parameters than others, which
        their items name.
        """
        paging = step.paginate
        return replace(paging, into=self.scope.text(paging.into)) if paging else None

    def records(self, step: Step, told: Envelope) -> list[Any]:
        """Return the rows of a page.

        Raise SourceRefused where it says that something failed, ExportUnsafe where the rows are not
        there: nothing is not the same as no rows. A recipe that knows better says `|| `[]``.
        """
        if reading.is_an_error(told["body"]):
            raise self.refused(step, told)
        found = self.select(step.records, told)
        if not isinstance(found, list):
            raise self.not_as_known(step, ValueError("the records are no list"))
        return found

    def take(self, step: Step, told: Envelope, at: Address) -> None:
        """Save what the step wants of an answer."""
        self.scope.save({name: self.select(each, told) for name, each in step.save.items()}, at)
        if step.expires and not self.is_trial:
            self.memory.offer(_moment(self.select(step.expires, told)))

    def of_nothing(self, step: Step) -> dict[str, Any]:
        """Return what a step saves of an answer that is not there."""
        nothing = {"status": 0, "headers": {}, "body": None, "page": 1, "rows": 0}
        return {name: self.select(each, nothing) for name, each in step.save.items()}

    def refused(self, step: Step, told: Envelope) -> ApplianceError:
        """Return the error for an answer that says no, in the vendor's own words."""
        words = reading.said_no(told, self.asker.hidden)
        error = SourceRefused(
            f"{self.vendor} says no: {words}" if words else f"{self.vendor} could not do it.",
            hint="See at the vendor's whether the user or key may export, then start a backup.",
            detail=f"step {step.name}, status {told['status']}",
        )
        error.nothing_done = True
        return error

    def not_as_known(self, step: Step, why: Exception) -> ExportUnsafe:
        """Return the error for an answer that has not what the recipe looks for."""
        return ExportUnsafe(
            f"{self.vendor} answers in another way than this recipe knows.",
            hint="The vendor may have changed its service: see whether there is an update of the"
            " box.",
            detail=f"step {step.name}: {str(why)[:200]}",
        )


Renew = Callable[[Step], None]
"""Have a step's link made anew."""


def _moment(told: object) -> datetime | None:
    """Given a date as vendors write them, return it; None where it is none."""
    if isinstance(told, int | float) and not isinstance(told, bool):
        with suppress(OverflowError, ValueError, OSError):  # whatever it is, it is no date
            return datetime.fromtimestamp(told / 1000 if told > 10**11 else told, UTC)
        return None
    text = str(told or "").strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return answers.date(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
