"""SuiteCRM 7 and its API V8.

Each shape is that of the source, SuiteCRM 7.14.6, https://github.com/salesagility/SuiteCRM, below
Api/V8; the file is named where it is used.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any, ClassVar
from urllib.parse import unquote, urlencode

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, NOTES, Row
from .serving import Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Vendor, route

_KINDS = {
    "Accounts": COMPANIES,
    "Contacts": CONTACTS,
    "Leads": LEADS,
    "Opportunities": DEALS,
    "Notes": NOTES,
    "ofc_Maschinen": MACHINES,
}
_EMPTY, _SCREENS = "Bugs", ("Home", "Calendar")
_DENIED = "Spots"
"""Stands in the menu of every SuiteCRM; the API refuses its fields to this user."""


def guid(number: int, place: int) -> str:
    """include/utils.php, create_guid: five groups of hex, of lengths that vary at the end."""
    first = (place * 2654435761 + number * 40503) % (1 << 32)
    return f"{first:08x}-{number:04x}-4a5b-8c9d-{number:012x}"


class SuiteCrm(Vendor):
    """One server."""

    recipe = "suitecrm"
    most_per_page: int = 1000
    key = "id"
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.TOKEN_EXPIRES: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
        Trap.PAGE_IGNORED: REFUSES,
    }

    def __init__(self, *given: Any, denied: bool = False, **more: Any) -> None:
        """`denied`: there is one kind of record that this user may not see."""
        super().__init__(*given, **more)
        self.denied = [_DENIED] if denied else []
        self.client_id, self.client_secret = self.fresh(36), self.secret(self.fresh(20))
        for place, (module, kind) in enumerate(_KINDS.items(), 1):
            rows = [self._record(place, row) for row in self.data[kind]]
            self.tables[module] = self.dressed(rows, "remark", "zusatz_c")
        self.tables[_EMPTY] = []

    def _record(self, place: int, row: Row) -> dict[str, Any]:
        return {"id": guid(int(row["number"]), place)} | {
            name: text for name, text in row.items() if name != "number"
        }

    def settings(self) -> dict[str, Any]:
        return {
            "url": self.premises.url(),
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    def found(self, files: Any) -> Any:
        """The files hold JSON:API objects: what the record says lies one level down."""
        return {
            name: {key: {"id": key} | row["attributes"] for key, row in table.items()}
            for name, table in super().found(files).items()
        }

    @route("POST", "/Api/access_token")
    def token(self, question: Question) -> Answer:
        """Api/V8/Config/services/middlewares.php: an hour (PT1H); league/oauth2-server's words."""
        told = question.form
        if told.get("grant_type") != "client_credentials":
            error = {"error": "unsupported_grant_type", "message": "The authorization grant type"}
            return Answer.json(error, 400)
        if (told.get("client_id"), told.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            error = {"error": "invalid_client", "message": "Client authentication failed"}
            return Answer.json(error, 401)
        token = self.grant(timedelta(hours=1))
        return Answer.json({"token_type": "Bearer", "expires_in": 3600, "access_token": token})

    def unauthorised(self) -> Answer:
        """league/oauth2-server, OAuthServerException::accessDenied."""
        told = "The resource owner or authorization server denied the request."
        return Answer.json({"error": "access_denied", "error_description": told}, 401)

    def _said(self, value: Any, status: int = 200) -> Answer:
        """Api/V8/Controller/BaseController.php"""
        said = Answer.json(value, status)
        said.headers = {"Accept": "application/vnd.api+json"} | {
            "Content-Type": "application/vnd.api+json"
        }
        return said

    def _refused(self, detail: str) -> Refusal:
        """Api/V8/JsonApi/Response/ErrorResponse.php: 400, whatever it is."""
        error = {"status": 400, "title": None, "detail": detail}
        return Refusal(self._said({"errors": error}, 400))

    @route("GET", "/Api/V8/meta/modules")
    def modules(self, question: Question) -> Answer:
        """Api/V8/Service/MetaService.php and Helper/ModuleListProvider.php: a table by name."""
        self.check_token(question)
        may = ["access", "view", "list", "export"]
        names = [*_SCREENS, *self.tables, *self.denied]
        shown = {name: {"label": name.title(), "access": may} for name in names}
        return self._said({"data": {"type": "modules", "id": "", "attributes": shown}})

    @route("GET", "/Api/V8/meta/fields/{module}")
    def fields(self, question: Question, module: str) -> Answer:
        """MetaService::getFieldList"""
        self.check_token(question)
        if module not in self.tables:
            raise self._refused("The API user does not have access to this module.")
        names = [name for row in self.tables[module][:1] for name in row]
        shown = {name: {"type": "varchar", "dbType": "varchar"} for name in ["id", *names]}
        return self._said({"data": {"type": "fields", "id": "", "attributes": shown}})

    @route("GET", "/Api/V8/module/{module}")
    def records(self, question: Question, module: str) -> Answer:
        """Api/V8/Service/ModuleService.php, getRecords. Without a sort the order is another for
        each page (issue 10015)."""
        self.check_token(question)
        if module not in self.tables:
            raise self._refused(f"Module {module} does not exist")
        told = question.query
        size = min(int(told.get("page[size]", 20)), self.most_per_page)
        number = int(told.get("page[number]", 0))
        rows = list(self.tables[module])
        if told.get("sort"):
            rows.sort(key=lambda row: str(row[told["sort"]]))
        else:
            self.rng.shuffle(rows)
        first = 0 if self.on(Trap.PAGE_IGNORED) else max(number - 1, 0) * size
        page = rows[first : first + size]
        said: dict[str, Any] = {"data": [self._object(module, row) for row in page]}
        if page:
            said |= self._paging(question, ceil(len(rows) / size), len(page), number)
        answer = self._said(said)
        return self.download(answer.body, answer.headers["Content-Type"])

    def _object(self, module: str, row: dict[str, Any]) -> dict[str, Any]:
        """Api/V8/JsonApi/Response/DataResponse.php; relationships are links only."""
        link = f"V8/module/{module}/{row['id']}/relationships/notes"
        return {
            "type": module,
            "id": row["id"],
            "attributes": {name: text for name, text in row.items() if name != "id"},
            "relationships": {"Notes": {"links": {"related": link}}},
        }

    def _paging(self, question: Question, pages: int, count: int, number: int) -> dict[str, Any]:
        """Api/V8/JsonApi/Helper/PaginationObjectHelper.php: the links lack the /Api."""
        links = {}
        if number + 1 <= pages:
            query = unquote(urlencode(question.query | {"page[number]": number + 1}))
            links["next"] = f"{question.path.removeprefix('/Api')}?{query}"
        return {
            "meta": {"total-pages": pages, "records-on-this-page": count},
            "links": links,
        }
