"""The only home of reading ahead: a body arrives in a thread while the piece before is hashed.

Decrypting and hashing then run beside each other, which on a small machine nearly doubles what
it can receive. At most a few MiB are held.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Full, Queue
from time import monotonic

from urllib3 import BaseHTTPResponse

_READ_BYTES = 1 << 16  # TLS gives 16 KiB at a time; asking for far more costs more than it brings
_READS = 32
_MOMENT_SECONDS = 0.25
_DEPTH = 4
_LOOK_SECONDS = 0.1

_Parcel = bytes | Exception | None
"""A piece, what the reading ended with, or the end."""


@contextmanager
def reading(response: BaseHTTPResponse) -> Iterator[Iterator[bytes]]:
    """Yield the body in pieces of up to 2 MiB, each no later than a moment after it arrived.

    What the reading ends with is raised after the last piece. On leaving, nobody reads on.
    """
    parcels: Queue[_Parcel] = Queue(_DEPTH)
    left = threading.Event()
    thread = threading.Thread(target=_read, args=(response, parcels, left), daemon=True)
    thread.start()
    try:
        yield _unpacked(parcels)
    finally:
        left.set()
        if thread.is_alive():
            with suppress(ValueError, RuntimeError, OSError):  # it ended by itself just now
                response.shutdown()
        thread.join()


def _unpacked(parcels: Queue[_Parcel]) -> Iterator[bytes]:
    while (parcel := parcels.get()) is not None:
        if isinstance(parcel, Exception):
            raise parcel
        yield parcel


def _read(response: BaseHTTPResponse, parcels: Queue[_Parcel], left: threading.Event) -> None:
    held: list[bytes] = []
    end: _Parcel = None
    since = monotonic()
    try:
        while not left.is_set() and (data := response.read1(_READ_BYTES, decode_content=False)):
            held.append(data)
            if len(held) >= _READS or monotonic() - since > _MOMENT_SECONDS:
                _put(parcels, b"".join(held), left)
                held, since = [], monotonic()
    except Exception as error:  # noqa: BLE001 - raised where the pieces are taken
        end = error
    for parcel in (b"".join(held), end):
        _put(parcels, parcel, left)


def _put(parcels: Queue[_Parcel], parcel: _Parcel, left: threading.Event) -> None:
    while not left.is_set():
        with suppress(Full):
            return parcels.put(parcel, timeout=_LOOK_SECONDS)
    return None
