"""The first screen: are we safe, and the one thing to do."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from .box import the_box
from .policy import Role, open_to

room = Blueprint("home", __name__)


@room.get("/")
@open_to(Role.LOOK)
def first() -> ResponseReturnValue:
    """Show how things stand."""
    return render_template("home.html", status=the_box().status())
