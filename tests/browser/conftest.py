"""A real office with the page in front of it, and real browsers to look at it with.

Every window is a person of its own. Nothing here sleeps: a browser waits for what it is to see.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from appliance.demo.authority import Authority
from appliance.system.socket import Client
from appliance.web.people import People
from appliance.web.policy import Role
from tests.browser.serving import served
from tests.browser.vendor import Vendor
from tests.browser.window import window
from tests.sources.stub import stub
from tests.system import processes
from tests.system.office import Office

PASSWORD = "correct horse battery staple"
Window = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser's process. It ends with this folder: its loop is no place for other tests."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium: `make test` installs it")
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        # Whoever is root has no sandbox; the only pages it sees are ours.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class House:
    """An office at work and its page."""

    office: Office
    worker: Client
    vendor: Vendor
    address: str
    people: People
    signed_in: Any = None
    """The cookies of somebody who has signed in; one sign-in serves all tests that look."""

    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        status = self.worker.status()
        return not status["running"] and not status["waiting"]


def worker_of(office: Office, running: ExitStack) -> Client:
    """Start the office's daemon for as long as the stack lives; return how it is asked."""
    log = running.enter_context((office.folder / "daemon.log").open("w"))
    running.enter_context(office.started("daemon", stdout=log, stderr=log))
    client = Client(office.state / "worker.sock")
    assert processes.until(client.is_there, 60), (office.folder / "daemon.log").read_text()
    return client


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A real worker with one disk, one CRM and one good backup, the page in front of it."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "office").mkdir()
    office, vendor, authority = Office(folder / "office"), Vendor(), Authority(folder / "ca")
    with ExitStack() as running:
        crm = running.enter_context(stub(vendor.play, authority))
        keys = {"name": "crm", "type": "http", "url": crm.url("/customers.csv")}
        office.add("[[source]]", **keys, ca_file=authority.certificate)
        office.disk()
        office.ok("run", "crm")
        worker, people = worker_of(office, running), People(folder)
        people.set_password(Role.CHANGE, PASSWORD)
        address = running.enter_context(served(worker, people))
        yield House(office, worker, vendor, address, people)


@pytest.fixture
def strangers(chromium: Browser, house: House) -> Iterator[Window]:
    """Open windows of people who have not signed in: `strangers(size=PHONE)`."""
    with ExitStack() as opened:
        yield lambda **how: opened.enter_context(window(chromium, house.address, **how))


@pytest.fixture
def keepers(chromium: Browser, house: House) -> Iterator[Window]:
    """Open windows of people who have signed in and may change things."""
    if house.signed_in is None:
        with window(chromium, house.address) as page:
            come_in(page)
            house.signed_in = page.context.storage_state()
    with ExitStack() as opened:
        how = {"signed_in": house.signed_in}
        yield lambda **more: opened.enter_context(window(chromium, house.address, **how | more))


@pytest.fixture
def keeper(keepers: Window) -> Page:
    """One of them, at a desk."""
    return keepers()


@pytest.fixture
def slow_vendor(house: House) -> Iterator[Vendor]:
    """The CRM holds its export back until the test lets it; the office is at rest afterwards."""
    house.vendor.day += 1
    house.vendor.hold_back()
    yield house.vendor
    house.vendor.let_all()
    assert processes.until(house.is_idle, 60)


def come_in(page: Page) -> None:
    """Sign in and see the first screen."""
    sign_in(page)
    expect(page).to_have_url("/")


def sign_in(page: Page, password: str = PASSWORD) -> None:
    """Sign in as a person does."""
    page.goto("/sign-in")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
