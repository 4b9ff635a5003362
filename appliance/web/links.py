"""A download link pasted by a person: handed to the worker at once, and kept nowhere here."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ..core.errors import ApplianceError
from ..core.links import LONGEST_LINK
from ..core.model import Trigger
from .box import the_box
from .policy import Role, open_to
from .sight import the_sight
from .verdict import in_plain_words

room = Blueprint("links", __name__)
_ANSWERS = {
    "queued": "The link is taken; {} is fetching it.",
    "already waiting": "The link is taken; {} is waiting its turn and fetches it then.",
    "already running": "The link is taken; {} fetches it as soon as what runs has ended.",
}
_TOO_LONG = "This link is too long to be one. Nothing was kept of it."


@room.post("/fetch-link")
@open_to(Role.LOOK)
def fetch() -> ResponseReturnValue:
    """Take a link, have it fetched, and say so; or say what is wrong with it."""
    flash(_said(request.form.get("source", ""), request.form.get("link", "")))
    the_sight().forget()
    return redirect(url_for("home.first"), 303)


def _said(source: str, link: str) -> str:
    if len(link) > 2 * LONGEST_LINK:
        return _TOO_LONG
    try:
        return _ANSWERS[the_box().fetch_link(source, link, Trigger.PAGE)].format(source)
    except ApplianceError as error:
        return f"{error.message} {in_plain_words(error.hint)}".strip()
