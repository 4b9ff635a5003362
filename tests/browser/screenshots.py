"""Every page as a phone and a desktop show it: `make screenshots` puts them into build/screenshots.

The office is the demo's, with three real days of backups and a month before them. With `--readme`
those that the README shows are renewed too.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from appliance.demo import page as demo_page
from appliance.demo import panel
from appliance.demo.office import Office, office
from appliance.demo.story import Story
from appliance.system.ledger import SqliteLedger
from appliance.system.socket import Client
from appliance.web import create_app
from appliance.web.people import People
from tests.browser.conftest import sign_in
from tests.browser.window import DESKTOP, PHONE, window
from tests.history import History
from tests.system import processes
from tests.system.office import Office as Commands

if TYPE_CHECKING:
    from werkzeug.routing import MapAdapter

INTO = Path("build/screenshots")
README = Path(__file__).parent / "pictures"
SHOWN_THERE = ("home-first-phone", "restore-days-phone", "search-found-phone")
DAYS = 3
SOURCES, PLACES, CLOUD = ("crm-nightly", "site-export"), ("disk-a", "disk-b"), "cloud"
_SIZES = {"phone": PHONE, "desktop": DESKTOP}


@dataclass(frozen=True, slots=True)
class Shown:
    """A page, and somebody who was changed in the newest backup."""

    page: demo_page.Page
    customer: str


@contextmanager
def living(folder: Path) -> Iterator[Shown]:
    """The demo's office with a past, its worker at rest, its lamps and its page."""
    first_day = datetime.now(UTC).date() - timedelta(days=DAYS - 1)
    with ExitStack() as running:
        here = running.enter_context(office(folder / "demo", first_day))
        _live(here)
        commands = Commands.__new__(Commands)
        commands.folder, commands.config = folder, here.config
        log = running.enter_context((folder / "daemon.log").open("w"))
        running.enter_context(commands.started("daemon", stdout=log, stderr=log))
        worker = Client(here.folder / "state" / "worker.sock")
        assert processes.until(worker.is_there, 60), (folder / "daemon.log").read_text()
        tables = commands.json("changes", SOURCES[0], "--table", "Contacts")["tables"]
        changed = next(each for each in tables[0]["records"] if each["kind"] == "changed")
        board = running.enter_context(panel.shown(here.config))
        page = running.enter_context(demo_page.served(here.config, board))
        yield Shown(page, changed["title"])


def _live(here: Office) -> None:
    os.environ["HOME"] = str(here.folder / "home")
    story = Story(here)
    story.set_up()
    ledger = SqliteLedger(here.folder / "state" / "ledger.sqlite")
    History(ledger, SOURCES, PLACES, CLOUD).fill(datetime.now(UTC) - timedelta(hours=12))
    ledger.close()
    story.live_three_days()


def pages(browser: Browser, shown: demo_page.Page, cookies: object) -> dict[str, str]:
    """Return an address for each page there is, by a name for its picture; pages that want to know
    more are found by the links that lead to them.
    """
    app = create_app(Client(Path("/nonexistent")), People(Path("/nonexistent")))
    known = app.url_map.bind("localhost")
    open_ones = [
        each
        for each in app.url_map.iter_rules()
        if "GET" in (each.methods or ()) and not each.arguments
    ]
    found: dict[str, str] = {}
    waiting = [each.rule for each in open_ones]
    with window(browser, shown.address, signed_in=cookies) as page:
        while waiting:
            path = waiting.pop(0)
            if _name_of(known, path) in {*found, ""}:
                continue
            path = _landed(page, path)
            name = _name_of(known, path)
            if name in {*found, ""}:
                continue
            found[name] = path
            page.goto(path)
            links = page.locator("main a[href]").evaluate_all("all => all.map((a) => a.href)")
            waiting += [_path_of(link) for link in links]
    return found


def _name_of(known: MapAdapter, path: str) -> str:
    """Return the endpoint behind an address, with the steps of the first run apart."""
    try:
        endpoint, values = known.match(urlsplit(path).path)
    except RequestRedirect as away:
        return _name_of(known, urlsplit(away.new_url).path)
    except HTTPException:
        return ""
    step = f"-{values['key']}" if endpoint == "first_run.step" else ""
    return "" if endpoint == "static" else endpoint.replace(".", "-") + step


def _path_of(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _landed(page: Page, path: str) -> str:
    """Return the page that an address leads to; one that is no page, for programs, is nothing."""
    answer = page.request.get(path)
    return _path_of(answer.url) if answer.ok and "<html" in answer.text() else "/static/"


def picture(page: Page, path: str, file: Path) -> None:
    """Open a page and keep how it looks, all of it."""
    page.goto(path)
    page.evaluate("document.fonts.ready.then(() => true)")
    _kept(page, file)


def _kept(page: Page, file: Path) -> None:
    page.screenshot(path=file, full_page=True)
    if "--readme" in sys.argv and file.stem in SHOWN_THERE:
        page.screenshot(path=README / file.name)


def search(page: Page, customer: str, file: Path) -> None:
    """Look somebody up, and keep how their story looks."""
    page.goto("/find/")
    if (sources := page.get_by_label("Where it came from")).count():
        sources.select_option(SOURCES[0])
    page.get_by_role("searchbox").fill(customer)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Download this one").first).to_be_visible(timeout=90_000)
    _kept(page, file)


def take(browser: Browser, everything: Shown) -> int:
    """Take every picture; return how many."""
    shown = everything.page
    with window(browser, shown.address) as page:
        page.goto("/sign-in")
        for name, (width, height) in _SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=INTO / f"door-sign_in-{name}.png", full_page=True)
        sign_in(page, shown.password)
        expect(page).not_to_have_url(re.compile("sign-in"))
        cookies = page.context.storage_state()
    known = pages(browser, shown, cookies)
    for name, size in _SIZES.items():
        with window(browser, shown.address, size=size, signed_in=cookies) as page:
            for title, path in known.items():
                picture(page, path, INTO / f"{title}-{name}.png")
            search(page, everything.customer, INTO / f"search-found-{name}.png")
        with window(browser, shown.address, size=size, dark=True, signed_in=cookies) as page:
            picture(page, "/", INTO / f"home-first-{name}-dark.png")
    return len(list(INTO.iterdir()))


def main() -> None:
    """Make an office, take the pictures, say where they are."""
    os.environ.pop("PYTHONPATH", None)  # the product's programs must not see our tools
    program = shutil.which("chromium")
    shutil.rmtree(INTO, ignore_errors=True)
    INTO.mkdir(parents=True)
    with TemporaryDirectory() as folder, living(Path(folder)) as shown, sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        expect.set_options(timeout=20_000)
        count = take(browser, shown)
        browser.close()
    print(f"{count} pictures are in {INTO}.")


if __name__ == "__main__":
    main()
