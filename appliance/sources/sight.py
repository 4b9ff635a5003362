"""What a look at a source shows: who answers there, and what it would take, without taking it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .calling import Certificate

MOST_FILES = 20


@dataclass(slots=True)
class Sight:
    """Filled in as the look goes on: what was seen before it failed is told too."""

    server: str = ""
    """As people name it; empty where there is none."""
    proof: str = ""
    """What it proves itself by: a kind of host key, or who vouches for its certificate."""
    fingerprint: str = ""
    blob: str = ""
    """A host key's bytes, in base64."""
    confirmed: bool = False
    """Whether it is the server that somebody confirmed; else nothing was sent to it."""
    before: str = ""
    """The fingerprint that was confirmed until now, where it is another one."""
    files: list[dict[str, object]] = field(default_factory=list)
    """Name, size_bytes and modified of what would be taken, the newest first; where no size is
    known, `amount` may say in words how much it is."""
    more: int = 0
    """How many further ones."""
    checks: list[dict[str, object]] = field(default_factory=list)
    """What, whether it is ok, and what there is to say, of each kind of record."""
    note: str = ""

    def check(self, what: str, ok: bool, says: str) -> None:
        """Add what was found of one kind of record."""
        self.checks.append({"what": what, "ok": ok, "says": says})

    def tell(self, shown: Certificate | None) -> None:
        """Say what a web server proved itself by; without a certificate it was plain http, which
        never leaves this machine.
        """
        self.confirmed = shown is not None
        if shown is not None:
            self.proof = f"vouched for by {shown.issuer}, good until {shown.until}"
            self.fingerprint = shown.fingerprint

    def would_take(
        self, name: str, size_bytes: int | None, modified: datetime | None, amount: str = ""
    ) -> None:
        """Add a file."""
        if len(self.files) >= MOST_FILES:
            self.more += 1
            return
        when = modified.astimezone(UTC).isoformat() if modified else None
        file: dict[str, object] = {"name": name, "size_bytes": size_bytes, "modified": when}
        self.files.append(file | ({"amount": amount} if amount else {}))
