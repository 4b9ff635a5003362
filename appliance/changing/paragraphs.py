"""Which lines of the configuration's text belong to a section, and how lines come and go.

Part of the rim. What somebody wrote is never thrown away: a line that no longer counts becomes a
comment. `editing` proves afterwards that the text means what it should.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.-]+)\s*\]\]?\s*(#.*)?$")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """The lines of one section, counted from 0."""

    header: int
    own_end: int
    """Behind its own last key: tables inside of it follow."""
    end: int
    """Behind all that is its: blank lines and comments that follow belong to nobody."""


def around(lines: Sequence[str], number: int, section: str) -> Paragraph | None:
    """Given any own line of a section, return its paragraph; None where it has no header."""
    found = (back for back in range(number, -1, -1) if _name(lines[back]) == section)
    header = next(found, None)
    return None if header is None else _from(lines, header, section)


def first(lines: Sequence[str], section: str) -> Paragraph | None:
    """Return the paragraph of a section that there is once; None where there is none."""
    found = (number for number, line in enumerate(lines) if _name(line) == section)
    header = next(found, None)
    return None if header is None else _from(lines, header, section)


def _from(lines: Sequence[str], header: int, section: str) -> Paragraph:
    own = foreign = len(lines)
    for number in range(header + 1, len(lines)):
        name = _name(lines[number])
        if name is None:
            continue
        own = min(own, number)
        if not name.startswith(f"{section}."):
            foreign = number
            break
    return Paragraph(
        header, _behind_last_word(lines, header, own), _behind_last_word(lines, header, foreign)
    )


def _name(line: str) -> str | None:
    found = _HEADER.match(line)
    return found[1] if found else None


def _behind_last_word(lines: Sequence[str], header: int, end: int) -> int:
    while end > header + 1 and lines[end - 1].strip()[:1] in ("", "#"):
        end -= 1
    return end


def with_lines(lines: Sequence[str], at: int, new: Sequence[str]) -> list[str]:
    """Return the lines with new ones put in before line `at`."""
    return [*lines[:at], *new, *lines[at:]]


def commented_out(lines: Sequence[str], begin: int, end: int) -> list[str]:
    """Return the lines with some of them made comments; blank ones and comments stay."""
    return [
        f"# {line}" if begin <= number < end and line.strip()[:1] not in ("", "#") else line
        for number, line in enumerate(lines)
    ]
