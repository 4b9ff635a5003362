"""The only home of pseudonyms: what is stored instead of a value that nobody should keep."""

from __future__ import annotations

import hmac

BEGINNING = "masked-"
"""By which whoever sees a pseudonym knows that it is one."""
_SIGNS = 16
"""Of a pseudonym: 64 bits, so that of a million values no two are likely to have the same."""
_OWN = b"appliance: which key this is"


class Pseudonyms:
    """What stands instead of a value: the same for the same value, in every table and for ever.

    It is HMAC-SHA-256 with a key of the box's own, which no backup holds. Without that key nobody
    finds the value, not by trying all telephone numbers either. What it does not hide: that two
    records say the same, how often a value is there, and when it changes. Whoever has box and
    backups can try values. A new box has a new key, and so other pseudonyms.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.mark = hmac.digest(key, _OWN, "sha256").hex()[:_SIGNS]
        """Tells two keys apart and nothing else."""

    def of(self, text: str) -> str:
        """Given what a cell says, return its pseudonym."""
        made = hmac.digest(self._key, b"cell:" + text.encode("utf-8", "replace"), "sha256")
        return f"{BEGINNING}{made.hex()[:_SIGNS]}"
