"""Google Contacts: the People API.

https://developers.google.com/people/api/rest/v1/people.connections/list, …/contactGroups/list,
…/otherContacts/list; the sign-in: https://developers.google.com/identity/protocols/oauth2/native-app.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from .office import CONTACTS, LEADS, Row
from .serving import ACCOUNTS, Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Vendor, route

READ = "https://www.googleapis.com/auth/contacts.readonly"
OTHERS = "https://www.googleapis.com/auth/contacts.other.readonly"


class Google(Vendor):
    """One account, with an app that was published."""

    recipe = "google-contacts"
    can_leave_out = False
    key = "resourceName"
    most_per_page: int = 40
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.CURSOR_REPEATS: REFUSES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.TOKEN_EXPIRES: SURVIVES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.NUL: SURVIVES,
        Trap.EMPTY_LAST_PAGE: SURVIVES,
    }

    def __init__(self, *given: Any, others: bool = True, **more: Any) -> None:
        """Without `others` the second permission was not given."""
        super().__init__(*given, **more)
        self.scopes = [READ, OTHERS] if others else [READ]
        self.client_id, self.client_secret = self.fresh(20), self.secret(self.fresh(24))
        self.refresh_token = self.secret(self.fresh(60))
        people = [self._person("people/c", row) for row in self.data[CONTACTS]]
        self.tables["contacts"] = self.dressed(people, "remark", "zusatz")
        self.tables["labels"] = [
            {
                "resourceName": f"contactGroups/{name}",
                "groupType": "SYSTEM_CONTACT_GROUP",
                "name": name,
                "memberCount": 3,
            }
            for name in ("myContacts", "starred", "6a1b2c")
        ]
        if others:
            rows = [self._person("otherContacts/c", row) for row in self.data[LEADS]]
            self.tables["other"] = self.dressed(rows, "remark", "zusatz")

    def _person(self, prefix: str, row: Row) -> dict[str, Any]:
        """…/people: `names`, `emailAddresses` and so on are lists of tables."""
        number = f"{prefix}{7_000_000_000_000_000_000 + int(row['number'])}"
        return {
            "resourceName": number,
            "etag": f"%{row['number']}",
            "names": [{"givenName": row["first_name"], "familyName": row["last_name"]}],
            "emailAddresses": [{"value": row["email"]}],
            "phoneNumbers": [{"value": row["phone"]}],
            "remark": row["remark"],
        }

    def settings(self) -> dict[str, Any]:
        return {
            "host": self.premises.host(),
            "login": self.premises.host(ACCOUNTS),
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }

    def make_pages_small(self, rows: int) -> None:
        self.most_per_page = rows

    @route("POST", "/token", ACCOUNTS)
    def token(self, question: Question) -> Answer:
        """…/oauth2/native-app, "Refreshing an access token": the refresh token stays the same."""
        told = question.form
        if (told.get("client_id"), told.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            return Answer.json({"error": "invalid_client"}, 401)
        if told.get("refresh_token") != self.refresh_token:
            gone = {"error": "invalid_grant", "error_description": "Token has been revoked."}
            return Answer.json(gone, 400)
        said = {"access_token": self.grant(timedelta(seconds=3599), self.scopes)}
        more = {"expires_in": 3599, "scope": " ".join(self.scopes), "token_type": "Bearer"}
        return Answer.json(said | more)

    def unauthorised(self) -> Answer:
        return self._error(
            401, "UNAUTHENTICATED", "Request had invalid authentication credentials."
        )

    def forbidden(self, scope: str) -> Answer:
        message = "Request had insufficient authentication scopes."
        return self._error(403, "PERMISSION_DENIED", message)

    def _error(self, status: int, name: str, message: str) -> Answer:
        """https://cloud.google.com/apis/design/errors"""
        return Answer.json({"error": {"code": status, "message": message, "status": name}}, status)

    @route("GET", "/v1/people/me/connections")
    def connections(self, question: Question) -> Answer:
        """people.connections/list: 400 without personFields; totalItems."""
        self.check_token(question, READ)
        return self._page(question, "connections", "contacts", "personFields", "totalItems")

    @route("GET", "/v1/contactGroups")
    def groups(self, question: Question) -> Answer:
        """contactGroups/list"""
        self.check_token(question, READ)
        return self._page(question, "contactGroups", "labels", "", "totalItems")

    @route("GET", "/v1/otherContacts")
    def others(self, question: Question) -> Answer:
        """otherContacts/list: readMask; totalSize."""
        self.check_token(question, OTHERS)
        return self._page(question, "otherContacts", "other", "readMask", "totalSize")

    def _page(self, question: Question, name: str, table: str, mask: str, total: str) -> Answer:
        """A page's token is good with the same parameters only."""
        told = question.query
        if mask and not told.get(mask):
            return self._error(400, "INVALID_ARGUMENT", f"{mask} mask is required.")
        rows = self._order(table, told)
        many, first = min(int(told["pageSize"]), self.most_per_page), self._place(told)
        page = rows[first : first + many]
        more = bool(page) if self.on(Trap.EMPTY_LAST_PAGE) else first + many < len(rows)
        onward = first if self.on(Trap.CURSOR_REPEATS) and first else first + many
        said: dict[str, Any] = {name: page} if page else {}
        said[total] = len(rows)
        if more:
            said["nextPageToken"] = f"T{onward}.{self._shape(told)}"
        answer = Answer.json(said)
        return self.download(answer.body, "application/json; charset=UTF-8")

    def _order(self, table: str, told: dict[str, str]) -> list[dict[str, Any]]:
        """The order of the last change: the same for all pages of a list."""
        if "pageToken" not in told:
            self.tables[table] = self.ordered(self.tables[table])
        return self.tables[table]

    def _shape(self, told: dict[str, str]) -> int:
        return sum(sum(text.encode()) for name, text in told.items() if name != "pageToken")

    def _place(self, told: dict[str, str]) -> int:
        token = told.get("pageToken", f"T0.{self._shape(told)}")
        place, _, shape = token.removeprefix("T").partition(".")
        if shape != str(self._shape(told)):
            message = "Request must match the call that provided the page token."
            raise Refusal(self._error(400, "INVALID_ARGUMENT", message))
        return int(place)
