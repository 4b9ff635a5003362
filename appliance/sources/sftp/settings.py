"""The only home of what a person configures of an SFTP source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SftpSettings:
    """Where the exports are and how to get in; plain JSON values, so that a child can be told."""

    name: str
    host: str
    user: str
    port: int = 22
    password: str = ""
    key: str = ""
    """A private key as PEM text; goes before `key_file`, and both before the password."""
    key_file: str = ""
    key_passphrase: str = ""
    host_key: str = ""
    """`SHA256:...`; where empty, `known_hosts` must have the key."""
    known_hosts: str = ""
    path: str = "."
    pick: Sequence[str] = ("*",)
    newest: int = 1
    """How many, by modification time; 0 = all that no Run archived yet."""
    stable_for_seconds: float = 120.0
    max_bytes: int = 1 << 40
    reserve_bytes: int = 1 << 30
    connect_seconds: float = 30.0
    idle_seconds: float = 120.0
    min_rate_bytes_per_second: int = 1024
    total_seconds: float | None = None
