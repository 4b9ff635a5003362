"""HubSpot: the exports of its CRM.

https://developers.hubspot.com/docs/api-reference/crm-exports-v3/guide for exports,
…/crm-properties-v3 for properties, …/crm-custom-objects-v3 for objects of an office's own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, MACHINES, NOTES, Row
from .serving import API, FILES, FOREIGN, HOSTS, Answer, Question
from .tables import as_csv, as_zip
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Job, Quota, Vendor, route

LINK_LIVES = timedelta(minutes=5)
_KINDS = {
    "contacts": ("CONTACT", CONTACTS),
    "companies": ("COMPANY", COMPANIES),
    "deals": ("DEAL", DEALS),
    "tickets": ("TICKET", NOTES),
    "p4711_maschine": ("2-3465404", MACHINES),
}
_SCOPES = ("crm.export", "crm.schemas.custom.read", "crm.objects.contacts.read")
SIZE_OF_A_ZIP = 2_000_000
"""The guide, "Retrieve exports": a larger file is automatically zipped."""


class HubSpot(Vendor):
    """One account with a private app, whose token does not end."""

    recipe = "hubspot"
    key = "hs_object_id"
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
        Trap.CSV_BECOMES_ZIP: SURVIVES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
    }
    runs_at_once: ClassVar[int] = 1

    def __init__(self, *given: Any, custom_objects: bool = True, **more: Any) -> None:
        """Without `custom_objects` the plan has none, and asking for them is refused."""
        super().__init__(*given, **more)
        self.has_custom_objects = custom_objects
        scopes = _SCOPES if custom_objects else (_SCOPES[0], _SCOPES[2])
        self.token = self.grant(timedelta(days=3650), scopes)
        self.starts = Quota(30, timedelta(hours=24))
        kinds = [*_KINDS] if custom_objects else [*_KINDS][:-1]
        for number, name in enumerate(kinds):
            rows = [self._record(number, row) for row in self.data[_KINDS[name][1]]]
            self.tables[name] = self.dressed(rows, "remark", "neues_feld")

    def _record(self, kind: int, row: Row) -> dict[str, Any]:
        more = {name.replace("(%)", "percent"): text for name, text in row.items()}
        number = str(900_000_000 + kind * 1_000_000 + int(more.pop("number")))
        return {"hs_object_id": number} | more

    def settings(self) -> dict[str, Any]:
        return {"host": self.premises.host(), "files": HOSTS[FILES], "token": self.token}

    def unauthorised(self) -> Answer:
        """https://developers.hubspot.com/docs/api-reference/error-handling"""
        return self._error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")

    def forbidden(self, scope: str) -> Answer:
        return self._error(403, "MISSING_SCOPES", f"This app hasn't been granted {scope}.")

    def _error(self, status: int, category: str, message: str) -> Answer:
        said = {"status": "error", "message": message, "category": category}
        return Answer.json(said | {"correlationId": "a0b1"}, status)

    @route("GET", "/crm/v3/schemas")
    def schemas(self, question: Question) -> Answer:
        """Custom objects: objectTypeId is `2-` and a number, the full name has the portal's."""
        self.check_token(question, "crm.schemas.custom.read")
        one = {
            "id": "3465404",
            "objectTypeId": "2-3465404",
            "name": "maschine",
            "fullyQualifiedName": "p4711_maschine",
            "labels": {"singular": "Maschine", "plural": "Maschinen"},
            "archived": False,
        }
        return Answer.json({"results": [one]})

    def _named(self, kind: str) -> str | None:
        """Objects are known by their name, by the type of exports, and by objectTypeId."""
        for name, (kind_of, _) in _KINDS.items():
            if kind.lower() in (name, kind_of.lower()):
                return name if name in self.tables else None
        return None

    @route("GET", "/crm/v3/properties/{kind}")
    def properties(self, question: Question, kind: str) -> Answer:
        self.check_token(question)
        if (name := self._named(kind)) is None:
            return self._error(404, "OBJECT_NOT_FOUND", f"Unable to infer object type from: {kind}")
        told = [
            {"name": one, "label": one.title(), "type": "string", "fieldType": "text"}
            for one in self.tables[name][0]
        ]
        return Answer.json({"results": told})

    @route("POST", "/crm/v3/exports/export/async")
    def begin(self, question: Question) -> Answer:
        """202 and the id; 30 in 24 hours."""
        self.check_token(question, "crm.export")
        asked = question.json
        name = self._named(asked.get("objectType", ""))
        if asked.get("exportType") != "VIEW" or asked.get("format") != "CSV" or name is None:
            return self._error(400, "VALIDATION_ERROR", "Invalid input JSON")
        if not self.starts.take(self.now):
            return self._error(429, "RATE_LIMITS", "You have reached your daily export limit.")
        last = "CANCELED" if self.on(Trap.JOB_FAILS) else "COMPLETE"
        number = str(100_000 + len(self.jobs))
        self.start(["PENDING", "PROCESSING", last], number, name=name, asked=asked)
        status = 200 if self.on(Trap.OTHER_SUCCESS) else 202
        return Answer.json({"id": number, "links": {}}, status)

    @route("GET", "/crm/v3/exports/export/async/tasks/{number}/status")
    def status(self, question: Question, number: str) -> Answer:
        """`result` stands there when COMPLETE; each asking gives a link for five minutes."""
        self.check_token(question, "crm.export")
        job = self.jobs.get(number)
        if job is None:
            return self._error(404, "OBJECT_NOT_FOUND", "No export found")
        said: dict[str, Any] = {"status": self._state(job), "numErrors": 0, "errors": []}
        said |= {"requestedAt": self.iso(self.now), "links": {}}
        if said["status"] == "COMPLETE":
            path = f"/exports/{number}/{self.link(LINK_LIVES)}"
            said["result"] = self.premises.url(FILES, path) + "?X-Amz-Signature=abc"
            said["completedAt"] = self.iso(self.now)
        return Answer.json(said)

    def _state(self, job: Job) -> str:
        """One export runs at a time, the others wait for it."""
        earlier = [one for one in self.jobs.values() if int(one.name) < int(job.name)]
        running = [one for one in earlier if one.states[0] in ("PENDING", "PROCESSING")]
        return job.states[0] if len(running) >= self.runs_at_once else job.look()

    @route("GET", "/exports/{number}/{link}", FILES)
    def file(self, question: Question, number: str, link: str) -> Answer:
        """An object store: a request with a signature and another credential is refused too.

        https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        """
        if "authorization" in question.headers:
            return self._stored_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not self.is_live(link):
            return self._stored_error(403, "AccessDenied", "Request has expired")
        job = self.jobs[number]
        if "body" not in job.about:
            job.about["body"] = self._made(job)
        body: bytes = job.about["body"]
        kind = "application/zip" if body[:2] == b"PK" else "text/csv"
        name = f"hubspot-crm-exports-{job.about['name']}-2026-11-21.csv"
        disposition = f'attachment; filename="{name}"'
        return self.download(
            body, kind, lives=LINK_LIVES, of_store=question, Content_Disposition=disposition
        )

    def _stored_error(self, status: int, code: str, message: str) -> Answer:
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return Answer(status, text.encode(), {"Content-Type": "application/xml"})

    def _made(self, job: Job) -> bytes:
        asked, name = job.about["asked"], job.about["name"]
        columns = ["Record ID", *asked["objectProperties"]]
        rows = [{"Record ID": row[self.key], **row} for row in self.ordered(self.tables[name])]
        if kind := asked.get("associatedObjectType"):  # the guide, "associatedObjectType"
            columns.append(f"Associated {kind} IDs")
        made = as_csv(columns, rows)
        if len(made) > SIZE_OF_A_ZIP or self.on(Trap.CSV_BECOMES_ZIP):
            return as_zip({f"hubspot-crm-exports-{name}-2026-11-21.csv": made})
        return made

    def truth(self) -> dict[str, Any]:
        whole = super().truth()
        return {
            name: {key: {"Record ID": key, **row} | _linked(name) for key, row in table.items()}
            for name, table in whole.items()
        }


def _linked(name: str) -> dict[str, str]:
    """What deals and tickets have besides, where the recipe asks for their contacts."""
    return {"Associated CONTACT IDs": ""} if name in ("deals", "tickets") else {}


__all__ = ["FOREIGN", "LINK_LIVES", "HubSpot"]
