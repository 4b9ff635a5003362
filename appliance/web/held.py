"""Exports that look wrong: why, beside the last good one, and a person's word on each."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..core.errors import ApplianceError
from .box import the_box
from .policy import Role, open_to
from .sight import the_sight

room = Blueprint("held", __name__, url_prefix="/held")
_LONGEST_REASON = 300
_SAID = {
    True: "It counts as a good backup from now on.",
    False: "It is kept, and never counts. Once the CRM is right again, press Back up now.",
}


@room.get("/")
@open_to(Role.LOOK)
def listed() -> ResponseReturnValue:
    """Show what waits for a decision."""
    return render_template("held.html", exports=the_box().held())


@room.post("/decide")
@open_to(Role.CHANGE)
def decide() -> ResponseReturnValue:
    """Take a word on one of them."""
    is_right = request.form.get("word") == "right"
    reason = request.form.get("reason", "").strip()[:_LONGEST_REASON]
    try:
        the_box().decide(request.form["archive"], is_right, reason)
    except ApplianceError as error:
        flash(f"{error.message} {error.hint}".strip())
    else:
        flash(_SAID[is_right])
    the_sight().forget()
    return redirect(url_for(".listed"), 303)
