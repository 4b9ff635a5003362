"""Messages in a real browser, on a phone: an address is pasted, tried for real, and taken out."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Window
from tests.browser.window import PHONE, overflows, serious, unreached
from tests.messaging.servers import hook

pytestmark = pytest.mark.slow
TOPIC = "a-topic-that-nobody-guesses"


def test_an_address_is_added_tried_and_removed(keepers: Window) -> None:
    page = keepers(size=PHONE)
    with hook() as server:
        page.goto("/settings/messages")
        assert serious(page) == []
        assert overflows(page) == 0
        assert unreached(page) == []
        page.get_by_label("One more address").fill(f"json://127.0.0.1:{server.port}/{TOPIC}")
        page.get_by_role("button", name="Show what will change").click()
        page.get_by_role("button", name="Save").click()
        page.get_by_role("heading", name="a web hook to 127.0.0.1").wait_for()
        page.get_by_role("button", name="Send a test message").click()
        page.get_by_text("a web hook to 127.0.0.1: taken").wait_for()
        assert len(server.got) == 1
    assert TOPIC not in page.content()
    assert serious(page) == []
    assert overflows(page) == 0
    page.get_by_role("link", name="Remove a web hook to 127.0.0.1").click()
    assert serious(page) == []
    page.get_by_role("button", name="Remove a web hook").click()
    page.get_by_text("No message goes to a web hook to 127.0.0.1 any more.").wait_for()
    assert page.get_by_text("There is no address yet").count()
