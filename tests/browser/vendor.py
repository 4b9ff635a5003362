"""A CRM whose export comes at once, or piece by piece as a test lets it."""

from __future__ import annotations

import threading
from contextlib import suppress

from tests.sources.stub import Request
from tests.system.office import contacts

PIECES = 10
CUSTOMERS = 20_000
_PATIENCE_SECONDS = 60


class Vendor:
    """Serves the customers of a day; each pull gets the day that is now."""

    def __init__(self) -> None:
        self.day = 1
        self._slow = threading.Event()
        self._allowed = threading.Semaphore(0)

    @property
    def customers(self) -> bytes:
        """The export of the day: every day one more customer was edited."""
        return contacts(CUSTOMERS, changed=range(self.day), day=f"2026-11-{self.day:02}")

    def hold_back(self) -> None:
        """From now on nothing comes that was not let through."""
        self._allowed = threading.Semaphore(0)
        self._slow.set()

    def let(self, pieces: int) -> None:
        """Let so many more of the pieces through."""
        self._allowed.release(pieces)

    def let_all(self) -> None:
        """Nothing is held back any more."""
        self._slow.clear()
        self._allowed.release(PIECES)

    def play(self, request: Request) -> None:
        """Answer a pull."""
        body, allowed = self.customers, self._allowed
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        size = -(-len(body) // PIECES)
        with suppress(OSError):  # the pull was cancelled
            for start in range(0, len(body), size):
                if self._slow.is_set():
                    allowed.acquire(timeout=_PATIENCE_SECONDS)
                request.wfile.write(body[start : start + size])
                request.wfile.flush()
