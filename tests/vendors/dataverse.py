"""Microsoft Dataverse, where Dynamics 365 keeps its records.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/page-results,
…/webapi/query-metadata-web-api, …/api-limits, and for the sign-in
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
"""

from __future__ import annotations

import uuid
import zlib
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, NOTES, Row
from .serving import ACCOUNTS, API, FOREIGN, Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Quota, Vendor, route

_DATA = "/api/data/v9.2"
_KINDS = {
    "accounts": ("account", "accountid", COMPANIES),
    "contacts": ("contact", "contactid", CONTACTS),
    "leads": ("lead", "leadid", LEADS),
    "opportunities": ("opportunity", "opportunityid", DEALS),
    "annotations": ("annotation", "annotationid", NOTES),
    "new_maschines": ("new_maschine", "new_maschineid", MACHINES),
}
TENANT = "11111111-2222-3333-4444-555555555555"


class Dataverse(Vendor):
    """One environment, asked by an app registration that is an application user there."""

    recipe = "dataverse"
    most_per_page: ClassVar[int] = 5000
    small_pages: int = 40
    """So much of the asked-for page size is given: "the service may return fewer"."""
    reactions: ClassVar = {
        Trap.CURSOR_REPEATS: REFUSES,
        Trap.RELATIVE_LINK: SURVIVES,
        Trap.FOREIGN_LINK: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.TOKEN_EXPIRES: SURVIVES,
        Trap.EMPTY_LAST_PAGE: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.NULL_BODY: REFUSES,
        Trap.NUL: SURVIVES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.client_id = str(uuid.UUID(int=self.rng.getrandbits(128)))
        self.client_secret = self.secret(self.fresh(40))
        self.requests = Quota(6000, timedelta(seconds=300))
        for name, (_, key, kind) in _KINDS.items():
            rows = [self._record(key, row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "description", "new_zusatz")

    def _record(self, key: str, row: Row) -> dict[str, Any]:
        number = str(uuid.UUID(int=(zlib.crc32(key.encode()) << 64) | int(row["number"])))
        more = {one: text or None for one, text in row.items() if one not in ("number", "remark")}
        etag = f'W/"{int(row["number"]) + 4_000_000}"'
        return {"@odata.etag": etag, key: number} | more | {"description": row["remark"]}

    def key_of(self, table: str) -> str:
        return _KINDS[table][1]

    def settings(self) -> dict[str, Any]:
        return {
            "host": self.premises.host(),
            "login": self.premises.host(ACCOUNTS),
            "tenant": TENANT,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    def make_pages_small(self, rows: int) -> None:
        self.small_pages = rows

    @route("POST", "/{tenant}/oauth2/v2.0/token", ACCOUNTS)
    def token(self, question: Question, tenant: str) -> Answer:
        """The scope is the environment's address and `/.default`."""
        told = question.form
        if tenant != TENANT:
            return Answer.json(
                {"error": "invalid_request", "error_description": "AADSTS90002"}, 400
            )
        if (told.get("client_id"), told.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            wrong = "AADSTS7000215: Invalid client secret provided."
            return Answer.json({"error": "invalid_client", "error_description": wrong}, 401)
        if told.get("scope") != f"{self.premises.url()}/.default":
            return Answer.json({"error": "invalid_scope", "error_description": "AADSTS70011"}, 400)
        granted = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
        return Answer.json(granted | {"access_token": self.grant(timedelta(seconds=3599))})

    def unauthorised(self) -> Answer:
        return Answer(401, b"", {"WWW-Authenticate": "Bearer authorization_uri=login"})

    def _error(self, status: int, code: str, message: str) -> Answer:
        return Answer.json({"error": {"code": code, "message": message}}, status)

    def _enter(self, question: Question) -> Answer | None:
        self.check_token(question)
        if self.requests.take(self.now):
            return None
        said = self._error(429, "0x80072322", "Number of requests exceeded the limit of 6000.")
        said.headers = dict(said.headers) | {"Retry-After": "1"}
        return said

    @route("GET", f"{_DATA}/EntityDefinitions")
    def definitions(self, question: Question) -> Answer:
        """Table definitions; MetadataId is always there, and no paging."""
        if late := self._enter(question):
            return late
        told = [self._definition(*_KINDS[name][:2], name) for name in _KINDS]
        told.append(self._definition("msdyn_thing", "msdyn_thingid", "msdyn_things"))
        told.append(self._definition("new_a_b", "new_a_bid", "new_a_bset", intersect=True))
        if question.query.get("$filter") == "IsCustomEntity eq true":
            told = [one for one in told if one["IsCustomEntity"]]
        return Answer.json(
            {"@odata.context": f"{self.premises.url()}{_DATA}/$metadata", "value": told}
        )

    def _definition(self, name: str, key: str, many: str, *, intersect: bool = False) -> Any:
        return {
            "MetadataId": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            "LogicalName": name,
            "EntitySetName": many,
            "PrimaryIdAttribute": key,
            "IsCustomEntity": "_" in name,
            "IsIntersect": intersect,
        }

    @route("GET", f"{_DATA}/{{name}}")
    def rows(self, question: Question, name: str) -> Answer:
        """The next link is whole and opaque; the same headers must go along with it."""
        if late := self._enter(question):
            return late
        if name not in self.tables:
            said = f"Resource not found for the segment '{name}'."
            return self._error(404, "0x8006088a", said)
        size = min(_asked_size(question.headers.get("prefer", "")), self.most_per_page)
        if size == self.most_per_page:
            return self._error(400, "0x80040203", "this test wants pages, as a large table has")
        size = min(size, self.small_pages)
        first = int(question.query.get("$skiptoken", "0").partition("-")[0])
        if self.on(Trap.NULL_BODY) and first:
            return Answer.json(None)
        some = self.tables[name][first : first + size]
        told: dict[str, Any] = {"@odata.context": f"{self.premises.url()}{_DATA}/$metadata#{name}"}
        told["value"] = some
        is_more = first + size < len(self.tables[name])
        if bool(some) if self.on(Trap.EMPTY_LAST_PAGE) else is_more:
            told["@odata.nextLink"] = self._next(name, first, size)
        said = Answer.json(
            told, OData_Version="4.0", Preference_Applied=f"odata.maxpagesize={size}"
        )
        if len(some) > 3:
            return self.download(said.body, "application/json; odata.metadata=minimal")
        return said

    def _next(self, name: str, first: int, size: int) -> str:
        onward = first if self.on(Trap.CURSOR_REPEATS) and first else first + size
        cookie = quote(f'{onward}-<cookie pagenumber="2" />', safe="")
        target = f"{_DATA}/{name}?$skiptoken={cookie}"
        if self.on(Trap.RELATIVE_LINK):
            return f"{name}?$skiptoken={cookie}"
        return self.premises.url(FOREIGN if self.on(Trap.FOREIGN_LINK) else API, target)


def _asked_size(prefer: str) -> int:
    """`odata.maxpagesize=500` among what is preferred."""
    for one in prefer.split(","):
        name, _, value = one.strip().partition("=")
        if name == "odata.maxpagesize":
            return int(value)
    return Dataverse.most_per_page
