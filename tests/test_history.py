"""The month that screenshots and benches show is one that a box could have lived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from appliance.core.model import Outcome
from appliance.system.ledger import SqliteLedger
from tests.history import History

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def filled(folder, name, **more):
    ledger = SqliteLedger(folder / f"{name}.sqlite")
    History(ledger, ["crm", "site"], ["disk-a", "disk-b"], "cloud").fill(NOW, **more)
    return ledger


def test_a_month_has_every_kind_of_day_and_ends_well_this_morning(tmp_path):
    ledger = filled(tmp_path, "a")
    runs = ledger.runs(limit=1000)
    assert {Outcome.OK, Outcome.SKIPPED, Outcome.FAILED} <= {run.outcome for run in runs}
    assert all(run.finished and run.started <= run.finished <= NOW for run in runs)
    assert all(run.steps or run.source.startswith("page:") for run in runs)
    newest = max(copy.time for copy in ledger.copies("crm"))
    assert NOW - newest < timedelta(hours=8)
    assert {copy.place for copy in ledger.copies()} == {"disk-a", "disk-b", "cloud"}
    ledger.close()


def test_it_is_the_same_each_time(tmp_path):
    one, other = filled(tmp_path, "a", days=9), filled(tmp_path, "b", days=9)
    assert one.runs(limit=1000) == other.runs(limit=1000)
    assert one.copies() == other.copies()
    one.close()
    other.close()
