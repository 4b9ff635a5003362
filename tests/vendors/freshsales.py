"""Freshsales, the Freshworks CRM.

https://developers.freshworks.com/crm/api/ ("Get the list of all views", "List all contacts"); what
public clients rely on: Airbyte's source-freshsales/manifest.yaml, and n8n's FreshworksCrm.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, Row
from .serving import Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Quota, Refusal, Vendor, route

_VIEWS = {
    "contacts": {"My Contacts": 1, "All Contacts": 4_000_000_001},
    "sales_accounts": {"All Accounts": 4_000_000_002},
    "deals": {"Open Deals": 4_000_000_003, "Won Deals": 4_000_000_004, "Lost Deals": 4_000_000_005},
}
_BASE = "/crm/sales/api"


class Freshsales(Vendor):
    """One account."""

    recipe = "freshsales"
    key = "id"
    most_per_page: int = 40
    """The server decides; a page is often smaller than asked."""
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
        Trap.PAGE_IGNORED: REFUSES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.token = self.secret(self.fresh(22))
        self.hourly = Quota(1000, timedelta(hours=1))
        deals = self.data[DEALS]
        won = [row for row in deals if row["stage"] == "Closed won"]
        lost = [row for row in deals if row["stage"] == "Closed lost"]
        left = [row for row in deals if row not in won and row not in lost]
        kinds = {"contacts": self.data[CONTACTS], "accounts": self.data[COMPANIES]}
        kinds |= {"deals-open": left, "deals-won": won, "deals-lost": lost}
        for name, rows in kinds.items():
            made = [self._record(row) for row in rows]
            self.tables[name] = self.dressed(made, "remark", "zusatz")

    def _record(self, row: Row) -> dict[str, Any]:
        """An id is a number of eleven digits; fields of one's own lie in custom_field."""
        named = {name: text for name, text in row.items() if name != "number"}
        own = {"cf_haustier": row.get("birthday", "")}
        return {"id": 70_000_000_000 + int(row["number"])} | named | {"custom_field": own}

    def settings(self) -> dict[str, Any]:
        return {"host": self.premises.host(), "key": self.token}

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    def table_of(self, file: str, member: str) -> str | None:
        return file.removesuffix(".jsonl")

    def _check(self, question: Question) -> None:
        """The header's word is `Token token=`; 1,000 an hour on the small plans, then 429."""
        if question.headers.get("authorization") != f"Token token={self.token}":
            raise Refusal(
                Answer.json({"login": "failed", "message": "Invalid login or password"}, 401)
            )
        if not self.hourly.take(self.now):
            raise Refusal(self.too_many({"Retry-After": "600"}))

    @route("GET", f"{_BASE}/{{kind}}/filters")
    def filters(self, question: Question, kind: str) -> Answer:
        """Get the list of all views: id, name, model_class_name, is_default among their fields."""
        self._check(question)
        if kind not in _VIEWS:
            return Answer(404)
        views = [
            {"id": number, "name": name, "model_class_name": kind, "is_default": True}
            for name, number in _VIEWS[kind].items()
        ]
        return Answer.json({"filters": views})

    @route("GET", f"{_BASE}/{{kind}}/view/{{view}}")
    def listed(self, question: Question, kind: str, view: str) -> Answer:
        """List all contacts: rows under the module's name, `meta` with total_pages and total."""
        self._check(question)
        numbers = {number: name for name, number in _VIEWS.get(kind, {}).items()}
        name = numbers.get(int(view) if view.isdigit() else 0)
        if name is None:
            return Answer(404)
        rows = self._rows_of(name)
        told = question.query
        many, page = (
            min(int(told.get("per_page", 25)), self.most_per_page),
            int(told.get("page", 1)),
        )
        if told.get("sort") == "id" and told.get("sort_type") == "asc":
            rows.sort(key=lambda row: int(row["id"]))
        first = 0 if self.on(Trap.PAGE_IGNORED) else (page - 1) * many
        meta = {"total_pages": ceil(len(rows) / many), "total": len(rows)}
        said = Answer.json({kind: rows[first : first + many], "meta": meta})
        return self.download(said.body, "application/json; charset=utf-8")

    def _rows_of(self, view: str) -> list[dict[str, Any]]:
        first, second = view.lower().split()
        name = f"{second}-{first}" if second == "deals" else second
        rows = self.tables[name]
        return list(rows) if first != "my" else rows[:1]
