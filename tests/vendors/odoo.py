"""Odoo: the database manager, and the JSON-2 API of version 19.

The manager's shapes are its source, https://github.com/odoo/odoo/blob/master/addons/web/controllers/
database.py and odoo/service/db.py; JSON-2 is https://www.odoo.com/documentation/19.0/developer/
reference/external_api.html.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from .office import COMPANIES, CONTACTS, DEALS, LEADS, MACHINES, Row
from .serving import API, FOREIGN, Answer, Question
from .tables import as_zip
from .traps import HOLDS, REFUSES, SURVIVES, Trap
from .vendor import Refusal, Vendor, route

DATABASE = "prod"
_DUMPED = {"res_partner": CONTACTS, "crm_lead": LEADS, "x_maschine": MACHINES}
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SIGN_IN_PAGE = b"<!DOCTYPE html><html><head><title>Odoo</title></head><body>%b</body></html>"


class Odoo(Vendor):
    """A server whose database manager is open to who knows the master password."""

    recipe = "odoo"
    can_leave_out = False
    shown_to = frozenset({API})
    answers_wrong_password_with: ClassVar[int] = 200
    """Up to 18: 200 and the manager's page. Since then 422."""
    reactions: ClassVar = {
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.SHUFFLED: SURVIVES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.password = self.secret(self.fresh(20))
        self._once_at = 0  # there is but one request
        for name, kind in _DUMPED.items():
            rows = [self._record(row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "comment", "x_zusatz")

    def _record(self, row: Row) -> dict[str, Any]:
        more = {name: text for name, text in row.items() if name not in ("number", "remark")}
        return {"id": row["number"]} | more | {"comment": row["remark"]}

    def settings(self) -> dict[str, Any]:
        return {"host": self.premises.host(), "database": DATABASE, "password": self.password}

    def _tripped(self, question: Question) -> Answer | None:
        if question.method == "POST" and question.role == API and self.on(Trap.FOREIGN_REDIRECT):
            return Answer(307, headers={"Location": self.premises.url(FOREIGN, question.target)})
        return super()._tripped(question)

    @route("POST", "/web/database/backup")
    def backup(self, question: Question) -> Answer:
        told = question.form
        if told.get("master_pwd") != self.password:
            page = _SIGN_IN_PAGE % b"Database backup error: Access Denied"
            html = {"Content-Type": "text/html; charset=utf-8"}
            return Answer(self.answers_wrong_password_with, page, html)
        if told.get("name") != DATABASE or told.get("backup_format") != "zip":
            page = _SIGN_IN_PAGE % b"Database backup error: no such database"
            return Answer(200, page, {"Content-Type": "text/html; charset=utf-8"})
        manifest = {
            "odoo_dump": "1",
            "db_name": DATABASE,
            "version": "18.0",
            "pg_version": "16.3",
            "modules": {"crm": "18.0.1.8"},
        }
        members = {
            "dump.sql": self._dump(),
            "manifest.json": json.dumps(manifest, indent=4).encode(),
            "filestore/0a/0a1b2c": bytes(range(256)) * 64,
        }
        name = f"{DATABASE}_2026-11-21_03-00-00.zip"
        return self.download(
            as_zip(members),
            "application/octet-stream; charset=binary",
            Content_Disposition=f"attachment; filename*=UTF-8''{name}",
        )

    def _dump(self) -> bytes:
        """What pg_dump writes: https://www.postgresql.org/docs/current/app-pgdump.html."""
        lines = ["--", "-- PostgreSQL database dump", "--", "", "SET client_encoding = 'UTF8';", ""]
        for name, rows in self.tables.items():
            columns = list(rows[0])
            lines.append(f"CREATE TABLE public.{name} (")
            lines += [f"    {column} text," for column in columns[:-1]]
            lines += [f"    {columns[-1]} text", ");", ""]
        for name, rows in self.tables.items():
            columns = list(rows[0])
            lines.append(f"COPY public.{name} ({', '.join(columns)}) FROM stdin;")
            lines += ["\t".join(_copied(row[c]) for c in columns) for row in self.ordered(rows)]
            lines += ["\\.", ""]
        lines += ["--", "-- PostgreSQL database dump complete", "--", ""]
        return "\n".join(lines).encode()

    def found(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        tables: dict[str, Any] = {}
        for data in files.values():
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                dump = archive.read("dump.sql").decode()
            for block in dump.split("COPY public.")[1:]:
                head, _, rest = block.partition("\n")
                name, _, columns = head.removesuffix(") FROM stdin;").partition(" (")
                body = rest.split("\\.\n")[0]
                rows = [_read(columns.split(", "), line) for line in body.split("\n")[:-1]]
                tables[name] = {row["id"]: row for row in rows}
        return tables


def _copied(text: Any) -> str:
    """COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html."""
    return "".join(_ESCAPES.get(letter, letter) for letter in str(text))


def _read(columns: list[str], line: str) -> dict[str, str]:
    back = {text: letter for letter, text in _ESCAPES.items()}
    cells = [re.sub(r"\\.", lambda m: back[m.group()], cell) for cell in line.split("\t")]
    return dict(zip(columns, cells, strict=True))


_MODELS = {
    "res.partner": CONTACTS,
    "crm.lead": LEADS,
    "sale.order": DEALS,
    "product.template": COMPANIES,
    "x_maschine": MACHINES,
}


class OdooJson(Vendor):
    """JSON-2 with an API key."""

    recipe = "odoo-json"
    scheme = "bearer"
    shown_to = frozenset({API})
    reactions: ClassVar = {
        Trap.FOREIGN_REDIRECT: REFUSES,
        Trap.RETRY_DATE: SURVIVES,
        Trap.PAGE_IGNORED: REFUSES,
        Trap.NULL_BODY: REFUSES,
        Trap.COLUMN_ADDED: SURVIVES,
        Trap.ROWS_MISSING: HOLDS,
        Trap.BREAKS_OFF: SURVIVES,
        Trap.HTML_FOR_ZIP: REFUSES,
        Trap.ZIP_CUT: REFUSES,
        Trap.NUL: SURVIVES,
    }

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.api_key = self.grant(timedelta(days=90))
        self._once_at = self.rng.randrange(2, 5)
        for name, kind in _MODELS.items():
            rows = [self._record(row) for row in self.data[kind]]
            self.tables[name] = self.dressed(rows, "comment", "x_zusatz")

    def _record(self, row: Row) -> dict[str, Any]:
        more = {name: text or False for name, text in row.items() if name != "number"}
        number = int(row["number"])
        return (
            {"id": number, "active": number % 7 > 0} | more | {"comment": more.pop("remark") or "-"}
        )

    def settings(self) -> dict[str, Any]:
        return {"host": self.premises.host(), "database": DATABASE, "token": self.api_key}

    def table_of(self, file: str, member: str) -> str | None:
        return file.removesuffix(".jsonl")

    def _tripped(self, question: Question) -> Answer | None:
        if question.role == API and self.on(Trap.FOREIGN_REDIRECT):
            return Answer(308, headers={"Location": self.premises.url(FOREIGN, question.target)})
        return super()._tripped(question)

    def unauthorised(self) -> Answer:
        return self._error(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")

    def _error(self, status: int, name: str, message: str) -> Answer:
        """…/external_api.html, "Response": an error has name, message, arguments and so on."""
        said = {"name": name, "message": message, "arguments": [message, status], "context": {}}
        return Answer.json(said | {"debug": "Traceback (most recent call last): ..."}, status)

    @route("POST", "/json/2/{model}/search_read")
    def search_read(self, question: Question, model: str) -> Answer:
        self.check_token(question)
        if question.headers.get("x-odoo-database", DATABASE) != DATABASE:
            return self._error(404, "werkzeug.exceptions.NotFound", "no such database")
        asked = question.json
        if model == "ir.model":
            names = ["ir.ui.view", *self.tables]
            return Answer.json([{"id": n, "model": name} for n, name in enumerate(names)])
        if model == "ir.model.fields":
            (name,) = [value for field, _, value in asked["domain"] if field == "model"]
            return self._fields(name)
        if model not in self.tables:
            raise Refusal(self._error(404, "werkzeug.exceptions.NotFound", f"no model {model}"))
        return self._rows(model, asked)

    @route("POST", "/json/2/{model}/search_count")
    def search_count(self, question: Question, model: str) -> Answer:
        """A bare number."""
        self.check_token(question)
        if model not in self.tables:
            return self._error(404, "werkzeug.exceptions.NotFound", f"no model {model}")
        return Answer.json(len(self._seen(model, question.json)))

    def _seen(self, model: str, asked: Any) -> list[dict[str, Any]]:
        """…/orm.html, active_test: archived records are left out unless the context says so."""
        if asked.get("context", {}).get("active_test") is False:
            return self.tables[model]
        return [row for row in self.tables[model] if row["active"]]

    def _fields(self, model: str) -> Answer:
        rows = self.tables.get(model, [])
        names = list(rows[0]) if rows else []
        return Answer.json([{"id": n, "name": name} for n, name in enumerate(names, 1)])

    def _rows(self, model: str, asked: Any) -> Answer:
        """Rows have the fields asked for; without `fields` all, pictures too."""
        known = self.tables[model][0]
        if unknown := set(asked.get("fields") or ["image_1920"]) - set(known):
            return self._error(422, "builtins.ValueError", f"Invalid field {unknown} on {model}")
        first, limit = asked.get("offset", 0), asked.get("limit", 80)
        if self.on(Trap.PAGE_IGNORED):
            first = 0
        if self.on(Trap.NULL_BODY) and first:
            return Answer.json(None)
        some = self._seen(model, asked)[first : first + limit]
        said = Answer.json([{name: row[name] for name in asked["fields"]} for row in some])
        if len(some) > 3:
            return self.download(said.body, said.headers["Content-Type"])
        return said


__all__ = ["DATABASE", "FOREIGN", "Odoo", "OdooJson"]
