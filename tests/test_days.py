"""How the last days went, as the ledger tells it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.config import Settings, parse
from appliance.core.model import Outcome, Trigger
from appliance.days import MOST_DAYS, days_of
from appliance.engine.memory import FIRST_SEEN, key, note_time
from appliance.system.ledger import SqliteLedger
from tests.fakes import FakeClock, FakeLedger

OFFICE = """
[appliance]
timezone = "Europe/Berlin"
[[source]]
name = "crm"
type = "inbox"
path = "/srv/inbox"
schedule = "{schedule}"
"""
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)


def office(schedule: str = "daily at 03:00") -> Settings:
    return parse(OFFICE.format(schedule=schedule), complete=False)


@pytest.fixture
def ledger() -> FakeLedger:
    ledger = FakeLedger()
    note_time(ledger, FIRST_SEEN, "crm", NOW - timedelta(days=100))
    return ledger


def ran(ledger, started, outcome=Outcome.OK, source="crm", archive="crm-x"):
    run = ledger.begin(source, Trigger.SCHEDULE, started)
    ledger.finish(run.id, outcome, started, archive=archive)


def clock_at(now):
    clock = FakeClock()
    clock.forward(now - clock.now())
    return clock


def states(settings, ledger, count=4, now=NOW):
    return [day["state"] for day in days_of(settings, ledger, clock_at(now), count)]


def test_days_are_told_newest_first_by_the_offices_calendar(ledger):
    ran(ledger, datetime(2026, 11, 20, 23, 30, tzinfo=UTC))  # 00:30 of the 21st in Berlin
    ran(ledger, datetime(2026, 11, 19, 2, 0, tzinfo=UTC), Outcome.FAILED, archive="")
    days = days_of(office(), ledger, clock_at(NOW), 3)
    assert [day["date"] for day in days] == ["2026-11-21", "2026-11-20", "2026-11-19"]
    assert [day["state"] for day in days] == ["copied", "late", "failed"]
    assert days[0]["runs"] == {"crm": {"ok": 1}}
    assert days[2]["runs"] == {"crm": {"failed": 1}}


def test_what_went_by_while_the_box_was_off_is_no_late_backup(ledger):
    ledger.add_missed("crm", "2026-11-20", NOW)
    assert states(office(), ledger)[:3] == ["late", "none", "late"]


def test_nothing_was_late_before_the_schedule_counted(ledger):
    ledger.note(key(FIRST_SEEN, "crm"), (NOW - timedelta(days=1)).isoformat())
    days = days_of(office(), ledger, clock_at(NOW), 4)
    assert [day["state"] for day in days] == ["late", "none", "none", "none"]
    assert [day["sentence"] for day in days[2:]] == ["Before the first backup."] * 2


def test_a_box_that_was_never_started_owes_nothing():
    assert states(office(), FakeLedger()) == ["none"] * 4


def test_days_without_a_slot_owe_nothing(ledger):
    # 21 November 2026 is a Saturday.
    assert states(office("weekly on thu at 03:00"), ledger) == ["none", "none", "late", "none"]


def test_what_others_did_does_not_count_as_a_backup(ledger):
    ran(ledger, NOW - timedelta(hours=9), source="drill:disk-a")
    ran(ledger, NOW - timedelta(hours=9), source="page:sign-in")
    assert states(office(), ledger, 1) == ["late"]


def test_today_is_open_until_the_grace_is_over(ledger):
    early = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
    assert states(office(), ledger, 1, early) == ["open"]
    assert states(office(), ledger, 1, early + timedelta(hours=8)) == ["late"]


def test_a_day_of_25_hours_is_one_day(ledger):
    # 25 October 2026: clocks in Berlin go back; 00:30 and 23:30 local are 25 hours apart and both
    # of that day.
    first, last = ((2026, 10, 24, 22, 30), (2026, 10, 25, 22, 30))
    for moment in (datetime(*first, tzinfo=UTC), datetime(*last, tzinfo=UTC)):
        ran(ledger, moment)
    day = days_of(office(), ledger, clock_at(datetime(2026, 10, 25, 22, 59, tzinfo=UTC)), 1)[0]
    assert day["runs"] == {"crm": {"ok": 2}}


@pytest.mark.parametrize("count", [-1, 0, 10**9])
def test_no_count_asks_too_much(ledger, count):
    assert 1 <= len(days_of(office(), ledger, clock_at(NOW), count)) <= MOST_DAYS


def test_ten_thousand_runs_do_not_slow_it_down(tmp_path: Path):
    ledger = SqliteLedger(tmp_path / "ledger.db")
    rows = [
        (
            "crm",
            "schedule",
            "",
            (NOW - timedelta(hours=2 * n)).isoformat(timespec="microseconds"),
            "ok",
            "crm-x",
            "m" * 200,
            "d" * 4000,
        )
        for n in range(10_000)
    ]
    columns = "source, trigger, slot, started, outcome, archive, message, detail"
    with ledger._transaction() as db:
        db.executemany(f"INSERT INTO run ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    note_time(ledger, FIRST_SEEN, "crm", NOW - timedelta(days=800))
    clock = clock_at(NOW)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        days = days_of(office(), ledger, clock, 30)
        took.append(time.perf_counter() - began)
    plan = ledger._reader.execute(
        "EXPLAIN QUERY PLAN SELECT source, outcome, archive <> '', count(*), max(started) FROM run"
        " WHERE started >= ? AND started < ? GROUP BY 1, 2, 3",
        ("a", "b"),
    ).fetchall()
    ledger.close()
    print(f"30 days of 10,000 runs: {sorted(took)[10] * 1000:.1f} ms")
    assert [day["state"] for day in days] == ["copied"] * 30
    assert "COVERING INDEX run_by_start" in str(plan)
    assert min(took) < 0.05
