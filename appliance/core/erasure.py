"""What somebody asked to have erased, remembered without saying who that is."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request: the records it means, told by salted marks that lead back to nobody's name.

    A mark shows only to who has the record already that it is the one; that is what an absent
    disk, an old cloud copy and a restore have to find out.
    """

    at: datetime
    salt: str
    marks: frozenset[str]
    reason: str = ""
    at_once: bool = False
    """Whether the room that the records took is to be given back without the week of waiting."""

    @classmethod
    def of(
        cls, records: Iterable[str], at: datetime, salt: str, reason: str = "", *, at_once: bool
    ) -> Erasure:
        """Given what tells each record from all others, return the request to erase them."""
        return cls(at, salt, frozenset(_mark(salt, one) for one in records), reason, at_once)

    def covers(self, record: str) -> bool:
        """Return whether a record, by what tells it from all others, is one of them."""
        return _mark(self.salt, record) in self.marks


def _mark(salt: str, record: str) -> str:
    return hmac.new(salt.encode(), record.encode(), sha256).hexdigest()
