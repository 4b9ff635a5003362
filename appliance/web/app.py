"""Puts the page together: its rooms, who may enter them, and what every answer carries."""

from __future__ import annotations

from flask import Flask
from flask_wtf import CSRFProtect

from ..core.ports import Appliance
from . import activity, door, first_run, home, policy
from .box import BOX
from .people import People

ROOMS = (door.room, home.room, activity.room, first_run.room)
LONGEST_BODY_BYTES = 64 * 1024


def create_app(appliance: Appliance, people: People) -> Flask:
    """Given the box and who may come in, return the page as a WSGI application."""
    app = Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=LONGEST_BODY_BYTES,
        SECRET_KEY=people.session_key,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_NAME="__Host-appliance",
    )
    app.extensions[BOX] = appliance
    CSRFProtect(app)
    door.keep(app, people)
    for room in ROOMS:
        app.register_blueprint(room)
    app.view_functions["static"].__dict__["open_to"] = policy.Role.ANYBODY
    policy.enforce(app)
    return app
