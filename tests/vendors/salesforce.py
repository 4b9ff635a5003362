"""Salesforce: Bulk API 2.0 query, and the weekly Data Export.

Bulk API 2.0 and Bulk API Developer Guide, https://developer.salesforce.com/docs/platform/api-asynch/
guide/query-bulk-api-2-0.html and the pages below it; REST API Developer Guide for sobjects.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, Row
from .serving import API, FOREIGN, Answer, Question
from .tables import as_csv, as_zip
from .traps import HOLDS, NOTHING, REFUSES, SURVIVES, Trap
from .vendor import Job, Quota, Refusal, Vendor, route

VERSION = "v66.0"
_DATA = f"/services/data/{VERSION}"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_KINDS = {
    "Account": ("001", COMPANIES),
    "Contact": ("003", CONTACTS),
    "Lead": ("00Q", LEADS),
    "Opportunity": ("006", DEALS),
    "Maschine__c": ("a01", MACHINES),
}
_EMPTY = "Leer__c"


def short_id(prefix: str, number: int) -> str:
    """An id of 15 characters; neighbours differ in the case of their last letter only.

    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
    field_types.htm: 15 characters are case-sensitive.
    """
    place, lower = divmod(number, 2)
    letters = ""
    for _ in range(3):
        place, digit = divmod(place, 26)
        letters = _LETTERS[digit] + letters
    last = letters[-1].lower() if lower else letters[-1]
    return f"{prefix}5g00000{letters[:-1].rjust(4, '0')}{last}"


def long_id(short: str) -> str:
    """The 18 characters: three more say which letters are capitals, as that page explains."""
    more = ""
    for start in (0, 5, 10):
        bits = sum(
            1 << at for at, letter in enumerate(short[start : start + 5]) if letter.isupper()
        )
        more += _CHECK[bits]
    return short + more


class _Org(Vendor):
    """One org: its sign-in and its objects."""

    key = "Id"

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.client_id = self.fresh(30)
        self.client_secret = self.secret(self.fresh(40))
        self.token_lives = timedelta(hours=2)
        for name, (prefix, kind) in _KINDS.items():
            rows = [self._record(prefix, row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "Description", "Zusatz__c")

    def _record(self, prefix: str, row: Row) -> dict[str, Any]:
        number = short_id(prefix, int(row["number"]))
        more = {name: text for name, text in row.items() if name not in ("number", "remark")}
        named = {"".join(map(str.title, name.split("_"))): text for name, text in more.items()}
        return {
            "Id": number if self.on(Trap.IDS_15) else long_id(number),
            "IsDeleted": "false",
            **named,
            "Description": row["remark"],
            "SystemModstamp": "2026-11-20T02:00:00.000Z",
        }

    @route("POST", "/services/oauth2/token")
    def token(self, question: Question) -> Answer:
        """help.salesforce.com, "OAuth 2.0 Client Credentials Flow": no expires_in is told."""
        told = question.form
        basic = question.headers.get("authorization", "")
        who = (told.get("client_id"), told.get("client_secret"))
        if basic.startswith("Basic "):
            name, _, word = base64.b64decode(basic[6:]).decode().partition(":")
            who = (name, word)
        if told.get("grant_type") != "client_credentials":
            return Answer.json({"error": "unsupported_grant_type"}, 400)
        if who != (self.client_id, self.client_secret):
            error = {"error": "invalid_client", "error_description": "invalid client credentials"}
            return Answer.json(error, 400)
        role = FOREIGN if self.on(Trap.FOREIGN_LINK) else API
        return Answer.json(
            {
                "access_token": self.grant(self.token_lives, ["api"]),
                "signature": "x",
                "scope": "api",
                "instance_url": self.premises.url(role),
                "id": "https://login.salesforce.com/id/00D5g0000000001EAA/0055g000000001AAA",
                "token_type": "Bearer",
                "issued_at": str(int(self.now * 1000)),
            }
        )

    def unauthorised(self) -> Answer:
        """REST API Developer Guide, "Status Codes and Error Responses"."""
        error = {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
        return Answer.json([error], 401)

    def forbidden(self, scope: str) -> Answer:
        return Answer.json(
            [{"message": "This session is not valid for use", "errorCode": "API_DISABLED"}], 403
        )


class Salesforce(_Org):
    """Bulk API 2.0 query jobs."""

    recipe = "salesforce"
    most_per_page: int = 40
    """https://…/query-get-job-results.html: a set may be smaller than asked."""
    reactions: ClassVar = {
        Trap.NULL_CURSOR: SURVIVES,
        Trap.CURSOR_REPEATS: REFUSES,
        Trap.OTHER_SUCCESS: SURVIVES,
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.FOREIGN_LINK: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.STUCK: REFUSES,
        Trap.JOB_FAILS: REFUSES,
        Trap.TOKEN_EXPIRES: SURVIVES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
        Trap.EMPTY_LAST_PAGE: SURVIVES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.tables[_EMPTY] = []
        self.starts = Quota(10_000, timedelta(hours=24))

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    def settings(self) -> dict[str, Any]:
        return {
            "host": self.premises.host(),
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    @route("GET", f"{_DATA}/sobjects")
    def all_objects(self, question: Question) -> Answer:
        """REST API Developer Guide, "Describe Global"."""
        self.check_token(question, "api")
        names = [*self.tables, "AccountHistory", "Maschine__Share", "AIApplication"]
        told = [
            {
                "name": name,
                "label": name,
                "custom": "__" in name,
                "queryable": name != "AIApplication",
                "retrieveable": True,
                "urls": {"describe": f"{_DATA}/sobjects/{name}/describe"},
            }
            for name in names
        ]
        return Answer.json({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": told})

    def _columns(self, name: str) -> list[str]:
        rows = self.tables[name]
        return list(rows[0]) if rows else ["Id", "IsDeleted", "Name"]

    @route("GET", f"{_DATA}/sobjects/{{name}}/describe")
    def describe(self, question: Question, name: str) -> Answer:
        """REST API Developer Guide, "sObject Describe"; compound fields are of type address."""
        self.check_token(question, "api")
        if name not in self.tables:
            gone = {"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}
            return Answer.json([gone], 404)
        kinds = {"Id": "id", "IsDeleted": "boolean", "Description": "textarea"}
        fields = [{"name": one, "type": kinds.get(one, "string")} for one in self._columns(name)]
        fields += [
            {"name": "BillingAddress", "type": "address"},
            {"name": "Geo__c", "type": "location"},
            {"name": "Body", "type": "base64"},
        ]
        return Answer.json({"name": name, "fields": fields})

    @route("POST", f"{_DATA}/jobs/query")
    def start_job(self, question: Question) -> Answer:
        """https://…/query-create-job.html"""
        self.check_token(question, "api")
        asked = question.json
        if asked.get("operation") not in ("query", "queryAll"):
            return self._error(400, "INVALIDJOB", "operation")
        words = asked["query"].split()
        if words[0] != "SELECT" or words[2] != "FROM" or len(words) != 4:
            return self._error(400, "API_ERROR", "MALFORMED_QUERY")
        columns, name = words[1].split(","), words[3]
        if unknown := set(columns) - set(self._columns(name)):
            return self._error(400, "API_ERROR", f"INVALID_FIELD or compound: {unknown}")
        if not self.starts.take(self.now):
            return self._error(400, "EXCEEDED", "ApiBatchItems Limit exceeded")
        states = ["UploadComplete", "InProgress", "JobComplete"]
        if self.on(Trap.JOB_FAILS):
            states[-1] = "Failed"
        rows = self.ordered(self.tables[name])
        job = self.start(states, f"750{self.fresh(15)}", name=name, columns=columns, rows=rows)
        status = 201 if self.on(Trap.OTHER_SUCCESS) else 200
        return Answer.json(self._told(job, "UploadComplete"), status)

    def _error(self, status: int, code: str, message: str) -> Answer:
        return Answer.json([{"errorCode": code, "message": message}], status)

    def _told(self, job: Job, state: str) -> dict[str, Any]:
        return {
            "id": job.name,
            "operation": "queryAll",
            "object": job.about["name"],
            "createdById": "0055g000000001AAA",
            "createdDate": "2026-11-21T03:00:00.000+0000",
            "systemModstamp": "2026-11-21T03:00:00.000+0000",
            "state": state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": 66.0,
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }

    @route("GET", f"{_DATA}/jobs/query/{{name}}")
    def job(self, question: Question, name: str) -> Answer:
        """https://…/query-get-one-job.html: the count is told when the job is complete."""
        self.check_token(question, "api")
        job = self._known(name)
        told = self._told(job, job.look())
        if told["state"] == "JobComplete":
            told |= {"numberRecordsProcessed": len(job.about["rows"]), "retries": 0}
        if told["state"] == "Failed":
            told["errorMessage"] = "InvalidBatch : Failed to process query"
        return Answer.json(told)

    def _known(self, name: str) -> Job:
        if name not in self.jobs:
            raise Refusal(self._error(404, "NOT_FOUND", "The requested resource does not exist"))
        return self.jobs[name]

    @route("GET", f"{_DATA}/jobs/query/{{name}}/results")
    def results(self, question: Question, name: str) -> Answer:
        """https://…/query-get-job-results.html: the last set's locator is the text null."""
        self.check_token(question, "api")
        job = self._known(name)
        if job.states[0] != "JobComplete":
            return self._error(400, "INVALIDJOBSTATE", "Job is not complete")
        first = int(question.query.get("locator", "0"), 36)
        many = min(int(question.query.get("maxRecords", 10**6)), self.most_per_page)
        rows = job.about["rows"][first : first + many]
        more = first + many < len(job.about["rows"])
        if self.on(Trap.EMPTY_LAST_PAGE):
            more = bool(rows)
        onward = first if self.on(Trap.CURSOR_REPEATS) and first else first + many
        locator = _base36(onward) if more else "null"
        return self.download(
            as_csv(job.about["columns"], rows),
            "text/csv",
            Sforce_Locator=locator,
            Sforce_NumberOfRecords=str(len(rows)),
        )


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text or "0"


class SalesforceWeekly(_Org):
    """The Data Export of Setup. Not documented as an API: the shapes are those that public
    downloaders rely on (research/crm-exports.md, 3.2).
    """

    recipe = "salesforce-weekly"
    can_leave_out = False
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.NO_BACKUP: NOTHING,
        Trap.FOREIGN_LINK: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.TOKEN_EXPIRES: REFUSES,  # 200 and a web page: nobody can know that a new one helps
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.MEMBER_SPLIT: SURVIVES,
        Trap.NUL: SURVIVES,
        Trap.IDS_15: SURVIVES,
    }
    org = "00D5g0000000001EAA"
    week = 1
    """A new export has new links."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._made: dict[int, list[dict[str, bytes]]] = {}

    def settings(self) -> dict[str, Any]:
        return {
            "host": self.premises.host(),
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    def table_of(self, file: str, member: str) -> str | None:
        return member.removesuffix(".csv")

    def _parts(self) -> list[dict[str, bytes]]:
        """The files of a week are made once, all of them from the same rows."""
        if self.week not in self._made:
            self._made[self.week] = self._members()
        return self._made[self.week]

    def _members(self) -> list[dict[str, bytes]]:
        """The members of each ZIP; under MEMBER_SPLIT the contacts lie in both."""
        whole: dict[str, bytes] = {}
        more: dict[str, bytes] = {}
        for name, rows in self.tables.items():
            here = self.ordered(rows)
            if name == "Contact" and self.on(Trap.MEMBER_SPLIT):
                here, rest = here[: len(here) // 2], here[len(here) // 2 :]
                more["Contact.csv"] = as_csv(list(rows[0]), rest)
            place = more if name == "Opportunity" else whole
            place[f"{name}.csv"] = as_csv(list(rows[0]), here)
        return [whole, more]

    def _check_session(self, question: Question) -> None:
        """The session goes as a cookie; without a good one, 200 and a page that leads away."""
        cookie = question.headers.get("cookie", "")
        pairs = dict(pair.strip().partition("=")[::2] for pair in cookie.split(";"))
        held = self.tokens.get(pairs.get("sid", ""))
        if held and self._served() > 1 and self.once(Trap.TOKEN_EXPIRES):
            held.ends = 0.0
        if held is None or held.ends <= self.now:
            page = (
                b"<html><script>window.location.replace('https://login.example/')</script></html>"
            )
            raise Refusal(Answer(200, page, {"Content-Type": "text/html; charset=UTF-8"}))

    @route("POST", "/servlet/servlet.OrgExport")
    def listed(self, question: Question) -> Answer:
        """One link per line, as text."""
        self._check_session(question)
        if self.on(Trap.NO_BACKUP):
            return Answer(200, b"", {"Content-Type": "text/plain;charset=UTF-8"})
        links = [
            f"/servlet/servlet.OrgExport?fileName=WE_{self.org}_{n}.ZIP&id=0925g00000{self.week:03d}{n:02d}AAA"
            for n in range(1, len(self._parts()) + 1)
        ]
        if self.on(Trap.FOREIGN_LINK):
            links = [self.premises.url(FOREIGN, link) for link in links]
        text = "\n".join(links) + "\n"
        return Answer(200, text.encode(), {"Content-Type": "text/plain;charset=UTF-8"})

    @route("GET", "/servlet/servlet.OrgExport")
    def part(self, question: Question) -> Answer:
        self._check_session(question)
        name = question.query.get("fileName", "")
        number = int(name.removesuffix(".ZIP").rpartition("_")[2])
        body = as_zip(self._parts()[number - 1])
        return self.download(
            body, "application/zip", Content_Disposition=f'attachment; filename="{name}"'
        )
