"""Signing in at a source's vendor: the page shows the link or the code, and takes what comes back.

The page asks no vendor and keeps nothing: the worker does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..core import words
from ..core.errors import ApplianceError
from ..system.socket import WorkerAbsent
from .box import the_box
from .policy import Role, open_to
from .verdict import in_plain_words

room = Blueprint("vendor", __name__, url_prefix="/settings/source/<name>/sign-in")
_LOOK_AGAIN_SECONDS = "2"
_WRONG = 422
_BESIDES = {"instance_url": "Its server for you", "api_domain": "Its server for you",
            "api_endpoint": "Its server for you", "scope": "What the box may do"}  # fmt: skip


@room.get("")
@open_to(Role.CHANGE)
def shown(name: str) -> ResponseReturnValue:
    """Show how the sign-in stands, and the one that is under way."""
    facts = the_box().sign_in(name)
    waits = _waits_for_a_code(facts)
    return _page(facts), 200, {"Refresh": _LOOK_AGAIN_SECONDS} if waits else {}


@room.post("")
@open_to(Role.CHANGE)
def pressed(name: str) -> ResponseReturnValue:
    """Begin, hand over what was pasted, or give up."""
    trouble = ""
    try:
        match request.form.get("do", ""):
            case "begin":
                the_box().begin_sign_in(name)
            case "finish":
                the_box().finish_sign_in(name, request.form.get("line", ""))
            case _:
                the_box().leave_sign_in(name)
                flash("Everything is as it was.")
                return redirect(url_for("settings.overview"), 303)
    except WorkerAbsent:
        raise
    except ApplianceError as error:
        trouble = _in_words(error.message, error.hint)
    if trouble:
        return _page(the_box().sign_in(name), trouble), _WRONG
    return redirect(url_for("vendor.shown", name=name), 303)


def _page(facts: Mapping[str, Any], trouble: str = "") -> str:
    pending: Mapping[str, Any] = facts.get("pending") or {}
    error = pending.get("error")
    if error and not trouble:
        trouble = _in_words(error["message"], error["hint"])
    told = pending.get("told") or {}
    return render_template(
        "setting_sign_in.html",
        facts=facts,
        pending=pending,
        trouble=trouble,
        since=_when(facts.get("since")),
        used=_when(facts.get("used")),
        besides={label: told[key] for key, label in _BESIDES.items() if told.get(key)},
    )


def _waits_for_a_code(facts: Mapping[str, Any]) -> bool:
    pending: Mapping[str, Any] = facts.get("pending") or {}
    return pending.get("state") in ("waiting", "checking") and bool(pending.get("code"))


def _in_words(message: str, hint: str) -> str:
    return f"{message} {in_plain_words(hint)}".strip()


def _when(moment: object) -> str:
    zone = ZoneInfo(str(the_box().settings().get("zone") or "UTC"))
    return words.when(datetime.fromisoformat(str(moment)), zone) if moment else ""


@room.errorhandler(ApplianceError)
def _in_trouble(error: ApplianceError) -> ResponseReturnValue:
    """Say in words why nothing can be shown."""
    status = 503 if isinstance(error, WorkerAbsent) else 404
    sentence = _in_words(error.message, error.hint)
    return render_template("setting_trouble.html", sentence=sentence), status
