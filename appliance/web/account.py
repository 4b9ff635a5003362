"""The account: the two passwords, and signing out everywhere."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..core.errors import ApplianceError
from . import confirm, passwords, sessions
from .certificate import fingerprint
from .door import let_in
from .notes import write_down
from .office import the_office
from .policy import Role, open_to

room = Blueprint("account", __name__, url_prefix="/account")
_THE_SAME = "Take two different passwords: else whoever may only look may change things too."


@room.get("/")
@open_to(Role.CHANGE)
def shown() -> ResponseReturnValue:
    """Show what can be changed here."""
    return _page()


@room.post("/password")
@open_to(Role.CHANGE)
def change() -> ResponseReturnValue:
    """Change the password for changes; every other browser is signed out."""
    return _set(Role.CHANGE, Role.LOOK, "The password is changed, and everybody else signed out.")


@room.post("/look")
@open_to(Role.CHANGE)
def set_look() -> ResponseReturnValue:
    """Set the password of those who may look and press."""
    return _set(Role.LOOK, Role.CHANGE, "The password of those who look and press is set.")


@room.post("/look/remove")
@open_to(Role.CHANGE)
def remove_look() -> ResponseReturnValue:
    """Let nobody in who may only look and press."""
    try:
        confirm.require_password(request.form)
    except ApplianceError as error:
        return _page(look=error.message), 403
    confirm.people().remove_password(Role.LOOK)
    return _done("The password of those who look and press is removed.")


@room.post("/sign-out-everywhere")
@open_to(Role.CHANGE)
def sign_out_everywhere() -> ResponseReturnValue:
    """End every session, this one too."""
    sessions.end_all()
    flash("Everybody is signed out, you too.")
    write_down("sign-out", "Everybody was signed out")
    return redirect(url_for("door.sign_in"))


def _set(role: Role, other: Role, sentence: str) -> ResponseReturnValue:
    new, again = request.form.get("new", ""), request.form.get("again", "")
    wrong = passwords.why_not_twice(new, again, [the_office().name])
    form = {Role.CHANGE: "own", Role.LOOK: "look"}[role]
    if wrong:
        return _page(**{form: wrong}), 400
    try:
        confirm.require_password(request.form)
    except ApplianceError as error:
        return _page(**{form: error.message}), 403
    if confirm.people().role_of(new) is other:
        return _page(**{form: _THE_SAME}), 400
    confirm.people().set_password(role, new)
    return _done(sentence)


def _done(sentence: str) -> ResponseReturnValue:
    """A password is another one now: every session ends, and this browser gets a new one."""
    sessions.end_all()
    let_in(Role.CHANGE)
    flash(sentence)
    write_down("password", sentence.rstrip("."))
    answer = redirect(url_for("account.shown"))
    confirm.remember_browser(answer, Role.CHANGE)
    return answer


def _page(own: str = "", look: str = "") -> str:
    people = confirm.people()
    return render_template(
        "account.html",
        own=own,
        look=look,
        has_look=people.has_password(Role.LOOK),
        shortest=passwords.SHORTEST,
        fingerprint=fingerprint(people.folder),
    )
