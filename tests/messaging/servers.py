"""Real servers that take messages, on loopback: mail that knows one password, a web hook, and one
that accepts a connection and says nothing more."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.servers import free_port

USER, PASSWORD = "box", "hunter2-of-the-office"


class Mail:
    """A mail server; `got` are the mails that it took, as text."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[str] = []
        self.refuses = False

    async def handle_DATA(self, server, session, envelope):
        if not session.authenticated:
            return "530 log in first"
        if self.refuses:
            return "554 not here"
        self.got.append(envelope.content.decode())
        return "250 OK"

    def address(self, password: str = PASSWORD) -> str:
        return (
            f"mailto://{USER}:{password}@127.0.0.1:{self.port}/"
            "?from=box@shop.example&to=boss@shop.example"
        )


def _login(server, session, envelope, mechanism, data) -> AuthResult:
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def mail(port: int | None = None) -> Iterator[Mail]:
    server = Mail(port or free_port())
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=server.port,
        authenticator=_login,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


class Hook:
    """A web hook; `got` are the bodies that it took."""

    def __init__(self, port: int) -> None:
        self.port, self.answer = port, 200
        self.got: list[dict[str, str]] = []

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook"


@contextmanager
def hook(port: int | None = None) -> Iterator[Hook]:
    told = Hook(port or free_port())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if told.answer == 200:
                told.got.append(json.loads(body))
            self.send_response(told.answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", told.port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """The address of a mail server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"mailto://u:p@127.0.0.1:{listening.getsockname()[1]}/?from=a@b.example&to=c@d.example"
