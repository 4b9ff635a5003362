"""The only home of `${...}`: what a recipe's texts become once the values that they name are known.

`${name}` `${item.path}` `${auth.x}` `${setting.x}` `${secret:x}`; a `?` behind a name lets it be
missing; `+` joins, and filters follow a bar: `${token+setting.key|md5}`. No I/O.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_HOLE = re.compile(r"\$\{([^{}]*)\}")
_TERM = re.compile(r"(secret:[a-z0-9_-]+|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\?)?")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


FILTERS: Mapping[str, Callable[[str], str]] = {
    "md5": _md5,
    "b64": lambda text: base64.b64encode(text.encode()).decode(),
    "urlencode": lambda text: quote(text, safe=""),
}
"""What may stand behind a bar; md5 is what vTiger's challenge wants."""


class MissingValue(ValueError):
    """Raised where a text names what nobody said; its text is the name."""


class Absent:
    """What stands for a value that may be missing, and is."""


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Hole:
    """One `${...}`."""

    terms: tuple[tuple[str, bool], ...]
    """Names to be joined, and whether each may be missing."""
    filters: tuple[str, ...]


def holes(value: Any) -> Iterator[Hole]:
    """Yield every `${...}` in a text, or in the texts of a list or table; raise ValueError."""
    if isinstance(value, str):
        yield from (_read(found[1]) for found in _HOLE.finditer(value))
        if "${" in _HOLE.sub("", value):
            raise ValueError(f'"{value}" has a ${{ that is not closed')
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from holes(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from holes(each)


def names(value: Any) -> Iterator[str]:
    """Yield every name in it, those that may be missing too."""
    yield from (name for hole in holes(value) for name, _ in hole.terms)


def is_one_hole(text: str) -> bool:
    """Return whether a text is exactly one `${...}`: it keeps the type of its value."""
    return _HOLE.fullmatch(text) is not None


def with_words(text: str) -> str:
    """Return a text with a word in each place, to see whether the rest is written right."""
    return _HOLE.sub("x", text)


def _read(inside: str) -> Hole:
    joined, *filters = (part.strip() for part in inside.split("|"))
    terms = [_TERM.fullmatch(part.strip()) for part in joined.split("+")]
    if not all(terms):
        raise ValueError(f'"${{{inside}}}" is not written like ${{name}} or ${{item.name}}')
    if unknown := [each for each in filters if each not in FILTERS]:
        known = ", ".join(FILTERS)
        raise ValueError(f'"{unknown[0]}" is not a filter; there are {known}')
    return Hole(tuple((found[1], bool(found[2])) for found in terms if found), tuple(filters))


def fill(value: Any, scope: Mapping[str, Any]) -> Any:
    """Given a value, its tables and lists too, return it filled in from `scope`.

    Entries whose whole text is a missing `${name?}` are left out. Raise MissingValue.
    """
    if isinstance(value, str):
        return _filled(value, scope)
    if isinstance(value, Mapping):
        pairs = ((key, fill(each, scope)) for key, each in value.items())
        return {key: each for key, each in pairs if each is not ABSENT}
    if isinstance(value, list | tuple):
        return [each for each in (fill(one, scope) for one in value) if each is not ABSENT]
    return value


def _filled(text: str, scope: Mapping[str, Any]) -> Any:
    if is_one_hole(text):
        return _value(_read(text[2:-1]), scope)
    return fill_text(text, scope)


def fill_text(
    text: str, scope: Mapping[str, Any], escape: Callable[[str], str] | None = None
) -> str:
    """Given a text, return it with each `${...}` replaced, by what `escape` makes of its value.

    A list is joined by commas. Raise MissingValue.
    """

    def replaced(found: re.Match[str]) -> str:
        value = text_of(_value(_read(found[1]), scope))
        return escape(value) if escape else value

    return _HOLE.sub(replaced, text)


def text_of(value: Any) -> str:
    """Return a value as it stands in a text: JSON's words for true, false and numbers."""
    if value is None or value is ABSENT:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ",".join(map(text_of, value))
    return json.dumps(value)


def _value(hole: Hole, scope: Mapping[str, Any]) -> Any:
    values = [_looked_up(name, optional, scope) for name, optional in hole.terms]
    if len(values) == 1 and not hole.filters:
        return values[0]
    text = "".join(map(text_of, values))
    for each in hole.filters:
        text = FILTERS[each](text)
    return text


def _looked_up(name: str, optional: bool, scope: Mapping[str, Any]) -> Any:
    path = name.split(":", 1) if name.startswith("secret:") else name.split(".")
    here: Any = scope
    for part in path:
        if not isinstance(here, Mapping) or part not in here or here[part] is None:
            if optional:
                return ABSENT
            raise MissingValue(name)
        here = here[part]
    return here
