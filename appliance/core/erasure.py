"""What somebody asked to have erased, remembered without saying who that is."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request: the records it means, by salted marks, and the backups that there were then.

    A pseudonym and no more: whoever has the register could try ids one by one. It says who was
    meant only to a program that has the record before it, as that of an absent disk.
    """

    at: datetime
    salt: str
    marks: frozenset[str]
    upto: int
    """The sequence number of the newest backup then: who comes back later is there on purpose."""
    reason: str = ""
    at_once: bool = False
    """Whether the room that the records took is to be given back without the week of waiting."""
    records: int = 0
    """How many were meant; one may have several marks."""
    unseen: tuple[str, ...] = ()
    """Places with backups that could not be looked through when it was asked."""

    @classmethod
    def of(
        cls, records: Iterable[str], at: datetime, salt: str, upto: int, reason: str = ""
    ) -> Erasure:
        """Given what tells each record from all others, return the request to erase them."""
        return cls(at, salt, frozenset(_mark(salt, one) for one in records), upto, reason)

    def covers(self, record: str) -> bool:
        """Return whether a record, by what tells it from all others, is one of them."""
        return _mark(self.salt, record) in self.marks


def gone_from(erasures: Iterable[Erasure], sequence: int) -> Callable[[str], bool] | None:
    """Given what was asked, return what says which records the backup of that number is not to
    have; None where that is nothing.
    """
    due = [one for one in erasures if sequence <= one.upto]
    return (lambda record: any(one.covers(record) for one in due)) if due else None


def _mark(salt: str, record: str) -> str:
    return hmac.new(salt.encode(), record.encode(), sha256).hexdigest()
