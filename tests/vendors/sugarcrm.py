"""SugarCRM and its REST API v10 and later.

https://support.sugarcrm.com/documentation/sugar_developer/, "REST API": /oauth2/token POST,
/metadata GET, /<module> GET; the sign-in word for word at
https://riptutorial.com/sugarcrm/example/30820/logging-in.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, Row
from .serving import Answer, Question
from .suitecrm import guid
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Vendor, route

_KINDS = {
    "Accounts": COMPANIES,
    "Contacts": CONTACTS,
    "Leads": LEADS,
    "Opportunities": DEALS,
    "ofc_Maschinen": MACHINES,
}
_EMPTY, _DENIED, _SCREENS = "Bugs", "Contracts", ("Home", "Calendar")


class SugarCrm(Vendor):
    """One instance."""

    recipe = "sugarcrm"
    most_per_page: int = 60
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
        Trap.PAGE_IGNORED: REFUSES,
    }

    def __init__(self, *given: Any, denied: bool = False, **more: Any) -> None:
        """`denied`: there is one kind of record that this user may not see."""
        super().__init__(*given, **more)
        self.denied = [_DENIED] if denied else []
        self.user, self.password = "backup", self.secret(self.fresh(16))
        for place, (module, kind) in enumerate(_KINDS.items(), 1):
            rows = [self._record(module, place, row) for row in self.data[kind]]
            self.tables[module] = self.dressed(rows, "description", "zusatz_c")
        self.tables[_EMPTY] = []

    def _record(self, module: str, place: int, row: Row) -> dict[str, Any]:
        named = {name: text for name, text in row.items() if name not in ("number", "remark")}
        return {
            "id": guid(int(row["number"]), place),
            **named,
            "description": row["remark"],
            "locked_fields": [],
            "_acl": {"fields": {}},
            "_module": module,
        }

    def settings(self) -> dict[str, Any]:
        return {"url": self.premises.url(), "user": self.user, "password": self.password}

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    @route("POST", "/rest/v11/oauth2/token")
    def token(self, question: Question) -> Answer:
        """/oauth2/token POST: the same user on the same platform signs the earlier one out."""
        told = question.json
        who = (told.get("username"), told.get("password"), told.get("grant_type"))
        if who != (self.user, self.password, "password") or told.get("client_id") != "sugar":
            return self._error(401, "need_login", "You must specify a valid username and password.")
        if told.get("platform") != "appliance":
            return self._error(400, "invalid_parameter", "Platform is not registered")
        self.tokens.clear()
        return Answer.json(
            {
                "access_token": self.grant(timedelta(hours=1)),
                "expires_in": 3600,
                "token_type": "bearer",
                "scope": None,
                "refresh_token": self.secret(self.fresh(36)),
                "refresh_expires_in": 1209600,
                "download_token": self.secret(self.fresh(36)),
            }
        )

    def _error(self, status: int, error: str, message: str) -> Answer:
        """The errors of every endpoint: error and error_message."""
        return Answer.json({"error": error, "error_message": message}, status)

    def _check(self, question: Question) -> None:
        """The token goes in a header of its own, OAuth-Token."""
        held = self.tokens.get(question.headers.get("oauth-token", ""))
        if held and self._served() > 2 and self.once(Trap.TOKEN_EXPIRES):
            held.ends = 0.0
        if held is None or held.ends <= self.now:
            message = "The access token provided is invalid."
            raise Refusal(self._error(401, "invalid_grant", message))

    @route("GET", "/rest/v11/metadata")
    def metadata(self, question: Question) -> Answer:
        """/metadata GET: `full_module_list`, its names twice, and the sum of it all as _hash."""
        self._check(question)
        names = [*_SCREENS, *self.tables, *self.denied]
        told = {name: name for name in names} | {"_hash": "d41d8cd98f00b204e9800998ecf8427e"}
        return Answer.json({"full_module_list": told, "_hash": "9e107d9d372bb6826bd81d3542a419d6"})

    @route("GET", "/rest/v11/{module}")
    def records(self, question: Question, module: str) -> Answer:
        """/<module> GET: max_num (20), offset, order_by; next_offset is -1 at the end.

        Without order_by the last changed come first.
        """
        self._check(question)
        if module == _DENIED:
            message = f"No access to view records for module: {module}"
            return self._error(403, "not_authorized", message)
        if module not in self.tables:
            return self._error(404, "no_method", "Could not find a route with 1 elements")
        told, rows = question.query, list(self.tables[module])
        if told.get("order_by") == "id:ASC":
            rows.sort(key=lambda row: str(row["id"]))
        else:
            self.rng.shuffle(rows)
        many, first = (
            min(int(told.get("max_num", 20)), self.most_per_page),
            int(told.get("offset", 0)),
        )
        start = 0 if self.on(Trap.PAGE_IGNORED) else first
        page = rows[start : start + many]
        more = bool(page) if self.on(Trap.EMPTY_LAST_PAGE) else first + many < len(rows)
        onward = first if self.on(Trap.CURSOR_REPEATS) and first else first + many
        said = Answer.json({"next_offset": onward if more else -1, "records": page})
        return self.download(said.body, said.headers["Content-Type"])
