"""The only home of what parent and child say to each other when messages go out.

The child is `python -m appliance.messaging`. It gets one address and its letters as JSON on
standard input and answers with a JSON line for each letter: its number, and why it was not taken.
Whatever else it says is passed over and never kept: it may hold the address.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..core.outbox import TAKEN, WHY
from ..system import process

WITHIN = timedelta(seconds=45)
"""So long one address may take for all that waits for it."""
_LONGEST_LINE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Post:
    """One letter as it goes out."""

    number: int
    subject: str
    body: str


def deliver(
    address: str, posts: Sequence[Post], within: timedelta = WITHIN
) -> Iterator[tuple[int, str]]:
    """Send letters to one address, in order; yield for each its number and why it was not taken
    (`TAKEN`: it was). After the first that was not the others are not tried.
    """
    request = {
        "address": address,
        "letters": [[each.number, each.subject, each.body] for each in posts],
    }
    answered = 0
    argv = [sys.executable, "-P", "-m", __package__]  # -P: not from where somebody stands
    limits = process.Limits(total=within)
    try:
        with process.started(argv, stdin=json.dumps(request).encode(), limits=limits) as child:
            while line := child.stdout.readline(_LONGEST_LINE_BYTES):
                if (said := _heard(line)) is not None:
                    answered += 1
                    yield said
                    if said[1] != TAKEN:
                        return
            child.result()
    except process.TimedOut:
        if answered < len(posts):
            yield posts[answered].number, "slow"
        return
    if answered < len(posts):
        yield posts[answered].number, "refused"


def _heard(line: bytes) -> tuple[int, str] | None:
    """Return an answer; None where a line is none."""
    try:
        said = json.loads(line)
        number, why = int(said["letter"]), str(said["why"])
    except (ValueError, KeyError, TypeError):
        return None
    return number, why if why in WHY or why == TAKEN else "refused"
