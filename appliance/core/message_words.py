"""What messages say, in the words of the one table (`signals`).

A message leaves the house, so it has counts and names of tables, places and sources and nothing of
what a server, a file or a Run says: that may hold a customer's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .messages import Decision, Trouble
from .outbox import MESSAGES
from .signals import SIGNS, Reason
from .vanishing import Standing, in_time
from .vitals import Condition
from .words import listed, near, plural

Facts = Mapping[str, Any]
_OF_THE_BOX = frozenset(
    {Reason.DISK, Reason.CLOUD, Reason.FULL, Reason.CLOCK, Reason.POWER, Reason.SILENT}
)
"""One trouble, however many sources suffer from it."""
_JOINED = frozenset({Reason.CLOCK, Reason.POWER, Reason.FULL})
"""What a part of the machine says of these is the same trouble."""
_PATIENCE: Mapping[Reason, timedelta] = {
    Reason.OLD: timedelta(days=1),
    Reason.CLOCK: timedelta(hours=2),
    Reason.POWER: timedelta(minutes=10),
}
"""What mostly mends itself is told later."""
_OF_A_PART = timedelta(minutes=10)
_OF_THE_FILE = timedelta(hours=1)
"""Somebody may be in the middle of writing it."""
_OLD_TODO = "Look whether the box is switched on and connected at the time of the backup."
_BY_ITSELF = "the page of the box says how"
_GET_IT_IN_TIME = "Look why it is not backed up, or download it yourself before then."
_GET_A_NEW_ONE = "Make a new export in the CRM, then back up."
_OF_AN_OFFER: Mapping[Standing, timedelta] = {
    Standing.KEPT: timedelta(hours=2),
    Standing.URGENT: timedelta(minutes=30),
    Standing.GONE: timedelta(minutes=30),
}
"""A Run that is just fetching it ends before that, mostly."""
_GET_THEM_BACK = "If nobody meant that, the page of the box gives them back."
_COMES_AND_GOES = "This comes and goes: you hear no more of it within this week."
_FOOT = "The page of the box says more."
_CAUSES: Mapping[str, str] = {
    "SourceUnreachable": "The server that makes the export does not answer.",
    "SourceRefused": "The server that makes the export refuses the login, or is another one.",
    "LinkDead": "A download link in the inbox has died before what it led to was fetched.",
    "ExportNotReady": "The export was not complete yet, whenever the box looked.",
    "ExportUnsafe": "What came is no export, or is cut off; nothing of it was kept.",
    "DiskAbsent": "The backup disk was not there.",
    "DiskFull": "There was no room left.",
    "DiskReadOnly": "The backup disk cannot be written any more.",
    "WrongDisk": "The disk that is plugged in is not the one it should be.",
    "RepositoryBusy": "The backup disk was in use by another program.",
    "PassphraseWrong": "The passphrase does not open what is on the backup disk.",
    "MirrorUnreachable": "The cloud does not answer.",
    "MirrorRefused": "The cloud refuses the box, or holds something that it should not.",
    "ClockNotTrusted": "The clock is not set.",
}
"""Why a Run failed, by the class of its error; see `core.errors`."""
_CHANGES = {"added": "new", "changed": "changed", "removed": "removed"}
_MOST_TABLES = 4
_MOST_THINGS = 20
"""So many are told one by one in a message."""
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Scene:
    """How things stand, as far as messages tell it."""

    status: Facts
    """As `core.ports.Appliance.status` has it."""
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By source: the classes of what its last Run failed with."""
    held: Sequence[Facts] = ()
    """As `deciding.facts` has it, newest first."""
    damaged: Sequence[str] = ()
    """Places that did not give back what they were given."""


@dataclass(frozen=True, slots=True)
class Week:
    """What a week brought."""

    backups: int = 0
    last: datetime | None = None
    changes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By table: how many records were added, changed and removed."""
    away: Mapping[str, datetime | None] = field(default_factory=dict)
    """Disks that are away, and since when."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out."""

    subject: str
    body: str


# --- what is wrong ----------------------------------------------------------------------------


def troubles(scene: Scene, zone: ZoneInfo, now: datetime) -> list[Trouble]:
    """Return what wants a person, worst first, each once."""
    found = [*_of_sources(scene, zone, now), *_of_the_machine(scene.status)]
    joined: dict[str, Trouble] = {}
    for each in found:
        joined[each.key] = _joined(joined[each.key], each) if each.key in joined else each
    order = [str(reason) for reason in Reason]
    return sorted(joined.values(), key=lambda each: _rank(each.key, order))


def _rank(key: str, order: list[str]) -> int:
    reason = key.partition(":")[0]
    return order.index(reason) if reason in order else len(order)


def _joined(one: Trouble, other: Trouble) -> Trouble:
    cause = one.cause if other.cause in one.cause else f"{one.cause} {other.cause}"
    return Trouble(
        one.key,
        one.headline,
        cause,
        one.todo,
        one.is_urgent or other.is_urgent,
        one.is_lasting or other.is_lasting,
        min(one.patience, other.patience),
    )


def _of_sources(scene: Scene, zone: ZoneInfo, now: datetime) -> Iterator[Trouble]:
    """Say each reason of each source: the worst of them must not hide another."""
    for source in scene.status["sources"]:
        for reason in map(Reason, source["reasons"]):
            if reason is Reason.DAMAGED and scene.damaged:
                yield _damaged(scene.damaged)
            elif reason is Reason.HELD:
                yield _held(source["source"], scene.held, zone, now)
            elif reason is Reason.EXPORT and _is_running_out(source):
                continue  # told below, with what it is about
            else:
                yield _of_source(reason, source, scene.faults.get(source["source"], ()))

        if source.get("offers"):
            faults = scene.faults.get(source["source"], ())
            yield _of_an_offer(source, source["offers"][0], faults, zone, now)


def _is_running_out(source: Facts) -> bool:
    return any(each["standing"] != Standing.KEPT for each in source.get("offers", ())[:1])


def _of_an_offer(
    source: Facts, offer: Facts, faults: Sequence[str], zone: ZoneInfo, now: datetime
) -> Trouble:
    """Say what a vendor removes, or has; the file that it is about is named on the page alone."""
    standing, name = Standing(offer["standing"]), source["source"]
    what = "a link in the inbox leads to an export" if offer["what"] else "there is an export"
    until = datetime.fromisoformat(offer["until"])
    at = near(until, zone, now)
    if standing is Standing.GONE:
        headline, end = "an export is gone at the vendor's", f"is gone since {at}"
    else:
        left = in_time(until - now)
        headline = "the vendor will remove an export"
        end = f"is kept by the vendor until {at} ({left})"
    why = " ".join(_CAUSES[fault] for fault in faults if fault in _CAUSES)
    return Trouble(
        f"offer:{name}" if standing is not Standing.GONE else f"gone:{name}",
        f"{headline} ({name})",
        f"{name}: {what} that {end}, and it is not backed up. {why}".strip(),
        _GET_A_NEW_ONE if standing is Standing.GONE else _GET_IT_IN_TIME,
        is_urgent=standing is Standing.URGENT,
        is_lasting=standing is not Standing.KEPT,
        patience=_OF_AN_OFFER[standing],
    )


def _damaged(places: Sequence[str]) -> Trouble:
    sign = SIGNS[Reason.DAMAGED]
    cause = f"{listed(list(places))} did not give back what was stored there."
    return Trouble(f"damaged:{','.join(places)}", sign.words, cause, sign.todo, is_urgent=True)


def _of_source(reason: Reason, source: Facts, faults: Sequence[str]) -> Trouble:
    sign, name = SIGNS[reason], source["source"]
    is_shared = reason in _OF_THE_BOX
    # The sentence is of the worst; that of a damage has what the last Run said, too.
    said, worst = source["last_message"], source["reasons"][0]
    is_told = reason == worst or (worst == Reason.DAMAGED and said and said in source["sentence"])
    return Trouble(
        str(reason) if is_shared else f"{reason}:{name}",
        sign.words if is_shared else f"{sign.words} ({name})",
        f"{name}: {_cause(source, faults)}" if is_told else f"It concerns {name}.",
        _OLD_TODO if reason is Reason.OLD else sign.todo,
        is_urgent=reason is Reason.DAMAGED,
        patience=_PATIENCE.get(reason, timedelta()),
    )


def _cause(source: Facts, faults: Sequence[str]) -> str:
    """Our own sentence about the copies; of what a Run said only which kind of error it was."""
    said, sentence = source["last_message"], source["sentence"]
    if not said or said not in sentence:
        return str(sentence)
    known = [_CAUSES[fault] for fault in faults if fault in _CAUSES]
    return " ".join(known) or "The last backup failed."


def _held(name: str, held: Sequence[Facts], zone: ZoneInfo, now: datetime) -> Trouble:
    about = next((each for each in held if each["source"] == name), None)
    lost = list(_lost(about, zone, now)) if about else []
    cause = f"{'; '.join(lost)}. {_GET_THEM_BACK}" if lost else f"It looks wrong: {_BY_ITSELF}."
    sign = SIGNS[Reason.HELD]
    return Trouble(
        f"held:{name}",
        f"{sign.words} ({name})",
        f"{name}: {cause} The backups before it are as they were.",
        sign.todo,
        is_urgent=bool(lost),
    )


def _lost(held: Facts, zone: ZoneInfo, now: datetime) -> Iterator[str]:
    """Say of each table how many of its records are gone."""
    taken = _day(held["local"], zone, now)
    before = _day(held["good"], zone, now) if held["good"] else "before"
    shown = sorted(held["tables"], key=_gone, reverse=True)
    for table in shown[:_MOST_TABLES]:
        if gone := _gone(table):
            left = f"{table['rows']:,} are left" if table["rows"] else "none is left"
            what = f"{gone:,} {_named(table['name'])}"
            yield f"{what} that were here {before} are gone {taken} ({left})"


def _named(name: str) -> str:
    """Return a name that a vendor chose as it may stand in a message: short, on one line."""
    plain = "".join(each if each.isprintable() else " " for each in name)
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[: _LONGEST_NAME - 1]}…"


def _gone(table: Facts) -> int:
    less = int(table["before"] or 0) - int(table["rows"])
    return max(int(table["removed"]), less if not table["is_known"] or not table["rows"] else 0, 0)


def _day(text: str, zone: ZoneInfo, now: datetime) -> str:
    """Return a day as one says it: `yesterday`, `on Sat 21 Nov`."""
    said = near(datetime.fromisoformat(text), zone, now).rpartition(" ")[0]
    return said if said in ("today", "yesterday") else f"on {said}"


def _of_the_machine(status: Facts) -> Iterator[Trouble]:
    for each in status.get("vitals", ()):
        if each["state"] == Condition.LOOK and each["name"] != MESSAGES:
            yield _of_a_part(each)
    if status.get("configuration"):
        headline = "the settings have mistakes"
        cause = "The file of the settings has mistakes; the settings from before are in use."
        todo = "The page of the box names them under Settings."
        yield Trouble(
            "configuration", headline, cause, todo, is_lasting=False, patience=_OF_THE_FILE
        )


def _of_a_part(vital: Facts) -> Trouble:
    reason = Reason(vital["reason"]) if vital["reason"] else None
    cannot_wait = reason is Reason.DISK or vital.get("urgent") == "yes"
    patience = _PATIENCE.get(reason, _OF_A_PART) if reason else _OF_A_PART
    return Trouble(
        str(reason) if reason in _JOINED else f"part:{vital['name']}",
        SIGNS[reason].words if reason in _JOINED else _clause(vital["sentence"]),
        vital["sentence"],
        vital["todo"] or _FOOT,
        is_urgent=cannot_wait,
        is_lasting=reason is not None,
        patience=timedelta() if cannot_wait else patience,
    )


def _clause(sentence: str) -> str:
    return sentence.partition(": ")[0].rstrip(".")


# --- what is said -----------------------------------------------------------------------------


def message(box: str, decision: Decision) -> Message:
    """Given the box's name and what is to be said, return the one message that says it."""
    parts = [_paragraph(each, each.key in decision.restless) for each in decision.begun]
    parts += [f"Still so: {_paragraph(each, is_restless=False)}" for each in decision.lasting]
    if more := len(parts[_MOST_THINGS:]):
        parts[_MOST_THINGS:] = [f"And {plural(more, 'thing')} more: the page names them."]
    if decision.over:
        over = [*dict.fromkeys(decision.over)]
        more = len(over[_MOST_THINGS:])
        over[_MOST_THINGS:] = [f"{plural(more, 'thing')} more"] if more else []
        parts.append(f"All is well again. What was wrong is over: {listed(over)}.")
    return Message(f"{box}: {_subject(decision)}", "\n\n".join([*parts, _FOOT]))


def _subject(decision: Decision) -> str:
    told = [each.headline for each in (*decision.begun, *decision.lasting)]
    if not told:
        return "all is well again"
    more = f", and {plural(len(told) - 1, 'thing')} more" if len(told) > 1 else ""
    return f"{'please look' if decision.begun else 'still'}: {told[0]}{more}"


def _paragraph(trouble: Trouble, is_restless: bool) -> str:
    headline = f"{trouble.headline[0].upper()}{trouble.headline[1:]}"
    lines = [] if trouble.cause.startswith(headline) else [f"{headline}."]
    lines += [trouble.cause, f"What to do: {trouble.todo}"]
    return "\n".join([*lines, *([_COMES_AND_GOES] if is_restless else [])])


def weekly(box: str, state: str, wrong: Sequence[str], week: Week, scene: Scene) -> Message:
    """Given the headlines of what is wrong and what the week brought, return the digest."""
    lead = f"Please look: {listed(list(wrong))}" if wrong else state.capitalize()
    told = "; ".join(_told(week, scene))
    return Message(f"{box}, this week: {lead}", f"{lead}. {told[0].upper()}{told[1:]}.")


def _told(week: Week, scene: Scene) -> Iterator[str]:
    zone = ZoneInfo(scene.status["box"]["timezone"])
    now = datetime.fromisoformat(scene.status["as_of"])
    last = f", the last one {near(week.last, zone, now)}" if week.last else ""
    count = plural(week.backups, "backup") if week.backups else "no new backup"
    yield f"{count} this week{last}"
    if changes := list(_changes(week.changes)):
        yield "; ".join(changes)
    for disk, since in week.away.items():
        yield f"{disk} away{f' for {_days(now - since)}' if since else ''}"


def _days(length: timedelta) -> str:
    return plural(max(length.days, 0), "day") if length.days else "less than a day"


def _changes(changes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    most = sorted(changes, key=lambda name: (-sum(changes[name].values()), name))
    for name in most[:_MOST_TABLES]:
        one = changes[name]
        told = [f"{one[kind]:,} {word}" for kind, word in _CHANGES.items() if one.get(kind)]
        if told:
            shown = _named(name)
            told[0] = f"{told[0]} {shown}" if one.get("added") else f"{shown}: {told[0]}"
            yield ", ".join(told)


def reminder(box: str, words: str) -> Message:
    """Return what the office wanted to be reminded of."""
    return Message(f"{box}: bring the disk that is away", words)


def trial(box: str) -> Message:
    """Return a test message."""
    body = "This is a test. Whoever reads it gets a message when a person is needed."
    return Message(f"{box}: a test message", body)
