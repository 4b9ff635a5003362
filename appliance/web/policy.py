"""The only home of who may use which route: nobody, unless the view says so.

A view that declares nothing stops `create_app`; a request is turned away here before any view
sees it (E1).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

from flask import Flask, abort, current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

View = TypeVar("View", bound=Callable[..., Any])
WANTED = "wanted"
"""In the session: the page that somebody asked for before they had signed in."""
_LONGEST_WANTED = 500


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
        if _declared(view) is None:
            raise Undeclared(f"{endpoint} does not say who may use it.")
    app.before_request(_turn_away)


def is_signed_in() -> bool:
    """Return whether the page knows who asks."""
    return bool(current_user.is_authenticated)


def _declared(view: Callable[..., Any]) -> Role | None:
    found = getattr(view, "open_to", None)
    return found if isinstance(found, Role) else None


def _turn_away() -> ResponseReturnValue | None:
    """An address that there is none of is treated like one: a stranger learns nothing."""
    view = current_app.view_functions.get(request.endpoint or "")
    wanted = _declared(view) if view is not None else Role.LOOK
    if wanted is Role.ANYBODY:
        return None
    if not is_signed_in():
        return _to_the_door()
    if wanted is None or current_user.role < wanted:
        abort(403)
    return None


def _to_the_door() -> ResponseReturnValue:
    if request.headers.get("Sec-Fetch-Dest") == "empty":
        abort(401)  # a script of ours: it can do nothing with the door
    if request.method == "GET" and request.endpoint and len(request.full_path) < _LONGEST_WANTED:
        session[WANTED] = request.full_path.rstrip("?")
    return redirect(url_for("door.sign_in"))
