"""The clock between Runs: a box that was off, or runs rarely, gets its trust back; a clock gone
astray does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.model import Outcome, StepName
from appliance.core.retention import Policy
from appliance.engine import memory
from appliance.engine.ticker import Ticker
from appliance.engine.trust import trusts
from tests.fakes import Box

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEARS_AHEAD = timedelta(days=20 * 365)


@pytest.fixture
def box(box: Box) -> Box:
    box.repositories = (box.disk_a,)
    box.retention = {"crm": Policy(last=2, daily=0, weekly=0, monthly=12, yearly=0)}
    return box


def daemon(box: Box) -> Ticker:
    return Ticker(box.kit, {}, lambda job, trigger, slot: None)


def run_for(box: Box, ticker: Ticker, length: timedelta, step: timedelta = HOUR) -> None:
    """The daemon runs; here it looks at the clock every `step`."""
    for _ in range(length // step):
        box.clock.forward(step)
        ticker.tick(box.clock.now())


def back_up(box: Box):
    return box.back_up(f"at {box.clock.now()}")


def removes(box: Box) -> bool:
    box.disk_a.calls.clear()
    back_up(box)
    return "delete" in box.disk_a.calls


def full(box: Box) -> Box:
    """A box with more archives than it is to keep, whose daemon never ran."""
    box.retention = {}
    for _ in range(8):
        back_up(box)
        box.clock.forward(DAY)
    box.retention = {"crm": Policy(last=2, daily=0, weekly=0, monthly=0, yearly=0)}
    return box


def test_monthly_backups_for_two_years_are_pruned_like_any_others(box: Box) -> None:
    ticker = daemon(box)
    for _ in range(24):
        run = back_up(box)
        assert run.outcome is Outcome.OK
        assert not [step for step in run.steps if step.outcome is Outcome.SKIPPED]
        run_for(box, ticker, 31 * DAY, 6 * HOUR)
    assert all(archive.clock_trusted for archive in box.disk_a.archives())
    assert 14 <= len(box.disk_a.held) <= 16


def test_a_box_that_was_off_for_a_month_trusts_its_clock(box: Box) -> None:
    full(box).clock.forward(31 * DAY)
    assert removes(box)


def test_a_box_that_was_off_for_three_months_removes_again_after_a_week(box: Box) -> None:
    full(box).clock.forward(90 * DAY)
    assert not removes(box)
    ticker = daemon(box)
    run_for(box, ticker, 6 * DAY)
    assert not trusts(box.ledger, box.clock)
    assert not removes(box)
    run_for(box, ticker, 2 * DAY)
    assert trusts(box.ledger, box.clock)
    assert removes(box)


def test_A10_the_end_waits_a_month_more_where_the_clock_came_back_by_itself(box: Box) -> None:
    full(box).clock.forward(90 * DAY)
    box.retention = {"crm": Policy(last=99, at_most=30 * DAY)}
    ticker = daemon(box)
    run_for(box, ticker, 8 * DAY)
    assert trusts(box.ledger, box.clock)
    assert not removes(box)
    run_for(box, ticker, 20 * DAY)
    assert not removes(box)
    run_for(box, ticker, 12 * DAY)
    assert removes(box)


def test_A10_a_server_that_confirms_the_time_lets_the_end_come_at_once(box: Box) -> None:
    full(box).clock.forward(90 * DAY)
    box.retention = {"crm": Policy(last=99, at_most=30 * DAY)}
    box.source.server_time = box.clock.now()
    assert removes(box)
    assert len(box.disk_a.held) == 1


def test_A10_a_clock_twenty_years_ahead_for_two_days_removes_nothing(box: Box) -> None:
    full(box).clock.time += YEARS_AHEAD
    ticker = daemon(box)
    for _ in range(2):
        run_for(box, ticker, DAY)
        assert not removes(box)
        assert not trusts(box.ledger, box.clock), "a copy of tonight is no second source"
    box.clock.time -= YEARS_AHEAD
    run_for(box, ticker, DAY)
    assert trusts(box.ledger, box.clock)


def restart(box: Box, ticker: Ticker) -> Ticker:
    return daemon(box)


def jump(box: Box, ticker: Ticker) -> Ticker:
    box.clock.time += timedelta(minutes=11)
    return ticker


def lose_the_network(box: Box, ticker: Ticker) -> Ticker:
    box.clock.synchronised = False
    run_for(box, ticker, HOUR)
    box.clock.synchronised = True
    return ticker


@pytest.mark.parametrize("disturbed", [restart, jump, lose_the_network])
def test_whatever_disturbs_the_week_begins_it_anew(box: Box, disturbed) -> None:
    full(box).clock.forward(90 * DAY)
    ticker = daemon(box)
    run_for(box, ticker, 6 * DAY)
    ticker = disturbed(box, ticker)
    run_for(box, ticker, 6 * DAY)
    assert not trusts(box.ledger, box.clock)
    run_for(box, ticker, 2 * DAY)
    assert trusts(box.ledger, box.clock)


def test_a_clock_that_is_steered_by_seconds_is_steady(box: Box) -> None:
    full(box).clock.forward(90 * DAY)
    ticker = daemon(box)
    for hour in range(8 * 24):
        box.clock.time += timedelta(seconds=2 if hour % 2 else -2)
        run_for(box, ticker, HOUR)
    assert trusts(box.ledger, box.clock)


def test_a_time_that_was_noted_wrongly_heals_too(box: Box) -> None:
    full(box)
    memory.note_time(box.ledger, "clock-trusted-at", "box", box.clock.now() + YEARS_AHEAD)
    assert not removes(box)
    run_for(box, daemon(box), 8 * DAY)
    assert removes(box)


def test_the_time_is_noted_once_a_day_while_it_is_trusted(box: Box) -> None:
    back_up(box)
    ticker = daemon(box)
    box.power.writes = 0
    run_for(box, ticker, 10 * DAY)
    assert 9 <= box.power.writes <= 11
    noted = memory.noted_time(box.ledger, "clock-trusted-at", "box")
    assert noted is not None
    assert box.clock.now() - noted <= DAY


def test_a_clock_in_doubt_skips_the_pruning_and_says_so(box: Box) -> None:
    full(box).clock.forward(61 * DAY)
    steps = [step for step in back_up(box).steps if step.name is StepName.PRUNE]
    assert [step.outcome for step in steps] == [Outcome.SKIPPED]
