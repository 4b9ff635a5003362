"""What one value of the configuration may look like: spans, sizes, names, secrets, addresses.

Each reader returns the value or raises ValueError with a sentence that shows how to write it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from ..core import address, links, pins, schedule

_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_LONGEST = timedelta(days=36_525)
_SECRET = re.compile(r"\$\{secret:([a-z0-9_-]+)\}")


def _duration(value: object) -> timedelta:
    """Given "90s", "2m", "6h", "90d" or "2w", return it; raise ValueError otherwise."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", str(value).lower())
    if not found or found[2] not in _UNITS:
        raise ValueError(f'"{value}" is not a time span; write it like "90s", "2m", "6h" or "90d"')
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def _days(value: timedelta) -> timedelta:
    """Return a time span of days to decades; raise ValueError where it is another one."""
    if not timedelta(days=1) <= value <= _LONGEST:
        raise ValueError('give a day at least and a hundred years at most; write it like "400d"')
    return value


def _size(value: object) -> int:
    """Given "500 MB" or "2 GB", return bytes; raise ValueError otherwise."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Z]+)\s*", str(value).upper())
    if not found or found[2] not in _SIZES:
        raise ValueError(f'"{value}" is not a size; write it like "500 MB" or "2 GB"')
    return int(float(found[1]) * _SIZES[found[2]])


def _host_glob(value: str) -> str:
    """Return a host's name, or a glob of some; raise ValueError where it is none or too wide."""
    if not links.is_host_glob(value.strip()):
        raise ValueError(
            f'"{value}" does not name a server; write it like "files.example.org", or "*.zoho.com"'
            " for all below one name"
        )
    return value.strip().lower()


def require_name(value: str) -> str:
    """Return a name as it is; raise ValueError where it is none."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError(f'"{value}" is not a name; use small letters, digits and single hyphens')
    return value


def secret_name(value: str) -> str:
    """Given `${secret:NAME}`, return NAME; a secret written in clear is refused."""
    found = _SECRET.fullmatch(value.strip())
    if not found:
        raise ValueError(
            "a secret must not stand in this file; write ${secret:NAME} and put the secret "
            "into the file secrets/NAME in the state folder"
        )
    return found[1]


def _encoding(value: str) -> str:
    """Given an encoding's name, return it; raise ValueError where tables cannot be read by it."""
    signs = bytes(range(64))
    try:
        is_fit = signs.decode(value) == signs.decode("ascii")
    except (LookupError, UnicodeError):
        is_fit = False
    if not is_fit:
        raise ValueError(f'"{value}" is not an encoding of tables; write it like "cp1252"')
    return value


def _schedule(value: str) -> str:
    schedule.parse(value)
    return value


NEVER = "never"
"""Instead of a schedule, where there is a default: the file says that there is none."""


def _schedule_or_never(value: str) -> str:
    text = value.strip()
    return "" if text.lower() in ("", NEVER) else _schedule(text)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{value}" is not a time zone; write it like "Europe/Berlin"') from None
    return value


def _host_key(value: str) -> str:
    if value and not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", value):
        raise ValueError("a host key is written as SHA256: and 43 characters, as ssh shows it")
    return value


def _listen(value: str) -> str:
    address.read(value)
    return value


def _disk_uuid(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value.lower()):
        raise ValueError(
            f'"{value}" is not a filesystem UUID; `appliance disk pair` writes the right one'
        )
    return value.lower()


def web_address(value: str) -> str:
    """Return a web address as it is; raise ValueError where it is none or has a login in it."""
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError(f'"{value}" is not a web address; it begins with https://')
    if parts.username or parts.password:
        raise ValueError("a user name or password must not stand in the address; use auth")
    return value


def _redirect(value: str) -> str:
    """Given where a vendor sends somebody who signed in, return it: an app's own scheme, too."""
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]+", value) or "#" in value:
        raise ValueError(f'"{value}" is not an address; write it like "http://127.0.0.1:8400/"')
    return value


def _remote(value: str) -> str:
    """Keys and passwords belong into rclone's own file, not into `:s3,secret=...:bucket`."""
    if not re.fullmatch(r"/.*|[A-Za-z0-9_][A-Za-z0-9_. +@-]*:.*", value):
        shown = value.partition(",")[0]
        raise ValueError(
            f'"{shown}" is not a remote; write NAME:PATH, where NAME stands in '
            "rclone's configuration, or a folder that begins with /"
        )
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Days = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_days)]
Size = Annotated[int, BeforeValidator(_size)]
Name = Annotated[str, AfterValidator(require_name)]
SecretName = Annotated[str, AfterValidator(secret_name)]
Encoding = Annotated[str, AfterValidator(_encoding)]
ScheduleText = Annotated[str, AfterValidator(_schedule)]
ScheduleOrNever = Annotated[str, AfterValidator(_schedule_or_never)]
Remote = Annotated[str, AfterValidator(_remote)]
Url = Annotated[str, AfterValidator(web_address)]
Redirect = Annotated[str, AfterValidator(_redirect)]
DiskUuid = Annotated[str, AfterValidator(_disk_uuid)]
Pin = Annotated[int, Field(ge=0, le=pins.LAST_PIN, strict=True)]
"""A pin of the 40-pin header by its BCM number."""
DayPart = Annotated[pins.DayPart, BeforeValidator(pins.day_part)]
Port = Annotated[int, Field(ge=1, le=65535)]
Globs = Annotated[tuple[str, ...], Field(min_length=1)]
HostGlob = Annotated[str, AfterValidator(_host_glob)]
Zone = Annotated[str, AfterValidator(_zone)]
Listen = Annotated[str, AfterValidator(_listen)]
HostKey = Annotated[str, AfterValidator(_host_key)]
