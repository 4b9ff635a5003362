"""EspoCRM: its lists, and its export in the background.

Each shape is that of the source, https://github.com/espocrm/espocrm (commit 2cde9d9), below
application/Espo; the file is named where it is used.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, Row
from .serving import Answer, Question
from .tables import as_csv
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Vendor, route

_KINDS = {
    "Account": COMPANIES,
    "Contact": CONTACTS,
    "Lead": LEADS,
    "Opportunity": DEALS,
    "Maschine": MACHINES,
}
_EMPTY, _DENIED = "Task", "Case"
_LIMIT = 200
"""defaults/config.php, recordListMaxSizeLimit."""
_KEEPS = timedelta(days=2)
"""Classes/Cleanup/Exports.php"""


class EspoCrm(Vendor):
    """One server; its lists."""

    recipe = "espocrm"
    key = "id"
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
        Trap.PAGE_IGNORED: REFUSES,
        Trap.EMPTY_LAST_PAGE: SURVIVES,
    }

    def __init__(self, *given: Any, denied: bool = False, **more: Any) -> None:
        """`denied`: there is one kind of record that this user may not see."""
        super().__init__(*given, **more)
        self.denied = [_DENIED] if denied else []
        self.token = self.secret(self.fresh(32))
        for place, (kind, rows) in enumerate(_KINDS.items(), 1):
            made = [self._record(place, row) for row in self.data[rows]]
            self.tables[kind] = self.dressed(made, "remark", "zusatz")
        self.tables[_EMPTY] = []

    def _record(self, place: int, row: Row) -> dict[str, Any]:
        """An id has 17 characters (Core/Utils/Util.php, generateId)."""
        named = {name: text for name, text in row.items() if name != "number"}
        return {"id": f"6a5f{place:x}{int(row['number']):012x}"} | named

    def settings(self) -> dict[str, Any]:
        return {"url": self.premises.url(), "key": self.token}

    def _check(self, question: Question) -> None:
        """Core/Authentication/Logins/ApiKey.php"""
        if question.headers.get("x-api-key") != self.token:
            raise Refusal(Answer(401))

    def _forbidden(self, reason: str) -> Refusal:
        """Core/Api/ErrorOutput.php: the reason stands in a header."""
        return Refusal(Answer(403, b"", {"X-Status-Reason": reason}))

    @route("GET", "/api/v1/App/user")
    def user(self, question: Question) -> Answer:
        """Tools/App/AppService.php, getUserData; Core/Acl/Table/DefaultTable.php for `table`."""
        self._check(question)
        may = dict.fromkeys(("read", "stream"), "all") | {"edit": "no", "delete": "no"}
        table: dict[str, Any] = dict.fromkeys(self.tables, may)
        table |= dict.fromkeys([*self.denied, "Import", "ExternalAccount"], False)
        table |= {"Calendar": True, "Activities": True}
        acl = {"table": table, "fieldTable": {}, "assignmentPermission": "all"}
        return Answer.json({"user": {"userName": "backup", "type": "api"}, "acl": acl})

    @route("GET", "/api/v1/{kind}")
    def listed(self, question: Question, kind: str) -> Answer:
        """Core/Record/Service.php, find; Core/Record/SearchParamsFetcher.php for the limit.

        With EMPTY_LAST_PAGE the type is one that the server does not count (total -1, -2).
        """
        self._check(question)
        if kind == _DENIED:
            raise self._forbidden("No read access.")
        if kind not in self.tables:
            return Answer(404)
        told = question.query
        most, first = int(told.get("maxSize", _LIMIT)), int(told.get("offset", 0))
        if most > _LIMIT:
            raise self._forbidden(f"Max size should not exceed {_LIMIT}. Use offset and limit.")
        rows = sorted(self.tables[kind], key=lambda row: str(row[told.get("orderBy", "remark")]))
        start = 0 if self.on(Trap.PAGE_IGNORED) else first
        page, total = rows[start : start + most], len(rows)
        if self.on(Trap.EMPTY_LAST_PAGE):
            total = -1 if first + most < len(rows) else -2
        said = Answer.json({"total": total, "list": page})
        return self.download(said.body, "application/json")


class EspoCrmExport(EspoCrm):
    """The same server; its exports."""

    recipe = "espocrm-export"
    reactions: ClassVar = {
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
        Trap.APOSTROPHE: SURVIVES,
        Trap.NUL: SURVIVES,
    }

    @route("POST", "/api/v1/Export")
    def begin(self, question: Question) -> Answer:
        """Tools/Export/Api/PostProcess.php and Tools/Export/Service.php"""
        self._check(question)
        kind = question.json.get("entityType")
        if not kind:
            return Answer(400, b"", {"X-Status-Reason": "No entityType."})
        if kind not in self.tables:
            raise self._forbidden("No 'read' access.")
        if not question.json.get("idle"):
            return Answer(500)  # inline: a person's browser, not a machine's
        states = ["Pending", "Running", "Success"]
        if self.on(Trap.JOB_FAILS):
            states[-1] = "Failed"
        job = self.start(states, kind=kind, at=self.now)
        return Answer.json({"exportId": job.name})

    @route("GET", "/api/v1/Export/{name}/status")
    def status(self, question: Question, name: str) -> Answer:
        """Tools/Export/Service.php, getStatusData"""
        self._check(question)
        job = self.jobs.get(name)
        if job is None or job.about["at"] + _KEEPS.total_seconds() < self.now:
            return Answer(404)
        state = job.look()
        done = f"file-{name}" if state == "Success" else None
        return Answer.json({"status": state, "attachmentId": done})

    @route("GET", "/api/v1/Attachment/file/{name}")
    def file(self, question: Question, name: str) -> Answer:
        """Tools/Attachment/Api/GetFile.php: length, type and name, no ETag."""
        self._check(question)
        job = self.jobs.get(name.removeprefix("file-"))
        if job is None or job.states[0] != "Success":
            return Answer(404)
        rows = self.tables[job.about["kind"]]
        columns = list(rows[0]) if rows else ["id", "name"]
        name = f'attachment; filename="Export_{job.about["kind"]}.csv"'
        body = as_csv(columns, self.ordered(rows))
        return self.download(body, "text/csv", Content_Disposition=name)
