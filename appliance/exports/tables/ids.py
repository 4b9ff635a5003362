"""The only home of the question by which column a record is known again, and how ids are read.

Names say which columns could be it, uniqueness decides. The names are those of real CRMs'
exports: Salesforce, HubSpot, Zoho, Pipedrive, Dataverse, Odoo, SuiteCRM, EspoCRM, Insightly,
Google and vCard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_EXACT = (
    "record id",
    "id",
    ".id",
    "hs object id",
    "hs_object_id",
    "uid",
    "uuid",
    "guid",
    "resourcename",
    "external id",
    "crm id",
)
"""In the order in which they are believed."""
_ZOHO = "zcrm_"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SALESFORCE = re.compile(r"[0-9a-zA-Z]{15}")
_SHORT = 15


def candidates(columns: Sequence[str], table: str) -> tuple[str, ...]:
    """Given a table's columns and name, return those that may hold its id, the likeliest first.

    A reference to another table's record (`Account ID` among contacts) is none.
    """
    found = {column: rank for column in columns if (rank := _rank(column, table)) is not None}
    return tuple(sorted(found, key=lambda column: (found[column], columns.index(column))))


def normal(value: str) -> str:
    """Given an id, return how it is compared: other exports of the same CRM write it otherwise.

    Zoho puts `zcrm_` before it. Salesforce's reports have 15 characters where its exports have
    18; the last three say which of the others are capitals.
    """
    value = value.strip().removeprefix(_ZOHO)
    if len(value) == _SHORT and not value.isdigit() and _SALESFORCE.fullmatch(value):
        return value + _capitals(value)
    return value


def _capitals(short: str) -> str:
    """Salesforce's own sum: five characters each make one of 32 signs."""
    fives = (short[at : at + 5] for at in range(0, _SHORT, 5))
    return "".join(
        _ALPHABET[sum(sign.isascii() and sign.isupper() << at for at, sign in enumerate(five))]
        for five in fives
    )


def _rank(column: str, table: str) -> int | None:
    plain = re.sub(r"^\(do not modify\)\s*", "", column.strip().casefold())
    if plain in _EXACT:
        return _EXACT.index(plain)
    told, own = words(plain), words(table.casefold())
    if column.strip().casefold() != plain and _is_own(told, own):
        return len(_EXACT)  # Dataverse: `(Do Not Modify) Contact`
    if told[-1:] == ["id"] and _is_own(told[:-1], own):
        return len(_EXACT) + 1  # Contact ID, CONTACT_ID, Person - ID
    if plain.endswith("id") and len(told) == 1 and _is_own([plain[:-2]], own):
        return len(_EXACT) + 2  # contactid
    return None


def _is_own(told: list[str], own: list[str]) -> bool:
    """Return whether words name this table: `contact` that of Contacts, however called else."""
    name = "".join(told)
    stems = {name, f"{name}s", f"{name}es", f"{name[:-1]}ies"}
    return bool(name) and bool(
        stems & {*own, "".join(own)} or (name == "person" and "people" in own)
    )


def words(text: str) -> list[str]:
    """Return the words of a name, whatever stands between them."""
    return re.findall(r"[^\W_]+", text)
