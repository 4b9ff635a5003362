"""The only home of the register: what was asked to be erased, and where that is done already.

A place is a repository, the waiting room or a mirror.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.erasure import Erasure
from ..core.ports import Ledger
from . import memory

_REGISTER = "erasures"


def register(ledger: Ledger, source: str, erasure: Erasure) -> None:
    """Remember a request: from now on no restore gives those records back."""
    told = [_dumped(each) for each in (*registered(ledger, source), erasure)]
    ledger.note(memory.key(_REGISTER, source), json.dumps(told))


def registered(ledger: Ledger, source: str) -> tuple[Erasure, ...]:
    """Return what was asked for a source, oldest first."""
    text = ledger.noted(memory.key(_REGISTER, source))
    return tuple(_loaded(each) for each in json.loads(text or "[]"))


def pending(ledger: Ledger, source: str, place: str) -> tuple[Erasure, ...]:
    """Return what was asked and is not done yet in a place."""
    done = int(ledger.noted(memory.key(memory.ERASED, f"{source}:{place}")) or 0)
    return registered(ledger, source)[done:]


def note_done(ledger: Ledger, source: str, place: str, count: int) -> None:
    """Remember that the first so many of the requests for a source are done in a place."""
    ledger.note(memory.key(memory.ERASED, f"{source}:{place}"), str(count))


def is_gone(ledger: Ledger, source: str, record: str) -> bool:
    """Return whether a record, by what tells it from all others, was to be erased."""
    return any(each.covers(record) for each in registered(ledger, source))


def _dumped(erasure: Erasure) -> dict[str, object]:
    return {
        "at": erasure.at.isoformat(),
        "salt": erasure.salt,
        "marks": sorted(erasure.marks),
        "reason": erasure.reason,
        "at_once": erasure.at_once,
    }


def _loaded(facts: Mapping[str, Any]) -> Erasure:
    return Erasure(
        datetime.fromisoformat(str(facts["at"])),
        str(facts["salt"]),
        frozenset(facts["marks"]),
        str(facts["reason"]),
        bool(facts["at_once"]),
    )
