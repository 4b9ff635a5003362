"""The only home of what an address for messages may be, and of what of it may be shown.

The library that sends knows hundreds of services; some of them read files of the box, or talk to
what runs on it. Whoever may change settings must not get at the box's own files by an address, so
services and settings of theirs are named here one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qs, urlsplit

_MAIL = ("mailto", "mailtos")
_WITH_HOST = frozenset(
    {"gotify", "gotifys", "json", "jsons", "nctalk", "nctalks", "mmost", "mmosts"}
    | {"rocket", "rockets", "matrix", "matrixs", "signal", "signals"}
)
"""Their host is a server's name and no secret."""
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
    if not address.isprintable() or len(address) > _LONGEST or not parts.netloc:
        return _HOW
    if parts.scheme.lower() not in SERVICES:
        known = ", ".join(dict.fromkeys(SERVICES))
        return f"“{parts.scheme[:20]}” is no service that messages can go to; there are {known}"
    unknown = sorted(key for key in settings if key.lower() not in _SETTINGS)
    if unknown:
        return f"“{unknown[0][:20]}” must not stand behind the question mark; leave it out"
    return ""


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
    if scheme in _MAIL:
        return _domain(parts)
    has_host = scheme in _WITH_HOST or (scheme in _NTFY and parts.path.strip("/"))
    return (parts.hostname or "") if has_host else ""


def _domain(parts: SplitResult) -> str:
    """Whom a mail goes to, without the name of the person."""
    to = parse_qs(parts.query).get("to", [""])[0] or parts.path.strip("/")
    domain = to.partition("@")[2].split(",")[0].strip() or parts.hostname or ""
    return f"…@{domain}" if domain else ""
