"""The only home of how changes of records are told in words: "12 new contacts, 3 changed"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MOST_TABLES = 4
_KINDS = ("added", "changed", "removed")
_SHORT = 4
_PEOPLE = ("contact", "customer", "person", "people", "kontakt", "kunde", "lead", "account")

Told = Mapping[str, Any]
"""A table, as a manifest says it."""


def sentence(tables: Sequence[Told]) -> str:
    """Given the tables of an export, return what changed since the one before.

    Empty where nothing is known of that: the first backup, or no tables.
    """
    known = [table for table in tables if "since" in table]
    if not known:
        return ""
    told = [words for table in sorted(known, key=_weight) if (words := _words(table))]
    more = len(told) - _MOST_TABLES
    if more > 0:
        told[_MOST_TABLES:] = [f"{more} more {'table' if more == 1 else 'tables'} changed"]
    return f"{'; '.join(told)}." if told else "No record has changed."


def is_of_people(name: str) -> bool:
    """Whether a table is one of people, as far as its name tells."""
    return any(word in name for word in _PEOPLE)


def _weight(table: Told) -> tuple[int, str]:
    """What a shop cares for comes first: its people, then whatever changed most."""
    name, since = table["name"], table["since"]
    rank = 0 if is_of_people(name) else 10**9
    return rank - sum(since[key] for key in _KINDS), name


def _words(table: Told) -> str:
    name, since = table["name"], table["since"]
    columns = list(_columns(table))
    if not table["id"]:
        return ", ".join([*_without_id(name, since), *columns])
    told = [
        f"{since[kind]:,} {word}"
        for kind, word in zip(_KINDS, ("new", "changed", "removed"), strict=True)
        if since[kind]
    ]
    if told:
        one = name if since["added"] != 1 else _singular(name)
        told[0] = f"{told[0]} {one}" if since["added"] else f"{name}: {told[0]}"
    elif columns:
        columns[0] = f"{name}: {columns[0]}"
    return ", ".join([*told, *columns])


def _singular(name: str) -> str:
    """Return what one of them is called, where a table's name is a plural as English has it."""
    if name.endswith("ies") and len(name) > _SHORT:
        return f"{name[:-3]}y"
    if name.endswith(("sses", "ches", "shes", "xes")):
        return name[:-2]
    return name[:-1] if re.search(r"[^sui]s$", name) else name


def _without_id(name: str, since: Mapping[str, int]) -> Iterator[str]:
    """Which row is which is not known: how many there are is."""
    more = since["added"] - since["removed"]
    if more:
        yield f"{name} {'up' if more > 0 else 'down'} by {abs(more):,}"
    elif since["added"]:
        yield f"{since['added']:,} {name} differ"


def _columns(table: Told) -> Iterator[str]:
    since = table["since"]
    for names, word in ((since["new_columns"], "new column"), (since["lost_columns"], "without")):
        if names:
            yield f"{word} {_some(names)}"
    if columns := since.get("everywhere"):
        yield f"{_some(columns)} {'is' if len(columns) == 1 else 'are'} another in nearly all"
    if renamed := since.get("renamed"):
        yield _some([f"{old} is called {new}" for old, new in renamed.items()])
    if retyped := since.get("retyped"):
        yield _some([f"{name} is {new}, was {old}" for name, (old, new) in retyped.items()])


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
