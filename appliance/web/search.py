"""One record through all backups: type a name, see what became of it, take it home."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, cast

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from ..core.errors import ApplianceError
from ..core.ports import Download
from ..system.socket import WorkerAbsent
from . import downloads
from .box import the_box
from .confirm import require_password
from .policy import Role, open_to

room = Blueprint("search", __name__, url_prefix="/find")
_WHO = "searching"
_LOOK_AGAIN_SECONDS = 1


@room.errorhandler(ApplianceError)
def _in_words(error: ApplianceError) -> ResponseReturnValue:
    """What the box says is shown; from here one goes on by searching anew."""
    status = 503 if isinstance(error, WorkerAbsent) else 409
    return render_template("search_trouble.html", trouble=error), status


@room.get("/")
@open_to(Role.CHANGE)
def start() -> ResponseReturnValue:
    """Ask what to look for, and where."""
    return render_template("search.html", sources=_sources(), text="", source="")


@room.post("/")
@open_to(Role.CHANGE)
def seek() -> ResponseReturnValue:
    """Begin to look. By POST: a name belongs into no address and no history."""
    source, text = request.form.get("source", ""), request.form.get("text", "")
    who = session.setdefault(_WHO, secrets.token_hex(16))
    try:
        ticket = the_box().seek(source, text, who)
    except WorkerAbsent:
        raise
    except ApplianceError as error:
        page = render_template(
            "search.html", sources=_sources(), text=text, source=source, trouble=error
        )
        return page, 422
    return redirect(url_for(".found", ticket=ticket), 303)


@room.get("/<ticket>/")
@open_to(Role.CHANGE)
def found(ticket: str) -> ResponseReturnValue:
    """Show how far a search is, then what it found."""
    facts = the_box().sought(ticket)
    page = render_template("search_found.html", facts=facts, sources=_sources())
    again = {"Refresh": str(_LOOK_AGAIN_SECONDS)} if facts["state"] == "searching" else {}
    return page, 200, again


@room.post("/<ticket>/download")
@open_to(Role.CHANGE)
def download(ticket: str) -> ResponseReturnValue:
    """Ask for the password, then let somebody take one record home."""
    facts, number = the_box().sought(ticket), request.form.get("record", 0, type=int)
    record = _record(facts, number)
    if "password" not in request.form:
        return _asking(facts, record, number)
    try:
        require_password(request.form)
    except ApplianceError as error:
        return _asking(facts, record, number, error), 403
    box, said = the_box(), f"of {record['table']} ({facts['source']})"

    def note(_: Download) -> None:
        box.note("download", f"One record {said} was taken home by {request.remote_addr}.")

    def broke_off() -> None:
        box.note("download", f"A record {said} broke off: it is not whole.", went_well=False)

    return downloads.answer_with(lambda: box.download(ticket, "record", number), note, broke_off)


def _record(facts: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    records = cast("list[Mapping[str, Any]]", facts["records"])
    if not 0 <= number < len(records):
        raise ApplianceError("There is no such record any more.", hint="Search again.")
    return records[number]


def _asking(
    facts: Mapping[str, Any],
    record: Mapping[str, Any],
    number: int,
    trouble: ApplianceError | None = None,
) -> str:
    return render_template(
        "search_download.html", facts=facts, record=record, number=number, trouble=trouble
    )


def _sources() -> list[str]:
    return cast("list[str]", the_box().backups()["sources"])
