"""The only home of what a person takes home: its name, its headers, and how it breaks off.

A download that does not come whole must not look whole: the answer then ends without its end, and
the browser shows a download that failed.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from threading import BoundedSemaphore
from urllib.parse import quote

from flask import Response

from ..core.errors import ApplianceError
from ..core.ports import Download

AT_ONCE = 2
"""A download takes one of the page's few threads: the others are for looking."""
_turns = BoundedSemaphore(AT_ONCE)
_LONGEST_NAME = 150
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_log = logging.getLogger("appliance")


def answer_with(
    begin: Callable[[], Download], note: Callable[[Download], None], broke_off: Callable[[], None]
) -> Response:
    """Given how a download begins, return the answer that carries it.

    `note` writes down that it does, `broke_off` that it did not come whole. Raise ApplianceError
    where there are too many at once, or where it cannot begin.
    """
    if not _turns.acquire(blocking=False):
        raise ApplianceError(
            f"{AT_ONCE} downloads are on their way already.", hint="Wait until one has ended."
        )
    with ExitStack() as undo:
        undo.callback(_turns.release)
        download = begin()
        undo.callback(download.chunks.close)
        note(download)
        undo.pop_all()
    answer = Response(_Taking(download, broke_off), mimetype="application/octet-stream")
    answer.headers["Content-Disposition"] = disposition(download.name)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "no-store"
    if download.size_bytes is not None:
        answer.content_length = download.size_bytes
    return answer


class _Taking:
    """The bytes on their way to a browser; closed by the server, whatever happens."""

    def __init__(self, download: Download, broke_off: Callable[[], None]) -> None:
        self._chunks, self._broke_off = download.chunks, broke_off
        self._is_whole = self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            self._is_whole = True
            raise
        except ApplianceError as error:
            _log.warning("download=broken-off %s", error.message)
            raise

    def close(self) -> None:
        """The server is done with it, or its other end is gone."""
        if self._is_closed:
            return
        self._is_closed = True
        _turns.release()
        self._chunks.close()
        if not self._is_whole:
            with suppress(ApplianceError):  # the worker may be what went away
                self._broke_off()


def disposition(name: str) -> str:
    """Given any name, return the header that has a file saved under a safe one (RFC 6266)."""
    name = _UNSAFE.sub("_", name).strip(" .")[-_LONGEST_NAME:] or "download"
    name = f"_{name}" if _RESERVED.fullmatch(name) else name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() or "download"
    plain = re.sub(r"[^A-Za-z0-9._() -]", "_", plain)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
