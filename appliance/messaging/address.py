"""The only home of what an address for messages may be, and of what of it may be shown.

The library that sends knows hundreds of services; some of them read files of the box, or talk to
what runs on it. Whoever may change settings must not get at the box's own files by an address, so
services and settings of theirs are named here one by one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_MAIL = ("mailto", "mailtos")
_WITH_HOST = frozenset(
    {"gotify", "gotifys", "json", "jsons", "nctalk", "nctalks", "mmost", "mmosts"}
    | {"rocket", "rockets", "matrix", "matrixs", "signal", "signals"}
)
"""Their host is a server's name and no secret."""
_WITH_TOKEN = frozenset({"rocket", "rockets", "matrix", "matrixs"})
"""Theirs may be a token, too: a host is only what stands behind an `@`."""
_NTFY = frozenset({"ntfy", "ntfys"})
SERVICES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_MAIL, "mail"),
        **dict.fromkeys(("ntfy", "ntfys"), "ntfy"),
        **dict.fromkeys(("gotify", "gotifys"), "Gotify"),
        **dict.fromkeys(("json", "jsons"), "a web hook"),
        **dict.fromkeys(("nctalk", "nctalks"), "Nextcloud Talk"),
        **dict.fromkeys(("mmost", "mmosts"), "Mattermost"),
        **dict.fromkeys(("rocket", "rockets"), "Rocket.Chat"),
        **dict.fromkeys(("matrix", "matrixs"), "Matrix"),
        **dict.fromkeys(("signal", "signals"), "Signal"),
        "discord": "Discord",
        "pover": "Pushover",
        "slack": "Slack",
        "tgram": "Telegram",
        "threema": "Threema",
        "workflows": "Microsoft Teams",
        "zulip": "Zulip",
    }
)
"""What messages may go to, by the word before `://`, and what people call it."""
_SETTINGS = frozenset(
    {"to", "from", "cc", "bcc", "reply", "name", "user", "pass", "smtp", "mode", "priority"}
    | {"sound", "silent", "thread", "topic", "token", "tags"}
)
"""What may stand behind the question mark; others name files, templates or keys."""
_SEVERAL = re.compile(r"[\s,;]")
"""The library takes what has these for several addresses, or for several settings."""
_LONGEST = 2000


def scheme_has_host(scheme: str) -> bool:
    """Return whether a server's name stands behind the word before `://`."""
    return scheme in _WITH_HOST or scheme in _NTFY or scheme in _MAIL


def problem(address: str) -> str:
    """Return what is wrong with an address, empty where nothing is; never the address itself."""
    try:
        parts = urlsplit(address.strip())
        settings = parse_qs(parts.query, keep_blank_values=True)
        if scheme_has_host(parts.scheme.lower()):
            _ = parts.port  # raises where it is none; a token may have a colon of its own
    except ValueError:
        return _HOW
    if not unquote(address).isprintable() or len(address) > _LONGEST or not parts.netloc:
        return _HOW
    if _SEVERAL.search(address.strip()):
        return _ONE
    if parts.scheme.lower() not in SERVICES:
        known = ", ".join(dict.fromkeys(SERVICES))
        return f"{_told(parts.scheme)} is no service that messages can go to; there are {known}"
    unknown = sorted(key for key in settings if key.lower() not in _SETTINGS)
    if unknown:
        return f"{_told(unknown[0])} must not stand behind the question mark; leave it out"
    return _FROM if _comes_from_nobody(parts, settings) else ""


def _comes_from_nobody(parts: SplitResult, settings: Mapping[str, Sequence[str]]) -> bool:
    """Whether the library, which makes a mail's sender up of user and host, finds none in that."""
    host = parts.hostname or ""
    if parts.scheme.lower() not in _MAIL or not parts.username:
        return False
    is_name = host == "localhost" or re.search(r"\.[a-z][a-z0-9-]*$", host)
    return not is_name and not settings.get("from")


def _told(word: str) -> str:
    """Return a word of an address in quotes where it can be no secret."""
    return f"“{word}”" if re.fullmatch(r"[a-z]{1,12}", word) else "what it says"


_ONE = (
    "it must have no space, comma or semicolon: write one address, and within it %20, %2C and %3B"
)


_FROM = "say whom the mail comes from, as in &from=box@shop.example"
_HOW = (
    "write it like mailtos://user:password@smtp.example.org/?to=boss@shop.example, "
    "or ntfys://ntfy.sh/topic"
)


def shown(address: str) -> str:
    """Return an address as it may be seen: the service, and the host where that is no secret."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return "an address that cannot be read"
    scheme = parts.scheme.lower()
    service = SERVICES.get(scheme)
    if service is None:
        return "an address that cannot be read"
    host = _host(scheme, parts)
    return f"{service} to {host}" if host else service


def _host(scheme: str, parts: SplitResult) -> str:
    settings = parse_qs(parts.query)
    if scheme in _MAIL:
        return _receiver(parts, settings)
    if "@" in parts.netloc:
        may_be_token = "t2bot" in map(str.lower, settings.get("mode", ()))
    else:  # a password with a slash in it makes its beginning look like a host
        rest = f"{parts.path}{parts.query}{parts.fragment}"
        may_be_token = scheme in _WITH_TOKEN or "@" in rest
    has_host = scheme in _WITH_HOST or (scheme in _NTFY and parts.path.strip("/"))
    return (parts.hostname or "") if has_host and not may_be_token else ""


def _receiver(parts: SplitResult, settings: Mapping[str, Sequence[str]]) -> str:
    """Whom a mail goes to, of the name of the person two letters."""
    to = settings.get("to", [""])[0].split(",")[0].strip()
    name, _, domain = (to or parts.path.strip("/")).partition("@")
    # What stands before the question mark may be the end of a password.
    name = f"{name[0]}…{name[-1]}" if to and len(name) > 2 else "…"
    domain = domain or ("" if "@" in to else parts.hostname or "")
    return f"{name}@{domain}" if domain else ""


def numbered(seen: Sequence[str]) -> list[str]:
    """Given how addresses are shown, tell those apart that look the same."""
    often, so_far = Counter(seen), Counter[str]()
    told = []
    for each in seen:
        so_far[each] += 1
        told.append(f"{each} ({so_far[each]})" if often[each] > 1 else each)
    return told
