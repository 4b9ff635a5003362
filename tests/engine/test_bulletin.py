from __future__ import annotations

import logging

import pytest

from appliance.core.events import RunQueued
from appliance.core.model import Trigger
from appliance.engine.bulletin import Bulletin

NEWS = RunQueued("crm", Trigger.BUTTON)


def test_everybody_hears_and_nobody_after_leaving() -> None:
    bulletin, first, second = Bulletin(), [], []
    leave = bulletin.subscribe(first.append)
    bulletin.subscribe(second.append)
    bulletin.publish(NEWS)
    leave()
    leave()
    bulletin.publish(NEWS)
    assert (len(first), len(second)) == (1, 2)


def test_a_listener_that_fails_is_logged_and_the_others_still_hear(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bulletin, heard = Bulletin(), []

    def fail(event: object) -> None:
        raise RuntimeError("broken lamp")

    bulletin.subscribe(fail)
    bulletin.subscribe(heard.append)
    with caplog.at_level(logging.ERROR):
        bulletin.publish(NEWS)
    assert heard == [NEWS]
    assert "broken lamp" in caplog.text
