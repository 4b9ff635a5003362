"""What a source of type carddav is told, as plain values that cross to the child as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "contacts.icloud.com": ("p*-contacts.icloud.com",),
}
"""Where the address books of known providers lie that name another server than the one asked:
Apple's tells the one that keeps the account, such as p42-contacts.icloud.com. All are Apple's.
"""


@dataclass(frozen=True, slots=True)
class CardDavSettings:
    """One source of type carddav."""

    name: str
    url: str = field(repr=False)
    """A server, an account or one address book there."""
    auth: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """See `auth.sign_in`."""
    sign_in_of: Mapping[str, str] = field(default_factory=dict)
    """See `auth.Login`."""
    hosts: tuple[str, ...] = ()
    """Further hosts, or globs of them, that address books lie on: shown the credentials."""
    ca_file: str = ""
    """Authorities to trust besides the system's, PEM."""
    collections: tuple[str, ...] = ("*",)
    """Globs: which address books, by name, by path or by the path's last part."""
    batch: int = 100
    """How many cards are asked for at once."""
    max_bytes: int = 20 * 10**9
    reserve_bytes: int = 512 * 10**6
    connect_seconds: float = 20.0
    idle_seconds: float = 120.0
    """How long the server may be silent, thinking about its answer included."""
    min_rate_bytes_per_second: int = 1000
    """Not gone by: contacts are small, and some servers think long about each. One that drips is
    silent all the same; see `server.Server`."""
    secrets_dir: str = ""
    """Where a replaced refresh token is stored."""
