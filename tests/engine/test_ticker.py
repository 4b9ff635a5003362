from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from appliance.core.model import Trigger
from appliance.core.schedule import parse
from appliance.engine.ticker import PATIENCE, Ticker
from tests.fakes import Box

SINCE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # noon of a Friday in Berlin


def ticker_for(box: Box, asked: list[tuple[str, str]], schedule: str = "daily at 03:00") -> Ticker:
    def submit(job: str, trigger: Trigger, slot: str) -> None:
        assert trigger is Trigger.SCHEDULE
        asked.append((job, slot))

    return Ticker(box.kit, {"crm": parse(schedule)}, submit)


def started(box: Box, job: str, slot: str) -> None:
    box.ledger.begin(job, Trigger.SCHEDULE, box.clock.now(), slot)


def tick_at(box: Box, ticker: Ticker, time: datetime) -> None:
    box.clock.forward(time - box.clock.now())
    ticker.tick(box.clock.now())


def test_a_slot_is_asked_for_when_it_is_due_and_not_again_once_it_started(box: Box) -> None:
    box.clock.time, asked = SINCE, []
    ticker = ticker_for(box, asked)
    ticker.tick(SINCE)
    tick_at(box, ticker, datetime(2026, 11, 21, 1, 59, tzinfo=UTC))
    assert asked == []
    tick_at(box, ticker, datetime(2026, 11, 21, 2, 0, tzinfo=UTC))
    assert asked == [("crm", "2026-11-21")]
    started(box, "crm", "2026-11-21")
    tick_at(box, ticker, datetime(2026, 11, 21, 2, 1, tzinfo=UTC))
    assert len(asked) == 1


def test_F5_after_a_week_off_the_newest_slot_runs_and_the_others_are_recorded_as_missed(
    box: Box,
) -> None:
    box.clock.time, asked = SINCE, []
    ticker_for(box, []).tick(SINCE)
    box.clock.forward(timedelta(days=5))
    after = ticker_for(box, asked)
    after.tick(box.clock.now())
    assert asked == [("crm", "2026-11-25")]
    assert [slot for _, slot in box.ledger.missed] == [f"2026-11-{day}" for day in range(21, 25)]
    started(box, "crm", "2026-11-25")
    after.tick(box.clock.now())
    assert len(asked) == 1


def test_a_box_set_up_today_has_missed_nothing(box: Box) -> None:
    asked: list[tuple[str, str]] = []
    ticker_for(box, asked).tick(SINCE)
    assert asked == []
    assert box.ledger.missed == []


def test_a_clock_that_is_not_set_yet_is_waited_for_but_not_for_ever(box: Box) -> None:
    box.clock.time, asked = SINCE, []
    ticker_for(box, []).tick(SINCE)
    box.clock.forward(timedelta(days=1))
    box.clock.synchronised = False
    ticker = ticker_for(box, asked)
    ticker.tick(box.clock.now())
    assert asked == []
    box.clock.forward(PATIENCE)
    ticker.tick(box.clock.now())
    assert asked == [("crm", "2026-11-21")]


def test_a_first_sight_on_a_clock_in_doubt_is_not_kept(box: Box) -> None:
    box.clock.time, box.clock.synchronised = datetime(2020, 1, 1, tzinfo=UTC), False
    ticker = ticker_for(box, [])
    box.clock.forward(PATIENCE)
    ticker.tick(box.clock.now())
    box.clock.time, box.clock.synchronised = SINCE, True
    ticker.tick(SINCE)
    ticker_for(box, []).tick(SINCE)
    assert box.ledger.missed == []


def test_a_mirror_after_each_backup_is_never_due_by_the_clock(box: Box) -> None:
    asked: list[tuple[str, str]] = []
    ticker = ticker_for(box, asked, "after backup")
    ticker.tick(SINCE)
    ticker.tick(SINCE + timedelta(days=400))
    assert asked == []


def test_the_thread_ends_when_it_is_told_to(box: Box) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=ticker_for(box, []).run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
