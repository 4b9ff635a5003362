"""CiviCRM and its APIv4 over HTTP.

https://docs.civicrm.org/dev/en/latest/api/v4/rest, …/framework/authx/; and the source,
https://github.com/civicrm/civicrm-core: CRM/Api4/Page/AJAX.php, Civi/Api4/Entity.php.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, MACHINES, NOTES, Row
from .serving import Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Vendor, route

_KINDS = {
    "Contact": CONTACTS,
    "Organization": COMPANIES,
    "Contribution": DEALS,
    "Note": NOTES,
    "Custom_Maschinen": MACHINES,
}
_EMPTY, _DENIED = "Event", "Membership"
_OTHERS = (
    {"name": "Entity", "type": ["BasicEntity"], "primary_key": ["name"], "searchable": "none"},
    {"name": "ActionLog", "type": ["DAOEntity"], "primary_key": ["id"], "searchable": "none"},
    {"name": "SK_Report", "type": ["SavedSearch"], "primary_key": None, "searchable": "secondary"},
    {"name": "System", "type": None, "primary_key": None, "searchable": None},
)


class CiviCrm(Vendor):
    """One site."""

    recipe = "civicrm"
    most_per_page: int = 1000
    key = "id"
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.CURSOR_REPEATS: REFUSES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
    }

    def __init__(self, *given: Any, denied: bool = False, **more: Any) -> None:
        """`denied`: there is one kind of record that this user may not see."""
        super().__init__(*given, **more)
        self.denied = [_DENIED] if denied else []
        self.token = self.secret(self.fresh(32))
        for place, (name, kind) in enumerate(_KINDS.items(), 1):
            rows = [self._record(place, row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "remark", "Zusatz.Feld")
        self.tables[_EMPTY] = []

    def _record(self, place: int, row: Row) -> dict[str, Any]:
        """Ids are numbers, of which some are missing, in no order by name."""
        named = {name: text for name, text in row.items() if name != "number"}
        return {"id": int(row["number"]) * 3 + place} | named

    def settings(self) -> dict[str, Any]:
        return {"url": self.premises.url(), "key": self.token}

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    @route("POST", "/civicrm/ajax/api4/{entity}/get")
    def get(self, question: Question, entity: str) -> Answer:
        """AJAX.php: `params` is one text of JSON in a form field; without it there are no
        arguments, and the first 25 of everything are answered."""
        self._check(question)
        plain = "x-www-form-urlencoded" in question.headers.get("content-type", "")
        told = json.loads((question.form if plain else {}).get("params", "{}"))
        if entity == "Entity":
            return self._said(self._entities())
        if entity == _DENIED:
            return self._error(403, "Authorization failed")
        if entity not in self.tables:
            return self._error(500, "Sorry an error occurred and your request was not completed.")
        rows = [row for row in self.tables[entity] if self._matches(row, told.get("where", []))]
        if told.get("orderBy") == {"id": "ASC"}:
            rows.sort(key=lambda row: int(row["id"]))
        return self._said(rows[: min(told.get("limit", 25), self.most_per_page)])

    def _check(self, question: Question) -> None:
        """AuthX: an unknown key is 401 in plain text. AJAX.php, checkRequestMethod: 400 for
        whoever is no script."""
        if question.headers.get("x-civi-auth") != f"Bearer {self.token}":
            text = b"HTTP 401 Invalid credential"
            raise Refusal(Answer(401, text, {"Content-Type": "text/plain"}))
        if question.headers.get("x-requested-with") != "XMLHttpRequest":
            raise Refusal(self._error(400, "SECURITY ALERT: Ajax requests can only be issued by"))

    def _matches(self, row: dict[str, Any], where: list[list[Any]]) -> bool:
        """A number in quotes is read as a number, as MySQL does."""
        for name, operator, value in where:
            if name != "id" or operator != ">":
                raise Refusal(self._error(500, "Illegal expression"))
            if not self.on(Trap.CURSOR_REPEATS) and int(row["id"]) <= int(value):
                return False
        return True

    def _entities(self) -> list[dict[str, Any]]:
        """Civi/Api4/Entity.php: name, type, primary_key, searchable among its fields."""
        named = [*self.tables, *self.denied]
        kinds = {
            name: ["CustomValue"] if name.startswith("Custom_") else ["DAOEntity"] for name in named
        }
        ours = [
            {"name": name, "type": kind, "primary_key": ["id"], "searchable": "primary"}
            for name, kind in kinds.items()
        ]
        return [*ours, *_OTHERS]

    def _said(self, rows: list[dict[str, Any]]) -> Answer:
        """AJAX.php, execute"""
        said = {"values": rows, "entity": "", "action": "get", "debug": None, "version": 4}
        answer = Answer.json(said | {"count": len(rows), "countFetched": len(rows)})
        return self.download(answer.body, "application/json")

    def _error(self, status: int, message: str) -> Answer:
        """AJAX.php: error_code, error_message, status"""
        said = {"error_code": "1", "error_message": message, "status": status}
        return Answer.json(said, status)
