"""The data-protection sheet is one page of paper, from the page and from the command."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.config import parse
from appliance.data_protection import DataSheet, data_sheet, facts, render
from appliance.engine import memory
from appliance.web.people import People
from appliance.web.policy import Role
from tests.browser.conftest import PASSWORD, House, come_in
from tests.browser.serving import served
from tests.browser.window import DESKTOP, PHONE, overflows, serious, window
from tests.system.worker import Worker
from tests.test_config import EXAMPLE
from tests.web.offices import Office

pytestmark = pytest.mark.slow


def pages_of(page: Page) -> int:
    """How many pages of paper it takes."""
    printed = page.pdf(prefer_css_page_size=True)
    assert re.match(rb"%PDF", printed)
    return len(re.findall(rb"/Type\s*/Page\b", printed))


def test_it_is_found_from_the_settings_and_prints_on_one_page(keeper: Page) -> None:
    keeper.goto("/settings/")
    keeper.get_by_role("link", name="Show the data-protection sheet").click()
    expect(keeper.get_by_role("heading", level=1)).to_contain_text("Data protection")
    expect(keeper.get_by_text("Customers")).to_be_visible()
    assert serious(keeper) == []
    assert overflows(keeper) == 0
    assert pages_of(keeper) == 1


def test_what_the_command_writes_prints_on_one_page_too(keeper: Page, house: House) -> None:
    keeper.set_content(house.office.ok("data-protection"))
    assert pages_of(keeper) == 1


def large_sheet() -> DataSheet:
    """Of an office with three of each, all otherwise, and with much in it."""
    every = parse(EXAMPLE.read_text().replace("# at_most", "at_most"))
    three = [every.source_named(name) for name in ("crm-nightly", "crm", "by-hand")]
    settings = every.model_copy(update={"source": tuple(three)})
    office = Office([each.name for each in settings.source])
    office.copied(timedelta(days=40)).copied(timedelta(days=1))
    for copy in office.ledger.copies():
        tables = [{"name": f"Long name {n}", "rows": 123456, "id": []} for n in range(9)]
        memory.note_became(office.ledger, copy.archive, "", tables)
    return data_sheet(settings, office.ledger, office.clock)


def test_an_office_with_three_of_each_still_fits_on_one_page(keeper: Page) -> None:
    keeper.set_content(render(large_sheet()))
    assert pages_of(keeper) == 1


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desk"])
def test_so_it_does_on_the_page(chromium: Browser, tmp_path: Path, size: tuple[int, int]) -> None:
    box, people = Worker(), People(tmp_path)
    box.data_protection = lambda: facts(large_sheet())
    people.set_password(Role.CHANGE, PASSWORD)
    with served(box, people) as address, window(chromium, address, size=size) as page:
        come_in(page)
        page.goto("/settings/data-protection")
        assert serious(page) == []
        assert overflows(page) == 0
        assert pages_of(page) == 1
