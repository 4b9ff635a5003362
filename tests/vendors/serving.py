"""TLS servers on loopback, one per role of a vendor, each on an address and port of its own.

The roles' hosts differ (`localhost`, 127.0.0.2 …), so that who lists one has not listed the other.
The sockets stay while vendors come and go: a round of a test costs no new server.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from appliance.demo.authority import Authority

API, ACCOUNTS, FILES, FOREIGN = "api", "accounts", "files", "foreign"
"""Where data is asked, where one signs in, where files lie, and who has no business here."""
HOSTS = {API: "localhost", ACCOUNTS: "127.0.0.2", FILES: "127.0.0.3", FOREIGN: "127.0.0.66"}


@dataclass
class Question:
    """One request as it came, and the status it was answered with."""

    role: str
    method: str
    target: str
    headers: Mapping[str, str]
    """By name in small letters."""
    body: bytes
    answered: int = 0

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")

    def shows(self, secret: str) -> bool:
        """Whether it carries this anywhere."""
        return secret in "\n".join(
            (self.target, *self.headers.values(), self.body.decode("latin1"))
        )


@dataclass
class Answer:
    """What is sent back. `breaks_at`: the connection breaks after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_at: int | None = None
    chunked: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        """`Retry_After` becomes Retry-After."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json;charset=UTF-8"} | named)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body go out together: else each answer waits 40 ms for its second half
    server: _Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): text for name, text in self.headers.items()}
        body = self.rfile.read(length)
        question = Question(self.server.role, self.command, self.path, headers, body)
        self._send(self.server.premises.answer(question))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names it looks for

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, text in answer.headers.items():
            self.send_header(name, text)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(answer)

    def _send_body(self, answer: Answer) -> None:
        body = answer.body[: answer.breaks_at]
        if answer.chunked and body:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        self.wfile.write(body)
        if answer.breaks_at is not None:
            self.close_connection = True
        elif answer.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, premises: Premises, role: str, context: ssl.SSLContext) -> None:
        number = "127.0.0.1" if HOSTS[role] == "localhost" else HOSTS[role]
        self.premises, self.role, self.context = premises, role, context
        self.open: set[ssl.SSLSocket] = set()
        super().__init__((number, 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(10)
        with self.context.wrap_socket(request, server_side=True) as protected:
            self.open.add(protected)
            try:
                super().finish_request(protected, client_address)
            finally:
                self.open.discard(protected)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that breaks off is no fault of ours; one of ours is raised in `answer`

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for left in tuple(self.open):
            with suppress(OSError):
                left.close()


class Premises:
    """All the servers; `tenant` answers what they are asked, and may be another one any time."""

    def __init__(self, authority: Authority) -> None:
        self.ca_file: Path = authority.certificate
        self.tenant: Callable[[Question], Answer] = lambda _: Answer(404)
        self.faults: list[BaseException] = []
        """What broke in a vendor: a test must find none."""
        pair = authority.issue("vendors", tuple(HOSTS.values()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._servers = {role: _Server(self, role, context) for role in HOSTS}

    def url(self, role: str = API, path: str = "") -> str:
        """`https://localhost:4711/path`."""
        return f"https://{HOSTS[role]}:{self._servers[role].server_port}{path}"

    def host(self, role: str = API) -> str:
        """`localhost:4711`, as an office writes it."""
        return self.url(role).removeprefix("https://")

    def answer(self, question: Question) -> Answer:
        try:
            return self.tenant(question)
        except Exception as fault:  # noqa: BLE001 - the test that asks for faults shows it
            self.faults.append(fault)
            return Answer(500, b"the vendor of this test is broken")

    def begin(self) -> None:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def end(self) -> None:
        for server in self._servers.values():
            server.end()


@contextmanager
def premises(authority: Authority) -> Iterator[Premises]:
    """Serve for the length of the block."""
    made = Premises(authority)
    made.begin()
    try:
        yield made
    finally:
        made.end()
