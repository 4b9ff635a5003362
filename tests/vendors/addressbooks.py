"""Address books that come whole: sabre/dav's export (Nextcloud, ownCloud, Baïkal), and Radicale.

https://github.com/sabre-io/dav/blob/master/lib/CardDAV/VCFExportPlugin.php and
https://github.com/Kozea/Radicale/blob/master/radicale/app/get.py.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from .office import CONTACTS, Row
from .serving import Answer, Question
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Table, Vendor, route

_REACTIONS = {
    Trap.BREAKS_OFF: SURVIVES,
    Trap.HTML_FOR_ZIP: REFUSES,
    Trap.ZIP_CUT: REFUSES,
    Trap.FOREIGN_REDIRECT: REFUSES,
    Trap.RETRY_DATE: SURVIVES,
    Trap.SHUFFLED: SURVIVES,
    Trap.ROWS_MISSING: HOLDS,
}


def _escaped(text: str) -> str:
    """RFC 6350, 3.4"""
    flat = re.sub(r"([\\,;])", r"\\\1", text.replace("\r\n", "\n"))
    return flat.replace("\n", r"\n")


def _folded(line: str) -> str:
    """RFC 6350, 3.2: at most 75 octets, never within a letter."""
    parts, here = [], ""
    for letter in line:
        if len((here + letter).encode()) > 74:
            parts, here = [*parts, here], ""
        here += letter
    return "\r\n ".join([*parts, here])


class _Book(Vendor):
    """One address book."""

    key = "UID"
    reactions = _REACTIONS
    can_leave_out = False

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._once_at = 0  # there is one request
        self.user, self.password = "ann@office", self.secret(self.fresh(20))
        rows = [self._card(row) for row in self.data[CONTACTS]]
        self.tables["contacts"] = self.dressed(rows, "NOTE", "X-ZUSATZ")

    def _card(self, row: Row) -> dict[str, Any]:
        name = f"{_escaped(row['last_name'])};{_escaped(row['first_name'])};;;"
        return {
            "UID": f"urn:uuid:{int(row['number']):032x}",
            "FN": _escaped(f"{row['first_name']} {row['last_name']}"),
            "N": name,
            "TEL": row["phone"],
            "NOTE": _escaped(row["remark"] + row["description"]),
        }

    def found(self, files: Mapping[str, bytes]) -> dict[str, Table]:
        """Unfolds and reads only what `_card` writes."""
        (data,) = files.values()
        text = data.decode().replace("\r\n ", "")
        table = {}
        for card in re.findall(r"BEGIN:VCARD\r\nVERSION:3.0\r\n(.*?)END:VCARD", text, re.DOTALL):
            fields = dict(line.split(":", 1) for line in card.split("\r\n") if line)
            table[fields["UID"]] = fields
        return {"contacts": table}

    def _check(self, question: Question) -> None:
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if question.headers.get("authorization") != f"Basic {wanted}":
            raise Refusal(Answer(401, b"", {"WWW-Authenticate": 'Basic realm="sabre/dav"'}))

    def _written(self) -> bytes:
        cards = []
        for row in self.ordered(self.tables["contacts"]):
            lines = [_folded(f"{name}:{text}") for name, text in row.items()]
            cards.append("\r\n".join(["BEGIN:VCARD", "VERSION:3.0", *lines, "END:VCARD", ""]))
        return "".join(cards).encode()


class Nextcloud(_Book):
    """sabre/dav's VCFExportPlugin: no ETag, no length known before it is built."""

    recipe = "nextcloud-contacts"

    def settings(self) -> dict[str, Any]:
        url = self.premises.url(path="/remote.php/dav")
        return {"url": url, "user": self.user, "password": self.password}

    @route("GET", "/remote.php/dav/addressbooks/users/{user}/{book}/")
    def export(self, question: Question, user: str, book: str) -> Answer:
        self._check(question)
        if (unquote(user), book) != (self.user, "contacts") or "export" not in question.query:
            return Answer(404)
        name = 'attachment; filename="contacts-2026-11-21.vcf"'
        return self.download(self._written(), "text/directory", Content_Disposition=name)


class Radicale(_Book):
    """get.py: the type with its encoding, Last-Modified and ETag."""

    recipe = "radicale"

    def settings(self) -> dict[str, Any]:
        about = {"user": self.user, "password": self.password, "book": "6f1b2c"}
        return {"url": self.premises.url()} | about

    @route("GET", "/{user}/{book}/")
    def collection(self, question: Question, user: str, book: str) -> Answer:
        self._check(question)
        if (unquote(user), book) != (self.user, "6f1b2c"):
            return Answer(404)
        return self.download(
            self._written(),
            "text/vcard; charset=utf-8",
            Last_Modified="Fri, 20 Nov 2026 02:00:00 GMT",
            ETag='"5d41402abc4b2a76b9719d911017c592"',
            Content_Disposition="attachment; filename*=utf-8''Contacts.vcf",
        )
