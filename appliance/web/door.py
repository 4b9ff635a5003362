"""The door: signing in and out."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Flask, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, login_user

from . import confirm, sessions
from .notes import write_down
from .policy import WANTED, Role, is_signed_in, open_to
from .throttle import TooManyTries

room = Blueprint("door", __name__)
MAY = {Role.LOOK: "to look and press", Role.CHANGE: "to look and to change"}


class Person(UserMixin):  # type: ignore[misc] # flask-login has no types
    """Whoever has signed in, known by what they may do, until a password changes."""

    def __init__(self, role: Role, version: str) -> None:
        self.role, self.version = role, version
        self.id = f"{role.name} {version}"


def keep(app: Flask) -> None:
    """Have the app know who is signed in."""
    manager = LoginManager(app)
    manager.session_protection = None  # it would believe X-Forwarded-For (E4)
    manager.user_loader(_person)


def let_in(role: Role) -> str:
    """Sign whoever asks in, in a new session; return the page that they wanted before."""
    wanted = cast("str", session.get(WANTED, ""))
    sessions.start_anew()
    login_user(Person(role, confirm.people().version()))
    return wanted or url_for("home.first")


@room.get("/sign-in")
@open_to(Role.ANYBODY)
def sign_in() -> ResponseReturnValue:
    """Ask for the password."""
    return redirect(url_for("home.first")) if is_signed_in() else render_template("sign_in.html")


@room.post("/sign-in")
@open_to(Role.ANYBODY)
def try_password() -> ResponseReturnValue:
    """Let in whoever knows a password."""
    try:
        role = confirm.role_by(request.form.get("password", ""))
    except TooManyTries as error:
        return _refused(error.message, 429, error)
    if role is None:
        write_down("sign-in", "A wrong password was typed at the door", went_well=False)
        return _refused("That is not the password.", 401)
    answer = redirect(let_in(role))
    confirm.remember_browser(answer, role)
    write_down("sign-in", f"Somebody signed in {MAY[role]}")
    return answer


@room.post("/sign-out")
@open_to(Role.LOOK)
def sign_out() -> ResponseReturnValue:
    """Forget who it was."""
    sessions.start_anew()
    flash("You are signed out.")
    return redirect(url_for("door.sign_in"))


def _refused(sentence: str, status: int, error: TooManyTries | None = None) -> ResponseReturnValue:
    headers = {"Retry-After": str(error.seconds)} if error else {}
    return render_template("sign_in.html", wrong=sentence), status, headers


def _person(identity: str) -> Person | None:
    name, _, version = identity.partition(" ")
    if name not in Role.__members__ or version != confirm.people().version():
        return None
    return Person(Role[name], version)
