"""A form of the settings: what it is about, what is filled in, what there is to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..core.offers import KINDS as KINDS_OF_RECORDS
from ..core.offers import RARE, Offer
from ..core.settable import AUTH_KEYS, FORGET, NAMED, SCHEDULED, SET, Field, fields_of
from . import when
from .setting_words import KINDS, LOGINS, TITLES, Words, words_of

SCHEDULES = ("schedule", "remind", "weekly")
"""Fields that hold a schedule."""
_CLOSED = {KINDS_OF_RECORDS: "Only some kinds of records", RARE: "Seldom changed"}


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that stand together."""

    fields: tuple[Field, ...]
    title: str = ""
    """Of a part that is closed until somebody opens it."""
    is_open: bool = True


@dataclass(slots=True)
class Sheet:
    """One form: what it is about, what is filled in, and what there is to say about it."""

    section: str
    name: str = ""
    kind: str = ""
    adding: bool = False
    wish: dict[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    """What the file has; of a secret "set" or "not set"."""
    problems: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    tried: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    offer: Offer | None = None
    """The recipe that it follows."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its fields, in their order."""
        return self.offer.fields if self.offer else fields_of(self.section, self.kind)

    @property
    def groups(self) -> list[Group]:
        """Its fields as they stand together: of a recipe what everybody must give comes first."""
        if self.offer is None:
            return [Group(self.fields)]
        always = {each.key for each in SCHEDULED}
        plain = tuple(each.field for each in self.offer.asks if not each.part)
        asked = tuple(each for each in plain if each.key not in always)
        when_ = tuple(each for each in plain if each.key in always)
        found = [Group(asked), self._closed(KINDS_OF_RECORDS), Group(when_), self._closed(RARE)]
        return [each for each in found if each.fields]

    def _closed(self, part: str) -> Group:
        asks = self.offer.asks if self.offer else ()
        fields = tuple(each.field for each in asks if each.part == part)
        is_open = any(self.value(one) != one.default or one.key in self.problems for one in fields)
        return Group(fields, _CLOSED[part], is_open)

    @property
    def title(self) -> str:
        """What stands above it."""
        if self.section not in NAMED:
            return TITLES[self.section].label
        if self.offer:
            return self.offer.title if self.adding else f"{self.name}: {self.offer.title}"
        what = KINDS[self.kind].label if self.section == "source" else "A copy in the cloud"
        return f"{what}: new" if self.adding else f"{self.name}: {what}"

    @property
    def is_fresh(self) -> bool:
        """Whether somebody sees it for the first time: nothing was filled in or tried yet."""
        return self.adding and not self.wish

    @property
    def zone(self) -> ZoneInfo:
        """The office's time zone."""
        return ZoneInfo(str(self.facts.get("zone") or "UTC"))

    def words(self, key: str) -> Words:
        """What a field is called."""
        ask = self.offer.ask(key) if self.offer else None
        if ask and ask.label:
            return Words(ask.label, ask.help)
        return words_of(self.section, self.kind, key)

    def value(self, one: Field) -> str:
        """What the form shows in a field; of a secret its mark."""
        if one.key in self.wish:
            return self.wish[one.key]
        if one.kind.is_secret:
            return ""
        return self.stored.get(one.key) or one.default

    def is_stored(self, key: str) -> bool:
        """Whether the box has a secret for it, or somebody just typed one."""
        return self.stored.get(key) == SET or self.wish.get(key, "") not in ("", FORGET)

    def logins(self, key: str) -> str:
        """For which logins to a web address a field is there; empty: for all."""
        part = key.partition(".")[2]
        return " ".join(kind for kind, keys in AUTH_KEYS.items() if part in keys)

    def choices(self, one: Field) -> list[tuple[str, str]]:
        """What may be chosen in a field, and what it is called."""
        if one.key == "repository":
            return [(each, each) for each in self.facts.get("repositories", ())]
        return [(each, LOGINS.get(each, each)) for each in one.choices]

    def next_times(self, key: str) -> list[str]:
        """When a schedule comes true next."""
        text = self.wish.get(key) or self.stored.get(key) or _default(self.fields, key)
        return when.next_times(text, self.zone, datetime.now(UTC))

    def parts(self, one: Field) -> dict[str, str]:
        """A schedule as the form asks for it."""
        return when.taken_apart(self.value(one))


def _default(fields: tuple[Field, ...], key: str) -> str:
    return next((each.default for each in fields if each.key == key), "")
