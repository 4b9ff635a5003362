"""A file behind a link that is the key.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html, and
…/API/ErrorResponses.html: 403 and XML once it is over, 400 where a sign-in comes along as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from .office import CONTACTS
from .serving import FILES, Answer, Question
from .tables import as_csv, as_zip
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Vendor, route


class SignedLink(Vendor):
    """One link, good for a week."""

    recipe = "signed-link"
    can_leave_out = False
    key = "number"
    shown_to = frozenset({FILES})
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._once_at = 0  # there is one request
        self.tables["contacts"] = self.dressed(self.data[CONTACTS], "remark", "zusatz")
        self.signature = self.secret(self.link(timedelta(days=7)))

    def settings(self) -> dict[str, Any]:
        path = f"/export/crm.zip?X-Amz-Expires=604800&X-Amz-Signature={self.signature}"
        return {"link": self.premises.url(FILES, path)}

    def table_of(self, file: str, member: str) -> str | None:
        return "contacts"

    @route("GET", "/export/crm.zip", FILES)
    def file(self, question: Question) -> Answer:
        if "authorization" in question.headers:
            return self._error(400, "InvalidArgument")
        if not self.is_live(question.query.get("X-Amz-Signature", "")):
            return self._error(403, "AccessDenied")
        rows = self.ordered(self.tables["contacts"])
        body = as_zip({"contacts.csv": as_csv(list(rows[0]), rows)})
        return self.download(body, "application/zip", ETag='"9b2cf535f27731c974343645a3985328"')

    def _error(self, status: int, code: str) -> Answer:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>"
        return Answer(status, text.encode(), {"Content-Type": "application/xml"})
