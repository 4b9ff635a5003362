"""The claim: until somebody has shown that the box is theirs, the page shows nothing else (E2)."""

from __future__ import annotations

import secrets
from contextlib import suppress

from flask import (
    Blueprint,
    Flask,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..core.errors import ApplianceError
from . import claim_code, confirm, passwords
from .box import the_box
from .door import let_in
from .notes import write_down
from .office import the_office
from .people import ClaimedAlready
from .policy import Role, open_to
from .throttle import TooManyTries

room = Blueprint("claim", __name__, url_prefix="/claim")
_SHOWN, _ASKING = "claim_code_shown", "claim_asking"
_LOOK_AGAIN_SECONDS = "2"
_NOBODY_HELD_IT = "Nobody held the button within five minutes. Ask again, or take the code."
_NOT_THE_CODE = "That is not the code, or it is used up or too old. Have the box print another one."


def keep(app: Flask) -> None:
    """Have every other page closed until the box is somebody's, and this one from then on."""
    app.before_request(_closed)


def _closed() -> ResponseReturnValue | None:
    is_here = request.blueprint == room.name
    if request.endpoint == "static" or confirm.people().is_claimed() is not is_here:
        return None
    return _too_late() if is_here else redirect(url_for("claim.start"))


def _too_late() -> ResponseReturnValue:
    flash("This box is somebody's already. If it was not you, ask who else set it up.")
    return redirect(url_for("door.sign_in"))


@room.get("/")
@open_to(Role.ANYBODY)
def start() -> ResponseReturnValue:
    """Say whose the box is not yet, and ask for the code, or for the button where there is one."""
    return _start()


@room.post("/")
@open_to(Role.ANYBODY)
def try_code() -> ResponseReturnValue:
    """Let whoever types the code that the terminal printed choose the password."""
    try:
        taken = confirm.take_try()
    except TooManyTries as error:
        return _start(error.message), 429
    if not claim_code.use_up(confirm.people().folder, request.form.get("code", "")):
        write_down("claim", "A wrong code was typed to claim this box", went_well=False)
        return _start(_NOT_THE_CODE), 401
    confirm.throttle().was_right(*taken)
    session[_SHOWN] = True
    return redirect(url_for("claim.choose"))


@room.post("/button")
@open_to(Role.ANYBODY)
def ask() -> ResponseReturnValue:
    """Have the box ask by its lamps; whoever stands there holds its button."""
    who = session.setdefault(_ASKING, secrets.token_hex(16))
    is_new = the_box().claimed(who) == "no"
    try:
        the_box().ask_to_claim(who)
    except ApplianceError as error:
        return _start(f"{error.message} {error.hint}".strip()), 409
    if is_new:
        write_down("claim", "Somebody asked by the page that the box be theirs")
    return redirect(url_for("claim.wait"))


@room.get("/button")
@open_to(Role.ANYBODY)
def wait() -> ResponseReturnValue:
    """Show that the box waits for its button; go on once somebody held it."""
    answer = the_box().claimed(session.get(_ASKING, ""))
    if answer == "yes":
        session[_SHOWN] = True
        return redirect(url_for("claim.choose"))
    if answer != "waiting":
        return _start(_NOBODY_HELD_IT), 409
    page = render_template("claim_button.html", mark=session[_ASKING][:4])
    return page, 200, {"Refresh": _LOOK_AGAIN_SECONDS}


@room.get("/password")
@open_to(Role.ANYBODY)
def choose() -> ResponseReturnValue:
    """Ask for the first password, twice."""
    if not session.get(_SHOWN):
        return redirect(url_for("claim.start"))
    return render_template("claim_password.html", shortest=passwords.SHORTEST)


@room.post("/password")
@open_to(Role.ANYBODY)
def take() -> ResponseReturnValue:
    """Make the box theirs, and go on with setting it up."""
    if not session.get(_SHOWN):
        return redirect(url_for("claim.start"))
    password = request.form.get("password", "")
    wrong = passwords.why_not_twice(password, request.form.get("again", ""), [the_office().name])
    if wrong:
        return render_template("claim_password.html", shortest=passwords.SHORTEST, wrong=wrong), 400
    return _claimed(password)


def _start(wrong: str = "") -> str:
    return render_template("claim.html", wrong=wrong, has_button=_has_button())


def _has_button() -> bool:
    with suppress(ApplianceError):
        return bool(the_box().first_run()["has_button"])
    return False


def _claimed(password: str) -> ResponseReturnValue:
    try:
        confirm.people().claim(password)
    except ClaimedAlready:
        return _too_late()
    let_in(Role.CHANGE)
    answer = redirect(url_for("first_run.start"))
    confirm.remember_browser(answer, Role.CHANGE)
    write_down("claim", "Somebody made this box theirs and set the password")
    return answer
