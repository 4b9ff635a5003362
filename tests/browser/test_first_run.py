"""A box that was just claimed, until the first copy is proved: a real worker, real Borg, a phone.

What a person types on the box itself is typed here by the real commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.demo.authority import Authority
from appliance.system.socket import Client
from appliance.web.people import People
from appliance.web.policy import Role
from tests.browser.conftest import PASSWORD, come_in, worker_of
from tests.browser.serving import served
from tests.browser.vendor import Vendor
from tests.browser.window import PHONE, overflows, serious, unreached, window
from tests.sources.stub import Stub, stub
from tests.system import processes
from tests.system.office import Office

pytestmark = pytest.mark.slow


class NewBox:
    """A box on which nothing is configured but its clock."""

    def __init__(self, office: Office, worker: Client, crm: Stub, address: str, ca_file) -> None:
        self.office, self.worker, self.crm = office, worker, crm
        self.address, self._ca_file = address, ca_file

    def gains_a_folder(self) -> None:
        """As the page says it: one command."""
        (self.office.folder / "disk").mkdir()
        self.office.ok("init", "disk-a", "--folder", self.office.folder / "disk" / "backup")
        self.office.sections = [self.office.config.read_text()]

    def gains_a_source(self) -> None:
        """By hand in the file, then taken over."""
        keys = {"name": "crm", "type": "http", "url": self.crm.url("/customers.csv")}
        self.office.add("[[source]]", **keys, ca_file=self._ca_file)
        self.worker.reload()
        assert processes.until(lambda: self.worker.first_run()["sources"] == ["crm"], 30)


@pytest.fixture
def new_box(tmp_path, chromium: Browser) -> Iterator[NewBox]:
    (tmp_path / "office").mkdir()
    office, authority, people = Office(tmp_path / "office"), Authority(tmp_path), People(tmp_path)
    people.set_password(Role.CHANGE, PASSWORD)
    with ExitStack() as running:
        crm = running.enter_context(stub(Vendor().play, authority))
        worker = worker_of(office, running)
        address = running.enter_context(served(worker, people))
        yield NewBox(office, worker, crm, address, authority.certificate)


@pytest.fixture
def page(chromium: Browser, new_box: NewBox) -> Iterator[Page]:
    with window(chromium, new_box.address, size=PHONE) as opened:
        come_in(opened)
        yield opened


def at(page: Page, title: str) -> None:
    """That step is open, and nobody is shut out of it."""
    expect(page.get_by_role("heading", level=2)).to_have_text(title)
    assert serious(page) == []
    assert overflows(page) == 0


def test_from_a_new_box_to_the_first_proved_copy(page: Page, new_box: NewBox) -> None:
    page.goto("/first-run")
    at(page, "Name and time zone")
    page.get_by_label("Name of this box").fill("Front office")
    page.get_by_role("combobox", name="Time zone").select_option("Europe/Vienna")
    page.get_by_role("button", name="Save").click()

    at(page, "A disk for the copies")
    page.get_by_text("No USB disk?").click()
    expect(page.get_by_text("sudo appliance init disk-a --folder")).to_be_visible()
    new_box.gains_a_folder()
    expect(page.get_by_text("disk-a is ready")).to_be_visible()  # without a reload
    page.goto("/first-run")

    at(page, "The emergency sheet")
    page.get_by_role("button", name="Show the sheet").click()
    expect(page.get_by_role("heading", name="Emergency sheet: disk-a")).to_be_visible()
    assert serious(page) == []
    assert overflows(page) == 0
    words = page.get_by_role("list").filter(has=page.locator("xpath=self::ol[@class='words']"))
    sheet = words.get_by_role("listitem").all_inner_texts()
    assert len(sheet) == 12
    assert re.match(rb"%PDF", printed := page.pdf(prefer_css_page_size=True))
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, "one page of paper"
    page.get_by_role("link", name="go on").click()

    asked = page.get_by_role("textbox", name="Word")
    numbers = [int(label.split()[1]) for label in page.locator("label").all_inner_texts()]
    asked.first.fill("wrong")
    asked.last.fill("wrong")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("status")).to_contain_text("not the words")
    page.reload()  # it is still the same two
    assert processes.until(lambda: _said_again(page, [sheet[each - 1] for each in numbers]), 20)

    at(page, "What to back up")
    new_box.gains_a_source()
    page.goto("/first-run")

    at(page, "The first backup")
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text("There is a copy, and every byte")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Go on").click()
    at(page, "The first file back")
    assert new_box.office.json("archives", "crm")


def _said_again(page: Page, words: list[str]) -> bool:
    """Type the two words; whoever was wrong waits a moment before the next try counts."""
    if not page.get_by_role("button", name="Compare").is_visible():
        return True
    asked = page.get_by_role("textbox", name="Word")
    asked.first.fill(words[0])
    asked.last.fill(words[1])
    with page.expect_navigation():
        page.get_by_role("button", name="Compare").click()
    return not page.get_by_role("button", name="Compare").is_visible()


def test_a_crm_is_chosen_by_its_name_on_a_phone(page: Page, new_box: NewBox) -> None:
    new_box.gains_a_folder()
    assert processes.until(lambda: new_box.worker.first_run()["repositories"], 30)
    page.goto("/first-run/source")
    at(page, "What to back up")
    page.get_by_role("link", name="HubSpot").click()
    expect(page.get_by_role("heading", name="What is not in this backup")).to_be_visible()
    expect(page.get_by_text("crm.objects.contacts.read")).to_be_visible()
    assert is_well(page)

    look = page.locator("button:not(.skip)", has_text="Show what will change")
    look.click()
    page.get_by_role("alert").get_by_role("link", name="Access token").click()
    expect(page.get_by_label("Access token")).to_be_in_viewport()
    expect(page.get_by_text("it is missing: Access token")).to_be_visible()
    assert is_well(page)
    assert unreached(page) == []

    page.get_by_label("Access token").fill("pat-eu1-canary")
    page.get_by_text("Seldom changed").press("Enter")
    page.get_by_label("HubSpot's address").fill("127.0.0.1:9")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_role("heading", name="What the test showed")).to_be_visible()
    expect(page.locator("#sight")).to_contain_text("Please look")
    expect(page.get_by_label("HubSpot's address")).to_have_value("127.0.0.1:9")
    assert is_well(page)

    look.click()
    expect(page.get_by_role("heading", name="HubSpot: hubspot")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Source hubspot added")).to_be_visible()
    expect(page.get_by_role("heading", name="Setting up this box")).to_be_visible()
    text = new_box.office.config.read_text()
    assert 'name = "hubspot"\nrecipe = "hubspot"\n' in text
    assert "canary" not in text + page.content()
    page.goto("/settings/source/hubspot")
    expect(page.get_by_label("Access token")).to_have_value("")
    assert is_well(page)


def is_well(page: Page) -> bool:
    return (serious(page), overflows(page)) == ([], 0)


def test_whoever_leaves_comes_back_to_the_same_step_on_another_device(
    page: Page, new_box: NewBox, chromium: Browser
) -> None:
    page.goto("/first-run")
    page.get_by_role("button", name="Save").click()
    at(page, "A disk for the copies")
    page.get_by_role("link", name="Leave it for now").click()
    expect(page).to_have_url("/")
    with window(chromium, new_box.address) as other:
        come_in(other)
        other.goto("/first-run")
        at(other, "A disk for the copies")


def test_it_works_without_javascript(new_box: NewBox, chromium: Browser) -> None:
    new_box.gains_a_folder()
    assert processes.until(lambda: new_box.worker.first_run()["repositories"], 30)
    with window(chromium, new_box.address, javascript=False) as page:
        come_in(page)
        page.goto("/first-run/name")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=2)).to_have_text("The emergency sheet")
        page.get_by_role("button", name="Show the sheet").click()
        expect(page.get_by_role("heading", name="Emergency sheet: disk-a")).to_be_visible()
