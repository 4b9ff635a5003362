"""A small office's records, the same for the same seed, with what trips careless code.

Neutral: each vendor writes them in the shape, under the names and with the ids that are its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from appliance.demo.records import KINDS

COMPANIES, CONTACTS, LEADS, DEALS, NOTES, MACHINES = (
    "companies",
    "contacts",
    "leads",
    "deals",
    "notes",
    "machines",
)
"""The last is of the office's own making: a custom module."""

_KINDS = {
    COMPANIES: ("Accounts", 0.4),
    CONTACTS: ("Contacts", 1.0),
    LEADS: ("Leads", 0.6),
    DEALS: ("Deals", 0.6),
    NOTES: ("Notes", 0.5),
}
_NASTY = (
    "",
    'said "maybe", then "no"',
    "first line\nsecond; line\r\nthird, line",
    "=HYPERLINK(1)",
    "+49 341 1234567",
    "-10 % Rabatt",
    "@home",
    "Straße, Größe & Übermaß",
    " leading and trailing ",
    "0815",
    "null",
    "日本 ✓ 🎉",
)

Row = dict[str, str]
"""Field by name, `number` (from 1) among them; an empty field is the empty text."""


@dataclass(frozen=True, slots=True)
class Office:
    """Rows by kind of record."""

    rows: dict[str, list[Row]]

    def __getitem__(self, kind: str) -> list[Row]:
        return self.rows[kind]


def office(seed: int, contacts: int = 200) -> Office:
    """Given a seed and how many contacts there are, return all records."""
    rows = {
        kind: [_row(seed, name, number) for number in range(1, max(3, int(contacts * share)) + 1)]
        for kind, (name, share) in _KINDS.items()
    }
    count = max(3, contacts // 4)
    rows[MACHINES] = [_machine(seed, number) for number in range(1, count + 1)]
    return Office(rows)


def _row(seed: int, name: str, number: int) -> Row:
    rng = Random(f"{seed}/{name}/{number}")
    (kind,) = (kind for kind in KINDS if kind.name == name)
    columns = [column.lower().replace(" ", "_") for column in kind.columns[1:]]
    row = dict(zip(columns, kind.fill(rng, number), strict=True))
    return {"number": str(number)} | row | {"remark": rng.choice(_NASTY)}


def _machine(seed: int, number: int) -> Row:
    rng = Random(f"{seed}/machine/{number}")
    return {
        "number": str(number),
        "name": f"Fräse {rng.randrange(10**4)}",
        "serial": f"{rng.randrange(10**8):08d}",
        "built": f"20{rng.randrange(10, 26)}-0{rng.randrange(1, 10)}-15",
        "remark": rng.choice(_NASTY),
    }
