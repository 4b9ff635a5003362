"""The only list of the settings that the page may change: its forms show them, the worker takes no
others.

What would move the box's own folders, or what root reads (state, staging, where disks are mounted),
is not here; nor are names of files on the box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

FORGET = "-"
"""Instead of a secret: it is needed no more."""
ADDRESS = "address"
"""The field in which one more address for messages is typed."""
BY_A_PERSON = "person"
"""A login to a web address for which somebody signs in at the vendor's: of OAuth's grants one."""
SET, NOT_SET = "set", "not set"
"""All that is ever told of a secret."""


class Kind(StrEnum):
    """What a field takes; everything travels as text."""

    TEXT = "text"
    NUMBER = "number"
    LINES = "lines"
    """A list, one item on each line."""
    CHOICE = "choice"
    SECRET = "secret"  # noqa: S105 - the name of a kind
    """A mark that stands for what was typed, never the secret itself."""
    LONG_SECRET = "long secret"  # noqa: S105 - the name of a kind
    """The same of several lines: a private key."""

    @property
    def is_secret(self) -> bool:
        """Whether it is never shown."""
        return self in (Kind.SECRET, Kind.LONG_SECRET)


@dataclass(frozen=True, slots=True)
class Field:
    """One setting; an empty value means that the file does not say it."""

    key: str
    """Its name in the section of the file; `auth.token` lies in a table of its own."""
    kind: Kind = Kind.TEXT
    default: str = ""
    """What holds where the file says nothing."""
    choices: tuple[str, ...] = ()
    is_place: bool = False
    """Whether stored secrets are shown there: who changes it types them anew."""
    off: str = ""
    """What the file says where somebody leaves it empty: nothing would mean the default."""
    stays_here: bool = False
    """Whether this secret is never shown to anybody, wherever the place is."""


SCHEDULED = (Field("schedule", default="daily at 03:00"), Field("grace", default="6h"))
"""What every source has."""
_AUTH = Field(
    "auth.kind",
    Kind.CHOICE,
    "none",
    ("none", "basic", "bearer", "header", "query", "oauth2", BY_A_PERSON),
)
_LOGIN = (
    Field("auth.user"),
    Field("auth.password", Kind.SECRET),
    Field("auth.token", Kind.LONG_SECRET),
    Field("auth.name"),
    Field("auth.value", Kind.SECRET),
    Field("auth.authorize_url"),
    Field("auth.device_url", is_place=True),
    Field("auth.token_url", is_place=True),
    Field("auth.client_id"),
    Field("auth.client_secret", Kind.SECRET),
    Field("auth.scope"),
    Field("auth.client_auth", Kind.CHOICE, "basic", ("basic", "body")),
    Field("auth.redirect", default="http://127.0.0.1:8400/"),
)

SOURCES: Mapping[str, tuple[Field, ...]] = MappingProxyType(
    {
        "sftp": (
            Field("host", is_place=True),
            Field("port", Kind.NUMBER, "22", is_place=True),
            Field("user"),
            Field("password", Kind.SECRET),
            Field("key", Kind.LONG_SECRET, stays_here=True),
            Field("key_passphrase", Kind.SECRET, stays_here=True),
            Field("path", default="."),
            Field("pick", Kind.LINES, "*"),
            Field("newest", Kind.NUMBER, "1"),
            Field("stable_for", default="2m"),
            *SCHEDULED,
        ),
        "http": (
            Field("url", is_place=True),
            _AUTH,
            *_LOGIN,
            Field("hosts", Kind.LINES),
            Field("credential_hosts", Kind.LINES, is_place=True),
            Field("file_name"),
            *SCHEDULED,
        ),
        "carddav": (
            Field("url", is_place=True),
            replace(_AUTH, choices=("none", "basic", "bearer", "header", "oauth2", BY_A_PERSON)),
            *_LOGIN,
            Field("hosts", Kind.LINES, is_place=True),
            Field("collections", Kind.LINES, "*"),
            *SCHEDULED,
        ),
        "inbox": (
            Field("path"),
            Field("pick", Kind.LINES, "*"),
            Field("stable_for", default="2s"),
            Field("keep_done", default="30d"),
            Field("link_hosts", Kind.LINES),
            Field("links_last"),
            *SCHEDULED,
        ),
    }
)
"""By the kind of a source."""

_OF_AN_APP = ("token_url", "client_id", "client_secret", "scope", "client_auth")
AUTH_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "none": (),
        "basic": ("user", "password"),
        "bearer": ("token",),
        "header": ("name", "value"),
        "query": ("name", "value"),
        "oauth2": _OF_AN_APP,
        BY_A_PERSON: ("authorize_url", "device_url", "redirect", *_OF_AN_APP),
    }
)
"""What each kind of login to a web address wants; `oauth2` is the grant of client credentials."""

SECTIONS: Mapping[str, tuple[Field, ...]] = MappingProxyType(
    {
        "appliance": (Field("name", default="Office"), Field("timezone", default="UTC")),
        "retention": (
            Field("last", Kind.NUMBER, "7"),
            Field("daily", Kind.NUMBER, "30"),
            Field("weekly", Kind.NUMBER, "12"),
            Field("monthly", Kind.NUMBER, "24"),
            Field("yearly", Kind.NUMBER, "7"),
            Field("at_most"),
        ),
        "disks": (Field("remind"), Field("grace", default="14d")),
        "messages": (
            Field(ADDRESS, Kind.SECRET),
            Field("weekly", default="weekly on mon at 08:00", off="never"),
            Field("quiet"),
        ),
        "mirror": (
            Field("repository", Kind.CHOICE),
            Field("account", Kind.LONG_SECRET),
            Field("folder"),
            Field("schedule", default="after backup"),
            Field("bandwidth"),
            Field("expire"),
        ),
    }
)
"""By the section of the file. Of a mirror, `account` is rclone's own settings as somebody pasted
them, and `folder` the part of `remote` behind the colon. Of messages, `address` is one more that is
put behind those that there are."""

NAMED = ("source", "mirror")
"""Sections of which there may be several, each with a name that stays."""


def fields_of(section: str, kind: str = "") -> tuple[Field, ...]:
    """Given a section (and the kind of a source), return its fields; none where there is none."""
    return SOURCES.get(kind, ()) if section == "source" else SECTIONS.get(section, ())
