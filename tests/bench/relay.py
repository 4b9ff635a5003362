"""A TCP relay on loopback that adds a delay each way, where the kernel has no `tc netem`.

    python -m tests.bench.relay LISTEN_PORT TARGET_PORT DELAY_MS

At most one window (8 MiB) is under way in each direction.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.demo.servers import free_port, serving

_WINDOW_BYTES = 8 << 20
_READ_BYTES = 1 << 18


@contextmanager
def delayed(target_port: int, delay_ms: float) -> Iterator[int]:
    """Relay to a port, `delay_ms` late in each direction; yield the port to connect to."""
    port = free_port()
    argv = [sys.executable, "-m", "tests.bench.relay", str(port), str(target_port), str(delay_ms)]
    with serving(argv, port):
        yield port


class OneWay:
    """Carries bytes in one direction, each piece `delay` seconds after it came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float):
        self._reader, self._writer, self._delay = reader, writer, delay
        self._queue: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._wake, self._room = asyncio.Event(), asyncio.Event()

    async def carry(self) -> None:
        sender = asyncio.create_task(self._send())
        try:
            while data := await self._reader.read(_READ_BYTES):
                await self._take(data)
        except ConnectionError:
            pass  # the other side hears of it by our closing
        self._put(b"")
        await sender

    async def _take(self, data: bytes) -> None:
        self._put(data)
        while self._held > _WINDOW_BYTES:
            self._room.clear()
            await self._room.wait()

    def _put(self, data: bytes) -> None:
        self._queue.append((time.monotonic() + self._delay, data))
        self._held += len(data)
        self._wake.set()

    async def _send(self) -> None:
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            due, data = self._queue.popleft()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data:
                self._writer.close()
                return
            self._writer.write(data)
            await self._writer.drain()
            self._held -= len(data)
            self._room.set()


async def relay(listen: int, target: int, delay: float) -> None:
    """Serve for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target, limit=1 << 20)
        ways = OneWay(reader, back, delay).carry(), OneWay(there, writer, delay).carry()
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", listen, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
