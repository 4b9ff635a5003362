"""A connection as the server reads and writes it: TLS or plain HTTP, whichever its first byte says.

Nothing here ever waits: a handshake goes on whenever the next piece of it has come.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from contextlib import suppress

from . import hosts

RECORD_BYTES = 16 * 1024
"""The most that a TLS record holds: read in such pieces, nothing stays where poll cannot see it."""
_TLS_HANDSHAKE = b"\x16"  # RFC 8446, 5.1: the type of the first record


class Wire:
    """A connection as waitress reads and writes it.

    The loop reads while a thread may still write: OpenSSL wants one of them at a time.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._socket, self._context = connection, context
        self._lock = threading.Lock()
        self._is_known = False
        self.here = hosts.plainly(connection.getsockname()[0])
        self.wants_to_write = False
        """TLS has something of its own to say before it can read on."""
        self.fileno, self.setblocking = connection.fileno, connection.setblocking
        self.getsockopt = connection.getsockopt

    @property
    def is_tls(self) -> bool:
        """Whether nobody reads along."""
        return isinstance(self._socket, ssl.SSLSocket)

    def recv(self, size: int) -> bytes:
        """Return what came, b"" at the end; raise BlockingIOError where nothing did yet."""
        with self._lock:
            self.wants_to_write = False
            try:
                if not self._is_known:
                    self._know()
                return self._socket.recv(size)
            except ssl.SSLWantWriteError:
                self.wants_to_write = True
                raise _not_yet() from None
            except ssl.SSLWantReadError:
                raise _not_yet() from None

    def send(self, data: bytes) -> int:
        """Return how much was taken; raise BlockingIOError where nothing was."""
        with self._lock:
            try:
                return self._socket.send(data)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise _not_yet() from None

    def close(self) -> None:
        """End the connection, and say so where it is TLS."""
        with self._lock:
            if isinstance(self._socket, ssl.SSLSocket):
                with suppress(OSError, ValueError):
                    self._socket.unwrap()
            self._socket.close()

    def _know(self) -> None:
        first = self._socket.recv(1, socket.MSG_PEEK)
        self._is_known = True
        if first == _TLS_HANDSHAKE:
            self._socket = self._context.wrap_socket(
                self._socket, server_side=True, do_handshake_on_connect=False
            )
            self.fileno, self.getsockopt = self._socket.fileno, self._socket.getsockopt


def _not_yet() -> BlockingIOError:
    return BlockingIOError(errno.EWOULDBLOCK, "not yet")
