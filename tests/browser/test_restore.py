"""One customer back, on a phone: the commonest wish on a bad morning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, House, Window
from tests.browser.window import PHONE, overflows, serious

pytestmark = pytest.mark.slow
CUSTOMER = "zcrm_000000777"


def seen(page: Page) -> None:
    """Nobody is shut out of what is shown now."""
    assert serious(page) == []
    assert overflows(page) == 0


def newest_opened(page: Page) -> None:
    page.goto("/restore")
    expect(page.get_by_role("heading", level=1)).to_have_text("Get something back")
    seen(page)
    page.get_by_role("button", name="Open the newest backup").click()
    expect(page.get_by_role("heading", name="What is in it")).to_be_visible(timeout=60_000)


def test_one_customer_comes_back_to_a_phone(keepers: Window, house: House, tmp_path: Path) -> None:
    page = keepers(size=PHONE)
    newest_opened(page)
    expect(page.locator("main")).to_contain_text(re.compile("since|newer"))  # what it would cost
    seen(page)
    page.get_by_role("searchbox").or_(page.locator("input[name=text]")).first.fill(CUSTOMER)
    page.keyboard.press("Enter")
    expect(page.get_by_text(CUSTOMER).last).to_be_visible()
    expect(page.get_by_text("Müller, Ana 777")).to_be_visible()
    seen(page)
    page.get_by_role("button", name="Download this one").click()
    page.get_by_label(re.compile("Your password")).fill(PASSWORD)
    seen(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    taken = tmp_path / "taken"
    download.value.save_as(taken)
    assert "Müller, Ana 777" in taken.read_text("utf-8")
    assert "Müller, Ana 778" not in taken.read_text("utf-8")
    assert house.worker.first_run()["restored"], "and the first run knows it"


def test_nothing_is_taken_home_without_the_password(keepers: Window) -> None:
    page = keepers(size=PHONE)
    newest_opened(page)
    page.get_by_role("button", name="Download everything as a ZIP").click()
    page.get_by_label(re.compile("Your password")).fill("wrong")
    page.get_by_role("button", name="Download").click()
    expect(page.locator("main")).to_contain_text("password")
    expect(page.get_by_label(re.compile("Your password"))).to_be_visible()


def test_the_whole_export_comes_back_byte_for_byte_without_javascript(
    keepers: Window, house: House, tmp_path: Path
) -> None:
    page = keepers(javascript=False)
    page.goto("/restore")
    page.get_by_role("button", name="Open the newest backup").click()
    expect(page.get_by_role("heading", name="What is in it")).to_be_visible(timeout=60_000)
    page.get_by_role("listitem").get_by_role("link").first.click()
    expect(page.get_by_role("columnheader", name="Record Id")).to_be_visible()
    page.get_by_role("button", name="Download this file").click()
    page.get_by_label(re.compile("Your password")).fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    taken = tmp_path / "taken"
    download.value.save_as(taken)
    house.office.ok("restore", "crm", "--to", tmp_path / "by-command")
    (same,) = [path for path in (tmp_path / "by-command").rglob("*.csv") if path.is_file()]
    assert taken.read_bytes() == same.read_bytes()


def test_the_days_of_a_week_stand_beside_each_other_on_a_phone(keepers: Window) -> None:
    page = keepers(size=PHONE)
    page.goto("/restore/from/crm/")
    cells = page.locator("table.month tbody tr").first.locator("td")
    boxes = [cells.nth(number).bounding_box() for number in range(7)]
    assert len({box["y"] for box in boxes if box}) == 1
