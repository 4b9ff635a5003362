"""Insightly and its API v3.1.

https://api.na1.insightly.com/v3.1/ (authentication, pagination, rate limiting; the endpoints
below it).
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, NOTES, Row
from .serving import Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Quota, Refusal, Vendor, route

_KINDS = {
    "Contacts": ("CONTACT_ID", CONTACTS),
    "Organisations": ("ORGANISATION_ID", COMPANIES),
    "Leads": ("LEAD_ID", LEADS),
    "Opportunities": ("OPPORTUNITY_ID", DEALS),
    "Notes": ("NOTE_ID", NOTES),
    "Maschine__c": ("RECORD_ID", MACHINES),
}
_EMPTY = ("Tasks", "Events", "Users", "Pipelines", "PipelineStages")
_NOT_IN_PLAN = ("Projects", "Products", "Pricebooks", "Quotations")


class Insightly(Vendor):
    """One account of the small plan."""

    recipe = "insightly"
    key = "ID"
    most_per_page: ClassVar[int] = 500
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
        Trap.PAGE_IGNORED: REFUSES,
        Trap.NULL_BODY: REFUSES,
    }

    def __init__(self, *given: Any, denied: bool = False, **more: Any) -> None:
        """`denied`: the plan has not everything."""
        super().__init__(*given, **more)
        self.denied = _NOT_IN_PLAN if denied else ()
        self.token = self.secret(self.fresh(36))
        self.daily = Quota(1000, timedelta(days=1))
        for name, (key, kind) in _KINDS.items():
            rows = [self._record(key, row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "REMARK", "ZUSATZ__c")

    def _record(self, key: str, row: Row) -> dict[str, Any]:
        named = {name.upper(): text for name, text in row.items() if name != "number"}
        return {key: 300_000_000 + int(row["number"])} | named | {"CUSTOMFIELDS": [], "TAGS": []}

    def settings(self) -> dict[str, Any]:
        return {"host": self.premises.host(), "key": self.token}

    def truth(self) -> Any:
        return {
            name: {str(row[_KINDS[name][0]]): row for row in rows}
            for name, rows in self.tables.items()
        }

    def found(self, files: Any) -> Any:
        from .tables import by_id, rows_of

        return {
            name: by_id(rows_of(files[f"{name}.jsonl"]), _KINDS[name][0])
            for name in self.tables
            if f"{name}.jsonl" in files
        }

    def _check(self, question: Question) -> None:
        """Authentication: Basic, the key as user name, no password. Rate limiting: per day."""
        wanted = base64.b64encode(f"{self.token}:".encode()).decode()
        if question.headers.get("authorization") != f"Basic {wanted}":
            raise Refusal(Answer(401))
        if not self.daily.take(self.now):
            raise Refusal(self.too_many({}))

    @route("GET", "/v3.1/CustomObjects")
    def custom_objects(self, question: Question) -> Answer:
        """CustomObjects: OBJECT_NAME, SINGULAR_LABEL, PLURAL_LABEL …"""
        self._check(question)
        one = {"OBJECT_NAME": "Maschine__c", "SINGULAR_LABEL": "Maschine", "PLURAL_LABEL": "M."}
        return Answer.json([one])

    @route("GET", "/v3.1/{name}")
    def listed(self, question: Question, name: str) -> Answer:
        """Pagination: top (100, at most 500), skip; count_total gives the header X-Total-Count."""
        self._check(question)
        if name in self.denied:
            return Answer(403)
        if name not in self.tables and name not in _EMPTY + _NOT_IN_PLAN:
            return Answer(404)
        told, rows = question.query, self.tables.get(name, [])
        many, first = min(int(told.get("top", 100)), self.most_per_page), int(told.get("skip", 0))
        start = 0 if self.on(Trap.PAGE_IGNORED) else first
        page: Any = rows[start : start + many]
        if self.on(Trap.NULL_BODY):
            page = None
        said = Answer.json(page)
        more = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "900"}
        if told.get("count_total", "").lower() == "true":
            more["X-Total-Count"] = str(len(rows))
        return self.download(said.body, "application/json; charset=utf-8", **more)
