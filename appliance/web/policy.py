"""The only home of who may use which route: nobody, unless the view says so.

A view that declares nothing stops `create_app`; a request is turned away here before any view
sees it (E1).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

from flask import Flask, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

View = TypeVar("View", bound=Callable[..., Any])


class Role(IntEnum):
    """What somebody may do, each more than the one before."""

    ANYBODY = 0
    """Without having signed in."""
    LOOK = 1
    """Look, press *Back up now*, let a disk go."""
    CHANGE = 2
    """Change settings, decide, get data back."""


class Undeclared(Exception):
    """Raised where a view does not say who may use it."""


def open_to(role: Role) -> Callable[[View], View]:
    """Declare who may use a view."""

    def declared(view: View) -> View:
        view.__dict__["open_to"] = role
        return view

    return declared


def enforce(app: Flask) -> None:
    """Have every request checked; raise Undeclared for the first view that declares nothing."""
    for endpoint, view in app.view_functions.items():
        if not isinstance(getattr(view, "open_to", None), Role):
            raise Undeclared(f"{endpoint} does not say who may use it.")
    app.before_request(_turn_away)


def _turn_away() -> ResponseReturnValue | None:
    if request.endpoint is None:
        return None if current_user.is_authenticated else redirect(url_for("door.sign_in"))
    wanted: Role = current_app.view_functions[request.endpoint].__dict__["open_to"]
    if wanted is Role.ANYBODY:
        return None
    if not current_user.is_authenticated:
        return redirect(url_for("door.sign_in"))
    if current_user.role < wanted:
        abort(403)
    return None
