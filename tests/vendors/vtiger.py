"""vTiger and its web services, webservice.php.

Each shape is that of the source, https://github.com/vtiger-crm/vtigercrm, include/Webservices; the
file is named where it is used. Every answer is 200; `success` says whether it is one.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, Row
from .serving import Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Token, Vendor, route

_KINDS = {
    "Accounts": COMPANIES,
    "Contacts": CONTACTS,
    "Leads": LEADS,
    "Potentials": DEALS,
    "Maschinen": MACHINES,
}
_EMPTY = "Faq"
_SETTINGS = ("Users", "Groups", "Currency", "DocumentFolders", "CompanyDetails")


class VTiger(Vendor):
    """One server."""

    recipe = "vtiger"
    most_per_page: int = 100
    """GetUpdates.php, $numRecordsLimit"""
    key = "id"
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.CURSOR_REPEATS: REFUSES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.TOKEN_EXPIRES: REFUSES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
        Trap.EMPTY_LAST_PAGE: SURVIVES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.user, self.access_key = "backup", self.secret(self.fresh(16))
        self.challenge = Token(0.0)
        self.word = ""
        self.changed: dict[str, int] = {}
        for place, (module, kind) in enumerate(_KINDS.items(), 11):
            rows = [self._record(place, row) for row in self.data[kind]]
            self.tables[module] = self.dressed(rows, "remark", "cf_901")
        self.tables[_EMPTY] = []

    def _record(self, place: int, row: Row) -> dict[str, Any]:
        """An id is `<type>x<number>` (Utils.php, vtws_getId). Seven share one time of change, as
        after an import."""
        number = f"{place}x{int(row['number']) + 40}"
        self.changed[number] = 1_700_000_000 + int(row["number"]) // 7
        return {name: text for name, text in row.items() if name != "number"} | {"id": number}

    def settings(self) -> dict[str, Any]:
        return {"url": self.premises.url(), "user": self.user, "key": self.access_key}

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    def _said(self, result: Any) -> Answer:
        """webservice.php, writeOutput"""
        return Answer.json({"success": True, "result": result})

    def _error(self, code: str, message: str) -> Answer:
        """webservice.php, writeErrorOutput; the codes are WebServiceErrorCode.php's."""
        return Answer.json({"success": False, "error": {"code": code, "message": message}})

    @route("GET", "/webservice.php")
    def asked_to_read(self, question: Question) -> Answer:
        told = question.query
        match told.get("operation", "").lower():
            case "getchallenge":
                return self._challenge()
            case "listtypes":
                self._check(told)
                return self._said(self._types())
            case "sync":
                self._check(told)
                return self._sync(told)
        return self._error("UNKNOWN_OPERATION", "Unknown operation requested")

    @route("POST", "/webservice.php")
    def login(self, question: Question) -> Answer:
        """Login.php: md5 of token and access key, within five minutes."""
        told = question.form
        if told.get("operation") != "login":
            return self._error("UNKNOWN_OPERATION", "Unknown operation requested")
        if self.challenge.ends <= self.now:
            return self._error("INVALID_AUTH_TOKEN", "Specified token is invalid or expired")
        wanted = hashlib.md5(f"{self.word}{self.access_key}".encode(), usedforsecurity=False)
        if (told.get("username"), told.get("accessKey")) != (self.user, wanted.hexdigest()):
            return self._error("INVALID_USER_CREDENTIALS", "Invalid username or password")
        session = {"sessionName": self.grant(timedelta(minutes=30)), "userId": "19x5"}
        return self._said(session | {"version": "0.22", "vtigerVersion": "7.5.0"})

    def _challenge(self) -> Answer:
        """AuthToken.php: uniqid(), good for five minutes."""
        self.word, self.challenge = self.fresh(13), Token(self.now + 300)
        now = int(self.now)
        return self._said({"token": self.word, "serverTime": now, "expireTime": now + 300})

    def _check(self, told: dict[str, str]) -> None:
        """SessionManager.php: half an hour of idleness, a day in all."""
        held = self.tokens.get(told.get("sessionName", ""))
        if held and self._served() > 4 and self.once(Trap.TOKEN_EXPIRES):
            held.ends = 0.0
        if held is None:
            message = "Session Identifier provided is Invalid"
            raise Refusal(self._error("INVALID_SESSIONID", message))
        if held.ends <= self.now:
            message = "Session has been invalidated to due lack activity"
            raise Refusal(self._error("SESSION_LEFT_IDLE", message))

    def _types(self) -> dict[str, Any]:
        """ModuleTypes.php"""
        names = [*self.tables, *_SETTINGS]
        about = {
            name: {"isEntity": name in self.tables, "label": name, "singular": name}
            for name in names
        }
        return {"types": names, "information": about}

    def _sync(self, told: dict[str, str]) -> Answer:
        """GetUpdates.php: all up to the time of the hundredth, that time's others among them."""
        module, since = told.get("elementType", ""), int(told.get("modifiedTime", 0))
        if module not in self.tables:
            return self._error("ACCESS_DENIED", "Permission to perform the operation is denied")
        rows = self.tables[module] if told.get("syncType") == "application" else []
        newer = sorted(self.changed[row["id"]] for row in rows if self.changed[row["id"]] > since)
        until = newer[: self.most_per_page][-1] if newer else since
        page = [row for row in rows if since < self.changed[row["id"]] <= until]
        self.rng.shuffle(page)
        more = bool(page) if self.on(Trap.EMPTY_LAST_PAGE) else bool(newer and newer[-1] > until)
        stuck = self.on(Trap.CURSOR_REPEATS)
        result = {"updated": page, "deleted": [], "more": more or stuck, "lastModifiedTime": until}
        if stuck:
            result["lastModifiedTime"] = since or until
        said = self._said(result)
        return self.download(said.body, "application/json")
