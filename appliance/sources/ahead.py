"""The only home of reading ahead: a body arrives in a thread while the piece before is hashed.

Decrypting and hashing then run beside each other, which on a small machine nearly doubles what
it can receive. At most a few MiB are held.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Full, Queue
from time import monotonic

from urllib3 import BaseHTTPResponse

_LARGE_BYTES = 1 << 18
"""What is asked for while a server is quick: TLS brings 16 KiB at a time, and gathering them here
one by one costs more than decrypting them."""
_SMALL_BYTES = 1 << 16
_MOMENT_SECONDS = 0.25
_DEPTH = 4
_LOOK_SECONDS = 0.1
_SIGN_OF_LIFE_SECONDS = 1.0

_Parcel = bytes | Exception | None
"""A piece, what the reading ended with, or the end."""


@contextmanager
def reading(response: BaseHTTPResponse) -> Iterator[Iterator[bytes]]:
    """Yield the body in pieces of up to 256 KiB, each no later than a moment after it arrived
    (of a quick server that falters, once later), and an empty one for each second without any.

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
    while True:
        try:
            parcel = parcels.get(timeout=_SIGN_OF_LIFE_SECONDS)
        except Empty:
            parcel = b""
        if parcel is None:
            return
        if isinstance(parcel, Exception):
            raise parcel
        yield parcel


def _read(response: BaseHTTPResponse, parcels: Queue[_Parcel], left: threading.Event) -> None:
    end: _Parcel = None
    try:
        for piece in _pieces(response):
            _put(parcels, piece, left)
            if left.is_set():
                break
    except Exception as error:  # noqa: BLE001 - raised where the pieces are taken
        end = error
    _put(parcels, end, left)


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield what arrives; large pieces as long as one takes no longer than a moment."""
    quick = False
    while True:
        began = monotonic()
        read = response.read if quick else response.read1
        data = read(_LARGE_BYTES if quick else _SMALL_BYTES, decode_content=False)
        if not data:
            return
        yield data
        quick = (monotonic() - began) * _LARGE_BYTES <= _MOMENT_SECONDS * len(data)


def _put(parcels: Queue[_Parcel], parcel: _Parcel, left: threading.Event) -> None:
    while not left.is_set():
        with suppress(Full):
            return parcels.put(parcel, timeout=_LOOK_SECONDS)
    return None
