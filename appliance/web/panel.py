"""The lamps: how they shine now, what that means, and what the button does.

On a real box they are drawn as they should look: whoever stands before it compares. In the demo the
pins that are not there light them, and the button is on the page too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, cast

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..core import drawing
from ..core.face import Edge, Face
from ..core.gestures import GESTURES
from ..core.ports import Board
from ..core.signals import (
    ASKING,
    LAMPS,
    NOTHING_TO_DO,
    OFF,
    SIGNS,
    TOGETHER_MEANINGS,
    Lamp,
    Lettering,
    Pattern,
    legend,
)
from .policy import Role, open_to
from .sight import the_sight

room = Blueprint("panel", __name__, url_prefix="/panel")
PRESSES: Mapping[str, float] = {"tap": 0.2, "hold": 4.2, "yes": 6.2}
"""Each a little longer than the gesture has to be."""
_BOARD, _FACE = "board", "drawn_face"
_LOOKED_BACK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A lamp and what it says."""

    lamp: Lamp
    lettering: Lettering
    pattern: Pattern
    meaning: str
    todo: str = ""

    @property
    def is_dark(self) -> bool:
        """Whether it is off for good."""
        return self.pattern == OFF


class DrawnFace:
    """The lamps of a status, on a clock of our own."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._face, self._monotonic, self._lock = Face(), monotonic, Lock()

    def edges(self, found: drawing.Drawing, since: float) -> tuple[float, tuple[Edge, ...]]:
        """Given what the lamps show, return the time and what lit up and went out since then."""
        with self._lock:
            now = self._monotonic()
            self._face.draw(found, now)
            return now, self._face.edges(min(max(since, now - _LOOKED_BACK_SECONDS), now), now)


def keep(app: Flask, board: Board | None) -> None:
    """Given the app and perhaps a board, have it draw the lamps."""
    app.extensions |= {_BOARD: board, _FACE: DrawnFace()}
    app.jinja_env.globals["has_lamps"] = _has_lamps


def _has_lamps() -> bool:
    if _board() is not None:
        return True
    vitals = the_sight().look().status.told.get("vitals")
    found = [each for each in vitals if isinstance(each, dict)] if isinstance(vitals, list) else []
    return any(each.get("name") == "panel" for each in found)


def _board() -> Board | None:
    return cast("Board | None", current_app.extensions[_BOARD])


@room.get("/")
@open_to(Role.LOOK)
def shown() -> ResponseReturnValue:
    """Show the lamps and what they mean."""
    status, now = _status(), datetime.now(UTC)
    return render_template(
        "panel.html",
        lamps=lamps(status, now),
        asked=drawing.question(status, now),
        legend={LAMPS[lamp].label: legend(lamp) for lamp in Lamp},
        together=TOGETHER_MEANINGS,
        gestures=GESTURES,
        has_button=_board() is not None,
    )


@room.get("/edges")
@open_to(Role.LOOK)
def edges() -> ResponseReturnValue:
    """Tell what lit up and went out since a time, in seconds of some clock of ours."""
    since = request.args.get("since", 0.0, float)
    board = _board()
    if board is not None:
        now, found = board.edges(since)
    else:
        drawn = drawing.drawn(_status(), datetime.now(UTC))
        now, found = cast("DrawnFace", current_app.extensions[_FACE]).edges(drawn, since)
    return jsonify(now=now, edges=[[each.at, each.lamp, each.lit] for each in found])


@room.post("/press")
@open_to(Role.LOOK)
def press() -> ResponseReturnValue:
    """Press the button that is on the page."""
    board, seconds = _board(), PRESSES.get(request.form.get("how", ""))
    if board is None or seconds is None:
        abort(404)
    board.press(seconds)
    return redirect(url_for("panel.shown"))


def lamps(status: Mapping[str, Any] | None, now: datetime) -> tuple[Shown, ...]:
    """Given the status (None: the box does not answer), return the lamps from left to right."""
    found, reasons = drawing.drawn(status, now), drawing.why(status, now)
    return tuple(_shown(lamp, found[lamp], reasons) for lamp in Lamp)


def _shown(lamp: Lamp, pattern: Pattern, reasons: tuple[Any, ...]) -> Shown:
    lettering = LAMPS[lamp]
    if pattern == ASKING:
        return Shown(lamp, lettering, pattern, TOGETHER_MEANINGS[ASKING])
    if lamp is not Lamp.ATTENTION:
        return Shown(lamp, lettering, pattern, legend(lamp)[pattern][0])
    if not reasons:
        return Shown(lamp, lettering, pattern, NOTHING_TO_DO)
    sign = SIGNS[reasons[0]]
    return Shown(lamp, lettering, pattern, sign.words, sign.todo)


def _status() -> Mapping[str, Any] | None:
    seen = the_sight().look()
    return None if seen.absent else seen.status.told
