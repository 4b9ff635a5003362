"""The only home of who may come in: two passwords, one to look and press, one to change.

Their hashes (argon2id) lie in the page's own folder; nobody has a default one (E2).
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from ..system.files import write_durably
from .policy import Role

FILE = "people.json"
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's password storage cheat sheet: 19 MiB, two rounds; a small board has little memory."""


class People:
    """Who may come in, kept in a folder of the page's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The page's own."""
        self._file = folder / FILE
        self.session_key = secrets.token_bytes(32)
        """New with each start: every session ends with the process."""

    def is_claimed(self) -> bool:
        """Return whether somebody has set a password."""
        return Role.CHANGE.name in self._hashes()

    def set_password(self, role: Role, password: str) -> None:
        """Let whoever knows this password in, as that role."""
        hashes = self._hashes() | {role.name: _HASHER.hash(password)}
        write_durably(self._file, json.dumps(hashes).encode(), 0o600)

    def role_of(self, password: str) -> Role | None:
        """Return what somebody with this password may do, None where it is nobody's."""
        for name, hashed in sorted(self._hashes().items()):
            try:
                if _HASHER.verify(hashed, password):
                    return Role[name]
            except Argon2Error:
                continue
        return None

    def _hashes(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        return found
