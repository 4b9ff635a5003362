"""A download link that somebody pasted: looked at, and put into the inbox as a file that holds it.

Part of the rim. From then on it is a link like any other in there: a power cut loses nothing. It
is a secret for as long as it lives, so it stands in no note and no error.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from .config import InboxSource, Settings
from .core import links
from .core.errors import ApplianceError
from .system.files import UNFINISHED, write_durably

_PREFIX = "link-"
_LEFT_BEHIND_SECONDS = 3600
_ONE = "These are several links. Paste one, and then the next."
_FOLLOW = "Name the servers that its links may lead to in its settings (link_hosts)."


def takers(settings: Settings) -> dict[str, list[str]]:
    """Return which sources take links, each with the hosts that they may lead to."""
    inboxes = (each for each in settings.source if isinstance(each, InboxSource))
    return {each.name: list(each.link_hosts) for each in inboxes if each.link_hosts}


def take(settings: Settings, source: str, text: str, now: datetime) -> str:
    """Given what somebody pasted for a source, store it durably in its inbox; return the host that
    it leads to. Raise ApplianceError, with nothing stored, where it is none that may be fetched.
    """
    section = next((each for each in settings.source if each.name == source), None)
    if section is None:
        raise ApplianceError(f"There is no source named {source}.")
    if not isinstance(section, InboxSource):
        raise ApplianceError(f"{source} is no inbox: it takes no links.", hint="")
    if not section.link_hosts:
        raise ApplianceError(f"{source} follows no links.", hint=_FOLLOW)
    if sum(each.strip("<\"'").lower().startswith("https://") for each in text.split()) > 1:
        raise ApplianceError(_ONE, hint="")
    link = links.as_typed(text)
    if trouble := links.trouble_with(link, section.link_hosts):
        raise ApplianceError(trouble, hint="")
    _put(section.path, link, now)
    return links.host_of(urlsplit(link))


def _put(folder: Path, link: str, now: datetime) -> None:
    """Pressed twice, it lies there once: many links give what they lead to only once, too."""
    _clear(folder)
    mark = hashlib.sha256(link.encode()).hexdigest()[:8]
    if any(folder.glob(f"{_PREFIX}*-{mark}.url")):
        return
    name = f"{_PREFIX}{now:%Y-%m-%d-%H%M%S}-{mark}.url"
    write_durably(folder / name, f"[InternetShortcut]\r\nURL={link}\r\n".encode(), 0o600)


def _clear(folder: Path) -> None:
    """Remove what a sudden end left half written: a link lies in it."""
    for each in folder.glob(f".{_PREFIX}*{UNFINISHED}"):
        with suppress(OSError):
            if time.time() - each.lstat().st_mtime > _LEFT_BEHIND_SECONDS:
                each.unlink()
