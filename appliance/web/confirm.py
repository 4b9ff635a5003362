"""The only home of trying a password: to sign in, and again before what must not be anybody else.

Every try is counted, whatever it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from flask import current_app, request
from flask_login import current_user
from werkzeug.wrappers import Response

from ..core.errors import ApplianceError
from .notes import write_down
from .people import People
from .policy import Role
from .throttle import EVERYBODY, Throttle

PEOPLE, THROTTLE = "people", "throttle"
_BROWSER = "__Host-browser"
_KNOWN_FOR = timedelta(days=365)


class PasswordWrong(ApplianceError):
    """Raised when what was typed is not the password."""

    hint = "Type it again, slowly. At the box's own terminal a new one can be set."


def people() -> People:
    """Return who may come in."""
    return cast("People", current_app.extensions[PEOPLE])


def throttle() -> Throttle:
    """Return what counts the tries."""
    return cast("Throttle", current_app.extensions[THROTTLE])


def take_try() -> tuple[str, str]:
    """Take a try for whoever asks; return from whom and from which share it was taken.

    Raise TooManyTries.
    """
    browser = people().known_browser(request.cookies.get(_BROWSER, ""))
    who, share = (browser, browser) if browser else (request.remote_addr or "", EVERYBODY)
    throttle().take(who, share)
    return who, share


def role_by(password: str) -> Role | None:
    """Given what was typed, return whose password it is; raise TooManyTries."""
    taken = take_try()
    role = people().role_of(password)
    if role is not None:
        throttle().was_right(*taken)
    return role


def require_password(form: Mapping[str, str], name: str = "password") -> None:
    """Given a form, return where it holds the password of whoever is signed in, for this request.

    Raise PasswordWrong or TooManyTries, which say in words what to do.
    """
    role = role_by(form.get(name, ""))
    if role is None or role < current_user.role:
        write_down("password", "A wrong password was typed by somebody signed in", went_well=False)
        raise PasswordWrong("That is not the password that you signed in with.")


def remember_browser(response: Response, role: Role) -> None:
    """Have a browser in which somebody knew the password for changes known from now on.

    It is let in by nothing but the password; but what strangers try does not make it wait.
    """
    if role < Role.CHANGE or people().known_browser(request.cookies.get(_BROWSER, "")):
        return
    token = people().new_browser()
    response.set_cookie(
        _BROWSER, token, max_age=_KNOWN_FOR, secure=True, httponly=True, samesite="Strict", path="/"
    )
