"""One customer found in all backups, on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, Window
from tests.browser.test_restore import seen
from tests.browser.window import PHONE

pytestmark = pytest.mark.slow
CUSTOMER = "Müller, Ana 777"


@pytest.mark.parametrize("javascript", [True, False])
def test_a_name_is_typed_the_timeline_seen_and_the_record_taken(
    keepers: Window, tmp_path: Path, javascript: bool
) -> None:
    page = keepers(size=PHONE, javascript=javascript)
    page.goto("/")
    page.get_by_role("link", name="Find").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Find one record in all backups")
    if javascript:
        seen(page)
    page.get_by_role("searchbox").fill(CUSTOMER)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2).first).to_have_text(CUSTOMER, timeout=90_000)
    expect(page.locator("main")).to_contain_text("there, in the oldest backup")
    if javascript:
        seen(page)
    page.get_by_role("button", name="Download this one").first.click()
    page.get_by_label(re.compile("Your password")).fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    taken = tmp_path / "taken"
    download.value.save_as(taken)
    assert CUSTOMER in taken.read_text("utf-8")
    assert len(taken.read_text("utf-8").splitlines()) == 2
