"""The worker's own signs of life."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from appliance.core.events import Progressed, RunQueued
from appliance.core.model import Progress, StepName, Trigger
from appliance.engine.news import News
from appliance.engine.pulse import SILENCE, TICKS_WITHIN, Pulse
from tests.fakes import FakeClock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pulse(clock: FakeClock) -> Pulse:
    return Pulse(clock.monotonic)


def test_D14_it_beats_while_the_ticker_ticks(pulse: Pulse, clock: FakeClock) -> None:
    for _ in range(10):
        clock.forward(MINUTE)
        pulse.ticked()
        assert pulse.beat(None)
        assert pulse.seconds() == 0


def test_D14_a_ticker_that_hangs_stops_it(pulse: Pulse, clock: FakeClock) -> None:
    clock.forward(TICKS_WITHIN + timedelta(seconds=1))
    assert not pulse.beat(None)
    assert pulse.seconds() > TICKS_WITHIN.total_seconds()


def test_D14_a_run_that_does_not_move_stops_it(pulse: Pulse, clock: FakeClock) -> None:
    moved = clock.monotonic()
    clock.forward(SILENCE)
    pulse.ticked()
    assert pulse.beat(moved)
    clock.forward(timedelta(seconds=1))
    pulse.ticked()
    assert not pulse.beat(moved)
    assert pulse.beat(clock.monotonic())


def test_whoever_waits_hears_of_the_next_change(clock: FakeClock) -> None:
    news = News(clock.monotonic)
    seen = news.version
    heard: list[int] = []
    waiter = threading.Thread(target=lambda: heard.append(news.wait(seen, 30)))
    waiter.start()
    news.hear(RunQueued("crm", Trigger.BUTTON))
    waiter.join(10)
    assert heard == [seen + 1]


def test_whoever_lags_behind_need_not_wait_and_silence_ends(clock: FakeClock) -> None:
    news = News(clock.monotonic)
    assert news.wait(news.version - 1, 30) == news.version
    assert news.wait(news.version, 0) == news.version


def test_progress_is_news_once_a_second(clock: FakeClock) -> None:
    news = News(clock.monotonic)
    before = news.version
    for _ in range(100):
        news.hear(Progressed(1, "crm", Progress(StepName.PULL, 1)))
    assert news.version == before + 1
    clock.forward(timedelta(seconds=1))
    news.hear(Progressed(1, "crm", Progress(StepName.PULL, 2)))
    assert news.version == before + 2
