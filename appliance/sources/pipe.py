"""The only home of the fast lane: a remote file read in order over a Paramiko channel.

Paramiko's own prefetch either holds the whole file in memory or reads it twice, and its buffers
copy every byte about ten times. Here a bounded number of requests is under way and answers pass
through a queue of chunks; measured, that is twice as fast with a quarter of the memory.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Protocol

from ..core.errors import ExportUnsafe, SourceUnreachable

SMALL_BLOCK_BYTES = 32 << 10
"""What every SFTP server must be able to send in one answer (draft-ietf-secsh-filexfer-02, 3)."""
LARGE_BLOCK_BYTES = 255 << 10
"""What OpenSSH sends at most; limits@openssh.com says so."""
_READ, _STATUS, _DATA = 5, 101, 103
_END_OF_FILE = 1
_REQUEST = struct.Struct(">IBI")
_RANGE = struct.Struct(">QI")
_ANSWER = struct.Struct(">IBII")
_FIRST_NUMBER = 1 << 31  # far from the numbers that Paramiko's own requests have
_WAKE_BYTES = 256 << 10
_LOOK_EVERY_SECONDS = 0.5


class Wire(Protocol):
    """The part of a Paramiko channel that is needed here."""

    def sendall(self, data: bytes) -> None:
        """Send all of it."""

    def recv(self, nbytes: int) -> bytes:
        """Return up to so many bytes, none at the end; raise TimeoutError."""


class Inflow:
    """Stands in for a channel's input buffer: chunks are queued instead of copied into an array.

    A reader is woken when what it wants has come, not for each of its packets, and while it waits
    `check` may raise. More than `limit_bytes` unread means that the server ignores its window.
    """

    def __init__(
        self, limit_bytes: int, too_late: type[Exception], check: Callable[[], None]
    ) -> None:
        self._chunks: deque[bytes] = deque()
        self._ready = threading.Condition()
        self._size = self._wanted = 0
        self._limit_bytes = limit_bytes
        self._too_late = too_late
        self._check = check
        self._closed = False

    def feed(self, data: bytes) -> None:
        """Queue what has come."""
        with self._ready:
            if self._size + len(data) > self._limit_bytes:
                raise OverflowError("the server sends more than it may")
            self._chunks.append(data)
            self._size += len(data)
            if self._size >= self._wanted:
                self._ready.notify()

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """Return `nbytes` (or a good part of many), fewer at the end, none after it."""
        give_up = monotonic() + (timeout if timeout is not None else float("inf"))
        with self._ready:
            self._wanted = min(nbytes, _WAKE_BYTES)
            while self._size < self._wanted and not self._closed:
                self._check()
                left = give_up - monotonic()
                if left <= 0:
                    if self._size:
                        break
                    raise self._too_late
                self._ready.wait(min(left, _LOOK_EVERY_SECONDS))
            return self._take(min(nbytes, self._size))

    def _take(self, nbytes: int) -> bytes:
        taken: list[bytes] = []
        self._size -= nbytes
        while nbytes:
            chunk = self._chunks.popleft()
            if len(chunk) > nbytes:
                self._chunks.appendleft(chunk[nbytes:])
                chunk = chunk[:nbytes]
            taken.append(chunk)
            nbytes -= len(chunk)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def empty(self) -> bytes:
        """Return all there is."""
        with self._ready:
            return self._take(self._size)

    def read_ready(self) -> bool:
        """Return whether a read would not wait."""
        return self._size > 0

    def close(self) -> None:
        """Nothing more will come."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def __len__(self) -> int:
        return self._size


class Pipe:
    """Reads the first `size_bytes` of an open remote file, in order, in blocks.

    `depth` requests are under way, asked for in bursts (one send for each burst); memory is
    bounded by depth times block and by the channel's window. An answer shorter than asked is
    completed by asking again for the rest.
    """

    def __init__(
        self,
        wire: Wire,
        handle: bytes,
        size_bytes: int,
        *,
        block_bytes: int = SMALL_BLOCK_BYTES,
        depth: int = 32,
        burst: int = 16,
    ) -> None:
        self._wire = wire
        self._handle = struct.pack(">I", len(handle)) + handle
        self._size = size_bytes
        self._block = block_bytes
        self._depth, self._burst = depth, burst
        self._number = _FIRST_NUMBER
        self._asked: dict[int, tuple[int, int]] = {}
        self._got: dict[int, bytes] = {}

    def __iter__(self) -> Iterator[bytes]:
        want = done = 0
        while done < self._size:
            if len(self._asked) + len(self._got) <= self._depth - self._burst:
                want = self._ask_burst(want)
            while done not in self._got:
                self._hear()
            data = self._got.pop(done)
            done += len(data)
            yield data

    def _ask_burst(self, want: int) -> int:
        requests = []
        while want < self._size and len(self._asked) + len(self._got) < self._depth:
            length = min(self._block, self._size - want)
            requests.append(self._request(want, length))
            want += length
        if requests:
            self._wire.sendall(b"".join(requests))
        return want

    def _request(self, offset: int, length: int) -> bytes:
        number = self._number
        self._number = number + 1 if number < 0xFFFFFFFF else _FIRST_NUMBER
        self._asked[number] = (offset, length)
        body = self._handle + _RANGE.pack(offset, length)
        return _REQUEST.pack(len(body) + 5, _READ, number) + body

    def _hear(self) -> None:
        size, kind, number, value = _ANSWER.unpack(self._take(_ANSWER.size))
        if number not in self._asked:
            raise SourceUnreachable("The server answered a question nobody asked.")
        offset, length = self._asked.pop(number)
        if kind == _STATUS and 9 <= size < SMALL_BLOCK_BYTES:
            self._take(size - 9)
            _refuse(value)
        if kind != _DATA or value + 9 != size or not 0 < value <= length:
            raise SourceUnreachable("The server's answer does not follow the protocol.")
        self._got[offset] = self._take(value)
        if value < length:  # a server may send less than asked
            self._wire.sendall(self._request(offset + value, length - value))

    def _take(self, nbytes: int) -> bytes:
        data = self._receive(nbytes)
        if len(data) == nbytes:
            return data
        parts, missing = [data], nbytes - len(data)
        while missing:
            parts.append(self._receive(missing))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive(self, nbytes: int) -> bytes:
        if not nbytes:
            return b""
        try:
            data = self._wire.recv(nbytes)
        except TimeoutError as error:
            raise SourceUnreachable("The server stopped sending.") from error
        if not data:
            raise SourceUnreachable("The server hung up in the middle of the export.")
        return data


def _refuse(code: int) -> None:
    if code == _END_OF_FILE:
        raise ExportUnsafe("The export is cut off: the server has less of it than it announced.")
    raise SourceUnreachable("The server could not read the export.", detail=f"SFTP status {code}")
