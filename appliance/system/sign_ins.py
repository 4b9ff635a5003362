"""The only home of where it is remembered how sign-ins at vendors stand: one small file for each.

It lies beside the secret store and holds no secret. Whoever renews a sign-in is alone with it:
many vendors end a sign-in for good where one refresh token is used twice.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

from ..core.errors import SourceUnreachable
from ..core.sign_ins import SignIn, as_json, from_json
from .files import disk_errors, make_private, write_durably

FOLDER = "signins"
"""In the state folder."""
_LONGEST_BYTES = 1 << 16
_LOOK_EVERY_SECONDS = 0.05


class SignIns:
    """How the sign-ins of a box stand, by the source's name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._folder

    def read(self, source: str) -> SignIn:
        """Return what is remembered; nothing where that cannot be read."""
        try:
            with self._file(source).open("rb") as file:
                return from_json(json.loads(file.read(_LONGEST_BYTES)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return SignIn()

    def write(self, source: str, found: SignIn) -> None:
        """Remember it; return once it is on the disk. Raise as `write_durably` does."""
        make_private(self._folder)
        write_durably(self._file(source), json.dumps(as_json(found)).encode() + b"\n", 0o600)

    @contextmanager
    def alone(self, secret: str, patience_seconds: float) -> Iterator[None]:
        """Be the only one, in any process, who uses a secret for the length of the block, by its
        name: two sources may live on one.

        Raise SourceUnreachable where somebody else does not come to an end; as `write_durably`.
        """
        make_private(self._folder)
        until, pause = monotonic() + patience_seconds, Event()
        lock = self._folder / f".{secret}.lock"
        with disk_errors(lock):
            file = lock.open("a")
        with file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if monotonic() >= until:
                        raise SourceUnreachable(
                            "Another sign-in of this source is under way and does not end."
                        ) from None
                    pause.wait(_LOOK_EVERY_SECONDS)
            yield

    def _file(self, source: str) -> Path:
        return self._folder / f"{source}.json"
