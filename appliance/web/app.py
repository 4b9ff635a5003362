"""Puts the page together: its rooms, who may enter them, and what every answer carries."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from flask import Flask

from ..core.ports import Appliance, Board
from . import (
    account,
    activity,
    claim,
    door,
    faults,
    first_run,
    forms,
    headers,
    held,
    home,
    links,
    panel,
    policy,
    programs,
    restore,
    search,
    settings,
    vendor,
)
from .box import BOX
from .confirm import PEOPLE, THROTTLE
from .office import OFFICE, Office
from .people import People
from .sessions import Sessions
from .threshold import Threshold
from .throttle import Throttle

ROOMS = (
    claim.room,
    door.room,
    home.room,
    links.room,
    restore.room,
    search.room,
    held.room,
    activity.room,
    settings.room,
    vendor.room,
    panel.room,
    first_run.room,
    programs.room,
    account.room,
)
LONGEST_BODY_BYTES = 64 * 1024
_MOST_FIELDS = 500


def create_app(
    appliance: Appliance,
    people: People,
    office: Callable[[], Office] = Office,
    board: Board | None = None,
) -> Flask:
    """Given the box, who may come in, and how the office is described now, return the page as a
    WSGI application; with a `board`, its lamps and its button are on the page.
    """
    app = Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=LONGEST_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=LONGEST_BODY_BYTES,
        MAX_FORM_PARTS=_MOST_FIELDS,
        SECRET_KEY=secrets.token_bytes(32),
    )
    app.session_interface = Sessions()
    app.extensions |= {
        BOX: appliance,
        PEOPLE: people,
        THROTTLE: Throttle(people.folder),
        OFFICE: office,
    }
    for room in ROOMS:
        app.register_blueprint(room)
    app.view_functions["static"].__dict__["open_to"] = policy.Role.ANYBODY
    door.keep(app)
    claim.keep(app)
    programs.keep(app, people.folder)
    panel.keep(app, board)
    policy.enforce(app)
    forms.keep(app)
    headers.carry(app)
    faults.explain(app)
    app.wsgi_app = Threshold(app.wsgi_app, office)  # type: ignore[method-assign, assignment] # as Flask says
    return app
