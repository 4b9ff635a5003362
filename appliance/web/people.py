"""The only home of who may come in: two passwords, one to look and press, one to change.

Their hashes (argon2id) lie in the page's own folder; nobody has a default one (E2). Terminal and
page may both change them: each looks into the file anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from ..core.errors import ApplianceError
from ..system.files import disk_errors, make_private, write_durably
from . import passwords
from .policy import Role

FILE = "people.json"
_BROWSERS = "browsers"
_MOST_BROWSERS = 32
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's password storage cheat sheet: 19 MiB, two rounds; a small board has little memory."""


class ClaimedAlready(ApplianceError):
    """Raised when somebody has set the first password before."""


class People:
    """Who may come in, kept in a folder of the page's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The page's own."""
        self._file = folder / FILE
        self._one_at_a_time = threading.Lock()
        """19 MiB for each password that is tried just now: never twice that."""

    def is_claimed(self) -> bool:
        """Return whether somebody has set a password."""
        return Role.CHANGE.name in self._read()

    def has_password(self, role: Role) -> bool:
        """Return whether anybody can come in as that role."""
        return role.name in self._read()

    def version(self) -> str:
        """Return what is another text after each change of a password."""
        known = self._read()
        hashes = [str(known.get(role.name)) for role in Role]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def claim(self, password: str) -> None:
        """Set the first password; raise ClaimedAlready where there is one by now."""
        hashed = self._hash(password)
        with self._changing() as known:
            if Role.CHANGE.name in known:
                raise ClaimedAlready("This box is somebody's already.")
            known[Role.CHANGE.name] = hashed

    def set_password(self, role: Role, password: str) -> None:
        """Let whoever knows this password in, as that role; every browser is a stranger again."""
        hashed = self._hash(password)
        with self._changing() as known:
            known[role.name] = hashed
            known.pop(_BROWSERS, None)

    def remove_password(self, role: Role) -> None:
        """Let nobody in as that role any more."""
        with self._changing() as known:
            known.pop(role.name, None)
            known.pop(_BROWSERS, None)

    def role_of(self, password: str) -> Role | None:
        """Return what somebody with this password may do, None where it is nobody's."""
        known = self._read()
        for role in (Role.CHANGE, Role.LOOK):
            if role.name in known and self._is(str(known[role.name]), password):
                return role
        return None

    def new_browser(self) -> str:
        """Return a secret by which a browser that somebody signed in with is known again."""
        token = secrets.token_urlsafe(32)
        with self._changing() as known:
            browsers = [*_browsers(known), _key(token)]
            known[_BROWSERS] = browsers[-_MOST_BROWSERS:]
        return token

    def known_browser(self, token: str) -> str:
        """Given what a browser shows, return its name here; "" where it is a stranger."""
        key = _key(token) if token else ""
        return key if key in _browsers(self._read()) else ""

    def _is(self, hashed: str, password: str) -> bool:
        with self._one_at_a_time:
            try:
                return _HASHER.verify(hashed, passwords.normal(password))
            except (Argon2Error, InvalidHashError):
                return False

    def _hash(self, password: str) -> str:
        with self._one_at_a_time:
            return _HASHER.hash(passwords.normal(password))

    def _read(self) -> dict[str, object]:
        try:
            found: dict[str, object] = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        return found

    @contextmanager
    def _changing(self) -> Iterator[dict[str, object]]:
        """Change what is known for the length of the block; nobody else does meanwhile."""
        make_private(self.folder)
        with disk_errors(self._file), _locked(self.folder):
            known = self._read()
            yield known
            write_durably(self._file, json.dumps(known).encode(), 0o600)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one, of all processes, for the length of the block."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _browsers(known: dict[str, object]) -> list[str]:
    found = known.get(_BROWSERS)
    return [str(each) for each in found] if isinstance(found, list) else []


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
