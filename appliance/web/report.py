"""How things stand for other programs, under names that stay: `status.json` and `/metrics`.

`static/status.schema.json` describes the first. What cannot be read is left out of the second, and
is no answer at all in the first: half a truth would be taken for a whole one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from ..core.health import State
from ..core.model import Outcome
from .facts import Facts, Unreadable
from .sight import STRIP_DAYS, Seen

SCHEMA = 1
_PREFIX = "appliance_"
Sample = tuple[Mapping[str, str], float | bool | None]


def status(seen: Seen) -> dict[str, object]:
    """Return how things stand; raise Unreadable where the worker did not say it."""
    facts = seen.status
    return {
        "schema": SCHEMA,
        "as_of": facts.certain_moment("as_of").isoformat(),
        "name": facts.part("box").text("name"),
        "release": facts.part("box").text("release"),
        "state": facts.text("state"),
        "sentence": facts.text("sentence"),
        "todo": facts.text("todo"),
        "reasons": list(facts.texts("reasons")),
        "clock_trusted": facts.yes("clock_trusted"),
        "running": _running(facts.part_or_none("running")),
        "waiting": list(facts.texts("waiting")),
        "copies": {name: facts.part("copies").text(name) for name in ("office", "cloud")},
        "sources": [_source(each) for each in facts.each("sources")],
        "disks": [_disk(each) for each in facts.each("disks")],
    }


def _running(facts: Facts | None) -> dict[str, object] | None:
    if facts is None:
        return None
    progress = facts.part_or_none("progress")
    return {
        "job": facts.text("job"),
        "started": facts.certain_moment("started").isoformat(),
        "step": progress.text("step") if progress else None,
        "done": progress.number("done") if progress else None,
        "total": progress.number("total") if progress else None,
        "unit": progress.text("unit") if progress else None,
        "left_seconds": facts.number("left_seconds"),
    }


def _source(facts: Facts) -> dict[str, object]:
    outcome = facts.told.get("last_outcome")
    return {
        "name": facts.text("source"),
        "state": facts.text("state"),
        "sentence": facts.text("sentence"),
        "todo": facts.text("todo"),
        "reasons": list(facts.texts("reasons")),
        "here": _iso(facts, "here"),
        "here_age_seconds": facts.number("here_age_seconds"),
        "cloud": _iso(facts, "cloud"),
        "cloud_age_seconds": facts.number("cloud_age_seconds"),
        "next_due": _iso(facts, "next_due"),
        "last_outcome": None if outcome is None else facts.text("last_outcome"),
    }


def _disk(facts: Facts) -> dict[str, object]:
    present, at_rest = facts.yes("present"), facts.yes("at_rest")
    return {
        "name": facts.text("name"),
        "present": present,
        "safe_to_unplug": present and at_rest and facts.yes("ejected"),
        "size_bytes": facts.number("size_bytes"),
        "free_bytes": facts.number("free_bytes"),
        "weeks_left": facts.number("weeks_left"),
    }


def _iso(facts: Facts, name: str) -> str | None:
    moment = facts.moment(name)
    return moment.isoformat() if moment else None


def metrics(seen: Seen) -> str:
    """Return how things stand in Prometheus' text format."""
    lines: list[str] = []
    for name, words, samples in _METRICS:
        if found := _found(samples, seen):
            lines += [
                f"# HELP {_PREFIX}{name} {words}",
                f"# TYPE {_PREFIX}{name} gauge",
                *(f"{_PREFIX}{name}{_labels(labels)} {_value(value)}" for labels, value in found),
            ]
    return "\n".join(lines) + "\n"


def _found(samples: Callable[[Seen], Iterator[Sample]], seen: Seen) -> list[Sample]:
    """Each metric fails alone."""
    try:
        return [(labels, value) for labels, value in samples(seen) if value is not None]
    except Unreadable:
        return []


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _value(value: float | bool | None) -> str:
    return f"{float(value or 0):g}" if isinstance(value, bool) else repr(value)


def _up(seen: Seen) -> Iterator[Sample]:
    yield {}, seen.absent is None


def _info(seen: Seen) -> Iterator[Sample]:
    box = seen.status.part("box")
    yield {"name": box.text("name"), "release": box.text("release")}, True


def _one_hot(labels: Mapping[str, str], word: str) -> Iterator[Sample]:
    for state in State:
        yield {**labels, "state": str(state)}, word == state


def _state(seen: Seen) -> Iterator[Sample]:
    return _one_hot({}, seen.status.text("state"))


def _source_state(seen: Seen) -> Iterator[Sample]:
    for each in seen.status.each("sources"):
        yield from _one_hot({"source": each.text("source")}, each.text("state"))


def _age(seen: Seen) -> Iterator[Sample]:
    for each in seen.status.each("sources"):
        for where in ("here", "cloud"):
            labels = {"source": each.text("source"), "where": where}
            yield labels, each.number(f"{where}_age_seconds")


def _attention(seen: Seen) -> Iterator[Sample]:
    for reason in seen.status.texts("reasons"):
        yield {"reason": reason}, True


def _is_running(seen: Seen) -> Iterator[Sample]:
    yield {}, seen.status.part_or_none("running") is not None


def _waiting(seen: Seen) -> Iterator[Sample]:
    yield {}, len(seen.status.texts("waiting"))


def _runs(seen: Seen) -> Iterator[Sample]:
    if seen.days is None:
        raise Unreadable("days")
    days = [Facts.of(day).part("runs") for day in seen.days]
    for source in dict.fromkeys(name for runs in days for name in runs.names()):
        counts = Counter[str]()
        for runs in days:
            counts.update(_counts(runs.part(source)) if source in runs.told else {})
        for outcome in Outcome:
            yield {"source": source, "outcome": str(outcome)}, counts[outcome]


def _counts(facts: Facts) -> dict[str, int]:
    return {name: int(facts.number(name) or 0) for name in facts.names()}


def _of_disks(name: str) -> Callable[[Seen], Iterator[Sample]]:
    def samples(seen: Seen) -> Iterator[Sample]:
        for each in seen.status.each("disks"):
            value = each.yes(name) if name == "present" else each.number(name)
            yield {"disk": each.text("name")}, value

    return samples


def _clock(seen: Seen) -> Iterator[Sample]:
    yield {}, seen.status.yes("clock_trusted")


def _silent(seen: Seen) -> Iterator[Sample]:
    yield {}, seen.status.number("alive_seconds")


_METRICS: tuple[tuple[str, str, Callable[[Seen], Iterator[Sample]]], ...] = (
    ("up", "Whether the worker answers.", _up),
    ("info", "The box and its release.", _info),
    ("state", "How the box stands: 1 for the one state that is so.", _state),
    ("source_state", "How a source stands: 1 for the one state that is so.", _source_state),
    ("copy_age_seconds", "Age of the newest proved copy of a source.", _age),
    ("attention", "Why somebody should look.", _attention),
    ("running", "Whether something runs.", _is_running),
    ("waiting", "How many jobs wait.", _waiting),
    ("runs", f"Runs of the last {STRIP_DAYS} days by how they ended.", _runs),
    ("disk_present", "Whether a disk is plugged in.", _of_disks("present")),
    ("disk_size_bytes", "Size of a disk when it was last used.", _of_disks("size_bytes")),
    ("disk_free_bytes", "Free room on a disk when it was last used.", _of_disks("free_bytes")),
    ("clock_trusted", "Whether the box believes its clock.", _clock),
    ("worker_silent_seconds", "Since the worker last gave a sign of life.", _silent),
)
"""Name, help and samples. All are gauges in base units."""
