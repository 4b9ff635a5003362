"""One person's browser window, which writes down whatever a page of ours must never do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Response

PHONE, DESKTOP = (360, 740), (1280, 800)
_ANSWERED = "Failed to load resource: the server responded with a status of"
"""What Chromium says of each answer that is no success; our own `_Watch` looks at those."""
_REACHABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"


class Watch:
    """What went wrong in a window: scripts, the content policy, and who was asked for what."""

    def __init__(self, address: str) -> None:
        self._host = urlsplit(address).netloc
        self.seen: list[str] = []

    def console(self, message: Any) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_ANSWERED):
            self.seen.append(f"console: {message.text}")

    def error(self, error: Any) -> None:
        self.seen.append(f"script: {error.error}")

    def request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self._host and not request.url.startswith("blob:"):
            self.seen.append(f"another host: {request.url}")

    def response(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.seen.append(f"{response.status}: {response.url}")


@contextmanager
def window(
    browser: Browser,
    address: str,
    *,
    size: tuple[int, int] = DESKTOP,
    zoom: int = 1,
    dark: bool = False,
    javascript: bool = True,
    signed_in: Any = None,
) -> Iterator[Page]:
    """Open a window for the length of the block; fail where a page did what it must not.

    `zoom` is how many times larger everything is: as much less fits in. `signed_in` are the
    cookies of somebody who has signed in.
    """
    context = browser.new_context(
        base_url=address,
        viewport={"width": size[0] // zoom, "height": size[1] // zoom},
        device_scale_factor=zoom,
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
        ignore_https_errors=True,
        storage_state=signed_in,
    )
    context.set_default_timeout(20_000)
    watch = Watch(address)
    context.on("console", watch.console)
    context.on("weberror", watch.error)
    context.on("request", watch.request)
    context.on("response", watch.response)
    try:
        yield context.new_page()
    finally:
        context.close()
    assert watch.seen == []


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page, one line each."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def overflows(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    width = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
    return int(page.evaluate(width))


def unreached(page: Page) -> list[str]:
    """What can be used on the page by a pointer but is never focused by the Tab key.

    Of a group of radio buttons one is enough: the arrow keys reach the others.
    """
    page.evaluate("document.activeElement.blur()")
    count = page.evaluate(
        """(selector) => {
            const groups = new Set();
            const all = [...document.querySelectorAll(selector)].filter((each) => {
                if (each.disabled || each.tabIndex < 0 || !each.checkVisibility()) return false;
                if (each.type !== 'radio') return true;
                const name = `${each.form?.id}/${each.name}`;
                return !groups.has(name) && groups.add(name);
            });
            window.toReach = new Set(all);
            return all.length;
        }""",
        _REACHABLE,
    )
    for _ in range(4 * count + 1):  # a field for a time is left by the third
        if page.evaluate("window.toReach.size === 0"):
            break
        page.keyboard.press("Tab")
        page.evaluate(
            """() => {
                const now = document.activeElement;
                for (const each of window.toReach)
                    if (each === now || (now.type === 'radio' && each.name === now.name))
                        window.toReach.delete(each);
            }"""
        )
    return list(page.evaluate("[...window.toReach].map((each) => each.outerHTML)"))
