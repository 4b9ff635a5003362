"""A download link that is pasted on the first screen, with and without a script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.demo.authority import Authority
from appliance.web.people import People
from appliance.web.policy import Role
from tests.browser.conftest import PASSWORD, come_in, worker_of
from tests.browser.serving import served
from tests.browser.window import PHONE, serious, window
from tests.sources.stub import Request, Stub, stub
from tests.system import processes
from tests.system.office import Office, contacts, zipped

pytestmark = pytest.mark.slow
SECRET = "Signature=0123456789abcdef"


def play(request: Request) -> None:
    request.answer(200, zipped({"Contacts.csv": contacts(50 + len(request.path))}))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Stub, Path, str]]:
    """A vendor, an inbox that follows its links, and the address of the page."""
    (tmp_path / "office").mkdir()
    office, authority = Office(tmp_path / "office"), Authority(tmp_path / "ca")
    with ExitStack() as running:
        vendor = running.enter_context(stub(play, authority))
        folder = office.inbox(link_hosts=["localhost"], ca_file=authority.certificate)
        office.disk()
        worker, people = worker_of(office, running), People(tmp_path)
        people.set_password(Role.CHANGE, PASSWORD)
        yield vendor, folder, running.enter_context(served(worker, people))


def paste(page: Page, link: str) -> None:
    page.get_by_label("Paste a download link").fill(link)
    page.get_by_role("button", name="Fetch it").click()


def test_a_pasted_link_is_fetched_and_backed_up(chromium: Browser, site) -> None:
    vendor, folder, address = site
    with window(chromium, address, size=PHONE, javascript=False) as page:
        come_in(page)
        paste(page, "https://files.evil.example/Data.zip")
        expect(page.locator("main")).to_contain_text("which this inbox does not list")
        assert list(folder.iterdir()) == [], "nothing is stored"
        paste(page, vendor.url(f"/Data.zip?{SECRET}"))
        expect(page.locator("main")).to_contain_text("The link is taken; by-hand is fetching it.")
        assert SECRET not in page.content()
        assert processes.until(lambda: list((folder / "done").glob("*.url")), 60)
    with window(chromium, address, size=PHONE) as page:
        come_in(page)
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.get_by_label("Paste a download link").fill("half typed")
        page.get_by_role("button", name="Back up now").click()
        expect(page.locator("#said")).to_contain_text("by-hand: asked for.")
        expect(page.get_by_label("Paste a download link")).to_have_value("half typed")
        paste(page, vendor.url(f"/Data_2.zip?{SECRET}"))
        expect(page.locator("main")).to_contain_text("The link is taken")
        assert processes.until(lambda: len(list((folder / "done").glob("*.url"))) == 2, 60)
