"""The only home of waitress: few threads, TLS before them, and bounds for whoever is slow (E11).

One loop reads and writes for all connections, so a handshake or a request that hangs holds up
nobody; a thread is busy only once a request has arrived whole. Each connection is known as TLS or
plain HTTP by its first byte.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import RequestEntityTooLarge

from ..core.address import Address
from ..core.errors import ApplianceError
from . import hosts, plain
from .wire import RECORD_BYTES, Wire

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

THREADS = 4
LONGEST_BODY_BYTES = 64 * 1024
LONGEST_HEADER_BYTES = 16 * 1024
MOST_CONNECTIONS = 128
MOST_CONNECTIONS_OF_ONE = 32
REQUEST_WITHIN_SECONDS = 20.0
"""From the connection's beginning, or the request's first byte, until it has arrived whole."""
IDLE_SECONDS = 60.0
"""How long a connection stays open for another request."""
STALLED_SECONDS = 60.0
"""How long somebody may take nothing of an answer that waits for them."""
STUCK_SECONDS = 120.0
"""Longer than any answer may stand still: then our threads hang, not who asks."""
_TURN_SECONDS = 1.0
_SEND_BUFFER_BYTES = 256 * 1024
_AWAITED_BYTES = 256 * 1024
_THROWN_AWAY_BYTES = 4 * 1024 * 1024
"""Of a body that is too long, so that the browser is still there to hear that."""
_SETTINGS = {
    "threads": THREADS,
    "ident": None,
    "recv_bytes": RECORD_BYTES,
    "outbuf_high_watermark": _AWAITED_BYTES,
    "max_request_header_size": LONGEST_HEADER_BYTES,
    "max_request_body_size": LONGEST_BODY_BYTES + 1,
    "log_socket_errors": False,
    "clear_untrusted_proxy_headers": True,
}


class _Parser(HTTPRequestParser):  # type: ignore[misc] # waitress has no types
    """A request as it arrives. A form that is too long is still taken, and thrown away."""

    _left_bytes = 0
    expect_continue: bool

    def received(self, data: bytes) -> int:
        """Return how much of what came belongs to this request."""
        if self._left_bytes:
            taken = min(len(data), self._left_bytes)
            self._left_bytes -= taken
            self.completed = not self._left_bytes
            return taken
        taken = int(super().received(data))
        if isinstance(self.error, RequestEntityTooLarge) and self.completed:
            self._hear_out()
        return taken

    def _hear_out(self) -> None:
        if self.expect_continue or not 0 < self.content_length <= _THROWN_AWAY_BYTES:
            self.expect_continue = False
            return
        self._left_bytes, self.completed = self.content_length, False


class _Task(WSGITask):  # type: ignore[misc] # as above
    """A request that the page answers."""

    def get_environment(self) -> dict[str, Any]:
        """Return what the page is told: also whether it came by TLS, and to where."""
        told: dict[str, Any] = super().get_environment()
        wire: Wire = self.channel.socket
        told["wsgi.url_scheme"] = "https" if wire.is_tls else "http"
        told["REMOTE_ADDR"] = told["REMOTE_HOST"] = hosts.plainly(told["REMOTE_ADDR"])
        told[hosts.HERE] = wire.here
        return told


class _Refusal(ErrorTask):  # type: ignore[misc] # as above
    """A request that is answered before the page sees it."""

    def execute(self) -> None:
        """Say why, in our words: waitress would repeat what was sent."""
        status = HTTPStatus(self.request.error.code)
        body = plain.said(status)
        self.status = f"{status.value} {status.phrase}"
        self.response_headers.extend(plain.HEADERS)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc] # as above
    """One connection: the requests that come over it, and how long each has taken."""

    parser_class, task_class, error_task_class = _Parser, _Task, _Refusal
    socket: Wire

    def __init__(self, *words: Any, **more: Any) -> None:
        self._since = self._taken = monotonic()
        self._is_new = True
        super().__init__(*words, **more)
        self.sendbuf_len = RECORD_BYTES  # a larger piece would be copied anew for each record

    @property
    def is_at_rest(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self.requests and not self.total_outbufs_len

    @property
    def since(self) -> float:
        """When the last answer was given, or what comes now began."""
        return self._since

    def is_overdue(self, now: float) -> bool:
        """Return whether the other end has taken too long."""
        if self.total_outbufs_len:
            return now - self._taken > STALLED_SECONDS
        if self.requests:
            return False
        is_awaited = self._is_new or self.request is not None
        return now - self._since > (REQUEST_WITHIN_SECONDS if is_awaited else IDLE_SECONDS)

    def writable(self) -> bool:
        """Return whether there is something to send."""
        return bool(super().writable() or self.socket.wants_to_write)

    def handle_write(self) -> None:
        """Send some of it."""
        if self.socket.wants_to_write:
            self.handle_read()
        if self.socket is not None:
            super().handle_write()

    def handle_read(self) -> None:
        """Take what came: perhaps a request, or only a part of the handshake."""
        try:
            data = self.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if self.request is None and not self._is_new:
            self._since = monotonic()
        self.received(data)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send a piece; return how much was taken."""
        sent = int(super().send(data, do_close))
        if sent:
            self._taken = self.server.moved = monotonic()
        return sent

    def write_soon(self, data: Any) -> int:
        """Have a piece of an answer sent; wait where much of it waits already."""
        if not self.total_outbufs_len:
            self._taken = monotonic()
        return int(super().write_soon(data))

    def service(self) -> None:
        """Answer a request, in one of the threads."""
        super().service()
        self._since = self.server.moved = monotonic()
        self._is_new = False


class Server(TcpWSGIServer):  # type: ignore[misc] # as above
    """Serves the page at an address until it is told to stop."""

    channel_class = _Channel

    def __init__(self, page: WSGIApplication, context: ssl.SSLContext, listen: Address) -> None:
        self._context = context
        self.moved = monotonic()
        """When something was last answered, or nobody waited for an answer."""
        listening = _listening(listen)
        adjustments = Adjustments(sockets=[listening], **_SETTINGS)
        threads = ThreadedTaskDispatcher()
        threads.set_thread_count(THREADS)
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        super().__init__(page, {}, True, listening, threads, adjustments, info, bind_socket=False)

    @property
    def port(self) -> int:
        """The port, also where the system chose it."""
        return int(self.effective_port)

    def run(self, stop: threading.Event, each_second: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`; `each_second` is called about that often while requests move."""
        due = monotonic()
        while not stop.is_set():
            wasyncore.poll2(_TURN_SECONDS, self._map)
            now = monotonic()
            if now >= due:
                due = now + _TURN_SECONDS
                self._close_overdue(now)
                if self._moves(now):
                    each_second()
        self.task_dispatcher.shutdown()
        wasyncore.close_all(self._map, ignore_all=True)

    def readable(self) -> bool:
        """Return whether another connection may come: always, as it may push another one out."""
        return bool(self.accepting)

    def handle_accept(self) -> None:
        """Take a connection; whoever was silent for the longest time makes room for it."""
        try:
            pair = self.accept()
        except OSError:  # gone again
            return
        if pair is None:
            return
        connection, peer = pair
        if not self._has_room_for(peer[0]):
            connection.close()
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _Channel(self, Wire(connection, self._context), peer, self.adj, map=self._map)

    def _has_room_for(self, peer: str) -> bool:
        channels = list(self.active_channels.values())
        of_the_peer = [each for each in channels if each.addr[0] == peer]
        if len(of_the_peer) >= MOST_CONNECTIONS_OF_ONE:
            return _one_less(of_the_peer)
        return len(channels) < MOST_CONNECTIONS or _one_less(channels)

    def _moves(self, now: float) -> bool:
        """Whether nobody has waited for long while every thread hung."""
        if not self.task_dispatcher.queue:
            self.moved = now
        return now - self.moved < STUCK_SECONDS

    def _close_overdue(self, now: float) -> None:
        for each in list(self.active_channels.values()):
            if each.is_overdue(now):
                each.handle_close()


def _one_less(channels: list[_Channel]) -> bool:
    at_rest = [each for each in channels if each.is_at_rest]
    if not at_rest:
        return False
    min(at_rest, key=lambda each: each.since).handle_close()
    return True


def _listening(listen: Address) -> socket.socket:
    """Raise ApplianceError where nobody can listen there."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM
        )[0]
        with ExitStack() as undone:
            made = undone.enter_context(socket.socket(family, kind))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.bind(place)
            undone.pop_all()
    except OSError as error:
        raise ApplianceError(
            f"The page cannot be served at {listen}: {error.strerror}.",
            hint="Another program may have that port: name another one in `listen` below [web].",
        ) from None
    return made


def quieten() -> None:
    """Have waitress say only what is a fault: what a visitor does is none."""
    logging.getLogger("waitress").setLevel(logging.ERROR)
