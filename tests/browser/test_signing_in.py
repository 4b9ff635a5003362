"""Signing in at a vendor's in a real browser, on a phone, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.demo.authority import Authority
from appliance.web.people import People
from appliance.web.policy import Role
from tests.browser.conftest import PASSWORD, sign_in
from tests.browser.serving import served
from tests.browser.window import PHONE, overflows, serious, unreached, window
from tests.test_sign_ins import Box
from tests.vendors.sign_in import SignInServer, sign_in_server

pytestmark = pytest.mark.slow


@pytest.fixture
def vendor(ca: Authority) -> Iterator[SignInServer]:
    with sign_in_server(ca) as vendor:
        yield vendor


def phone(running: ExitStack, chromium: Browser, box: Box, folder: Path, **how: bool) -> Page:
    """Somebody's phone, signed in at the page of a box."""
    people = People(folder)
    people.set_password(Role.CHANGE, PASSWORD)
    address = running.enter_context(served(box.engine, people))
    page = running.enter_context(window(chromium, address, size=PHONE, **how))
    sign_in(page)
    return page


def is_fit_for_all(page: Page) -> None:
    assert serious(page) == []
    assert overflows(page) == 0
    assert unreached(page) == []


def test_a_link_is_opened_and_its_end_is_pasted(
    chromium: Browser, vendor: SignInServer, tmp_path: Path, ca: Authority
) -> None:
    (folder := tmp_path / "box").mkdir()
    with ExitStack() as running:
        page = phone(running, chromium, Box(folder, vendor, ca), tmp_path, javascript=False)
        page.goto("/settings/")
        page.get_by_role("link", name="Sign in at the vendor of crm").click()
        page.get_by_role("button", name="Sign in", exact=True).click()
        link = page.get_by_role("link", name="Sign in at the vendor").get_attribute("href")
        assert link is not None
        paste = page.get_by_label("The address that you landed on, or the code")
        paste.fill("http://127.0.0.1:8400/")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert")).to_contain_text("There is no code")
        paste.fill(vendor.says_yes(link))
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("status")).to_contain_text("The box is signed in")


def test_a_code_is_shown_large_enough_and_the_page_goes_on_by_itself(
    chromium: Browser, vendor: SignInServer, tmp_path: Path, ca: Authority
) -> None:
    (folder := tmp_path / "box").mkdir()
    box = Box(folder, vendor, ca, grant="device_code", device_url=vendor.url("/device"))
    vendor.interval = 0.2
    with ExitStack() as running:
        page = phone(running, chromium, box, tmp_path)
        page.goto("/settings/source/crm/sign-in")
        is_fit_for_all(page)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_text("WDJB-MJHT", exact=True)).to_be_visible()
        vendor.types_code()
        expect(page.get_by_role("status")).to_contain_text("The box is signed in")
        is_fit_for_all(page)


def test_what_somebody_is_in_the_middle_of_is_fit_for_all(
    chromium: Browser, vendor: SignInServer, tmp_path: Path, ca: Authority
) -> None:
    (folder := tmp_path / "box").mkdir()
    with ExitStack() as running:
        page = phone(running, chromium, Box(folder, vendor, ca), tmp_path)
        page.goto("/settings/source/crm/sign-in")
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("button", name="Go on").wait_for()
        is_fit_for_all(page)
        page.goto("/settings/")
        is_fit_for_all(page)
