"""One press, and what is seen of it until it is over."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import House, Window
from tests.browser.vendor import Vendor
from tests.browser.window import PHONE
from tests.system import processes

pytestmark = pytest.mark.slow
PRESS = "Back up now"


def press(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name=PRESS).click()


def percent(page: Page) -> float:
    """How far the bar is."""
    bar = page.get_by_role("progressbar").first
    return float(bar.evaluate("(bar) => bar.position"))


def test_one_press_and_its_progress_moves_without_a_reload(
    keepers: Window, slow_vendor: Vendor, house: House
) -> None:
    page = keepers(size=PHONE)
    before = house.worker.status()["sources"][0]["here"]
    press(page)
    slow_vendor.let(3)
    expect(page.get_by_role("progressbar").first).to_be_visible()
    expect(page.get_by_text("fetching the export").first).to_be_visible()
    page.evaluate("window.wasNotReloaded = true")
    assert processes.until(lambda: 0.1 < percent(page) < 0.5)
    slow_vendor.let(4)
    assert processes.until(lambda: 0.5 < percent(page) < 1)
    slow_vendor.let_all()
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=60_000)
    expect(page.get_by_role("button", name=PRESS)).to_be_enabled()
    assert page.evaluate("window.wasNotReloaded")
    assert house.worker.status()["sources"][0]["here"] != before


def test_a_second_press_from_another_browser_is_told_so(
    keepers: Window, slow_vendor: Vendor
) -> None:
    desk, phone = keepers(), keepers(size=PHONE, javascript=False)
    phone.goto("/")  # while nothing runs
    press(desk)
    slow_vendor.let(1)
    expect(desk.get_by_role("progressbar").first).to_be_visible()
    phone.get_by_role("button", name=PRESS).click()
    expect(phone.locator("main")).to_contain_text("already")


def test_cancel_stops_it_and_says_so(keepers: Window, slow_vendor: Vendor, house: House) -> None:
    page = keepers(size=PHONE)
    before = house.worker.status()["sources"][0]["here"]
    press(page)
    slow_vendor.let(1)
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.get_by_text("is being stopped")).to_be_visible()
    slow_vendor.let_all()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.get_by_role("button", name=PRESS)).to_be_enabled()
    assert processes.until(
        lambda: house.office.json("history", "crm")[0]["outcome"] == "cancelled", 30
    )
    assert house.worker.status()["sources"][0]["here"] == before


def test_a_slow_finger_is_a_press_too(keepers: Window, slow_vendor: Vendor) -> None:
    page = keepers()
    press(page)
    slow_vendor.let(1)
    cancel = page.locator("#stop-running")
    expect(cancel).to_be_visible()
    page.route("**/live?*", _with_one_more_waiting)
    cancel.hover()
    page.mouse.down()
    with page.expect_response("**/live?*") as answer:
        slow_vendor.let(3)
    answer.value.finished()
    page.evaluate("new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn, 100)))")
    page.mouse.up()
    expect(page.get_by_text("is being stopped")).to_be_visible()


def _with_one_more_waiting(route: Route) -> None:
    """The part that the button stands in is drawn anew."""
    answer = route.fetch()
    button = '<button id="stop-running"'
    route.fulfill(response=answer, body=answer.text().replace(button, f"<p>One more.</p>{button}"))


def test_press_and_cancel_work_without_javascript(keepers: Window, slow_vendor: Vendor) -> None:
    page = keepers(javascript=False)
    press(page)
    slow_vendor.let(1)
    page.goto("/")
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.get_by_role("button", name="Cancel").first.click()
    slow_vendor.let_all()
    page.goto("/")
    expect(page.get_by_role("button", name=PRESS)).to_be_enabled()
