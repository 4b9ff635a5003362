"""The only home of what a backup says of columns that were hidden before it was made, and of which
columns of two backups can be compared.

A pseudonym is comparable with one of the same key alone; with what stood there in clear it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Hidden:
    """What was hidden in one member of an export."""

    masked: tuple[str, ...] = ()
    """Its columns whose cells are pseudonyms."""
    dropped: tuple[str, ...] = ()
    """Its columns that were left out."""
    asked: tuple[str, ...] = ()
    """The names that somebody gave, whether this member has such a column or not."""
    meant: tuple[str, ...] = ()
    """Those of them that meant something here; all of them where it said nothing at all."""
    key: str = ""
    """Which key the pseudonyms are of; see `pseudonyms`."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "masked": list(self.masked),
            "dropped": list(self.dropped),
            "asked": list(self.asked),
            "meant": list(self.meant),
            "key": self.key,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Hidden:
        """Given what `to_json` returned, return it; raise KeyError or TypeError where it is not."""
        masked, dropped, asked = (
            tuple(map(str, value[key])) for key in ("masked", "dropped", "asked")
        )
        meant = tuple(map(str, value.get("meant", _likely(asked, (*masked, *dropped)))))
        return cls(masked, dropped, asked, meant, str(value["key"]))


NOTHING = Hidden()
_FACTS = frozenset({"masked", "dropped", "pseudonyms", "meant"})


def facts_of(members: Iterable[Hidden]) -> dict[str, Any]:
    """Given what was hidden in each part of a table, return what the manifest says of the table."""
    several = list(members)
    masked = dict.fromkeys(name for each in several for name in each.masked)
    dropped = dict.fromkeys(name for each in several for name in each.dropped)
    keys = {each.key for each in several if each.masked}
    meant = dict.fromkeys(name for each in several for name in each.meant)
    everywhere = {name: all(name in each.meant for each in several) for name in meant}
    return {
        **({"masked": list(masked), "pseudonyms": " ".join(sorted(keys))} if masked else {}),
        **({"dropped": list(dropped)} if dropped else {}),
        **({"meant": everywhere} if everywhere else {}),
    }


def cleared(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest tells of a table without what was hidden in it."""
    return {key: one for key, one in told.items() if key not in _FACTS}


def meant_in(told: Mapping[str, Any], asked: Iterable[str]) -> Mapping[str, bool]:
    """Given a table as a manifest tells it, and the names of columns to be hidden, return those
    that meant something in it, and whether in each of its files.
    """
    hidden = (*told.get("masked", ()), *told.get("dropped", ()))
    found: Mapping[str, bool] = told.get("meant", dict.fromkeys(_likely(asked, hidden), False))
    return found


def _likely(asked: Iterable[str], hidden: Sequence[str]) -> list[str]:
    """What meant something to versions that did not say: it is another name for what was hidden."""
    return [
        name
        for name in asked
        if any(f"{each} ".startswith((f"{name} ", f"{name}.")) for each in hidden)
    ]


def told_apart(was: Mapping[str, Any], now: Mapping[str, Any]) -> frozenset[str]:
    """Given a table as two manifests tell it, return the columns whose cells say nothing about
    each other: clear in one and hidden in the other, or masked by two keys.
    """
    then, today = set(was.get("masked", ())), set(now.get("masked", ()))
    is_one_key = was.get("pseudonyms") == now.get("pseudonyms")
    masked = then ^ today if is_one_key else then | today
    return frozenset(masked | (set(was.get("dropped", ())) ^ set(now.get("dropped", ()))))


def in_words(masked: Iterable[str], dropped: Iterable[str]) -> str:
    """Say which columns were hidden: `Phone (masked), Notes (left out)`; empty where none was."""
    said = [f"{name} (masked)" for name in masked] + [f"{name} (left out)" for name in dropped]
    return ", ".join(said)
