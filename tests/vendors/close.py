"""Close: its exports.

https://developer.close.com/api/resources/exports/create-lead and get-lead; authentication with API
keys: …/api/overview/api-key-authentication; limits: …/api/overview/rate-limits.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, Row
from .serving import API, FILES, FOREIGN, HOSTS, Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Vendor, route

LINK_LIVES = timedelta(hours=1)
"""Not documented; links of an object store die."""


class Close(Vendor):
    """One organisation, asked with an API key as the user's name."""

    recipe = "close"
    shown_to = frozenset({API})
    reactions: ClassVar = {
        Trap.OTHER_SUCCESS: SURVIVES,
        Trap.LINK_EXPIRES: SURVIVES,
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.STUCK: REFUSES,
        Trap.JOB_FAILS: REFUSES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.api_key = f"api_{self.fresh(22)}.{self.fresh(22)}"
        self.secret(base64.b64encode(f"{self.api_key}:".encode()).decode())
        self.secret(self.api_key)
        people = self.data[CONTACTS]
        leads = [self._lead(row, people) for row in self.data[COMPANIES]]
        self.tables["leads"] = self.dressed(leads, "description", "custom.cf_zusatz")
        deals = [self._deal(row) for row in self.data[DEALS]]
        self.tables["opportunities"] = self.dressed(deals, "note", "custom.cf_zusatz")

    def _lead(self, row: Row, people: list[Row]) -> dict[str, Any]:
        """JSON exports are whole leads, contacts and activities within."""
        number = int(row["number"])
        person = people[number % len(people)]
        contact = {"id": f"cont_{number:040d}", "name": person["last_name"], "phones": []}
        return {
            "id": f"lead_{number:040d}",
            "display_name": row["account_name"],
            "description": row["remark"],
            "contacts": [contact],
            "custom.cf_kunde": f"K-{number}",
            "activities": [{"id": f"acti_{number:040d}", "_type": "Note", "note": row["remark"]}],
        }

    def _deal(self, row: Row) -> dict[str, Any]:
        number = int(row["number"])
        told = {"id": f"oppo_{number:040d}", "note": row["remark"], "status_type": "active"}
        return told | {"value": number * 100, "value_currency": "EUR"}

    def settings(self) -> dict[str, Any]:
        return {"host": self.premises.host(), "files": HOSTS[FILES], "token": self.api_key}

    def found(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        tables: dict[str, Any] = {}
        for name, data in files.items():
            rows = json.loads(data)
            tables[name.partition(".")[0]] = {row["id"]: row for row in rows}
        return tables

    def _enter(self, question: Question) -> None:
        """The key is the user's name, the password is empty."""
        word = base64.b64encode(f"{self.api_key}:".encode()).decode()
        if question.headers.get("authorization") != f"Basic {word}":
            raise Refusal(self._error(401, "The server could not verify that you are authorized."))

    def _error(self, status: int, message: str) -> Answer:
        return Answer.json({"error": message}, status)

    @route("POST", "/api/v1/export/lead/")
    def leads(self, question: Question) -> Answer:
        self._enter(question)
        asked = question.json or {}
        if asked.get("format") not in ("csv", "json"):
            return Answer.json({"field-errors": {"format": "This field is required."}}, 400)
        if asked.get("type") not in ("leads", "contacts", "lead_opps"):
            return Answer.json({"field-errors": {"type": "This field is required."}}, 400)
        return self._begin("leads")

    @route("POST", "/api/v1/export/opportunity/")
    def opportunities(self, question: Question) -> Answer:
        self._enter(question)
        if (question.json or {}).get("format") not in ("csv", "json"):
            return Answer.json({"field-errors": {"format": "This field is required."}}, 400)
        return self._begin("opportunities")

    def _begin(self, table: str) -> Answer:
        last = "error" if self.on(Trap.JOB_FAILS) else "done"
        states = ["created", "started", "in_progress", last]
        job = self.start(states, f"export_{self.fresh(40)}", table=table)
        told = self._told(job.name, "created")
        return Answer.json(told, 201 if self.on(Trap.OTHER_SUCCESS) else 200)

    def _told(self, name: str, status: str) -> dict[str, Any]:
        told: dict[str, Any] = {"id": name, "status": status, "format": "json", "type": "leads"}
        told |= {"download_url": None, "date_created": self.iso(self.now)}
        if status == "done":
            link = f"/{name}/{self.link(LINK_LIVES)}"
            told["download_url"] = self.premises.url(FILES, link) + "?Signature=abc"
        return told

    @route("GET", "/api/v1/export/{kind}/{name}/")
    def export(self, question: Question, kind: str, name: str) -> Answer:
        """`status` is created, started, in_progress, done or error."""
        self._enter(question)
        if kind not in ("lead", "opportunity") or name not in self.jobs:
            return self._error(404, "Empty query: Export does not exist.")
        return Answer.json(self._told(name, self.jobs[name].look()))

    @route("GET", "/{name}/{link}", FILES)
    def file(self, question: Question, name: str, link: str) -> Answer:
        """Gzip as a content encoding, whatever was asked for."""
        if "authorization" in question.headers:
            return Answer(400, b"<Error><Code>InvalidArgument</Code></Error>")
        if not self.is_live(link):
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        about = self.jobs[name].about
        if "body" not in about:
            rows = json.dumps(self.ordered(self.tables[about["table"]]), ensure_ascii=False)
            about["body"] = gzip.compress(rows.encode(), mtime=0)
        return self.download(
            about["body"],
            "application/json",
            lives=LINK_LIVES,
            of_store=question,
            Content_Encoding="gzip",
        )


__all__ = ["FOREIGN", "Close"]
