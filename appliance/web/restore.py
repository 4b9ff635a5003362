"""Getting something back: choose a day, look, find one customer, take home what is needed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, cast

from flask import (
    Blueprint,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..core import words
from ..core.errors import ApplianceError
from ..core.ports import Download
from ..system.socket import WorkerAbsent
from . import downloads
from .box import the_box
from .calendar import MONTHS, WEEKDAYS, day_of, month_of, month_words
from .confirm import require_password
from .policy import Role, open_to

room = Blueprint("restore", __name__, url_prefix="/restore")
FIRST_ROWS = 50
_WHO, _TICKET = "restoring", "opened"
_LOOK_AGAIN_SECONDS = 1
_UNKNOWN = "Loading all of it into the CRM would undo what was done since."
_KINDS = {"table": "table", "json": "table", "json lines": "table", "text": "text"}


@room.app_template_filter("size")
def _size(size_bytes: int | None) -> str:
    return "" if size_bytes is None else words.size(size_bytes)


@room.app_template_filter("day")
def _day(local: str) -> str:
    time = datetime.fromisoformat(local)
    return f"{WEEKDAYS[time.weekday()]} {time.day} {MONTHS[time.month]} {time.year}"


room.add_app_template_filter(month_words, "month")


@room.app_template_filter("moment")
def _moment(local: str) -> str:
    return f"{_day(local)}, {datetime.fromisoformat(local):%H:%M}"


@room.errorhandler(ApplianceError)
def _in_words(error: ApplianceError) -> ResponseReturnValue:
    """What the box says is shown; from here one goes on by choosing anew."""
    status = 503 if isinstance(error, WorkerAbsent) else 409
    return render_template("restore_trouble.html", trouble=error), status


@room.get("/")
@open_to(Role.CHANGE)
def start() -> ResponseReturnValue:
    """Choose where it came from; skipped where there is no choice."""
    sources = cast("list[str]", the_box().backups()["sources"])
    if len(sources) == 1:
        return redirect(url_for(".days", source=sources[0]))
    return render_template("restore_sources.html", sources=sources)


@room.get("/from/<source>/")
@open_to(Role.CHANGE)
def days(source: str) -> ResponseReturnValue:
    """Choose the backup: the newest one, or a day of the calendar."""
    listed = _listed(source)
    backups, today = listed["backups"], date.fromisoformat(listed["today"])
    day = request.args.get("day", "")
    return render_template(
        "restore_days.html",
        source=source,
        newest=next((each for each in backups if not each["held"]), None),
        month=month_of(backups, today, day[:7] or request.args.get("month", "")),
        weekdays=WEEKDAYS,
        day=day,
        of_day=[each for each in backups if day and day_of(each).isoformat() == day],
        age_of=lambda backup: _age(listed, backup),
        ticket=session.get(_TICKET),
    )


@room.get("/from/<source>/<name>/")
@open_to(Role.CHANGE)
def backup(source: str, name: str) -> ResponseReturnValue:
    """Say what one backup is, before it is opened."""
    listed = _listed(source)
    for each in listed["backups"]:
        if each["name"] == name:
            facts = {**each, "source": source, "age_seconds": _seconds(listed, each)}
            return render_template("restore_backup.html", backup=facts, warning=warning(facts))
    raise ApplianceError("There is no such backup any more.", hint="Choose another day.")


@room.post("/from/<source>/<name>/open")
@open_to(Role.CHANGE)
def open_it(source: str, name: str) -> ResponseReturnValue:
    """Have a backup opened, from a disk or from the cloud copy that is named."""
    who = session.setdefault(_WHO, secrets.token_hex(16))
    cloud, only = request.form.get("cloud", ""), request.form.get("only", "")
    ticket = the_box().open_backup(source, name, who, cloud, only)
    session[_TICKET] = ticket
    return redirect(url_for(".opened", ticket=ticket), 303)


@room.get("/opened/<ticket>/")
@open_to(Role.CHANGE)
def opened(ticket: str) -> ResponseReturnValue:
    """Show how far a backup is, then what is in it."""
    facts = the_box().opened(ticket)
    page = render_template("restore_opened.html", facts=facts, warning=warning(facts), kinds=_KINDS)
    again = {"Refresh": str(_LOOK_AGAIN_SECONDS)} if facts["state"] == "opening" else {}
    return page, 200, again


@room.post("/opened/<ticket>/close")
@open_to(Role.CHANGE)
def close(ticket: str) -> ResponseReturnValue:
    """Be done with it, or no longer want it."""
    the_box().close_backup(ticket)
    session.pop(_TICKET, None)
    flash("It is closed, and nothing of it is left on this box but the backup itself.")
    return redirect(url_for(".start"), 303)


@room.get("/opened/<ticket>/<int:file>/")
@open_to(Role.CHANGE)
def look(ticket: str, file: int) -> ResponseReturnValue:
    """Show the first rows of a file."""
    facts, found = the_box().opened(ticket), the_box().rows(ticket, file, FIRST_ROWS)
    return render_template("restore_look.html", facts=facts, found=found, warning=warning(facts))


@room.post("/opened/<ticket>/find")
@open_to(Role.CHANGE)
def find(ticket: str) -> ResponseReturnValue:
    """Look for one customer. By POST: a name belongs into no address and no history."""
    facts, text = the_box().opened(ticket), request.form.get("text", "")
    try:
        found = the_box().find(ticket, text, _number("file"), _number("place"))
    except WorkerAbsent:
        raise
    except ApplianceError as error:
        page = render_template(
            "restore_found.html", facts=facts, text=text, trouble=error, found={"finds": []}
        )
        return page, 422
    return render_template(
        "restore_found.html", facts=facts, text=text, found=found, warning=warning(facts)
    )


@room.post("/opened/<ticket>/download")
@open_to(Role.CHANGE)
def download(ticket: str) -> ResponseReturnValue:
    """Ask for the password, then let somebody take something home."""
    facts, wanted = the_box().opened(ticket), _wanted()
    if "password" not in request.form:
        return _asking(facts, wanted)
    try:
        require_password(request.form)
    except ApplianceError as error:
        return _asking(facts, wanted, error), 403
    said = f"of the backup of {_moment(str(facts['local']))} ({facts['source']})"

    def note(begun: Download) -> None:
        size = f", {words.size(begun.size_bytes)}" if begun.size_bytes is not None else ""
        it = f"“{begun.name}”{size}, {said}"
        the_box().note("download", f"{it} was taken home by {request.remote_addr}.")

    def broke_off() -> None:
        box.note("download", f"A download {said} broke off: it is not whole.", went_well=False)

    box = the_box()
    return downloads.answer_with(lambda: box.download(ticket, **wanted), note, broke_off)


def warning(facts: Mapping[str, Any]) -> str:
    """Given a backup, say how old it is and what loading it would undo."""
    made = words.age(timedelta(seconds=facts["age_seconds"]))
    if not facts["newer"] and not facts["is_last"]:
        return f"This is the newest good backup, made {made}. What came after it is held."
    if not facts["newer"]:
        return f"This is the newest backup, made {made}. What was done since is not in it."
    newer = "there is a newer one" if facts["newer"] == 1 else f"{facts['newer']} newer ones exist"
    undone = words.undone(facts["since"]) if facts["since"] is not None else _UNKNOWN
    return f"This backup was made {made}; {newer}. {undone}"


def _asking(
    facts: Mapping[str, Any], wanted: Mapping[str, Any], trouble: ApplianceError | None = None
) -> str:
    listed = facts.get("originals" if wanted["what"] == "original" else "files") or []
    number = wanted["file"]
    named = listed[number] if 0 <= number < len(listed) else None
    return render_template(
        "restore_download.html",
        facts=facts,
        wanted=wanted,
        named=named,
        trouble=trouble,
        warning=warning(facts),
    )


def _wanted() -> dict[str, Any]:
    text = {name: request.form.get(name, "") for name in ("what", "text")}
    return {**text, "file": _number("file"), "place": _number("place")}


def _number(name: str) -> int:
    return request.form.get(name, 0, type=int)


def _listed(source: str) -> Mapping[str, Any]:
    return the_box().backups(source)


def _seconds(listed: Mapping[str, Any], backup: Mapping[str, Any]) -> float:
    now, made = (datetime.fromisoformat(text) for text in (listed["as_of"], backup["time"]))
    return max((now - made).total_seconds(), 0.0)


def _age(listed: Mapping[str, Any], backup: Mapping[str, Any]) -> str:
    return words.age(timedelta(seconds=_seconds(listed, backup)))
