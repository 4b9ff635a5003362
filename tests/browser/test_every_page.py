"""What holds for every page there is, also for one that is added tomorrow: the map names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from appliance.system.socket import Client
from appliance.web import create_app
from appliance.web.people import People
from tests.browser.conftest import Window
from tests.browser.window import DESKTOP, PHONE, overflows, serious, unreached

pytestmark = pytest.mark.slow
NOWHERE = Path("/nonexistent")
BY_NAME = [f"/settings/source/new/recipe?recipe={name}" for name in ("hubspot", "cpanel")]


def paths() -> list[str]:
    """Every address that can be opened without knowing more, and one that is not there."""
    rules = create_app(Client(NOWHERE), People(NOWHERE)).url_map.iter_rules()
    found = {each.rule for each in rules if "GET" in (each.methods or ()) and not each.arguments}
    return [*sorted(found), *BY_NAME, "/no-such-page"]


def opened(page: Page, path: str) -> bool:
    """Open a page; return whether it is one that people look at: others are for programs, or parts
    of a page for our own script.
    """
    answer = page.request.get(path)
    if "<html" not in answer.text():
        return False
    shown = page.goto(path)
    assert shown is not None
    assert shown.status == (404 if path == paths()[-1] else 200)
    return True


@pytest.mark.parametrize("path", paths())
@pytest.mark.parametrize(("size", "dark"), [(PHONE, True), (DESKTOP, False)], ids=["phone", "desk"])
def test_axe_finds_nothing_serious(keepers: Window, path: str, size, dark: bool) -> None:
    page = keepers(size=size, dark=dark)
    if opened(page, path):
        assert serious(page) == []
        assert overflows(page) == 0


@pytest.mark.parametrize("path", paths())
def test_everything_is_reached_by_the_tab_key(keeper: Page, path: str) -> None:
    if opened(keeper, path):
        assert unreached(keeper) == []


@pytest.mark.parametrize("path", paths())
def test_at_twice_and_four_times_the_size_nothing_is_cut_off(keepers: Window, path: str) -> None:
    for zoom in (2, 4):  # four times is 320 pixels wide, the narrowest that WCAG 1.4.10 asks for
        page = keepers(zoom=zoom)
        if opened(page, path):
            assert overflows(page) == 0


@pytest.mark.parametrize("path", paths())
def test_it_says_the_same_without_javascript(keepers: Window, path: str) -> None:
    with_it, without = keepers(), keepers(javascript=False)
    if opened(without, path):
        with_it.goto(path)
        heading = without.get_by_role("heading", level=1)
        assert heading.count() == 1
        assert heading.inner_text() == with_it.get_by_role("heading", level=1).inner_text()
