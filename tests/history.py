"""A month of a small office, written into a ledger as its box would have: the same each time.

For screenshots, benches and tests that want something to look at; nothing of it lies on a disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random

from appliance.core.model import Archive, Copy, Outcome, Step, StepName, Trigger
from appliance.core.ports import Ledger
from appliance.engine import drill, mirroring

_MB = 10**6
_FAILURES = (
    ("The server did not answer.", "Look whether the CRM's server is reachable.", StepName.PULL),
    ("The login was refused.", "Type the password anew in the settings.", StepName.PULL),
)


class History:
    """Writes days; `sources` are backed up to `places`, and to the cloud by `mirror`."""

    def __init__(
        self, ledger: Ledger, sources: Sequence[str], places: Sequence[str], mirror: str = ""
    ) -> None:
        self._ledger, self._sources, self._places = ledger, sources, places
        self._mirror = mirror
        self._random = Random(4)
        self._newest: dict[str, str] = {}

    def fill(self, until: datetime, days: int = 30) -> None:
        """Write the days before `until`, oldest first; the last good copy is of its morning."""
        last = until.astimezone(UTC).date()
        for back in range(days, -1, -1):
            night = datetime.combine(last - timedelta(days=back), time(2), UTC)
            if night < until:
                self._night(night, back)

    def _night(self, night: datetime, back: int) -> None:
        for number, source in enumerate(self._sources):
            begun = night + timedelta(minutes=30 * number)
            match back % 11, number:
                case 7, 0:
                    self._failed(source, begun)
                case 9, _:
                    self._unchanged(source, begun)
                case _:
                    self._backed_up(source, begun, Trigger.SCHEDULE)
        if back % 9 == 4:
            noon = night + timedelta(hours=10)
            self._noted("sign-in", "Somebody signed in", noon)
            self._backed_up(self._sources[0], noon + timedelta(minutes=3), Trigger.PAGE)
        if back % 15 == 3:
            self._drilled(night + timedelta(hours=9))

    def _backed_up(self, source: str, begun: datetime, trigger: Trigger) -> None:
        size = self._random.randrange(60, 90) * _MB
        archive = self._newest[source] = Archive.name_for(source, begun)
        run = self._ledger.begin(source, trigger, begun)
        arrived = [(StepName.PULL, "", size, 41), (StepName.UNPACK, "", 0, 6)]
        at = self._steps(run.id, begun, arrived)
        for place in self._places:
            new = self._random.randrange(40, 900) * 1000
            at = self._steps(run.id, at, [(StepName.ARCHIVE, place, new, 9)])
            at = self._steps(run.id, at, [(StepName.VERIFY, place, size, 15)])
            self._ledger.add_copy(Copy(archive, source, place, begun, at))
        said = f"{self._random.randrange(3, 40)} new or changed files."
        self._ledger.finish(run.id, Outcome.OK, at, archive=archive, message=said)
        if self._mirror:
            self._sent(source, archive, begun, at)

    def _sent(self, source: str, archive: str, begun: datetime, at: datetime) -> None:
        run = self._ledger.begin(mirroring.job_name(self._mirror), Trigger.SCHEDULE, at)
        end = self._steps(run.id, at, [(StepName.MIRROR, self._mirror, 3 * _MB, 22)])
        self._ledger.add_copy(Copy(archive, source, self._mirror, begun, end))
        self._ledger.finish(run.id, Outcome.OK, end)

    def _failed(self, source: str, begun: datetime) -> None:
        said, hint, step = self._random.choice(_FAILURES)
        run = self._ledger.begin(source, Trigger.SCHEDULE, begun)
        length = timedelta(seconds=30)
        self._ledger.add_step(
            run.id, Step(step, begun, length, Outcome.FAILED, message=said, hint=hint)
        )
        self._ledger.finish(
            run.id, Outcome.FAILED, begun + length, message=said, hint=hint, detail="ECONNREFUSED"
        )

    def _unchanged(self, source: str, begun: datetime) -> None:
        run = self._ledger.begin(source, Trigger.SCHEDULE, begun)
        end = self._steps(run.id, begun, [(StepName.PULL, "", 0, 2)])
        said, newest = "Nothing has changed since the newest backup.", self._newest.get(source, "")
        self._ledger.finish(run.id, Outcome.SKIPPED, end, archive=newest, message=said)

    def _drilled(self, begun: datetime) -> None:
        run = self._ledger.begin(drill.job_name(self._places[0]), Trigger.SCHEDULE, begun)
        end = self._steps(run.id, begun, [(StepName.VERIFY, self._places[0], 80 * _MB, 70)])
        self._ledger.finish(run.id, Outcome.OK, end, message="Both backups came back whole.")

    def _noted(self, what: str, words: str, at: datetime) -> None:
        self._ledger.add_act(f"page:{what}", Trigger.PAGE, at, Outcome.OK, words)

    def _steps(
        self, run: int, at: datetime, steps: Sequence[tuple[StepName, str, int, int]]
    ) -> datetime:
        """Write steps one after the other; return when the last one ended."""
        for name, target, size, seconds in steps:
            length = timedelta(seconds=seconds + self._random.random())
            self._ledger.add_step(run, Step(name, at, length, Outcome.OK, target, size or None))
            at += length
        return at
