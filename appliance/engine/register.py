"""The only home of the register: what was asked to be erased, and how far that is in each place.

A place is a repository, the waiting room or a mirror. It lies in the ledger alone: a box that lost
that knows of no request any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..core.erasure import Erasure
from ..core.ports import Ledger
from . import memory

_PROGRESS = "erasing"
_STUCK = "not-erased"


def register(ledger: Ledger, source: str, erasure: Erasure) -> Erasure:
    """Remember a request: from now on no restore gives those records back.

    It means every backup that was begun by now, and at least those up to its `upto`; return it
    with the `upto` that it got. That number is taken as a backup takes its own, so one that is
    being made either counts as older or finds the request.
    """
    at_least = max(erasure.upto, 1)
    return replace(erasure, upto=ledger.add_request(source, _dumped(erasure), at_least))


def registered(ledger: Ledger, source: str) -> tuple[Erasure, ...]:
    """Return what was asked for a source, oldest first."""
    return tuple(_loaded(text, upto) for upto, text in ledger.requests(source))


def pending(ledger: Ledger, source: str, place: str) -> tuple[Erasure, ...]:
    """Return what was asked and is not done yet in a place."""
    done = int(ledger.noted(memory.key(memory.ERASED, _in(source, place))) or 0)
    return registered(ledger, source)[done:]


def note_done(ledger: Ledger, source: str, place: str, count: int, stuck: Iterable[str]) -> None:
    """Remember that the first so many of the requests for a source are done in a place, but for
    the archives that are `stuck`.
    """
    ledger.note(memory.key(_STUCK, _in(source, place)), json.dumps(sorted(stuck)))
    ledger.note(memory.key(memory.ERASED, _in(source, place)), str(count))


def stuck(ledger: Ledger, source: str, place: str) -> frozenset[str]:
    """Return the archives in a place that could not be made again, and so have all they had."""
    return frozenset(json.loads(ledger.noted(memory.key(_STUCK, _in(source, place))) or "[]"))


def note_progress(ledger: Ledger, source: str, place: str, asked: int, sequence: int) -> None:
    """Remember up to which archive the first so many requests are done in a place."""
    ledger.note(memory.key(_PROGRESS, _in(source, place)), f"{asked} {sequence}")


def progress(ledger: Ledger, source: str, place: str, asked: int) -> int:
    """Return up to which archive so many requests are done in a place, 0 for none."""
    noted = ledger.noted(memory.key(_PROGRESS, _in(source, place))) or ""
    count, _, sequence = noted.partition(" ")
    return int(sequence) if count == str(asked) else 0


def _in(source: str, place: str) -> str:
    return f"{source}:{place}"


def _dumped(erasure: Erasure) -> str:
    facts = {
        "at": erasure.at.isoformat(),
        "salt": erasure.salt,
        "marks": sorted(erasure.marks),
        "reason": erasure.reason,
        "at_once": erasure.at_once,
        "records": erasure.records,
        "unseen": erasure.unseen,
    }
    return json.dumps(facts)


def _loaded(text: str, upto: int) -> Erasure:
    facts: dict[str, Any] = json.loads(text)
    return Erasure(
        datetime.fromisoformat(facts["at"]),
        facts["salt"],
        frozenset(facts["marks"]),
        upto,
        facts["reason"],
        facts["at_once"],
        facts["records"],
        tuple(facts["unseen"]),
    )
