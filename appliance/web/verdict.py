"""The first two blocks: whether we are safe, and the one thing to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.health import State
from ..core.signals import SIGNS, Reason
from ..core.vitals import Condition
from .badges import STATES, Badge
from .facts import Facts, Unreadable
from .sight import Seen

ASK_FOR_HELP = "Ask whoever set up this box."
_LAST = len(Reason)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A shape, a word and the rest of the sentence."""

    badge: Badge
    sentence: str
    is_heard: bool = True
    """Whether the box answered at all."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something for a person to do: what it is about, and what to do."""

    about: str
    todo: str
    is_a_decision: bool = False
    """Whether it waits for a person to look at an export and decide."""
    is_set_up: bool = False
    """Whether there is nothing to be backed up yet."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """The one thing to do, and what can wait until then."""

    first: Task | None
    others: tuple[Task, ...] = ()


def verdict(seen: Seen) -> Verdict:
    """Return how the box stands; the word and the sentence are one judgement, Health's."""
    if seen.absent is not None:
        sign = SIGNS[Reason.SILENT]
        sentence = f"{sign.words[0].upper()}{sign.words[1:]}: nothing is known of your copies now."
        return Verdict(STATES[State.LOOK], sentence, is_heard=False)
    state = _state(seen.status)
    return Verdict(STATES[state], _without_lead(state, seen.status.text("sentence")))


def _without_lead(state: State, sentence: str) -> str:
    """Health begins with its own word for the state; the page has one beside the shape."""
    word = str(state).capitalize()
    if sentence.startswith(f"{word}: "):
        rest = sentence.removeprefix(f"{word}: ")
        return f"{rest[:1].upper()}{rest[1:]}"
    if not sentence:
        raise Unreadable("sentence")
    return sentence.removeprefix(f"{word}. ")


def tasks(seen: Seen) -> Tasks:
    """Return what a person should do, the worst first, each once."""
    if seen.absent is not None:
        return Tasks(Task("", SIGNS[Reason.SILENT].todo))
    ranked = sorted(_tasks(seen.status), key=lambda each: each[0])
    once: dict[str, Task] = {}
    for _, task in ranked:
        once.setdefault(task.todo or task.about, task)
    found = tuple(once.values())
    return Tasks(found[0] if found else None, found[1:])


def _tasks(status: Facts) -> Iterator[tuple[int, Task]]:
    """Yield each task with its rank: what a lamp stands for, worst first, then the rest."""
    of_sources = {one for each in status.each("sources") for one in _reasons(each)}
    unwell = [each for each in status.each("vitals") if each.text("state") == Condition.LOOK]
    of_vitals = {_reason(each.text("reason")) for each in unwell if each.text("reason")}
    if todo := status.text("todo"):
        worst = min(of_sources, key=list(Reason).index, default=None)
        yield _rank(worst), _of_health(status, todo, worst)
    yield from map(_of_a_vital, unwell)
    for reason in _reasons(status):
        if reason not in of_sources | of_vitals:
            words = SIGNS[reason].words
            yield _rank(reason), Task(f"{words[0].upper()}{words[1:]}.", SIGNS[reason].todo)
    if reminder := status.text("reminder"):
        yield _LAST, Task("", reminder)


def _of_a_vital(facts: Facts) -> tuple[int, Task]:
    reason = _reason(facts.text("reason")) if facts.text("reason") else None
    todo = in_plain_words(facts.text("todo"), reason)
    return _rank(reason), Task(facts.text("sentence"), todo)


def _of_health(status: Facts, todo: str, worst: Reason | None) -> Task:
    return Task(
        "",
        in_plain_words(todo, worst),
        is_a_decision=worst is Reason.HELD,
        is_set_up=not list(status.each("sources")),
    )


def in_plain_words(todo: str, reason: Reason | None = None) -> str:
    """Return what to do as somebody without a terminal can do it: a command is not for them."""
    if "`" not in todo:
        return todo
    return SIGNS[reason].todo if reason else ASK_FOR_HELP


def _state(facts: Facts) -> State:
    try:
        return State(facts.text("state"))
    except ValueError:
        raise Unreadable("state") from None


def _reasons(facts: Facts) -> tuple[Reason, ...]:
    return tuple(map(_reason, facts.texts("reasons")))


def _reason(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        raise Unreadable("reasons") from None


def _rank(reason: Reason | None) -> int:
    return list(Reason).index(reason) if reason else _LAST
