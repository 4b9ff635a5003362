"""The demo's lamps and its button, as somebody sees and presses them on the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.demo import page as demo_page
from appliance.demo import panel
from appliance.demo.servers import free_port
from appliance.system.socket import Server
from tests.browser.conftest import sign_in, worker_of
from tests.browser.window import PHONE, overflows, serious, window
from tests.system import processes
from tests.system.office import Office
from tests.system.worker import Worker

pytestmark = pytest.mark.slow


@pytest.fixture
def office(tmp_path) -> Office:
    folder = tmp_path / "office"
    folder.mkdir()
    made = Office(folder)
    made.inbox()
    made.disk()
    made.add("[panel]", button=17, led_office=22, led_cloud=23, led_attention=24)
    made.add("[web]", listen=f"127.0.0.1:{free_port()}")
    return made


@contextmanager
def page_of(office: Office, chromium: Browser) -> Iterator[Page]:
    with ExitStack() as running:
        board = running.enter_context(panel.shown(office.config))
        shown = running.enter_context(demo_page.served(office.config, board))
        opened = running.enter_context(window(chromium, shown.address, size=PHONE))
        sign_in(opened, shown.password)
        expect(opened).to_have_url("/")
        yield opened


def lit(page: Page, label: str) -> bool:
    lamp = page.locator(".panel li").filter(has_text=label)
    return bool(lamp.evaluate("(lamp) => lamp.classList.contains('lit')"))


@pytest.fixture
def page(office: Office, chromium: Browser) -> Iterator[Page]:
    """Of a real worker."""
    with ExitStack() as running:
        worker_of(office, running)
        yield running.enter_context(page_of(office, chromium))


def test_a_tap_backs_up(page: Page, office: Office) -> None:
    page.get_by_role("link", name="Lamps").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lamps")
    assert serious(page) == []
    assert overflows(page) == 0
    page.get_by_role("button", name="Tap the button").click()

    def triggers() -> list[str]:
        return [run["trigger"] for run in office.json("history")]

    assert processes.until(lambda: "button" in triggers(), 60)


def test_a_lamp_that_asks_to_look_flashes_without_a_reload(
    office: Office, chromium: Browser
) -> None:
    worker = Worker()
    server = Server(office.state / "worker.sock", worker)
    with page_of(office, chromium) as page:
        page.goto("/panel/")
        page.evaluate("window.wasNotReloaded = true")
        worker.say(state="look", reasons=["cloud"])
        expect(page.locator("#now")).to_contain_text("4 flashes: cloud copy refused or late")
        for is_lit in (True, False, True):
            assert processes.until(lambda wanted=is_lit: lit(page, "PLEASE LOOK") is wanted, 20)
        assert lit(page, "OFFICE COPY")
        assert page.evaluate("window.wasNotReloaded")
    server.close()
