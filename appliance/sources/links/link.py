"""The values of links: one link, what a file that holds some says, and which files may.

Light: the worker looks at names all day.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from ...core.links import host_of

ENDINGS = frozenset({"url", "webloc", "desktop", "eml", "msg"})
MAILS = frozenset({"eml", "msg"})
MOST_BYTES = 64 << 10
"""Of a file that holds a link and nothing else."""
MOST_MAIL_BYTES = 5 << 20


@dataclass(frozen=True, slots=True)
class Link:
    """One link; its text shows nothing of it."""

    spellings: tuple[str, ...] = field(repr=False)
    """The likeliest first: a line that a mail program broke may be its end or not."""
    is_whole: bool = True
    """Whether it surely does not go on in the next line."""

    @property
    def mark(self) -> str:
        """What tells it from all others and does not give it away."""
        return hashlib.sha256(self.spellings[0].encode(errors="replace")).hexdigest()

    @property
    def host(self) -> str:
        """Where it leads, empty where that cannot be understood."""
        try:
            return host_of(urlsplit(self.spellings[0]))
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class Links:
    """What a file says."""

    links: tuple[Link, ...]
    written: datetime | None = None
    """When a mail was sent."""


def ending(name: str) -> str:
    """Return what stands behind the last dot of a name, in small letters."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def is_of_a_link(name: str) -> bool:
    """Return whether a file of this name holds a link by its ending; a `.txt` only may."""
    return ending(name) in ENDINGS


def is_mail(name: str) -> bool:
    """Return whether a file of this name is a mail."""
    return ending(name) in MAILS


def most_bytes(name: str) -> int:
    """Return how much of a file is looked at: one that is larger holds no link."""
    return MOST_MAIL_BYTES if is_mail(name) else MOST_BYTES
