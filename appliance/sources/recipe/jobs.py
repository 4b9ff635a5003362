"""Jobs at a vendor's: started once, waited for, gone on with after a power cut."""

from __future__ import annotations

import logging
from datetime import timedelta
from time import monotonic
from typing import Any

from ...core.errors import (
    ApplianceError,
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
)
from ...core.recipes import Step
from ..asking import pause
from ..origins import Address
from .answer import Envelope
from .errand import Errand

LONGEST_WAIT = timedelta(hours=1)
"""So long one pull waits for a vendor; the next one goes on with the same job."""
_GONE = frozenset({404, 410})
_log = logging.getLogger(__name__)


class JobGone(Exception):
    """A job that an earlier pull had started is not there any more."""

    def __init__(self, error: ApplianceError) -> None:
        super().__init__(error.message)
        self.error = error


class Jobs:
    """The jobs of one pull."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._resumed: set[str] = set()

    def start(self, step: Step, where: str) -> None:
        """Have the vendor begin, or go on with what it has begun for us already."""
        saved = self._begun_already(step, where)
        if saved is not None:
            self._resumed.add(where)
            self._errand.scope.save(saved)
            return
        self._errand.memory.begin(where, self._errand.recipe.quota)
        self._errand.memory.begun(where, self._started(step, where))

    def _begun_already(self, step: Step, where: str) -> Any:
        memory = self._errand.memory
        saved = memory.job(where, timedelta(seconds=step.job or 0))
        if saved is None and step.cooldown:
            saved = memory.started_within(where, timedelta(seconds=step.cooldown))
            if saved == {}:
                _log.warning("%s was started, and its answer never came", step.name)
        return saved

    def _started(self, step: Step, where: str) -> dict[str, Any]:
        errand = self._errand
        errand.report("asking the vendor to begin")
        (address, *_) = errand.questions.targets(step)
        try:
            answer = errand.ask(step, errand.questions.question(step, address, {}))
        except (SourceRefused, ExportNotReady):  # a clear no: nothing was started
            errand.memory.refused(where)
            raise
        told = errand.read(step, answer)
        errand.take(step, told, address)
        saved = {name: errand.scope.saved[name] for name in step.save}
        if not any(saved.values()):
            raise errand.not_as_known(step, ValueError("the answer names no job"))
        return saved

    def forget(self, place: str) -> None:
        """What was gone on with there is to be started anew."""
        for where in [each for each in self._resumed if each.startswith(f"{place}/")]:
            self._errand.memory.forget(where)
            self._resumed.discard(where)

    def wait(self, step: Step, where: str) -> None:
        """Ask until the vendor is done; raise ExportNotReady where that takes too long, JobGone
        where the job of an earlier pull cannot be had any more.
        """
        patience = min(timedelta(seconds=step.timeout or 1e9), LONGEST_WAIT).total_seconds()
        began = monotonic()
        while True:
            (address, *_) = self._errand.questions.targets(step)
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
        try:
            return errand.read(step, answer)
        except SourceRefused as error:
            if went_on:
                raise JobGone(error) from error
            raise

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
