"""Jobs at a vendor's: started once, waited for, gone on with after a power cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from ...core import words
from ...core.errors import (
    ApplianceError,
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
)
from ...core.recipes import Item, Step, item_name
from ..asking import Question, pause
from ..origins import Address
from . import answer as reading
from .answer import Envelope
from .errand import Errand, ItemEnds

LONGEST_WAIT = timedelta(hours=1)
"""So long one pull waits for a vendor; the next one goes on with the same job."""
_GONE = frozenset({404, 410})


def _whatever_anybody_says(_: int) -> None:
    """Somebody who wants to stop now would have us forget which job was begun."""


def place_of(item: Item) -> str:
    """Return what the jobs of an item are remembered by: never what those of another are."""
    if not isinstance(item, Mapping):
        return item_name(item)
    told = json.dumps(item, sort_keys=True).encode()
    return f"{item_name(item)}~{hashlib.sha256(told).hexdigest()[:8]}"


class JobGone(Exception):
    """A job that an earlier pull had started is not there any more."""

    def __init__(self, error: ApplianceError) -> None:
        super().__init__(error.message)
        self.error = error


class Jobs:
    """The jobs of one pull."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._resumed: dict[str, Step] = {}
        """Jobs of an earlier pull, by place."""
        self._used: dict[str, Step] = {}
        self._unanswered: dict[str, Step] = {}

    def require_quota(self, items: Sequence[Item], steps: Sequence[tuple[str, Step]]) -> None:
        """Raise where the vendor would let us begin some of the jobs and not all: nothing could be
        kept of them.
        """
        quota, memory = self._errand.recipe.quota, self._errand.memory
        spans = [
            (f"{place_of(item)}/1/{name}", step)
            for item in items
            for name, step in steps
            if step.starts_a_job and not step.once
        ]
        needed = sum(not self._goes_on(where, step) for where, step in spans)
        if quota is None:
            return
        if len(spans) > quota.starts:
            raise SourceRefused(
                f"A backup would begin {len(spans)} exports, and {self._errand.vendor} allows"
                f" {quota.starts} in {words.duration(quota.per)}.",
                hint="Choose with `only` or `without` of this source what is fetched.",
            )
        memory.require(needed, quota)

    def _goes_on(self, where: str, step: Step) -> bool:
        memory = self._errand.memory
        return memory.job(where, timedelta(seconds=step.job or 0)) is not None or bool(
            memory.cooldown_left(where, timedelta(seconds=step.cooldown))
        )

    def start(self, step: Step, where: str) -> None:
        """Have the vendor begin, or go on with what it has begun for us already."""
        errand, address = self._errand, self._errand.questions.target(step)
        self._used[where] = step
        saved = self._begun_already(step, where)
        if saved is not None:
            self._resumed[where] = step
            errand.scope.save(saved, address)
            return
        question = errand.questions.question(step, address, {})
        errand.report("asking the vendor to begin")
        errand.memory.begin(where, errand.recipe.quota)
        try:
            saved = self._started(step, question)
        except ItemEnds:
            errand.memory.refused(where)
            raise
        except ApplianceError as error:
            if error.nothing_done:
                errand.memory.refused(where)
            raise
        errand.memory.begun(where, saved)

    def _begun_already(self, step: Step, where: str) -> Mapping[str, Any] | None:
        memory = self._errand.memory
        saved = memory.job(where, timedelta(seconds=step.job or 0))
        if saved is None and step.cooldown:
            saved = memory.started_within(where, timedelta(seconds=step.cooldown))
            if saved == {}:
                self._unanswered[where] = step
        return saved

    def unanswered(self, place: str) -> ExportNotReady | None:
        """Return the error for a start whose answer never came, where there was one in a place:
        what it would have told is missing there.
        """
        for where, step in self._unanswered.items():
            if where.startswith(f"{place}/"):
                return ExportNotReady(
                    f"{self._errand.vendor} was asked for an export, and its answer never came.",
                    hint=self._not_before(step, where),
                )
        return None

    def _started(self, step: Step, question: Question) -> dict[str, Any]:
        errand = self._errand
        answer = errand.ask(step, question)
        told = errand.read(step, answer, came=_whatever_anybody_says)
        if reading.is_an_error(told["body"]):
            raise errand.refused(step, told)
        errand.take(step, told, question.address)
        saved = {name: errand.scope.saved[name] for name in step.save}
        if not any(saved.values()):
            raise errand.not_as_known(step, ValueError("the answer names no job"))
        return saved

    def _not_before(self, step: Step, where: str) -> str:
        left = self._errand.memory.cooldown_left(where, timedelta(seconds=step.cooldown))
        return f"The vendor counts them, so another is begun by itself in {words.duration(left)}."

    def forget(self, place: str) -> None:
        """What was gone on with there is to be started anew; raise ExportNotReady where that is
        too soon.
        """
        for where, step in list(self._resumed.items()):
            if not where.startswith(f"{place}/"):
                continue
            if self._errand.memory.cooldown_left(where, timedelta(seconds=step.cooldown)):
                raise ExportNotReady(
                    f"The export that {self._errand.vendor} was making has failed, or is gone.",
                    hint=self._not_before(step, where),
                )
            self._errand.memory.forget(where)
            del self._resumed[where]

    def distrust(self, place: str) -> None:
        """What a job made cannot be used: the next pull has another made, where that is free."""
        for where, step in self._used.items():
            if where.startswith(f"{place}/") and not step.cooldown:
                self._errand.memory.forget(where)

    def wait(self, step: Step, where: str) -> None:
        """Ask until the vendor is done; raise ExportNotReady where that takes too long, JobGone
        where the job of an earlier pull cannot be had any more.
        """
        patience = min(timedelta(seconds=step.timeout or 1e9), LONGEST_WAIT).total_seconds()
        began = monotonic()
        while True:
            address = self._errand.questions.target(step)
            told = self._look(step, where, address)
            if self._errand.select(step.until, told):
                self._done(step, told, address)
                return
            if monotonic() - began + step.every > patience:
                raise self._not_yet(step)
            pause(self._errand.watch, timedelta(seconds=step.every), "waiting for the vendor")

    def _look(self, step: Step, where: str, address: Address) -> Envelope:
        errand = self._errand
        went_on = any(each.rpartition("/")[0] == where.rpartition("/")[0] for each in self._resumed)
        errand.report("waiting for the vendor")
        question = errand.questions.question(step, address, {})
        answer = errand.ask(step, question, _GONE if went_on else frozenset())
        if answer.status in _GONE:
            answer.close()
            raise JobGone(ExportUnsafe("The export that the vendor was making is gone."))
        told = reading.read(answer, 1, step.parse, errand.landing.pace())
        if errand.has_failed(step, told):
            error = errand.refused(step, told)
            raise JobGone(error) if went_on else error
        return told

    def _done(self, step: Step, told: Envelope, address: Address) -> None:
        errand = self._errand
        errand.take(step, told, address)
        keeps = errand.recipe.keeps_seconds
        renewable = any(each.renew for each in errand.recipe.steps)
        if keeps and not step.expires and not renewable:
            errand.memory.keeps_for(timedelta(seconds=keeps))

    def _not_yet(self, step: Step) -> ExportNotReady:
        return ExportNotReady(
            f"{self._errand.vendor} is still making the export.",
            hint="It is asked again by itself, and not made to begin anew.",
            detail=f"step {step.name}",
        )
