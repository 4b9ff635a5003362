"""Pipedrive: lists page by page; there is no export.

https://developers.pipedrive.com/docs/api/v1 and https://pipedrive.readme.io/docs/
core-api-concepts-pagination, core-api-concepts-rate-limiting, core-api-concepts-authentication.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, NOTES, Row
from .serving import API, FOREIGN, Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Quota, Refusal, Vendor, route

_HASH = "dcf558aac1ae4e8c4f849ba5e668430d8df9be12"
"""Fields of an office's own are named by such hashes; the fields' list says what they mean."""
V2 = {"persons": CONTACTS, "organizations": COMPANIES, "deals": DEALS, "products": MACHINES}
V1 = {"notes": NOTES, "leads": LEADS}
_EMPTY_V2 = ("activities", "pipelines", "stages")
_FIELDS = ("personFields", "organizationFields", "dealFields", "productFields")


class Pipedrive(Vendor):
    """One company, asked with an API token of an administrator."""

    recipe = "pipedrive"
    shown_to = frozenset({API})
    most_per_page: int = 40
    """core-api-concepts-pagination: 500 there."""
    reactions: ClassVar = {
        Trap.NULL_CURSOR: SURVIVES,
        Trap.CURSOR_REPEATS: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.NULL_BODY: REFUSES,
        Trap.PAGE_IGNORED: REFUSES,
        Trap.EMPTY_LAST_PAGE: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.NUL: SURVIVES,
    }

    def __init__(self, *given: Any, admin: bool = True, **more: Any) -> None:
        super().__init__(*given, **more)
        self.token = self.secret(self.fresh(40))
        self.is_admin = admin
        self.budget = Quota(30_000, timedelta(hours=24))
        for name, kind in (V2 | V1).items():
            rows = [self._record(name, row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "remark", "zusatz")
        for name in _EMPTY_V2:
            self.tables[name] = []
        for name in _FIELDS:
            self.tables[name] = [
                {"id": n, "key": key, "name": label, "field_type": "varchar"}
                for n, (key, label) in enumerate((("name", "Name"), (_HASH, "Kundennummer")), 1)
            ]
        self.tables["users"] = [{"id": 1, "name": "Petra Hübner", "active_flag": True}]

    def _record(self, name: str, row: Row) -> dict[str, Any]:
        number = int(row["number"])
        key: Any = f"adf21080-0e10-11eb-879b-{number:012d}" if name == "leads" else number
        more = {one: text or None for one, text in row.items() if one not in ("number", "remark")}
        told = {"id": key} | more | {"remark": row["remark"]}
        if name in V2:
            told["custom_fields"] = {_HASH: f"K-{number:05d}"}
            told["emails"] = [{"value": row.get("email", ""), "primary": True, "label": "work"}]
        return told

    def settings(self) -> dict[str, Any]:
        return {"host": self.premises.host(), "token": self.token}

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    def _enter(self, question: Question, cost: int) -> None:
        """401 without a token; list calls cost 10 of the day's tokens in v2 and 20 in v1."""
        if question.headers.get("x-api-token") != self.token:
            raise Refusal(self._error(401, "unauthorized access"))
        if not self.is_admin:
            raise Refusal(self._error(403, "Forbidden"))
        if not all(self.budget.take(self.now) for _ in range(cost)):
            raise Refusal(self.too_many({"X-RateLimit-Reset": "2"}))

    def _error(self, status: int, message: str) -> Answer:
        said = {"success": False, "error": message, "errorCode": status}
        more = "Please check developers.pipedrive.com for more information about Pipedrive API."
        return Answer.json(said | {"error_info": more}, status)

    def _page(self, question: Question, name: str, start: int) -> tuple[list[Any], int | None]:
        """The rows from `start` on, and where the next page starts, if there is one."""
        limit = min(int(question.query.get("limit", "100")), self.most_per_page)
        if self.on(Trap.PAGE_IGNORED):
            start = 0
        rows = self.tables[name]
        onward = start + limit
        if self.on(Trap.CURSOR_REPEATS) and start:
            onward = start
        some = rows[start : start + limit]
        is_more = bool(some) if self.on(Trap.EMPTY_LAST_PAGE) else start + limit < len(rows)
        return some, onward if is_more else None

    @route("GET", "/api/v2/{name}")
    def newer(self, question: Question, name: str) -> Answer:
        """…/docs/api/v1/Persons#getPersons and its like; the cursor is opaque, null at the end."""
        self._enter(question, 10)
        if name not in (*V2, *_EMPTY_V2):
            return self._error(404, "Unknown method .")
        if unknown := question.query.keys() - {"limit", "cursor", "sort_by", "sort_direction"}:
            return self._error(400, f"unknown parameters {unknown}")
        start = _opened(question.query.get("cursor"))
        rows, onward = self._page(question, name, start)
        cursor = None if onward is None else _sealed(onward)
        if cursor is None and self.on(Trap.NULL_CURSOR):
            return self._said(rows, {"next_cursor": "null"}, start)
        return self._said(rows, {"next_cursor": cursor}, start)

    @route("GET", "/v1/{name}")
    def older(self, question: Question, name: str) -> Answer:
        """core-api-concepts-pagination: next_start is there while more_items_in_collection."""
        self._enter(question, 20)
        if name not in (*V1, *_FIELDS, "users"):
            return self._error(404, "Unknown method .")
        start = int(question.query.get("start", "0"))
        rows, onward = self._page(question, name, start)
        more = {"start": start, "limit": self.most_per_page}
        more["more_items_in_collection"] = onward is not None
        if onward is not None:
            more["next_start"] = onward
        return self._said(rows or None, {"pagination": more}, start)

    def _said(self, rows: list[Any] | None, additional: Any, start: int) -> Answer:
        if self.on(Trap.NULL_BODY) and start == 0 and self._served() > 1:
            return Answer.json(None)
        told = Answer.json({"success": True, "data": rows, "additional_data": additional})
        if rows and len(rows) > 3:
            return self.download(told.body, told.headers["Content-Type"])
        return told


def _sealed(start: int) -> str:
    return base64.b64encode(json.dumps({"id": start, ">": "~~"}).encode()).decode()


def _opened(cursor: str | None) -> int:
    return int(json.loads(base64.b64decode(cursor))["id"]) if cursor else 0


__all__ = ["FOREIGN", "Pipedrive"]
