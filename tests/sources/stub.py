"""A web server that does whatever a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from appliance.demo.authority import Authority, ServerCertificate


class Request(BaseHTTPRequestHandler):
    """One request, as the stub's `play` is handed it."""

    timeout = 10

    def do_GET(self) -> None:
        stub = self.server.stub
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length).decode()
        stub.requests.append(self)
        self.close_connection = True
        stub.play(self)

    do_POST = do_PROPFIND = do_REPORT = do_GET  # noqa: N815 - http.server looks for these names

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer in one go; `Content_Length=""` leaves it out."""
        self.send_response(status)
        told = {"Content_Length": str(len(body))} | headers
        for name, value in told.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Break the connection off now."""
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Stub:
    port: int
    scheme: str
    play: Callable[[Request], None]
    requests: list[Request] = field(default_factory=list)

    def url(self, path: str = "/export.csv", host: str = "localhost") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    allow_reuse_address = True
    stub: Stub
    context: ssl.SSLContext | None = None

    def finish_request(self, request, client_address) -> None:
        if self.context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(10)
        with self.context.wrap_socket(request, server_side=True) as protected:
            super().finish_request(protected, client_address)

    def handle_error(self, request, client_address) -> None:
        pass


@contextmanager
def stub(
    play: Callable[[Request], None],
    authority: Authority | None = None,
    *,
    pair: ServerCertificate | None = None,
    address: str = "127.0.0.1",
    protocol: str = "HTTP/1.1",
) -> Iterator[Stub]:
    """Serve on loopback with `play`, over TLS if there is an authority or a certificate."""
    handler = type("Handler", (Request,), {"protocol_version": protocol})
    server = _Server((address, 0), handler)
    if authority and not pair:
        hosts = ("localhost", "127.0.0.1", "127.0.0.2")
        pair = authority.issue(f"stub-{server.server_port}", hosts)
    if pair:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(pair.certificate, pair.key)
    server.stub = Stub(server.server_port, "https" if pair else "http", play)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
