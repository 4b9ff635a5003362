"""What moves without a reload, in a real browser beside a box that says what a test wants."""

from __future__ import annotations

import re
import shutil
from threading import Event

import pytest
from playwright.sync_api import expect, sync_playwright

from appliance.system.socket import WorkerAbsent
from appliance.web import create_app
from appliance.web.people import People
from appliance.web.policy import Role
from appliance.web.sight import the_sight
from tests.system.worker import Worker
from tests.web import real
from tests.web.conftest import PASSWORD
from tests.web.offices import OFFICES, days

pytestmark = pytest.mark.slow
expect.set_options(timeout=20_000)  # a machine under load: how fast it is, the bench says


@pytest.fixture(scope="module")
def chromium():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium: `make test` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A page at work: the box behind it, where it is, and how to have it fall silent."""
    people, box = People(tmp_path_factory.mktemp("page")), Worker()
    people.set_password(Role.CHANGE, PASSWORD)
    app = create_app(box, people)
    app.after_request(lambda answer: silenced(answer, box))
    box.silent = Event()
    box.is_another = lambda: forget(app)
    with real.served(app, people.folder) as server:
        yield box, f"https://127.0.0.1:{server.port}"


def forget(app):
    """What the page saw a moment ago was another office's: nothing ran there, so it would wait."""
    with app.app_context():
        the_sight().forget()


def silenced(answer, box):
    if box.silent.is_set():
        answer.status_code = 502
    return answer


@pytest.fixture(scope="module")
def signed_in(chromium, served):
    _, address = served
    with chromium.new_context(ignore_https_errors=True) as person:
        page = person.new_page()
        page.goto(f"{address}/sign-in")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        expect(page).to_have_url(f"{address}/")
        yield person.storage_state()


@pytest.fixture
def open_page(chromium, served, signed_in):
    """Open the first screen as that office shows it; whatever the browser complains of fails."""
    box, address = served
    complaints, people = [], []

    def opened(name, **how):
        show(box, name)
        person = chromium.new_context(storage_state=signed_in, ignore_https_errors=True, **how)
        people.append(person)
        page = person.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "CSP" in said.text
                or "Content Security" in said.text else None)  # fmt: skip
        page.goto(address)
        return page

    yield opened
    box.silent.clear()
    box.__dict__.pop("status", None)
    for person in people:
        person.close()
    assert complaints == []


def show(box, name):
    office = OFFICES[name]()
    box.asked, box.refuses = [], False
    box.told_days, box.facts = days(office.now), office.facts
    box.is_another()


def text(page, selector):
    return " ".join(page.inner_text(selector).split())


def test_the_bar_moves_without_a_reload_and_nobody_loses_the_focus(served, open_page):
    box, _ = served
    page = open_page("running")
    page.evaluate("window.same = true")
    page.focus("#stop-running")
    for done in (50_000_000, 75_000_000, 100_000_000):
        box.facts["running"]["progress"]["done"] = done
        words = f"{done / 1e6:.1f} MB of 105.0 MB"
        expect(page.locator("#work")).to_contain_text(words)
        assert page.evaluate("document.activeElement.id") == "stop-running"
    assert page.locator("progress").get_attribute("value") == "95"
    box.facts = OFFICES["just stopped"]().facts
    expect(page.locator("#work")).to_contain_text("stopped on request")
    assert page.evaluate("document.activeElement.id") == "block-work"
    assert page.evaluate("window.same"), "and nothing was loaded anew"


def test_a_press_says_at_once_that_it_was_asked_for(served, open_page):
    box, _ = served
    page = open_page("two sources")
    page.evaluate("window.same = true")
    page.evaluate(
        """() => {
            const button = document.querySelector("#back-up");
            window.told = [];
            new MutationObserver(() => window.told.push(button.textContent))
                .observe(button, {childList: true, subtree: true, characterData: true});
        }"""
    )
    page.click("#back-up")
    expect(page.locator("#said")).to_contain_text("crm: asked for.")
    expect(page.locator("#back-up")).to_have_text("Back up now")
    assert page.evaluate("window.told[0]") == "Asked for", "at once, whatever the box says later"
    assert [each[:2] for each in box.asked] == [("start", "crm"), ("start", "site")]
    box.start = lambda source, trigger: "already running"
    page.click("#back-up")
    expect(page.locator("#said")).to_contain_text("crm is already running.")
    del box.start
    assert page.evaluate("window.same")


def test_what_is_chosen_stays_chosen_while_the_page_moves(served, open_page):
    box, _ = served
    page = open_page("waiting")
    page.click("#which summary")
    page.check("#pick-2")
    box.facts["running"]["progress"]["done"] = 99_000_000
    box.facts["sources"].append(box.facts["sources"][0] | {"source": "shop"})
    expect(page.locator("#which")).to_contain_text("shop")
    assert page.is_checked("#pick-2")
    page.click("#back-up")
    expect(page.locator("#said")).to_contain_text("site: asked for.")
    assert [each[1] for each in box.asked] == ["site"]


def test_a_cancel_and_a_disk_answer_in_place(served, open_page):
    box, _ = served
    page = open_page("running")
    box.cancel = lambda job: True
    page.click("#stop-running")
    expect(page.locator("#said")).to_contain_text("crm is being stopped.")
    page.click("#let-go-1")
    expect(page.locator("#said")).to_contain_text("disk-a is let go once what runs is finished.")
    del box.cancel


def test_a_box_that_falls_silent_is_never_green(served, open_page):
    box, _ = served
    page = open_page("running")
    box.silent.set()
    expect(page.locator("#silent")).to_be_visible(timeout=3000)
    assert text(page, "#silent") == "The box does not answer; trying again."
    assert page.locator(".blocks.stale").count() == 1
    page.click("#back-up")
    expect(page.locator("#said")).to_contain_text("That did not reach the box.")
    box.silent.clear()
    expect(page.locator("#silent")).to_be_hidden(timeout=20_000)
    assert page.locator(".blocks.stale").count() == 0


def test_F13_a_worker_that_dies_while_somebody_looks_is_seen(served, open_page):
    box, _ = served
    page = open_page("running")

    def absent():
        raise WorkerAbsent("The worker is not running.")

    box.status = absent
    expect(page.locator(".verdict")).to_contain_text("The box does not answer")
    assert page.locator("#stop-running").count() == 0, "nothing is left of what was"
    del box.status
    expect(page.locator(".verdict")).to_contain_text("Working", timeout=8000)
    box.facts["running"]["progress"]["done"] = 99_000_000
    expect(page.locator("#work")).to_contain_text("99.0 MB")


def test_without_a_script_everything_is_pressed_by_plain_forms(served, open_page):
    box, _ = served
    page = open_page("two sources", java_script_enabled=False)
    page.click("#back-up")
    expect(page.locator("main")).to_contain_text("site: asked for.")
    page.click("#let-go-1")
    assert box.asked[2] == ("eject", "disk-a")
    expect(page.locator("main")).to_contain_text("disk-a is let go")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_is_wider_than_the_screen_and_all_can_be_touched(open_page, width, scheme):
    page = open_page(
        "waiting", viewport={"width": width, "height": 700}, color_scheme=scheme, has_touch=True
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("button:visible, summary:visible, .tick:visible").all():
        assert button.bounding_box()["height"] >= 44, button.inner_text()


def test_axe_finds_nothing(open_page):
    from axe_playwright_python.sync_playwright import Axe

    for name in ("waiting", "failed", "nothing is set up"):
        for scheme in ("light", "dark"):
            found = Axe().run(open_page(name, color_scheme=scheme)).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], (name, scheme)


def test_the_whole_is_worked_by_keyboard(open_page):
    page = open_page("two sources")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert re.search("back-up.*let-go-1.*let-go-2", " ".join(reached))
    page.focus("#back-up")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("crm: asked for.")
