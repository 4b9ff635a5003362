"""The door: signing in and out."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Flask, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, login_user, logout_user

from .people import People
from .policy import Role, open_to

room = Blueprint("door", __name__)


class Person(UserMixin):  # type: ignore[misc] # flask-login has no types
    """Whoever has signed in, known by what they may do."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.id = role.name


def keep(app: Flask, people: People) -> None:
    """Have the app know who is signed in."""
    app.extensions["people"] = people
    manager = LoginManager(app)
    manager.session_protection = "strong"
    manager.user_loader(lambda name: Person(Role[name]) if name in Role.__members__ else None)


def _people() -> People:
    return cast("People", current_app.extensions["people"])


@room.route("/sign-in", methods=["GET", "POST"])
@open_to(Role.ANYBODY)
def sign_in() -> ResponseReturnValue:
    """Ask for the password."""
    if request.method == "GET":
        return render_template("sign_in.html")
    role = _people().role_of(request.form.get("password", ""))
    if role is None:
        flash("That is not the password.")
        return render_template("sign_in.html"), 401
    login_user(Person(role))
    return redirect(url_for("home.first"))


@room.post("/sign-out")
@open_to(Role.LOOK)
def sign_out() -> ResponseReturnValue:
    """Forget who it was."""
    logout_user()
    return redirect(url_for("door.sign_in"))
