"""The page at a real port, by TLS, and clients that are as slow and rude as a test wants."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

from appliance.core.address import Address
from appliance.web import certificate
from appliance.web.serving import Server

PATIENCE_SECONDS = 20.0


def trusting():
    """A client that believes any certificate, as a person who clicks the warning away."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_TRUSTING = trusting()


@contextlib.contextmanager
def served(page, folder, listen="127.0.0.1", each_second=lambda: None):
    """Serve a WSGI application; yields the server."""
    context = certificate.context(certificate.ensure(folder, ["localhost", "127.0.0.1"]))
    server, stop = Server(page, context, Address(listen, 0)), threading.Event()
    thread = threading.Thread(target=server.run, args=(stop, each_second), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        with contextlib.suppress(OSError):  # it has ended already
            server.pull_trigger()
        thread.join(30)
        assert not thread.is_alive()


def plain(server, source="127.0.0.1"):
    """A connection, from an address of this machine."""
    made = socket.create_connection(
        ("127.0.0.1", server.port), PATIENCE_SECONDS, source_address=(source, 0)
    )
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def tls(server, source="127.0.0.1"):
    return _TRUSTING.wrap_socket(plain(server, source))


def request(path="/sign-in", method="GET", *lines, host="localhost", body=b""):
    """A request as bytes; the connection stays open unless a line says otherwise."""
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, *length, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def answer(connection):
    """Read one answer: its status, headers and body."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(f"cut off after {head!r}")
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("cut off in the body")
        body += piece
    return int(first.split()[1]), headers, body


def asked(server, path="/sign-in", *lines, source="127.0.0.1", **more):
    """Ask once, by TLS."""
    with tls(server, source) as connection:
        connection.sendall(request(path, *(lines or ("GET",)), **more))
        return answer(connection)


def is_closed(connection, seconds=PATIENCE_SECONDS):
    """Whether the other end closes within so long."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True
