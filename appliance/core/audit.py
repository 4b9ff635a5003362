"""The only home of how the trail of what people did is chained (E18): SHA-256, act after act.

An act's hash covers the hash before it, so an act that is taken away or changed later does not
fit any more. It keeps no secret: whoever may write the file could chain all of it anew. For that
the newest hash also goes to the system's log, where the worker cannot take it back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from .model import Run

BEGINNING = ""
"""What stands before the first act."""
HEAD = "audit-head"
"""The note that says what the newest hash is: an act that is added is chained to it, so that not
even the newest one can be taken away."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person did, as it is written down, and the hash that was written with it."""

    run: Run
    sha256: str
    """Empty where there is none: then it was put there past the trail."""


def link(before: str, run: Run) -> str:
    """Given the hash of the act before and an act, return the act's own hash, in hex."""
    times = [each and each.astimezone(UTC).isoformat() for each in (run.started, run.finished)]
    facts = [before, run.id, run.source, run.trigger, *times, run.outcome, run.message, run.hint]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def first_fault(acts: Iterable[Act], head: str) -> str:
    """Given all acts in their order and the newest hash, return a sentence about the first one
    that does not fit; empty where all do.
    """
    before, last = BEGINNING, 0
    for act in acts:
        if link(before, act.run) != act.sha256:
            return f"What people did was changed in the record, at or just before no. {act.run.id}."
        before, last = act.sha256, act.run.id
    if before != head:
        return f"Something that people did is missing in the record, after no. {last}."
    return ""
