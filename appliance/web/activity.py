"""Activity: every run, test restore, sign-in and decision, in words."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from .policy import Role, open_to

room = Blueprint("activity", __name__, url_prefix="/activity")


@room.get("/")
@open_to(Role.LOOK)
def listed() -> ResponseReturnValue:
    """Show what was done."""
    return render_template("activity.html")
