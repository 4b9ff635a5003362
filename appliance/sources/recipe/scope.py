"""What the `${...}` of a recipe stand for, from request to request."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any

from ...core import templates
from ...core.recipes import Item
from ..origins import Address


class Scope:
    """The settings, what was saved of answers, and where links among it were told."""

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        self._fixed = {"setting": settings, "secret": secrets}
        self.token_reply: Callable[[], Mapping[str, object]] = dict
        """What the token server said when we signed in last."""
        self.saved: dict[str, Any] = {}
        self.local: dict[str, Any] = {"round": 1, "page": 1, "n": 1}
        """What is so of one request alone."""
        self._said_at: dict[str, Address] = {}
        self._of_all: tuple[dict[str, Any], dict[str, Address]] = {}, {}

    def values(self) -> Mapping[str, Any]:
        """Return all names that there are now."""
        return ChainMap(self.local, self.saved, {"auth": self.token_reply(), **self._fixed})

    def keep(self) -> None:
        """What was saved until now is so for every item."""
        self._of_all = dict(self.saved), dict(self._said_at)

    def begin(self, item: Item) -> None:
        """The steps run for another item now: what was saved of the one before is not of this."""
        saved, said_at = self._of_all
        self.saved, self._said_at = dict(saved), dict(said_at)
        self.local = {"item": item, "round": 1, "page": 1, "n": 1}

    def save(self, values: Mapping[str, Any], at: Address | None = None) -> None:
        """Keep what an answer told, and where it was told."""
        self.saved |= values
        if at is not None:
            self._said_at |= dict.fromkeys(values, at)

    def fill(self, value: Any) -> Any:
        """Return a value with its `${...}` filled in; raise MissingValue."""
        return templates.fill(value, self.values())

    def text(self, value: str) -> str:
        """Return a text with its `${...}` filled in; raise MissingValue."""
        return templates.fill_text(value, self.values())

    def said_at(self, template: str) -> Address | None:
        """Given the template of a link alone, return where that link was told."""
        (hole,) = templates.holes(template)
        return self._said_at.get(hole.terms[0][0].partition(".")[0])
