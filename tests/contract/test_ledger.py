"""What every Ledger must do, the real one and the fake that stands in for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from appliance.core.audit import HEAD, first_fault, link
from appliance.core.erasure import Erasure
from appliance.core.model import Archive, Copy, Outcome, SeenFile, Step, StepName, Tally, Trigger
from appliance.core.ports import Ledger
from appliance.engine.register import register, registered
from appliance.system.ledger import SqliteLedger
from tests.fakes import FakeLedger

NOW = datetime(2026, 11, 21, 3, 0, 0, 123456, tzinfo=UTC)
ABOUT = {
    "crm": "backup",
    "drill": "backup",
    "drill:disk-a": "drill",
    "drill:disk-a:b": "drill",
    "mirror:cloud": "mirror",
    "check:disk-a": "check",
    "restore:crm": "restore",
    "page:sign-in": "person",
    "command:trust": "person",
    "button:pairing": "person",
    "'; --:☃": "'; --",
}
"""Sources, and what kind of thing they are."""
HOSTILE = ["", "x" * 100_000, "'; DROP TABLE run; --", "naïve ☃\n\t\x01", "%s {now} ?"]


def archive(sequence: int, source: str = "crm") -> Archive:
    time = (NOW + timedelta(days=sequence)).replace(microsecond=0)
    return Archive(Archive.name_for(source, time), source, time, sequence, "ab" * 32)


def copy(sequence: int, place: str = "disk-a", source: str = "crm") -> Copy:
    one = archive(sequence, source)
    return Copy(one.name, source, place, one.time, NOW)


class LedgerContract:
    """Inherit, and give a `ledger` that is empty."""

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        raise NotImplementedError

    def test_a_run_comes_back_with_all_that_was_said_of_it(self, ledger: Ledger) -> None:
        begun = ledger.begin("crm", Trigger.SCHEDULE, NOW, "2026-11-21")
        assert (begun.source, begun.trigger, begun.started) == ("crm", Trigger.SCHEDULE, NOW)
        assert begun.outcome is None
        steps = (
            Step(StepName.PULL, NOW, timedelta(microseconds=1), Outcome.OK, "", 0),
            Step(
                StepName.ARCHIVE,
                NOW + timedelta(seconds=1),
                timedelta(days=2),
                Outcome.FAILED,
                "disk-a",
                2**40,
                "full",
                "free some",
            ),
            Step(StepName.VERIFY, NOW, timedelta(), Outcome.SKIPPED, size_bytes=None),
        )
        for step in steps:
            ledger.add_step(begun.id, step)
        done = ledger.finish(
            begun.id,
            Outcome.WARNING,
            NOW + timedelta(minutes=2),
            archive="crm-1",
            message="m",
            hint="h",
            detail="d",
        )
        assert done.steps == steps
        assert (done.outcome, done.finished) == (Outcome.WARNING, NOW + timedelta(minutes=2))
        assert (done.archive, done.message, done.hint, done.detail) == ("crm-1", "m", "h", "d")
        assert ledger.run(begun.id) == done
        assert ledger.runs() == (done,)

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_any_text_comes_back_as_it_was(self, ledger: Ledger, text: str) -> None:
        run = ledger.begin("crm", Trigger.PAGE, NOW)
        ledger.add_step(
            run.id, Step(StepName.PULL, NOW, timedelta(), Outcome.OK, text, 1, text, text)
        )
        done = ledger.finish(run.id, Outcome.OK, NOW, archive=text, message=text, detail=text)
        assert (done.archive, done.message, done.detail) == (text, text, text)
        assert (done.steps[0].target, done.steps[0].message) == (text, text)
        ledger.note("key", text)
        assert ledger.noted("key") == text

    def test_times_come_back_as_the_same_moment_whatever_their_zone(self, ledger: Ledger) -> None:
        there = NOW.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        assert ledger.begin("crm", Trigger.BUTTON, there).started == NOW

    @pytest.mark.parametrize("outcome", [None, Outcome.OK])
    def test_what_is_not_under_way_cannot_be_changed(
        self, ledger: Ledger, outcome: Outcome | None
    ) -> None:
        step = Step(StepName.PULL, NOW, timedelta(), Outcome.OK)
        number = 99
        if outcome:
            number = ledger.begin("crm", Trigger.BUTTON, NOW).id
            ledger.finish(number, outcome, NOW)
        before = ledger.run(number)
        for change in (
            lambda: ledger.add_step(number, step),
            lambda: ledger.finish(number, Outcome.FAILED, NOW),
        ):
            with pytest.raises(ValueError, match="not under way"):
                change()
        assert ledger.run(number) == before

    def test_runs_are_listed_newest_first_by_source_and_by_page(self, ledger: Ledger) -> None:
        runs = [ledger.begin("crm" if n % 2 else "site", Trigger.BUTTON, NOW) for n in range(10)]
        numbers = [run.id for run in runs][::-1]
        assert [run.id for run in ledger.runs()] == numbers
        assert [run.id for run in ledger.runs(limit=3)] == numbers[:3]
        assert [run.id for run in ledger.runs(limit=3, before=numbers[2])] == numbers[3:6]
        assert {run.source for run in ledger.runs("crm")} == {"crm"}
        assert len(ledger.runs("crm")) == 5
        assert ledger.runs("nobody") == ()
        assert ledger.runs(limit=0) == ()
        assert ledger.run(10_000) is None

    def test_steps_stay_with_their_run_in_a_list_of_one_source(self, ledger: Ledger) -> None:
        for source in ("crm", "site", "crm"):
            run = ledger.begin(source, Trigger.BUTTON, NOW)
            ledger.add_step(run.id, Step(StepName.PULL, NOW, timedelta(), Outcome.OK, source))
        assert [[step.target for step in run.steps] for run in ledger.runs("crm")] == [
            ["crm"],
            ["crm"],
        ]

    def test_activity_lists_by_source_by_kind_and_by_outcome(self, ledger: Ledger) -> None:
        told = {}
        for source in (*ABOUT, *ABOUT):
            run = ledger.begin(source, Trigger.SCHEDULE, NOW)
            outcome = Outcome.FAILED if source in told else Outcome.OK
            told.setdefault(source, []).append(ledger.finish(run.id, outcome, NOW).id)
        under_way = ledger.begin("crm", Trigger.SCHEDULE, NOW).id

        def found(about: str | None = None, outcome: Outcome | None = None) -> list[int]:
            return [run.id for run in ledger.activity(about, outcome)]

        everything = [number for numbers in told.values() for number in numbers]
        assert found() == sorted([*everything, under_way], reverse=True)
        assert found("crm") == [under_way, *told["crm"][::-1]]
        assert found("crm", Outcome.FAILED) == [told["crm"][1]]
        assert found(outcome=Outcome.OK) == sorted((one[0] for one in told.values()), reverse=True)
        for source, kind in ABOUT.items():
            alike = [number for one, it in ABOUT.items() if it == kind for number in told[one]]
            alike += [under_way] if kind == "backup" else []
            assert found(f"{kind}:") == sorted(alike, reverse=True), kind
            assert found(source, Outcome.OK) == [told[source][0]]
        good = [told[one][0] for one in ("page:sign-in", "command:trust", "button:pairing")]
        assert found("person:", Outcome.OK) == good[::-1]
        for nothing in ("", ":", "nobody", "nobody:", "DRILL:", "drill:disk"):
            assert found(nothing) == []

    @pytest.mark.parametrize("about", [None, "crm", "backup:"])
    def test_activity_goes_on_below_the_last_one_shown(
        self, ledger: Ledger, about: str | None
    ) -> None:
        numbers = [ledger.begin("crm", Trigger.BUTTON, NOW).id for _ in range(7)][::-1]
        before, seen = None, []
        while page := ledger.activity(about, limit=3, before=before):
            seen.append([run.id for run in page])
            before = page[-1].id
        assert seen == [numbers[:3], numbers[3:6], numbers[6:]]
        assert ledger.activity(about, limit=0) == ()

    def test_activity_leaves_out_what_no_list_shows(self, ledger: Ledger) -> None:
        run = ledger.begin("crm", Trigger.BUTTON, NOW)
        ledger.add_step(run.id, Step(StepName.PULL, NOW, timedelta(), Outcome.OK))
        done = ledger.finish(
            run.id, Outcome.FAILED, NOW, message="m", hint="h", detail="d", faults=["DiskFull"]
        )
        assert ledger.activity() == (replace(done, detail="", faults=(), steps=()),)

    def test_an_act_is_a_finished_run_chained_to_the_one_before(self, ledger: Ledger) -> None:
        assert ledger.acts() == ()
        acts = []
        for n, text in enumerate(HOSTILE):
            acts.append(ledger.add_act("page:sign-in", Trigger.PAGE, NOW, Outcome.WARNING, text))
            ledger.begin("crm", Trigger.BUTTON, NOW)
            assert ledger.noted(HEAD) == acts[-1].sha256
            assert ledger.run(acts[n].run.id) == acts[n].run
        first = acts[0]
        assert (first.run.source, first.run.trigger) == ("page:sign-in", Trigger.PAGE)
        assert (first.run.outcome, first.run.message) == (Outcome.WARNING, HOSTILE[0])
        assert first.run.started == first.run.finished == NOW
        assert first.sha256 == link("", first.run)
        assert [act.sha256 for act in acts[1:]] == [
            link(before.sha256, act.run) for before, act in itertools.pairwise(acts)
        ]
        assert ledger.acts() == tuple(acts)
        assert ledger.acts(after=acts[1].run.id, limit=2) == tuple(acts[2:4])
        assert first_fault(ledger.acts(), ledger.noted(HEAD)) == ""

    def test_E18_what_is_put_there_past_the_trail_is_found(self, ledger: Ledger) -> None:
        ledger.add_act("page:sign-in", Trigger.PAGE, NOW, Outcome.OK, "Somebody came in.")
        forged = ledger.begin("page:sign-in", Trigger.PAGE, NOW)
        ledger.finish(forged.id, Outcome.OK, NOW, message="Somebody else came in.")
        assert ledger.acts()[-1].sha256 == ""
        assert f"no. {forged.id}" in first_fault(ledger.acts(), ledger.noted(HEAD))

    def test_what_was_cut_off_becomes_interrupted_once(self, ledger: Ledger) -> None:
        done = ledger.begin("crm", Trigger.BUTTON, NOW)
        ledger.finish(done.id, Outcome.OK, NOW)
        open_runs = [ledger.begin(source, Trigger.BUTTON, NOW) for source in ("crm", "site")]
        later = NOW + timedelta(hours=1)
        cut_off = ledger.interrupt_unfinished(later)
        assert [run.id for run in cut_off] == [run.id for run in open_runs]
        assert {run.outcome for run in cut_off} == {Outcome.INTERRUPTED}
        assert {run.finished for run in cut_off} == {later}
        assert all(run.message and run.hint for run in cut_off)
        assert ledger.interrupt_unfinished(later) == ()
        assert ledger.run(done.id).outcome is Outcome.OK

    def test_a_number_is_never_given_twice(self, ledger: Ledger) -> None:
        assert [ledger.next_sequence("crm") for _ in range(3)] == [1, 2, 3]
        assert ledger.next_sequence("crm", at_least=10) == 10
        assert ledger.next_sequence("crm", at_least=5) == 11
        assert ledger.next_sequence("site", at_least=7) == 7

    def test_a_request_takes_a_number_and_stays_behind_those_before_it(
        self, ledger: Ledger
    ) -> None:
        assert ledger.requests("crm") == ()
        assert ledger.next_sequence("crm") == 1
        assert ledger.add_request("crm", HOSTILE[3]) == 2
        assert ledger.add_request("site", "elsewhere") == 1
        assert ledger.next_sequence("crm") == 3
        assert ledger.add_request("crm", "again", at_least=9) == 9
        assert ledger.add_request("crm", "again", at_least=5) == 10
        assert ledger.requests("crm") == ((2, HOSTILE[3]), (9, "again"), (10, "again"))

    def test_of_many_who_ask_at_once_nobody_is_lost(self, ledger: Ledger) -> None:
        def ask(who: int) -> list[Erasure]:
            said = [Erasure.of([f"{who}.{n}"], NOW, "salt", 0) for n in range(5)]
            return [register(ledger, "crm", one) for one in said]

        with ThreadPoolExecutor(8) as all_at_once:
            asked = [one for each in all_at_once.map(ask, range(8)) for one in each]
        assert set(registered(ledger, "crm")) == set(asked)
        assert sorted(one.upto for one in asked) == list(range(1, 41))

    def test_files_come_back_by_the_archives_number_newest_first(self, ledger: Ledger) -> None:
        old, new = SeenFile("a.zip", 1, "0" * 64), SeenFile("b ☃.zip", 2**40, "1" * 64, NOW, '"e"')
        other = SeenFile("c.zip", 3, "2" * 64)
        ledger.remember("crm", archive(2), (new, other))
        ledger.remember("crm", archive(1), (old,))
        ledger.remember("site", archive(9, "site"), (other,))
        assert ledger.seen("crm") == (new, other, old)
        assert ledger.last_export("crm") == (new, other)
        assert ledger.seen("nobody") == ledger.last_export("nobody") == ()

    def test_sizes_are_what_was_delivered_and_held_is_what_a_run_said(self, ledger: Ledger) -> None:
        ledger.remember("crm", archive(1), (SeenFile("a", 3, "0"), SeenFile("b", 4, "1")))
        ledger.remember("crm", archive(2), (SeenFile("a", 2**40, "0"),))
        ledger.remember("site", archive(3, "site"), (SeenFile("a", 1, "0"),))
        assert ledger.sizes("crm") == {archive(1).name: 7, archive(2).name: 2**40}
        for number, outcome in ((1, Outcome.HELD), (2, Outcome.OK)):
            run = ledger.begin("crm", Trigger.BUTTON, NOW)
            ledger.finish(run.id, outcome, NOW, archive=archive(number).name)
        assert ledger.held("crm") == {archive(1).name}
        assert (ledger.sizes("nobody"), ledger.held("site")) == ({}, frozenset())

    def test_remembering_again_is_no_second_export(self, ledger: Ledger) -> None:
        first, better = SeenFile("a.zip", 1, "0" * 64), SeenFile("a.zip", 2, "1" * 64)
        ledger.remember("crm", archive(1), (first, first))
        ledger.remember("crm", archive(1), (better,))
        assert ledger.seen("crm") == (better,)

    def test_copies_are_listed_newest_first_and_leave_by_retention(self, ledger: Ledger) -> None:
        for one in (copy(1), copy(3), copy(2), copy(3, "cloud"), copy(9, source="site")):
            ledger.add_copy(one)
        assert ledger.copies("crm") == (copy(3, "cloud"), copy(3), copy(2), copy(1))
        assert len(ledger.copies()) == 5
        ledger.drop_copies("disk-a", [copy(1).archive, copy(3).archive, "never-there"])
        assert ledger.copies("crm") == (copy(3, "cloud"), copy(2))
        ledger.add_copy(copy(1))
        assert copy(1) in ledger.copies("crm")

    def test_proving_again_moves_the_date_of_the_proof(self, ledger: Ledger) -> None:
        ledger.add_copy(copy(1))
        again = Copy(copy(1).archive, "crm", "disk-a", copy(1).time, NOW + timedelta(days=30))
        ledger.add_copy(again)
        assert ledger.copies() == (again,)

    def test_slots_are_those_started_and_those_missed(self, ledger: Ledger) -> None:
        ledger.begin("crm", Trigger.SCHEDULE, NOW, "2026-11-21")
        ledger.begin("crm", Trigger.BUTTON, NOW)
        ledger.begin("site", Trigger.SCHEDULE, NOW, "2026-11-01")
        for _ in range(2):
            ledger.add_missed("crm", "2026-11-20", NOW)
        assert ledger.slots("crm") == {"2026-11-21", "2026-11-20"}
        assert ledger.slots("nobody") == frozenset()

    def test_the_runs_of_a_span_are_counted_by_how_they_ended(self, ledger: Ledger) -> None:
        hour = timedelta(hours=1)
        for started, outcome, name in (
            (NOW - hour, Outcome.OK, "before"),
            (NOW, Outcome.OK, "a"),
            (NOW + hour, Outcome.OK, "b"),
            (NOW + hour, Outcome.OK, ""),
            (NOW + 2 * hour, Outcome.OK, "after"),
        ):
            ledger.finish(
                ledger.begin("crm", Trigger.PAGE, started).id, outcome, started, archive=name
            )
        ledger.begin("site", Trigger.PAGE, NOW)
        assert set(ledger.tally(NOW, NOW + 2 * hour)) == {
            Tally("crm", Outcome.OK, True, 2, NOW + hour),
            Tally("crm", Outcome.OK, False, 1, NOW + hour),
            Tally("site", None, False, 1, NOW),
        }

    def test_missed_slots_are_those_of_one_source_from_a_day_on(self, ledger: Ledger) -> None:
        for source, slot in (("crm", "2026-11-19"), ("crm", "2026-11-20"), ("site", "2026-11-21")):
            ledger.add_missed(source, slot, NOW)
        assert ledger.missed_slots("crm", "2026-11-20") == {"2026-11-20"}
        assert ledger.missed_slots("nobody", "") == frozenset()

    def test_the_last_word_of_a_note_counts(self, ledger: Ledger) -> None:
        assert ledger.noted("id") is None
        ledger.note("id", "a")
        ledger.note("id", "b")
        assert ledger.noted("id") == "b"


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Any]:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        yield ledger
        ledger.close()


class TestFakeLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> FakeLedger:
        return FakeLedger()
