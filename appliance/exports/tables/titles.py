"""The only home of what a person knows a record by."""

from __future__ import annotations

from collections.abc import Mapping

_TITLES = ("name", "full name", "fn", "email", "subject", "title", "company", "last name")
_LONGEST = 200


def title_of(row: Mapping[str, str]) -> str:
    """Given a record by its columns, return its name (`Deal Name`), else the first cells that say
    something.
    """
    plain = {name.casefold(): cell for name, cell in row.items()}
    by_name = [plain[name] for name in _TITLES if name in plain]
    by_name += [cell for name, cell in plain.items() if name.endswith(" name")]
    both = " ".join(plain[name] for name in ("first name", "last name") if name in plain)
    told = both or next(iter(by_name), "") or ", ".join([*row.values()][:3])
    return told[:_LONGEST]
