"""The first run: from a box that was just claimed to the first file back, step after step.

Where somebody is follows from what the box says is set up and proved, so that reloading, leaving,
another device and a restart of anything lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from string import ascii_lowercase
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..core import words
from ..core.errors import ApplianceError
from ..core.model import StepName, Trigger
from ..core.offers import Offer
from . import confirm, offers
from .box import the_box
from .certificate import fingerprint
from .policy import Role, open_to
from .setting_words import KINDS
from .settings import SETTING_UP

room = Blueprint("first_run", __name__, url_prefix="/first-run")


@dataclass(frozen=True, slots=True)
class Step:
    """One step and why it is worth a minute."""

    key: str
    title: str
    why: str


STEPS = (
    Step(
        "name",
        "Name and time zone",
        "So that a message says which box it is about, and 3 in the morning is your 3 o'clock.",
    ),
    Step(
        "place",
        "A disk for the copies",
        "A copy that lies with the CRM's own maker is not yours; this one lies in your office.",
    ),
    Step(
        "sheet",
        "The emergency sheet",
        "Your copies are locked: should the box be lost, only this sheet of paper opens them.",
    ),
    Step(
        "source",
        "What to back up",
        "The box fetches what your CRM exports, so it has to know from where.",
    ),
    Step(
        "backup",
        "The first backup",
        "The box reads every copy back and compares it, so afterwards you know that it works.",
    ),
    Step(
        "restore",
        "The first file back",
        "Whoever has got a file back once knows the way on the day when it counts.",
    ),
)
_ANY = f"<any({', '.join(step.key for step in STEPS)}):key>"


def done(facts: Mapping[str, Any]) -> dict[str, bool]:
    """Given what the box says of the first run, return which steps are done."""
    ready = [each for each in facts["repositories"] if each["ready"]]
    return {
        "name": facts["named"],
        "place": bool(ready),
        "sheet": bool(ready) and all(each["confirmed"] for each in ready),
        "source": bool(facts["sources"]),
        "backup": facts["proved"],
        "restore": facts["restored"],
    }


@room.get("")
@open_to(Role.CHANGE)
def start() -> ResponseReturnValue:
    """Open the first step that is not done."""
    state = done(the_box().first_run())
    return redirect(_to(next((key for key, is_done in state.items() if not is_done), "restore")))


@room.get(f"/{_ANY}")
@open_to(Role.CHANGE)
def step(key: str) -> ResponseReturnValue:
    """Show one step, done or not."""
    return _shown(key)


@room.post("/name")
@open_to(Role.CHANGE)
def name() -> ResponseReturnValue:
    """Say what the box is called, and where it stands."""
    typed = {key: request.form.get(key, "") for key in ("name", "timezone")}
    try:
        the_box().name_the_box(**typed)
    except ApplianceError as error:
        flash(f"{error.message} {error.hint}".strip())
        return _shown("name", **typed), 400
    return redirect(url_for("first_run.start"))


@room.post("/place")
@open_to(Role.CHANGE)
def place() -> ResponseReturnValue:
    """Ask whether a disk may be erased and used; the box's button says yes."""
    return _tried("place", lambda: the_box().pair(request.form["node"], request.form["name"]))


@room.post("/sheet")
@open_to(Role.CHANGE)
def sheet() -> ResponseReturnValue:
    """Show a sheet: not by a link, for each showing is written down. Nothing keeps it."""
    try:
        shown = the_box().sheet(request.form["repository"])
    except ApplianceError as error:
        flash(f"{error.message} {error.hint}".strip())
        return redirect(_to("sheet"))
    certificate = fingerprint(confirm.people().folder)
    return render_template("sheet.html", sheet=shown, certificate=certificate)


@room.post("/ask")
@open_to(Role.CHANGE)
def ask() -> ResponseReturnValue:
    """Ask whether a sheet may be shown again; the box's button says yes."""
    return _tried("sheet", lambda: the_box().ask_for_sheet(request.form["repository"]))


@room.post("/words")
@open_to(Role.CHANGE)
def two_words() -> ResponseReturnValue:
    """Compare two words with the sheet: then it is on paper, and somebody can read it."""
    try:
        right = the_box().confirm_sheet(request.form["repository"], request.form.getlist("word"))
    except ApplianceError as error:
        flash(f"{error.message} {error.hint}".strip())
        return redirect(_to("sheet"))
    if not right:
        flash("These are not the words. Look at their numbers on the sheet and type them again.")
        return redirect(_to("sheet"))
    flash("Right. Now put the sheet where the box is not.")
    return redirect(url_for("first_run.start"))


@room.post("/backup")
@open_to(Role.CHANGE)
def backup() -> ResponseReturnValue:
    """Back up everything that is configured."""

    def started() -> None:
        for source in the_box().first_run()["sources"]:  # type: ignore[attr-defined] # JSON
            the_box().start(source, Trigger.PAGE)

    return _tried("backup", started)


def _tried(key: str, act: Any) -> ResponseReturnValue:
    try:
        act()
    except ApplianceError as error:
        flash(f"{error.message} {error.hint}".strip())
    return redirect(_to(key))


def _to(key: str) -> str:
    return url_for("first_run.step", key=key)


def _shown(key: str, **typed: str) -> str:
    facts = the_box().first_run()
    status: Mapping[str, Any] = the_box().status()
    return render_template(
        f"first_run_{key}.html",
        steps=STEPS,
        done=done(facts),
        step=next(each for each in STEPS if each.key == key),
        facts={**facts, **typed},
        zones=_zones(),
        free_name=_free_name(facts),
        pairing=status.get("pairing") or {},
        running=_running(status),
        waiting=bool(status.get("waiting")),
        failed=_failed(status),
        next_page=_addresses(),
        offers=_offered() if key == "source" else (),
        kinds=KINDS,
        then=SETTING_UP,
    )


def _offered() -> Iterable[Offer]:
    """Return the CRMs that can be named; none where the settings are for a person with the file."""
    with suppress(ApplianceError):
        return offers.told(the_box().settings()).values()
    return ()


def _running(status: Mapping[str, Any]) -> Mapping[str, object] | None:
    """Return what runs in words and in numbers; None where nothing does."""
    running = status.get("running")
    if not running:
        return None
    progress = running.get("progress") or {}
    doing = words.STEPS.get(StepName(progress["step"])) if progress else "beginning"
    return {"doing": doing, "done": progress.get("done"), "total": progress.get("total")}


def _failed(status: Mapping[str, Any]) -> list[str]:
    return [
        f"{each['source']}: {each.get('last_message', '')}"
        for each in status.get("sources", ())
        if each.get("last_outcome") in ("failed", "interrupted")
    ]


def _addresses() -> dict[str, str]:
    """Return where the other rooms are that the steps lead to."""
    return {"restore": url_for("restore.start"), "source": url_for("settings.new_source")}


def _free_name(facts: Mapping[str, Any]) -> str:
    taken = {each["name"] for each in facts["repositories"]}
    names = (f"disk-{letter}" for letter in ascii_lowercase)
    return next((name for name in names if name not in taken), "another-disk")


@cache
def _zones() -> list[str]:
    """Return every place that a clock may go by."""
    others = ("Etc/", "posix/", "right/", "SystemV/")
    places = [name for name in available_timezones() if "/" in name and not name.startswith(others)]
    return ["UTC", *sorted(places)]
