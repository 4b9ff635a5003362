"""Somebody who looks at the page, and fifty of them: a small HTTP client that counts and times.

python -m tests.bench.visitor PORT COOKIE COUNT opens the first screen and looks on as its script
does, once a second, as COUNT visitors from as many addresses, until its standard input ends; then
it prints what they saw, as JSON.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import sys
import threading
import time
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from statistics import quantiles
from urllib.parse import urlencode

_HERE = "127.0.0.1"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """One browser: one connection that stays open, and one cookie."""

    def __init__(self, port: int, cookie: str = "", number: int = 0) -> None:
        self.port, self.cookie = port, cookie
        self._seen: str | None = None
        """Which blocks it has; None before the first screen."""
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        here = (f"127.0.1.{number + 1}", 0)
        self._line = HTTPSConnection(_HERE, port, timeout=30, source_address=here, context=anybody)

    def get(self, path: str) -> tuple[int, bytes, float]:
        """Return status, body and the seconds from asking to the last byte."""
        began = time.perf_counter()
        answer, body = self._ask("GET", path)
        return answer.status, body, time.perf_counter() - began

    def look(self) -> tuple[bool, float]:
        """See the first screen, or what is new on it; return whether that went well, and seconds.

        Raise OSError or HTTPException where nobody answers.
        """
        began = time.perf_counter()
        path = "/" if self._seen is None else f"/live?seen={self._seen}"
        answer, body = self._ask("GET", path)
        self._seen = answer.headers.get("X-Seen", "")
        went_well = answer.status == 204 or (answer.status == 200 and bool(body))
        return went_well, time.perf_counter() - began

    def sign_in(self, password: str) -> None:
        """Come in; raise RuntimeError where the door stays shut."""
        _, form = self._ask("GET", "/sign-in")
        token = _TOKEN.search(form.decode())
        fields = {"password": password, "csrf_token": token[1] if token else ""}
        answer, _ = self._ask("POST", "/sign-in", urlencode(fields))
        if answer.status != 302:
            raise RuntimeError(f"the door said {answer.status}")

    def _ask(self, method: str, path: str, body: str = "") -> tuple[HTTPResponse, bytes]:
        page = f"https://{_HERE}:{self.port}"
        headers = {"Cookie": self.cookie, "Origin": page, "Referer": f"{page}/"}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._line.request(method, path, body or None, headers)
        answer = self._line.getresponse()
        data = answer.read()
        kept = dict(each.split("=", 1) for each in self.cookie.split("; ") if each)
        for line in answer.headers.get_all("Set-Cookie", ()):
            kept |= dict([line.split(";")[0].split("=", 1)])
        self.cookie = "; ".join("=".join(each) for each in kept.items())
        return answer, data


def look_on(port: int, cookie: str, count: int, stop: threading.Event) -> list[float]:
    """Have so many visitors look once a second; return the seconds of each look, -1 for errors."""
    seen: list[float] = []

    def look(number: int) -> None:
        visitor = Visitor(port, cookie, number)
        while not stop.wait(1):
            try:
                went_well, seconds = visitor.look()
                seen.append(seconds if went_well else -1)
            except (OSError, HTTPException):
                seen.append(-1)
                visitor = Visitor(port, cookie, number)

    threads = [threading.Thread(target=look, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def main() -> None:
    """Look until nobody waits for the result any more."""
    os.nice(19)  # these are phones: their work must not be the box's
    port, cookie, count = sys.argv[1:]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    seen = look_on(int(port), cookie, int(count), stop)
    times = [each for each in seen if each >= 0] or [0.0, 0.0]
    p95 = quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    print(json.dumps({"asked": len(seen), "errors": seen.count(-1), "p95_seconds": p95}))


if __name__ == "__main__":
    main()
