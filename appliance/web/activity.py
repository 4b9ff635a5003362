"""Activity: every run, test restore, sign-in and decision, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from ..core import activity_words, words
from ..core.errors import ApplianceError
from ..core.model import Outcome, Run, Step, StepName, Trigger
from ..system.socket import WorkerAbsent
from .box import the_box
from .policy import Role, open_to

room = Blueprint("activity", __name__, url_prefix="/activity")

_PER_PAGE = 50
_LONGEST_WISH = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """A Run or a step as the page shows it: words only."""

    number: int
    what: str
    outcome: str
    """What the style sheet knows it by."""
    mark: str
    ended: str
    started: str
    """For programs."""
    when: str
    why: str
    took: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Part:
    """A step of a Run as the page shows it."""

    what: str
    outcome: str
    mark: str
    ended: str
    when: str
    took: str
    size: str
    message: str
    hint: str


@room.get("/")
@open_to(Role.LOOK)
def listed() -> ResponseReturnValue:
    """Show what was done, newest first; `about`, `outcome` and `before` choose."""
    about = request.args.get("about", "")[:_LONGEST_WISH]
    outcome, unknown = _outcome(request.args.get("outcome", ""))
    before = request.args.get("before", type=int)
    found = the_box().activity(about, outcome, before, _PER_PAGE)
    zone, now = ZoneInfo(str(found["timezone"])), datetime.now(UTC)
    runs = [run_of(each) for each in _list(found["runs"])]
    return render_template(
        "activity.html",
        entries=[_entry(run, zone, now) for run in runs],
        older=runs[-1].id if found["more"] else None,
        trail=found["trail"],
        choices=_choices(_list(found["sources"]), about),
        outcomes=activity_words.OUTCOMES,
        about=about,
        outcome=outcome,
        before=before,
        unknown=unknown,
    )


@room.get("/<int:run_id>")
@open_to(Role.LOOK)
def one(run_id: int) -> ResponseReturnValue:
    """Show one Run with its steps."""
    found = the_box().run(run_id)
    run, zone, now = run_of(found["run"]), ZoneInfo(str(found["timezone"])), datetime.now(UTC)
    return render_template(
        "run.html",
        entry=_entry(run, zone, now),
        run=run,
        parts=[_part(step, zone, now) for step in run.steps],
        progress=_progress(found["progress"]),
    )


@room.errorhandler(ApplianceError)
def _in_words(error: ApplianceError) -> ResponseReturnValue:
    """What the box refuses, or that nobody answers, is said in words."""
    status = 503 if isinstance(error, WorkerAbsent) else 404
    return render_template("activity_trouble.html", trouble=error), status


def run_of(said: Any) -> Run:
    """Given a Run as plain JSON values, return it."""
    facts = dict(said)
    steps = tuple(_step_of(each) for each in facts.pop("steps"))
    times = {name: facts[name] and datetime.fromisoformat(facts[name]) for name in _TIMES}
    outcome = Outcome(facts["outcome"]) if facts["outcome"] else None
    rest = {"trigger": Trigger(facts["trigger"]), "outcome": outcome, "steps": steps}
    return Run(**(facts | times | rest | {"faults": tuple(facts["faults"])}))


_TIMES = ("started", "finished")


def _step_of(said: Mapping[str, Any]) -> Step:
    rest = {
        "name": StepName(said["name"]),
        "started": datetime.fromisoformat(said["started"]),
        "duration": timedelta(seconds=said["duration"]),
        "outcome": Outcome(said["outcome"]),
    }
    return Step(**(dict(said) | rest))


def _entry(run: Run, zone: ZoneInfo, now: datetime) -> Entry:
    return Entry(
        run.id,
        activity_words.what(run.source),
        str(run.outcome or "under-way"),
        activity_words.mark(run.outcome),
        activity_words.ended(run),
        run.started.isoformat(timespec="seconds"),
        words.when(run.started, zone, now),
        activity_words.why(run),
        activity_words.took(run),
        run.message,
        run.hint,
    )


def _part(step: Step, zone: ZoneInfo, now: datetime) -> Part:
    return Part(
        activity_words.step(step),
        str(step.outcome),
        activity_words.mark(step.outcome),
        activity_words.step_ended(step),
        words.when(step.started, zone, now),
        words.duration(step.duration),
        words.size(step.size_bytes) if step.size_bytes is not None else "",
        step.message,
        step.hint,
    )


def _progress(said: Any) -> dict[str, Any] | None:
    """Given how far the step under way is, return it in words; `percent` where that is known."""
    if not said:
        return None
    done, total = said["done"], said["total"]
    is_bytes = said["unit"] == "bytes"
    amounts = [words.size(each) if is_bytes else f"{each:,}" for each in (done, total) if each]
    unit = "" if is_bytes else f" {said['unit']}"
    return {
        "what": words.STEPS[StepName(said["step"])],
        "amount": f"{' of '.join(amounts)}{unit}" if amounts else "",
        "percent": min(100, done * 100 // total) if total else None,
        "note": said["note"],
    }


def _choices(sources: list[Any], about: str) -> dict[str, dict[str, str]]:
    """What may be asked for, by heading; what is asked for now is always among it."""
    kinds = {f"{kind}:": name for kind, name in activity_words.KINDS.items()}
    names = {str(each): activity_words.what(str(each)) for each in sources}
    if about and about not in kinds | names:
        names[about] = activity_words.about(about)
    return {"By kind": kinds, "One of them": names}


def _outcome(text: str) -> tuple[str, bool]:
    """Return the outcome that is asked for, and whether there is no such one."""
    return (text, False) if not text or text in set(Outcome) else ("", True)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
