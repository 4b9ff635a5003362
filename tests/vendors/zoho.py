"""Zoho CRM: its sign-in, Bulk Read, and the data backup.

https://www.zoho.com/crm/developer/docs/api/v8/ for oauth-overview, modules-api, bulk-read,
schedule-data-backup, get-backup-urls and download-backup.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, NOTES, Row
from .serving import ACCOUNTS, API, FILES, FOREIGN, Answer, Question
from .tables import as_csv, as_zip
from .traps import HOLDS, NOTHING, REFUSES, SURVIVES, Trap
from .vendor import Job, Quota, Refusal, Vendor, route

_KINDS = {
    "Accounts": COMPANIES,
    "Contacts": CONTACTS,
    "Leads": LEADS,
    "Deals": DEALS,
    "Maschinen": MACHINES,
}
READ_SCOPES = ("ZohoCRM.settings.modules.READ", "ZohoCRM.bulk.READ", "ZohoCRM.modules.ALL")
BACKUP_SCOPES = ("ZohoCRM.bulk.backup.ALL", "ZohoFiles.files.ALL")


class _Account(Vendor):
    """One account, whose user gave an app leave, once, in a browser."""

    scheme = "Zoho-oauthtoken"
    scopes: ClassVar[tuple[str, ...]] = ()
    shown_to = frozenset({API, ACCOUNTS, FILES})  # "Download Backed up Data": with the token

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.client_id = f"1000.{self.fresh(30)}"
        self.client_secret = self.secret(self.fresh(42))
        self.refresh_token = self.secret(f"1000.{self.fresh(64)}")
        self.fresh_tokens = Quota(10, timedelta(minutes=10))

    def sign_in(self) -> dict[str, Any]:
        return {
            "accounts": self.premises.host(ACCOUNTS),
            "api": self.premises.host(API),
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }

    @route("POST", "/oauth/v2/token", ACCOUNTS)
    def token(self, question: Question) -> Answer:
        """https://www.zoho.com/crm/developer/docs/api/v8/refresh.html: errors come with 200.

        ROTATES is not Zoho's way today; others do it with the same words.
        """
        told = question.query | question.form
        if (told.get("client_id"), told.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            return Answer.json({"error": "invalid_client"})
        if told.get("refresh_token") != self.refresh_token:
            return Answer.json({"error": "invalid_code"})
        if told.get("grant_type") != "refresh_token":
            return Answer.json({"error": "unsupported_grant_type"})
        if not self.fresh_tokens.take(self.now):
            said = "You have made too many requests continuously. Please try again after some time."
            error = {"error_description": said, "error": "Access Denied", "status": "failure"}
            return Answer.json(error, 400)
        granted = {
            "access_token": self.grant(timedelta(hours=1), self.scopes),
            "scope": " ".join(self.scopes),
            "api_domain": self.premises.url(API),
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        if self.on(Trap.ROTATES):
            self.refresh_token = self.secret(f"1000.{self.fresh(64)}")
            granted["refresh_token"] = self.refresh_token
        return Answer.json(granted)

    def unauthorised(self) -> Answer:
        """…/v8/status-codes.html"""
        return self._error(401, "INVALID_TOKEN", "invalid oauth token")

    def forbidden(self, scope: str) -> Answer:
        """Zoho says 401 here, with another code."""
        return self._error(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")

    def _error(self, status: int, code: str, message: str) -> Answer:
        said = {"code": code, "details": {}, "message": message, "status": "error"}
        return Answer.json(said, status)


class Zoho(_Account):
    """Bulk Read, module by module."""

    recipe = "zoho"
    key = "Id"
    scopes = READ_SCOPES
    per_page: int = 60
    """…/bulk-read/create-job.html: 200,000 there."""
    reactions: ClassVar = {
        Trap.OTHER_SUCCESS: SURVIVES,
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.RELATIVE_LINK: SURVIVES,
        Trap.FOREIGN_LINK: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.CURSOR_REPEATS: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.STUCK: REFUSES,
        Trap.JOB_FAILS: REFUSES,
        Trap.TOKEN_EXPIRES: SURVIVES,
        Trap.ROTATES: SURVIVES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.downloads = Quota(10, timedelta(minutes=1))
        self._pages: dict[str, tuple[str, int]] = {}
        self._orders: dict[str, list[dict[str, Any]]] = {}
        for number, (name, kind) in enumerate(_KINDS.items()):
            rows = [self._record(number, row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "Description", "Zusatz")

    def _record(self, kind: int, row: Row) -> dict[str, Any]:
        named = {name.title(): text for name, text in row.items() if name != "number"}
        number = f"{48_768_760 + kind}{int(row['number']):011d}"
        return {"Id": number} | named | {"Description": named.pop("Remark")}

    def settings(self) -> dict[str, Any]:
        return self.sign_in()

    def make_pages_small(self, rows: int) -> None:
        self.per_page = rows

    def jobs_at_most(self) -> int:
        return sum(-(-len(rows) // self.per_page) for rows in self.tables.values())

    @route("GET", "/crm/v8/settings/modules")
    def modules(self, question: Question) -> Answer:
        """…/modules-api.html: generated_type is default, custom, web, linking or subform."""
        self.check_token(question, "ZohoCRM.settings.modules.READ")
        told = [
            self._module(name, "custom" if name == "Maschinen" else "default") for name in _KINDS
        ]
        told += [self._module("Home", "default", api=False), self._module("Unterform", "subform")]
        return Answer.json({"modules": told})

    def _module(self, name: str, kind: str, *, api: bool = True) -> dict[str, Any]:
        return {
            "api_name": name,
            "module_name": name,
            "generated_type": kind,
            "api_supported": api,
            "viewable": True,
            "plural_label": name,
            "id": f"4876876000000{len(name):06d}",
        }

    @route("POST", "/crm/bulk/v8/read")
    def begin(self, question: Question) -> Answer:
        """…/bulk-read/create-job.html: 201; a page_token leads to the next 200,000."""
        self.check_token(question, "ZohoCRM.bulk.READ")
        query = question.json["query"]
        name, page = query["module"]["api_name"], 0
        if token := query.get("page_token"):
            if token not in self._pages:
                return self._error(400, "INVALID_DATA", "the page token is invalid or over")
            name, page = self._pages[token]
        elif name not in self.tables:
            return self._error(400, "INVALID_DATA", "the module name given seems to be invalid")
        last = "FAILURE" if self.on(Trap.JOB_FAILS) else "COMPLETED"
        states = ["ADDED", "QUEUED", "IN PROGRESS", last]
        job = self.start(states, str(4876876000002000000 + len(self.jobs)), name=name, page=page)
        details = {"id": job.name, "operation": "read", "state": "ADDED"}
        details |= {"created_time": self.iso(self.now)}
        said = {"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully."}
        status = 200 if self.on(Trap.OTHER_SUCCESS) else 201
        return Answer.json({"data": [said | {"details": details}], "info": {}}, status)

    def _job(self, number: str) -> Job:
        if number not in self.jobs:
            raise Refusal(self._error(404, "RESOURCE_NOT_FOUND", "the job id is invalid"))
        return self.jobs[number]

    @route("GET", "/crm/bulk/v8/read/{number}")
    def status(self, question: Question, number: str) -> Answer:
        """…/bulk-read/get-job-details.html; a sample there has the result while still ADDED."""
        self.check_token(question, "ZohoCRM.bulk.READ")
        job = self._job(number)
        name, page, state = job.about["name"], job.about["page"], job.look()
        said: dict[str, Any] = {"id": number, "operation": "read", "state": state}
        said |= {"query": {"module": {"api_name": name}, "page": page + 1}, "file_type": "csv"}
        rows = self._page(name, page)
        path = f"/crm/bulk/v8/read/{number}/result"
        result = {"page": page + 1, "per_page": self.per_page, "count": len(rows)}
        result |= {"download_url": self._link(path), "more_records": False}
        if (page + 1) * self.per_page < len(self.tables[name]):
            result |= {"more_records": True, "next_page_token": self._next(name, page)}
        if state != "FAILURE":
            said["result"] = result
        return Answer.json({"data": [said]})

    def _link(self, path: str) -> str:
        """Relative, as documented."""
        return self.premises.url(FOREIGN, path) if self.on(Trap.FOREIGN_LINK) else path

    def _next(self, name: str, page: int) -> str:
        onward = page if self.on(Trap.CURSOR_REPEATS) and page else page + 1
        token = f"token-{name}-{onward}"
        self._pages[token] = (name, onward)
        return token

    def _page(self, name: str, page: int) -> list[dict[str, Any]]:
        rows = self._orders.setdefault(name, self.ordered(self.tables[name]))
        return rows[page * self.per_page : (page + 1) * self.per_page]

    @route("GET", "/crm/bulk/v8/read/{number}/result")
    def result(self, question: Question, number: str) -> Answer:
        """…/bulk-read/download-result.html: ten in a minute, a ZIP of one CSV."""
        self.check_token(question, "ZohoCRM.bulk.READ")
        job = self._job(number)
        if job.states[0] != "COMPLETED":
            return self._error(400, "INVALID_REQUEST", "the job is not complete")
        if not self.downloads.take(self.now):
            return self.too_many({"Content-Type": "application/json"})
        rows = self._page(job.about["name"], job.about["page"])
        columns = list(self.tables[job.about["name"]][0])
        body = as_zip({f"{number}.csv": as_csv(columns, rows)})
        return self.download(body, "application/zip")


class ZohoBackup(_Account):
    """The whole account as ZIPs, twice a month without pay."""

    recipe = "zoho-backup"
    can_leave_out = False
    key = "Record Id"
    scopes = BACKUP_SCOPES
    org = "75734565104"
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.NO_BACKUP: NOTHING,
        Trap.LINK_LIST: SURVIVES,
        Trap.FOREIGN_LINK: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.STUCK: REFUSES,
        Trap.JOB_FAILS: REFUSES,
        Trap.TOKEN_EXPIRES: SURVIVES,
        Trap.ROTATES: SURVIVES,
        Trap.MEMBER_SPLIT: SURVIVES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.backups = Quota(2, timedelta(days=30))
        self._parts: dict[str, bytes] = {}
        for number, (name, kind) in enumerate((*_KINDS.items(), ("Notes", NOTES))):
            rows = [self._record(number, row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "Remark", "Zusatz")

    def _record(self, kind: int, row: Row) -> dict[str, Any]:
        named = {name.replace("_", " ").title(): text for name, text in row.items()}
        number = f"zcrm_{48_768_760 + kind}{int(named.pop('Number')):011d}"
        return {"Record Id": number} | named

    def settings(self) -> dict[str, Any]:
        return self.sign_in() | {"files": self.premises.host(FILES)}

    def jobs_at_most(self) -> int:
        return 1

    def table_of(self, file: str, member: str) -> str | None:
        if not member.endswith(".csv") or not file.startswith("Data"):
            return None
        return member.rpartition("_")[0]

    @route("POST", "/crm/bulk/v8/backup")
    def begin(self, question: Question) -> Answer:
        """…/schedule-data-backup.html: an empty body means now."""
        self.check_token(question, "ZohoCRM.bulk.backup.ALL")
        if question.body not in (b"", b"{}", b"null"):
            return self._error(400, "INVALID_DATA", "the rule is not understood")
        if not self.backups.take(self.now):
            return self._error(400, "LIMIT_EXCEEDED", "the backup limit is exceeded")
        last = "FAILED" if self.on(Trap.JOB_FAILS) else "COMPLETED"
        job = self.start(
            ["SCHEDULED", "INPROGRESS", last], str(3652397000001763003 + len(self.jobs))
        )
        said = {"status": "success", "code": "SUCCESS", "message": "backup scheduled"}
        return Answer.json({"backup": said | {"details": {"id": job.name}}})

    @route("GET", "/crm/bulk/v8/backup")
    def status(self, question: Question) -> Answer:
        """…/get-scheduled-backup-info.html"""
        self.check_token(question, "ZohoCRM.bulk.backup.ALL")
        if not self.jobs:
            return Answer(204)
        job = [*self.jobs.values()][-1]
        said = {"id": job.name, "status": job.look(), "scheduled_date": self.iso(self.now)}
        if said["status"] == "COMPLETED" and not self._parts:
            self._parts = self._made()
        return Answer.json({"backup": said | {"requester": {"name": "Petra", "id": "4876"}}})

    def _made(self) -> dict[str, bytes]:
        """…/download-backup.html: parts of at most 1 GB."""
        first: dict[str, bytes] = {}
        second: dict[str, bytes] = {}
        for name, rows in self.tables.items():
            here, columns = self.ordered(rows), list(rows[0])
            if name == "Contacts" and self.on(Trap.MEMBER_SPLIT):
                half = len(here) // 2
                second["Contacts_002.csv"] = as_csv(columns, here[half:])
                here = here[:half]
            first[f"{name}_001.csv"] = as_csv(columns, here)
        pictures = {"4711/Foto.png": bytes(range(256)) * 40}
        parts = {"Data_001.zip": as_zip(first), "Attachments_001.zip": as_zip(pictures)}
        return parts | ({"Data_002.zip": as_zip(second)} if second else {})

    @route("GET", "/crm/bulk/v8/backup/urls")
    def urls(self, question: Question) -> Answer:
        """…/get-backup-urls.html: 204 where there is no backup; links live for seven days."""
        self.check_token(question, "ZohoCRM.bulk.backup.ALL")
        if not self._parts or self.on(Trap.NO_BACKUP):
            return Answer(204)
        job = [*self.jobs][-1]
        links = {name: f"/v2/crm/{self.org}/backup/{job}/{name}" for name in self._parts}
        role = FOREIGN if self.on(Trap.FOREIGN_LINK) else FILES
        whole = {name: self.premises.url(role, path) for name, path in links.items()}
        data: Any = [link for name, link in whole.items() if name.startswith("Data")]
        more: Any = [link for name, link in whole.items() if name.startswith("Attach")]
        if self.on(Trap.LINK_LIST):  # Pardot's way, "Export API Overview": one is no list
            more = more[0]
            data = data[0] if len(data) == 1 else data
        until = self.iso(self.now + timedelta(days=7).total_seconds())
        told = {"data_links": data, "attachment_links": more, "expiry_date": until}
        return Answer.json({"urls": told})

    @route("GET", "/v2/crm/{org}/backup/{job}/{name}", FILES)
    def part(self, question: Question, org: str, job: str, name: str) -> Answer:
        """…/download-backup.html: another host, the same token, a scope of its own."""
        self.check_token(question, "ZohoFiles.files.ALL")
        if org != self.org or job not in self.jobs or name not in self._parts:
            return self._error(404, "URL_RULE_NOT_CONFIGURED", "please check the URL")
        return self.download(self._parts[name], "application/zip")
