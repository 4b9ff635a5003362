"""Activity as the worker answers it: pages, one Run whole, bounds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from appliance.activity import MOST, page, whole
from appliance.core.errors import ApplianceError
from appliance.core.model import Outcome, Progress, Step, StepName, Trigger
from tests.fakes import FakeLedger
from tests.system.worker import SETTINGS

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


def done(ledger: FakeLedger, source: str = "crm", **how: object) -> int:
    run = ledger.begin(source, Trigger.SCHEDULE, NOW)
    return ledger.finish(run.id, how.pop("outcome", Outcome.OK), NOW, **how).id


def test_a_page_says_whether_there_is_more(ledger):
    for _ in range(5):
        done(ledger)
    found = page(ledger, SETTINGS, limit=3)
    assert [run["id"] for run in found["runs"]] == [5, 4, 3]
    assert found["more"] is True
    rest = page(ledger, SETTINGS, before=3, limit=3)
    assert ([run["id"] for run in rest["runs"]], rest["more"]) == ([2, 1], False)
    assert page(ledger, SETTINGS, before=1)["runs"] == []


def test_all_of_it_is_json_with_utc_times_and_says_whose_clock_the_office_has(ledger):
    run = ledger.begin("crm", Trigger.PAGE, NOW)
    ledger.add_step(run.id, Step(StepName.PULL, NOW, timedelta(seconds=1.5), Outcome.OK, "", 7))
    found = whole(ledger, SETTINGS, run.id, {"crm": Progress(StepName.ARCHIVE, 1, 2)})
    assert json.loads(json.dumps(found)) == found
    assert found["timezone"] == "Europe/Berlin"
    assert found["run"]["started"] == "2026-11-21T02:00:00+00:00"
    assert found["run"]["steps"][0]["duration"] == 1.5
    assert found["progress"]["done"] == 1
    listed = page(ledger, SETTINGS)
    assert (listed["timezone"], listed["sources"]) == ("Europe/Berlin", ["crm", "site"])
    assert set(listed["runs"][0]) == set(found["run"]), "the same shape"


def test_what_works_now_is_not_mistaken_for_the_same_job_of_yesterday(ledger):
    number = done(ledger)
    progress = {"crm": Progress(StepName.PULL, 1)}
    assert whole(ledger, SETTINGS, number, progress)["progress"] is None


@pytest.mark.parametrize("number", [0, -1, 2, 2**63, 10**30])
def test_no_such_entry_is_a_sentence(ledger, number):
    done(ledger)
    with pytest.raises(ApplianceError, match="no such entry"):
        whole(ledger, SETTINGS, number, {})


@pytest.mark.parametrize(("before", "count"), [(-5, 0), (0, 0), (2**70, 1), (None, 1)])
def test_any_number_is_taken_for_where_to_go_on(ledger, before, count):
    done(ledger)
    assert len(page(ledger, SETTINGS, before=before)["runs"]) == count


def test_a_page_is_never_longer_than_it_may_be(ledger):
    for _ in range(MOST + 5):
        done(ledger, message="x" * 10_000)
    found = page(ledger, SETTINGS, limit=10**9)
    assert len(found["runs"]) == MOST
    assert len(page(ledger, SETTINGS, limit=-1)["runs"]) == 1
    assert len(json.dumps(found)) < 400_000


def test_an_outcome_that_does_not_exist_is_not_understood(ledger):
    with pytest.raises(ValueError, match="splendid"):
        page(ledger, SETTINGS, outcome="splendid")
