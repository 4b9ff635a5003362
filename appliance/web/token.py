"""The token by which other programs may read how things stand: random, and kept only as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from ..system.files import write_durably

FILE = "token.sha256"
_BYTES = 32


class Token:
    """One token, in a folder of the page's own; a new one ends the one before."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def is_set(self) -> bool:
        """Return whether there is one."""
        return bool(self._hash())

    def renew(self) -> str:
        """Make a new one and return it: nobody can read it again."""
        token = secrets.token_urlsafe(_BYTES)
        write_durably(self._file, _hashed(token).encode(), 0o600)
        return token

    def fits(self, token: str) -> bool:
        """Return whether this is the token; nothing fits while there is none."""
        known = self._hash()
        return bool(known) and hmac.compare_digest(_hashed(token), known)

    def _hash(self) -> str:
        try:
            return self._file.read_text()
        except FileNotFoundError:
            return ""


def _hashed(token: str) -> str:
    """It is 256 random bits: no slow hash is needed, for nobody can guess them."""
    return hashlib.sha256(token.encode()).hexdigest()
