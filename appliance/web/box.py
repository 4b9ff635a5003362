"""The box that the page is about, as whoever made the app handed it in."""

from __future__ import annotations

from typing import cast

from flask import current_app

from ..core.ports import Appliance

BOX = "box"


def the_box() -> Appliance:
    """Return the box of the request that is answered now."""
    return cast("Appliance", current_app.extensions[BOX])
