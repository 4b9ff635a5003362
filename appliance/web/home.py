"""The first screen: are we safe, the one thing to do, one press, and everything else below.

Each block tells its own part and fails alone. The same blocks are what moves: whoever looks asks
for them again and gets them only where something that is seen has changed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..core import words
from ..core.errors import ApplianceError
from ..core.model import Trigger
from . import lists, verdict, work
from .box import the_box
from .policy import Role, open_to
from .sight import Seen, the_sight

room = Blueprint("home", __name__)
_log = logging.getLogger(__name__)

MOVING_SECONDS, STILL_SECONDS = 1, 5
"""How soon the page asks again, while something runs and while nothing does."""
BY_SCRIPT = "X-Live"
"""The header by which the page's script says that it will put the answer in place itself."""
_ANSWERS = {
    "queued": "{}: asked for.",
    "already waiting": "{} is already waiting its turn.",
    "already running": "{} is already running.",
}
_RELEASED = "{} is let go. Unplug it as soon as this page says that it is safe."
_FINISHING = "{} is let go once what runs is finished. Leave it plugged in until then."
_STOPPED = "{} is being stopped. Every copy stays as it was."
_NOT_STOPPED = "{} was neither running nor waiting: there was nothing to stop."


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the first screen; `tell` raises where it cannot know what to show."""

    name: str
    heading: str
    tell: Callable[[Seen], object]


@dataclass(frozen=True, slots=True)
class Told:
    """A block with what it shows; None where it could not be read."""

    name: str
    heading: str
    view: object | None


BLOCKS = (
    Block("verdict", "", verdict.verdict),
    Block("tasks", "To do", verdict.tasks),
    Block("press", "Back up", work.press),
    Block("work", "Right now", work.work),
    Block("sources", "What is backed up", lists.sources),
    Block("days", "The last 30 days", lists.days),
    Block("disks", "Disks", lists.disks),
    Block("cloud", "Cloud copy", lists.cloud),
    Block("box", "The box", lists.the_box_itself),
)


@room.get("/")
@open_to(Role.LOOK)
def first() -> ResponseReturnValue:
    """Show how things stand."""
    seen = the_sight().look()
    return render_template("home.html", moving=_is_moving(seen), **_shown(seen))


@room.get("/live")
@open_to(Role.LOOK)
def live() -> ResponseReturnValue:
    """Return the blocks as they are now; nothing where the asker has `seen` just these."""
    return _live(request.args.get("seen", ""))


@room.post("/back-up")
@open_to(Role.LOOK)
def back_up() -> ResponseReturnValue:
    """Ask for a Run of the sources that were chosen, of all where none was."""
    chosen = request.form.getlist("source") or list(_sources())
    if not chosen:
        return _answered(["Nothing is set up to be backed up yet."])
    return _answered([_started(each) for each in chosen])


@room.post("/cancel")
@open_to(Role.LOOK)
def cancel() -> ResponseReturnValue:
    """Stop a job that runs or waits."""
    job = request.form.get("job", "")
    return _answered([_asked(lambda: _cancelled(job))])


@room.post("/let-go")
@open_to(Role.LOOK)
def let_go() -> ResponseReturnValue:
    """Let a disk go, so that it may be unplugged."""
    disk = request.form.get("disk", "")
    return _answered([_asked(lambda: _let_go(disk))])


def _started(source: str) -> str:
    return _asked(lambda: _ANSWERS[the_box().start(source, Trigger.PAGE)].format(source))


def _cancelled(job: str) -> str:
    words_for_it = _STOPPED if the_box().cancel(job) else _NOT_STOPPED
    return words_for_it.format(words.job(job))


def _let_go(disk: str) -> str:
    answer = the_box().eject(disk)
    the_box().note("eject", f"{disk} was let go on the page.")
    return (_RELEASED if answer == "released" else _FINISHING).format(disk)


def _asked(ask: Callable[[], str]) -> str:
    """Return what the box answered, or in words why it could not do it."""
    try:
        return ask()
    except ApplianceError as error:
        return f"{error.message} {verdict.in_plain_words(error.hint)}".strip()


def _answered(said: Sequence[str]) -> Response:
    """Say it in place where the script asked, else on the page that comes next."""
    the_sight().forget()
    if BY_SCRIPT in request.headers:
        return _live("", said)
    for each in said:
        flash(each)
    return make_response(redirect(url_for("home.first"), 303))


def _live(known: str, said: Sequence[str] = ()) -> Response:
    seen, blocks = the_sight().drawn(_blocks)
    digest = _hash(blocks)
    is_news = bool(said) or digest != known
    answer = make_response((_said(said) + blocks) if is_news else ("", 204))
    answer.headers["X-Seen"] = digest
    answer.headers["X-Next"] = str(MOVING_SECONDS if _is_moving(seen) else STILL_SECONDS)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _said(said: Sequence[str]) -> str:
    return render_template("said.html", said=said) if said else ""


def _blocks(seen: Seen) -> str:
    return render_template("blocks.html", **_shown(seen))


def _shown(seen: Seen) -> dict[str, object]:
    return {
        "blocks": [_told(block, seen) for block in BLOCKS],
        "as_of": seen.now,
        "as_of_words": f"{seen.now.astimezone(seen.zone):%H:%M}",
        "way_to": _way_to,
    }


def _told(block: Block, seen: Seen) -> Told:
    """Each block fails alone: whatever one cannot read, the others are shown."""
    try:
        view = block.tell(seen)
    except Exception as error:  # noqa: BLE001 - no block may take the page with it
        if seen.absent is None:
            _log.warning("block=%s unreadable: %r", block.name, error)
        view = None
    return Told(block.name, block.heading, view)


def _way_to(*endpoints: str) -> str:
    """Return the address of the first of these rooms that there is, empty where none is."""
    known = current_app.view_functions
    return next((url_for(each) for each in endpoints if each in known), "")


def _is_moving(seen: Seen) -> bool:
    return bool(seen.status.told.get("running") or seen.status.told.get("waiting"))


def _sources() -> Sequence[str]:
    try:
        return work.press(the_sight().look()).sources
    except Exception:  # noqa: BLE001 - as for a block: then there is nothing to ask for
        return ()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
