"""What went wrong, in words: every error of page and box ends here, and no traceback goes out."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from ..core.errors import ApplianceError
from ..system.socket import WorkerAbsent
from .confirm import PasswordWrong
from .throttle import TooManyTries


@dataclass(frozen=True, slots=True)
class _Words:
    """What happened, and what a person can do."""

    title: str
    todo: str


_OUR_FAULT = _Words(
    "Something went wrong in the box.",
    "Try again in a minute. If it stays, `sudo appliance doctor` at the box says more. "
    "Your backups go on without this page.",
)
_EXPIRED = _Words(
    "This form is too old.", "Go back, reload that page and send it again. Nothing was changed."
)
_BY_CODE = {
    400: _Words("The box did not understand that.", "Go back, reload that page and try again."),
    401: _Words("You are signed out.", "Sign in and try again."),
    403: _Words(
        "You may not do that.",
        "You signed in with the password to look and press. Ask whoever has the other one.",
    ),
    404: _Words("There is no such page.", "It may be gone, or its address may be mistyped."),
    405: _Words("That does not work this way.", "Go back and use the buttons of that page."),
    413: _Words("That was too much at once.", "Go back and send less."),
    429: _Words("Too many wrong tries.", "Wait a while, then try again."),
    500: _OUR_FAULT,
}
_STATUS: tuple[tuple[type[ApplianceError], int], ...] = (
    (WorkerAbsent, 503),
    (TooManyTries, 429),
    (PasswordWrong, 403),
    (ApplianceError, 409),
)
_AWAY = _Words(
    "The box's worker does not answer.",
    "Wait a minute: it starts again by itself. If it stays away, `sudo appliance doctor` at the "
    "box says why.",
)


def explain(app: Flask) -> None:
    """Have every error of a request answered in words."""
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(ApplianceError, _of_the_box)


def _of_http(error: HTTPException) -> ResponseReturnValue:
    """What the error itself says may repeat what was sent: it is not shown."""
    code = error.code or 500
    words = _EXPIRED if isinstance(error, CSRFError) else _BY_CODE.get(code, _OUR_FAULT)
    return _shown(words, code)


def _of_the_box(error: ApplianceError) -> ResponseReturnValue:
    if isinstance(error, WorkerAbsent):
        return _shown(_AWAY, 503)
    code = next(code for kind, code in _STATUS if isinstance(error, kind))
    return _shown(_Words(error.message, error.hint), code)


def _shown(words: _Words, code: int) -> ResponseReturnValue:
    return render_template("error.html", title=words.title, todo=words.todo), code
