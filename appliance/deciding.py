"""What a person says of an export that was held: it is right, or it is not.

Part of the rim. Nothing is deleted by it: a backup that counts may become the newest good one,
one that does not is kept as it is and never chosen by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import audit
from .box import Box
from .core.errors import ApplianceError
from .core.model import Copy, Trigger
from .engine.memory import became, decide, not_good, rejected

_WORDS = {True: "{} was said to be right", False: "{} was said to be wrong"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of which backup."""

    archive: str
    is_right: bool
    reason: str


def held(box: Box) -> dict[str, str]:
    """Return each backup that does not count, with its source."""
    sources = [section.name for section in box.settings.source]
    return {name: source for source in sources for name in sorted(not_good(box.ledger, source))}


def facts(box: Box) -> list[dict[str, object]]:
    """Return what waits for a decision, newest first: source, archive, time (`local`), why, what
    became of each table, and the newest good backup before it.
    """
    found = []
    for section in box.settings.source:
        copies = {copy.archive: copy for copy in reversed(box.ledger.copies(section.name))}
        waits = not_good(box.ledger, section.name)
        good = [copy for name, copy in copies.items() if name not in waits]
        asked = (waits - rejected(box.ledger, section.name)) & copies.keys()
        found += [_facts(box, copies[name], _newest_before(copies[name], good)) for name in asked]
    return sorted(found, key=lambda each: str(each["time"]), reverse=True)


def _newest_before(held: Copy, good: Iterable[Copy]) -> Copy | None:
    before = (copy for copy in good if copy.time < held.time)
    return max(before, key=lambda copy: copy.time, default=None)


def _facts(box: Box, copy: Copy, good: Copy | None) -> dict[str, object]:
    return {
        "source": copy.source,
        "archive": copy.archive,
        "time": copy.time.isoformat(),
        "local": copy.time.astimezone(box.zone).isoformat(),
        "good": good.time.astimezone(box.zone).isoformat() if good else None,
        "good_archive": good.archive if good else None,
        **became(box.ledger, copy.archive),
    }


def say(box: Box, archive: str, reason: str, trigger: Trigger, *, is_right: bool) -> Decision:
    """Write a decision down, and who made it why; raise ApplianceError where nobody asked."""
    waiting = held(box)
    if archive not in waiting:
        known = ", ".join(waiting) or "none at all"
        raise ApplianceError(
            f"{archive} is not held for anybody to decide about.",
            hint=f"Held are: {known}.",
        )
    because = f", because: {reason}" if reason else ""
    words = f"{_WORDS[is_right].format(archive)}{because}."
    audit.write(box.ledger, box.clock, "decision", words, True, trigger)
    decide(box.ledger, archive, is_right=is_right)
    return Decision(archive, is_right, reason)
