"""A recipe as an office chooses it: what people are told of it, and the fields of its form.

The worker makes these from recipes, the page shows them; they cross as plain JSON values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from . import words
from .settable import Field, Kind

BY_RECIPE = "recipe"
"""The kind of a source that follows a recipe's steps; one whose vendor has a folder is `sftp`."""
KINDS, RARE = "kinds", "rare"
TAKEN = frozenset(
    {"account", "address", "csrf_token", "do", "fingerprint", "remind", "stamp", "weekly"}
)
"""Names that the page's forms use themselves: a setting that has one is left to the file."""
_KEY = re.compile(r"[a-z_]\w*", re.ASCII | re.IGNORECASE)


def is_fit(key: str) -> bool:
    """Return whether a form may have a field of this name."""
    return key not in TAKEN and _KEY.fullmatch(key) is not None


@dataclass(frozen=True, slots=True)
class Ask:
    """One field of a recipe's form."""

    field: Field
    label: str = ""
    """Empty where every source has this field."""
    help: str = ""
    part: str = ""
    """`KINDS` or `RARE`, where it stands in a part of the form that is closed at first."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One recipe."""

    name: str
    """As `recipe = "…"` says it: a shipped one's, or a file."""
    kind: str = BY_RECIPE
    title: str = ""
    about: str = ""
    office: tuple[str, ...] = ()
    """What an office must do in the vendor's screens."""
    scopes: tuple[str, ...] = ()
    quota: str = ""
    missing: tuple[str, ...] = ()
    """What is not in the backup."""
    fragile: str = ""
    keeps_seconds: float | None = None
    """How long the vendor keeps what it made; None: no end is known."""
    checked: str = ""
    documents: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = field(default=())

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of its form, in their order."""
        return tuple(each.field for each in self.asks)

    @property
    def keeps(self) -> str:
        """How long the vendor keeps what it made, in words."""
        if self.keeps_seconds is None:
            return ""
        return words.duration(timedelta(seconds=self.keeps_seconds))

    @property
    def links(self) -> tuple[str, ...]:
        """The vendor's pages; an address of another kind is no link."""
        return tuple(each for each in self.documents if each.startswith("https://"))

    def ask(self, key: str) -> Ask | None:
        """Return the field of that name."""
        return next((each for each in self.asks if each.field.key == key), None)


def as_json(offer: Offer) -> dict[str, Any]:
    """Given an offer, return it as plain values; what is empty is left out."""
    told = {key: value for key, value in asdict(offer).items() if value not in ("", (), None)}
    return told | {"asks": [_short(each) for each in told.get("asks", ())]}


def _short(ask: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in ask.items() if value}
    return said | {"field": {key: value for key, value in ask["field"].items() if value}}


def from_json(told: Mapping[str, Any]) -> Offer:
    """Return the offer that `as_json` told."""
    lists = ("office", "scopes", "missing", "documents")
    said: dict[str, Any] = {key: tuple(told[key]) for key in lists if key in told}
    return Offer(**{**told, **said, "asks": tuple(map(_ask, told.get("asks", ())))})


def _ask(told: Mapping[str, Any]) -> Ask:
    said = dict(told["field"])
    said["kind"] = Kind(said.get("kind", Kind.TEXT))
    said["choices"] = tuple(said.get("choices", ()))
    return Ask(**{**told, "field": Field(**said)})
