"""What other programs are told: Home Assistant, Uptime Kuma, Prometheus; and their token."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from ..core.errors import ApplianceError
from . import report
from .box import the_box
from .facts import Unreadable
from .policy import Role, open_to
from .sight import the_sight
from .token import Token

room = Blueprint("programs", __name__)

_TOKEN = "token"  # noqa: S105 - where it is kept, not what it is
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_ASK = "Send the token of this box: Authorization: Bearer TOKEN. The page makes one.\n"


def keep(app: Flask, folder: Path) -> None:
    """Given the app and the page's own folder, have it know the token."""
    app.extensions[_TOKEN] = Token(folder)


def _token() -> Token:
    return cast("Token", current_app.extensions[_TOKEN])


def _bears_the_token() -> bool:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and _token().fits(token.strip())


def _refused() -> Response:
    answer = make_response(_ASK, 401)
    answer.headers["WWW-Authenticate"] = "Bearer"
    answer.mimetype = "text/plain"
    return answer


@room.get("/status.json")
@open_to(Role.ANYBODY)
def status() -> ResponseReturnValue:
    """Return how things stand, for whoever has the token or has signed in."""
    if not (_bears_the_token() or current_user.is_authenticated):
        return _refused()
    seen = the_sight().look()
    if seen.absent is not None:
        return jsonify(error=seen.absent.message), 503
    try:
        told = report.status(seen)
    except Unreadable:
        return jsonify(error="The box did not say how things stand."), 503
    schema = url_for("static", filename="status.schema.json")
    return jsonify({"$schema": schema} | told)


@room.get("/metrics")
@open_to(Role.ANYBODY)
def metrics() -> ResponseReturnValue:
    """Return how things stand for Prometheus, for whoever has the token."""
    if not _bears_the_token():
        return _refused()
    return report.metrics(the_sight().look()), {"Content-Type": _METRICS}


@room.get("/programs")
@open_to(Role.CHANGE)
def explained() -> ResponseReturnValue:
    """Show what other programs may ask for, and whether there is a token."""
    return render_template("programs.html", is_set=_token().is_set(), token="")


@room.post("/programs")
@open_to(Role.CHANGE)
def renewed() -> ResponseReturnValue:
    """Make a new token and show it, this once: there is no page to come back to."""
    token = _token().renew()
    try:
        the_box().note("token", "A new token for other programs was made on the page.")
    except ApplianceError:
        current_app.logger.warning("a new token could not be noted")
    answer = make_response(render_template("programs.html", is_set=True, token=token))
    answer.headers["Cache-Control"] = "no-store"
    return answer
