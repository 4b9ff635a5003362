"""Which segments made up the repository at a push that ended well.

The cloud keeps every segment that ever was until it expires, so all of them together are not a
state the repository was ever in: a segment that only said "deleted" may have been compacted away
before it was sent. Each whole push therefore leaves a short list under `whole/NUMBER`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..core.errors import MirrorRefused

WHOLE = "whole"
_RANGE = re.compile(r"(\d{1,9}/)(\d{1,9})-(\d{1,9})")
_MOST_IN_A_FOLDER = 100_000


@dataclass(frozen=True, slots=True)
class Whole:
    """The state of a repository after one of its transactions."""

    transaction: int
    segments: tuple[str, ...]
    """`folder/number`, by number."""

    def files(self, *, with_config: bool = True) -> tuple[str, ...]:
        """Return every path that belongs to it, relative to the repository."""
        config = ("config",) if with_config else ()
        return (*config, "README", *(f"data/{name}" for name in self.segments))

    def since(self, last: Whole | None) -> tuple[str, ...]:
        """Return the paths of the segments that an earlier state does not have."""
        known = frozenset(last.segments) if last else frozenset()
        return tuple(f"data/{name}" for name in self.segments if name not in known)

    def as_text(self) -> str:
        """Return it as lines of ranges, `FOLDER/FIRST-LAST`."""
        runs: list[list[str | int]] = []
        for folder, number in map(_parts, self.segments):
            if runs and runs[-1][0] == folder and runs[-1][2] == number - 1:
                runs[-1][2] = number
            else:
                runs.append([folder, number, number])
        return "".join(f"{folder}/{first}-{last}\n" for folder, first, last in runs)

    @staticmethod
    def from_text(transaction: int, text: str) -> Whole:
        """Given what `as_text` returned, return it; raise MirrorRefused for anything else."""
        names: list[str] = []
        for line in text.splitlines():
            found = _RANGE.fullmatch(line)
            if not found or not 0 <= int(found[3]) - int(found[2]) < _MOST_IN_A_FOLDER:
                raise MirrorRefused("The list of a cloud copy is not one that this box wrote.")
            names.extend(f"{found[1]}{n}" for n in range(int(found[2]), int(found[3]) + 1))
        return Whole(transaction, tuple(names))


def numbers_up_to(transaction: int, segments: Iterable[str]) -> tuple[str, ...]:
    """Return those of the segments that were committed by then, in their order."""
    committed = (name for name in segments if _parts(name)[1] <= transaction)
    return tuple(sorted(committed, key=lambda name: _parts(name)[1]))


def _parts(name: str) -> tuple[str, int]:
    folder, _, number = name.partition("/")
    return folder, int(number)
