"""The only home of what a person means by the name of a table or file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from .likeness import uncounted, undated

_MOST_NAMES = 20


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Given a member's path, return whether a pattern means it; no patterns mean everything.

    A pattern is a path, its last part, a glob over either, or a table: some whole words of the
    name, so that `Contacts` means `Data_001.zip/hubspot-contacts-2026-11-21.csv` too. Capital and
    small letters are the same. Rather one file too many than the one that is missed.
    """
    return not patterns or any(_means(each.casefold(), path) for each in patterns)


def some_of(paths: Iterable[str]) -> str:
    """Given paths, return a list of them to choose from; of very many only the first."""
    names = sorted(paths)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "nothing") + more


def _means(pattern: str, path: str) -> bool:
    pure = PurePosixPath(path)
    if any(pattern == whole or fnmatchcase(whole, pattern) for whole in _wholes(path)):
        return True
    stems = {pure.stem, undated(pure.stem), uncounted(pure.stem)}
    return any(_runs_in(_words(pattern), _words(stem)) for stem in stems)


def _wholes(path: str) -> tuple[str, str]:
    return path.casefold(), PurePosixPath(path).name.casefold()


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _runs_in(some: list[str], words: list[str]) -> bool:
    """Return whether `some` stand in `words`, side by side and in this order."""
    starts = range(len(words) - len(some) + 1)
    return bool(some) and any(words[start : start + len(some)] == some for start in starts)
