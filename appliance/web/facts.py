"""The only home of how the page reads what the worker says: strictly, or not at all.

Whatever is missing or of another kind than agreed raises Unreadable, and then one block says that
it could not be read, instead of the page saying something that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, TypeVar

T = TypeVar("T")


class Unreadable(Exception):
    """Raised where the worker did not say what it should have said."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the worker said about one thing, by name."""

    told: Mapping[str, Any]

    @classmethod
    def of(cls, told: object) -> Facts:
        """Given what should be facts, return them; raise Unreadable where it is something else."""
        if not isinstance(told, Mapping) or not all(isinstance(key, str) for key in told):
            raise Unreadable(f"{type(told).__name__} in place of facts")
        return cls(told)

    def text(self, name: str) -> str:
        """Return a text that must be there; it may be empty."""
        return self._be(name, str)

    def yes(self, name: str) -> bool:
        """Return a yes or no that must be there."""
        return self._be(name, bool)

    def yes_or_unknown(self, name: str) -> bool | None:
        """Return a yes or no; None where nobody knows."""
        return None if self._get(name) is None else self.yes(name)

    def number(self, name: str) -> float | None:
        """Return a number that is not negative; None where there is none."""
        found = self._get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found):
            raise Unreadable(name)
        if found < 0:
            raise Unreadable(name)
        return found

    def moment(self, name: str) -> datetime | None:
        """Return an aware time; None where there is none."""
        if self._get(name) is None:
            return None
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise Unreadable(name) from None
        if found.tzinfo is None:
            raise Unreadable(name)
        return found

    def certain_moment(self, name: str) -> datetime:
        """Return an aware time that must be there."""
        found = self.moment(name)
        if found is None:
            raise Unreadable(name)
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts that must be there."""
        found = self._be(name, list)
        if not all(isinstance(each, str) for each in found):
            raise Unreadable(name)
        return tuple(found)

    def each(self, name: str) -> Iterator[Facts]:
        """Yield the facts in a list that must be there."""
        return map(Facts.of, self._be(name, list))

    def part(self, name: str) -> Facts:
        """Return facts inside these that must be there."""
        return Facts.of(self._get(name))

    def part_or_none(self, name: str) -> Facts | None:
        """Return facts inside these; None where there are none."""
        return None if self._get(name) is None else self.part(name)

    def names(self) -> Sequence[str]:
        """Return under which names there is something."""
        return tuple(self.told)

    def _get(self, name: str) -> Any:
        if name not in self.told:
            raise Unreadable(name)
        return self.told[name]

    def _be(self, name: str, kind: type[T]) -> T:
        found = self._get(name)
        if not isinstance(found, kind):
            raise Unreadable(name)
        return found
