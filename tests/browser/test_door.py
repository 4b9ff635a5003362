"""Coming in, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, House, Window, sign_in
from tests.browser.window import DESKTOP, PHONE, overflows, serious

pytestmark = pytest.mark.slow
OVERVIEW = "Overview"


def is_inside(page: Page) -> None:
    expect(page.get_by_role("link", name=OVERVIEW)).to_be_visible()
    expect(page).to_have_url("/")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_whoever_knows_the_password_comes_in(strangers: Window, size) -> None:
    page = strangers(size=size)
    page.goto("/")
    expect(page).to_have_url("/sign-in")
    assert serious(page) == []
    sign_in(page)
    is_inside(page)
    expect(page.get_by_role("heading", level=1)).not_to_be_empty()


def test_a_wrong_password_is_said_in_words_and_the_next_one_may_be_right(strangers: Window) -> None:
    page = strangers(size=PHONE)
    sign_in(page, "wrong")
    expect(page).to_have_url("/sign-in")
    expect(page.get_by_role("alert")).to_contain_text("not the password")
    assert serious(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    is_inside(page)


def test_the_door_works_without_javascript(strangers: Window) -> None:
    page = strangers(javascript=False)
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("not the password")
    sign_in(page)
    is_inside(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url("/sign-in")


def test_the_door_works_by_keyboard_alone(strangers: Window) -> None:
    page = strangers()
    page.goto("/")
    for letter in PASSWORD:  # the field has the focus
        page.keyboard.press(letter)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.keyboard.press("Enter")
    is_inside(page)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="To the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()


def test_two_browsers_are_two_people(strangers: Window) -> None:
    desk, phone = strangers(), strangers(size=PHONE)
    sign_in(desk)
    sign_in(phone)
    is_inside(desk)
    is_inside(phone)
    desk.get_by_role("button", name="Sign out").click()
    desk.goto("/")
    expect(desk).to_have_url("/sign-in")
    phone.reload()
    is_inside(phone)


def test_E7_a_cookie_that_was_copied_is_worth_nothing_after_signing_out(
    strangers: Window, house: House
) -> None:
    page = strangers()
    sign_in(page)
    copied = page.context.storage_state()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url("/sign-in")
    thief = strangers(signed_in=copied)
    thief.goto("/")
    expect(thief).to_have_url("/sign-in")


def test_at_twice_the_size_everything_is_on_the_screen(strangers: Window) -> None:
    page = strangers(zoom=2)
    page.goto("/sign-in")
    assert overflows(page) == 0
    expect(page.get_by_role("button", name="Sign in")).to_be_in_viewport()
