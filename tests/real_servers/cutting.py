"""A line to a server that breaks in the middle."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_READ_BYTES = 1 << 16


class Line(socketserver.ThreadingTCPServer):
    """Carries connections on loopback to a port, the first ones only for so many bytes."""

    daemon_threads = True

    def __init__(self, target: int, cuts: tuple[int, ...], when_cut: Callable[[], object]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target, self.when_cut = target, when_cut
        self.cuts = iter(cuts)
        self.carried_bytes = 0
        """What came back from the server, over all connections."""

    @property
    def port(self) -> int:
        """Where to connect to."""
        return int(self.server_address[1])


class _Connection(socketserver.BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        left = next(self.server.cuts, None)
        with socket.create_connection(("127.0.0.1", self.server.target)) as there:
            asking = threading.Thread(target=self._ask, args=(there,), daemon=True)
            asking.start()
            with suppress(OSError):
                self._answer(there, left)
            for end in (there, self.request):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            asking.join()

    def _ask(self, there: socket.socket) -> None:
        with suppress(OSError):
            while data := self.request.recv(_READ_BYTES):
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)

    def _answer(self, there: socket.socket, left: int | None) -> None:
        while data := there.recv(_READ_BYTES if left is None else min(left, _READ_BYTES)):
            self.request.sendall(data)
            self.server.carried_bytes += len(data)
            left = left if left is None else left - len(data)
            if left == 0:
                self.server.when_cut()
                return


@contextmanager
def line(target: int, *cuts: int, when_cut: Callable[[], object] = lambda: None) -> Iterator[Line]:
    """Relay to a port; the first connections break off after `cuts` bytes, one each.

    `when_cut` is called before the client hears of it.
    """
    with Line(target, cuts, when_cut) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
