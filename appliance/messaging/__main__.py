"""The child's main, and the only home of apprise: sends letters to one address and ends.

The library says why something failed in its log alone, in words that may hold the address. So its
log is read here, boiled down to one of a few words, and forgotten.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from typing import TextIO

import apprise

from ..core.outbox import TAKEN
from . import address

_SIGNS = (
    ("certificate", r"certificate|ssl:|sslerror"),
    ("login", r"authenticat|\b535\b|\b534\b|error=40[13]|unauthori[sz]ed|forbidden"),
    ("slow", r"timed out|timeout"),
    ("absent", r"connection|unreachable|resolution|not known|getaddrinfo|no route|errno"),
)
"""The first that the library's log has tells why; else the message was refused."""


class _Kept(logging.Handler):
    """Keeps what the library says while one letter is sent."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


def main() -> int:
    """Read the request, send its letters, say how each went; return 0 where all were taken."""
    answers = _own_stdout()
    request = json.load(sys.stdin)
    for number, subject, body in request["letters"]:
        why = _sent(request["address"].strip(), subject, body)
        answers.write(json.dumps({"letter": number, "why": why}) + "\n")
        answers.flush()
        if why != TAKEN:
            return 1
    return 0


def _sent(to: str, subject: str, body: str) -> str:
    """Send one letter; return why it was not taken."""
    kept = _Kept()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [kept], False
    logger.setLevel(logging.DEBUG)
    sender = _sender(to)
    if sender is None:
        return "address"
    try:
        if sender.notify(body=body, title=subject, body_format=apprise.NotifyFormat.TEXT):
            return TAKEN
    except Exception as error:  # noqa: BLE001 - a library of a hundred plugins: none ends us
        kept.words.append(f"{type(error).__name__} {error}")
    return _why(" ".join(kept.words))


def _sender(to: str) -> apprise.Apprise | None:
    """Return what sends to an address; None where it is none that is allowed.

    What the library made of it counts, too: it may read an address otherwise than we do.
    """
    if address.problem(to):
        return None
    asset = apprise.AppriseAsset(
        app_id="Appliance",
        app_desc="Backup box",
        app_url="",
        async_mode=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    one = apprise.Apprise.instantiate(to, asset=asset)
    if one is None or not _is_allowed(one):
        return None
    one.notify_format = apprise.NotifyFormat.TEXT
    one.overflow_mode = apprise.OverflowMode.SPLIT  # else too long a letter is refused for ever
    sender = apprise.Apprise(asset=asset)
    sender.add(one)
    return sender


def _is_allowed(one: apprise.NotifyBase) -> bool:
    return one.schema in address.SERVICES and bool(one.verify_certificate)


def _why(words: str) -> str:
    found = (why for why, sign in _SIGNS if re.search(sign, words, re.IGNORECASE))
    return next(found, "refused")


def _own_stdout() -> TextIO:
    """Keep the answers' channel to ourselves: what a library prints goes nowhere, not even to a
    log, as it may hold the address.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


if __name__ == "__main__":
    sys.exit(main())
