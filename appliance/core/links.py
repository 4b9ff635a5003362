"""What a download link looks like, and which hosts an inbox lets one lead to.

A link may be signed: who has it has the export. No sentence here repeats more of it than its host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, unquote, urlsplit

LONGEST_LINK = 8000
_HOST = re.compile(r"[a-z0-9*?_-]+(\.[a-z0-9*?_-]+)*")
_FILE = re.compile(
    r"\.(zip|7z|rar|gz|tgz|tar|bz2|xz|zst|csv|tsv|txt|xlsx?|ods|jsonl?|ndjson|xml|sql|dump|bak|vcf)$"
)
_DOWNLOAD = re.compile(r"download|export|backup|attachment|archive|dump")
_NO_FILE = re.compile(
    r"unsubscribe|preferences|privacy|terms|imprint|impressum"
    r"|\.(png|jpe?g|gif|svg|ico|webp|css|js|woff2?|html?)$"
)


def as_typed(text: str) -> str:
    """Return a link as somebody pasted it without what mail programs put around or into it."""
    return "".join(text.split()).strip("<>\"'")


def trouble_with(link: str, hosts: Sequence[str]) -> str:
    """Given a link and the globs of hosts that it may lead to, return a sentence about what is
    wrong with it, empty where nothing is.

    It is a first look, for whoever pastes one; who fetches it judges it again as it is called.
    """
    if len(link) > LONGEST_LINK:
        return "This link is too long to be one."
    try:
        parts = urlsplit(link)
        host = host_of(parts)
    except ValueError:
        return "This is no link: it cannot be understood."
    if parts.scheme.lower() == "http" and host:
        return (
            "This link is not protected: it begins with http://. "
            "Ask for one that begins with https://."
        )
    if parts.scheme.lower() != "https" or not host or not link.isprintable() or "\\" in link:
        return "This is no link that can be fetched: one begins with https://."
    if "@" in parts.netloc:
        return "This link has a user name in it. Ask for one without."
    return "" if is_listed(host, hosts) else not_listed([host])


def not_listed(hosts: Sequence[str]) -> str:
    """Return what to say of links to hosts that an inbox does not list, and what to do."""
    named = ", ".join(hosts)
    these = "it" if len(hosts) == 1 else "the right one"
    return (
        f"The link leads to {named}, which this inbox does not list. If the vendor keeps its files"
        f" there, add {these} to the servers that links may lead to (link_hosts)."
    )


def host_of(parts: SplitResult) -> str:
    """Return a link's host in small letters, as a name server is asked for it; raise ValueError."""
    host = (parts.hostname or "").rstrip(".")
    return host if host.isascii() else host.encode("idna").decode()


def is_listed(host: str, hosts: Sequence[str]) -> bool:
    """Return whether one of these names or globs means a host."""
    return any(fnmatchcase(host, glob.lower()) for glob in hosts)


def is_host_glob(text: str) -> bool:
    """Return whether a text names hosts: a name, or a glob of which two parts stand fast."""
    parts = text.lower().split(".")
    fast = [part for part in parts if not set(part) & set("*?")]
    is_name = len(fast) == len(parts)
    return bool(_HOST.fullmatch(text.lower())) and (is_name or len(fast) >= 2)


def names_a_file(name: str) -> bool:
    """Return whether a name ends as that of an export does."""
    return bool(_FILE.search(name.lower()))


def rank(link: str) -> int:
    """Say how much a link looks like a download: 2 a file, 1 perhaps, 0 nobody knows, -1 no, which
    is also what one that cannot be understood is.
    """
    try:
        parts = urlsplit(link)
    except ValueError:  # https://[unsubscribe]: a mail that was sent before it was filled in
        return -1
    path = unquote(parts.path).lower()
    if _NO_FILE.search(path):
        return -1
    values = [each.rpartition("=")[2] for each in unquote(parts.query).lower().split("&")]
    if any(_FILE.search(each) for each in (path, *values)):
        return 2
    return 1 if _DOWNLOAD.search(f"{parts.hostname}{path}?{parts.query.lower()}") else 0
