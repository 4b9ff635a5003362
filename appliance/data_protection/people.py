"""Who can see it, what is written down about them, and what to do when somebody asks.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Settings
from ..core.words import plural

IDLE_MINUTES = 15
"""After so long without use the page signs out. `web.sessions` does it, which the worker has no use
for; a test holds the two together."""
_CIPHERS = (
    "Backups: AES-256 in counter mode, authenticated by HMAC-SHA-256; the key lies with them, "
    "locked by PBKDF2 under a passphrase of 128 random bits or more. What Find knows: "
    "ChaCha20-Poly1305. Fetching: SSH with a confirmed key, or TLS. The page: TLS."
)
_CHANGE = (
    "Whoever knows this password may find and open everything. Taking a file home wants it once "
    "more and is written down, with the computer's address. The page signs out after "
    f"{IDLE_MINUTES} minutes without use."
)
_WRITTEN_DOWN = (
    "Activity has each backup, sign-in, file taken home and change, with the computer's address "
    "and no customer's data, for as long as the box lives. It stays on the box."
)
_FIND = (
    "Find on the page, or `appliance find NAME`, shows each version of somebody's records in the "
    "backups within reach, and gives it out as a file."
)
_ERASED = (
    "Delete it in the CRM; it leaves the backups by the dates above. Sooner, `appliance erase` "
    "takes it out of every backup; `appliance erase --register` tells what was asked and where it "
    "is done. Whoever loads an old backup into the CRM deletes again who was deleted since."
)


_MESSAGES = (
    "Go to {} and to whoever runs the services on the way. They hold counts and the names of "
    "tables, sources and disks, and nobody's record."
)


def who(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield who can see what, and what is written down about that."""
    yield "To look and press", "Whoever knows this password sees how things stand, no customer."
    yield "To change", _CHANGE
    yield "Administrator", "Whoever is root on the box, or takes it away, can read everything."
    if settings.repository:
        sheets = "Whoever has one together with its copy can read everything, without the box."
        yield "Emergency sheets", sheets
    if settings.messages.to:
        yield (
            "Messages",
            _MESSAGES.format(plural(len(settings.messages.to), "address", "addresses")),
        )
    yield "Written down", _WRITTEN_DOWN


def asked() -> Iterator[tuple[str, str]]:
    """Yield what is done when somebody asks about their data, and what their officer asks for."""
    yield "Access (Art. 15)", _FIND
    yield "Erasure (Art. 17)", _ERASED
    yield "For your data-protection officer", _CIPHERS
