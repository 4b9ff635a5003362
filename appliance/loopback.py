"""Waits on this machine for a browser to come back from a vendor's sign-in (RFC 8252, 7.3).

Part of the rim. Anybody on this machine may knock: only what belongs to the sign-in counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from urllib.parse import urlsplit

from .core.errors import ApplianceError

_HOSTS = ("127.0.0.1", "localhost")
_DONE = (
    b"<!doctype html><title>Done</title><p>Done. You can close this page and go back to the box."
)
_NOT_HERE = "The address that the vendor sends people back to is not on this machine: {}"
_PASTE = "Leave --loopback out, and paste the address that you land on."
_TAKEN = "Port {} of this machine is in use."
_ANOTHER = "Name another with --port, if the vendor allows it, or end what uses it."


@dataclass(slots=True)
class Landing:
    """Where the browser comes back to."""

    redirect: str
    lines: Queue[str] = field(default_factory=Queue)
    """What it was sent there with, as somebody would paste it."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    server: _Server

    def do_GET(self) -> None:
        """Take an address down that looks like the end of a sign-in; say the same to all."""
        query = urlsplit(self.path).query
        if "code=" not in query and "error=" not in query:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_DONE)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(_DONE)
        self.server.take(self.path)

    def log_message(self, *_: object) -> None:
        """A code stands in the address: nothing is logged."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    take: Callable[[str], None]

    def handle_error(self, *_: object) -> None:
        """Whoever breaks off has nothing to say."""


@contextmanager
def landing(redirect: str, port: int | None = None) -> Iterator[Landing]:
    """Listen at a redirect's own port (at another one where that is said, at a free one where it
    has none) for the length of the block; raise ApplianceError where that cannot be.
    """
    parts = urlsplit(redirect)
    if parts.scheme != "http" or parts.hostname not in _HOSTS:
        raise ApplianceError(_NOT_HERE.format(redirect), hint=_PASTE)
    wanted = parts.port or 0 if port is None else port
    try:
        server = _Server(("127.0.0.1", wanted), _Handler)
    except OSError as error:
        raise ApplianceError(_TAKEN.format(wanted), hint=_ANOTHER, detail=str(error)) from error
    place = parts._replace(netloc=f"{parts.hostname}:{server.server_port}").geturl()
    found = Landing(place)
    server.take = found.lines.put
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
