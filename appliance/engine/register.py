"""The only home of the register: what was asked to be erased, and how far that is in each place.

A place is a repository, the waiting room or a mirror. It lies in the ledger alone: a box that lost
that knows of no request any more. How far a place is stands in one note, written by Runs alone,
so it is never half known, and another disk of that name begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ..core.erasure import Erasure, gone_from
from ..core.model import Archive
from ..core.ports import Ledger
from . import memory


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far the requests for a source are in a place."""

    done: int = 0
    """So many of the first are done, but for the archives that are stuck."""
    gone: int = 0
    """Of so many of the first the last byte was given up there, too."""
    owes: bool = False
    """Whether anything was written anew there since a last byte was given up."""
    under_way: int = 0
    """So many of the first are being done ..."""
    upto: int = 0
    """... and are in the archives up to this one."""
    stuck: tuple[str, ...] = ()


def register(ledger: Ledger, source: str, erasure: Erasure) -> Erasure:
    """Remember a request: from now on no restore gives those records back.

    It means every backup that was begun by now, and at least those up to its `upto`; return it
    with the `upto` that it got. That number is taken as a backup takes its own, so one that is
    being made either counts as older or finds the request.
    """
    at_least = max(erasure.upto, 1)
    return replace(erasure, upto=ledger.add_request(source, _dumped(erasure), at_least))


def registered(ledger: Ledger, source: str) -> tuple[Erasure, ...]:
    """Return what was asked for a source, oldest first."""
    return tuple(_loaded(text, upto) for upto, text in ledger.requests(source))


def sources(ledger: Ledger) -> frozenset[str]:
    """Return all sources of which something may be asked, those that are gone too."""
    return frozenset(copy.source for copy in ledger.copies())


def pending(ledger: Ledger, source: str, place: str) -> tuple[Erasure, ...]:
    """Return what was asked and is not done yet in a place."""
    return registered(ledger, source)[_standing(ledger, source, place).done :]


def note_done(ledger: Ledger, source: str, place: str, count: int) -> None:
    """Remember that the first so many of the requests for a source are done in a place, but for
    the archives that are stuck.
    """
    old = _standing(ledger, source, place)
    _note(ledger, source, place, replace(old, done=count, gone=old.gone if old.owes else count))


def do_anew(ledger: Ledger, source: str, place: str) -> None:
    """Take it back that anything is done in a place."""
    _note(ledger, source, place, replace(_standing(ledger, source, place), done=0, gone=0, upto=0))


def do_anew_what_is_stuck(ledger: Ledger, place: str) -> None:
    """Take back what is done in a place of the sources of which something could not be done."""
    for source, one in _standings(ledger, place).items():
        if one.stuck:
            do_anew(ledger, source, place)


def hold_back(ledger: Ledger, source: str, mirror: str, place: str) -> None:
    """A cloud copy is no further than its disk, where another one lies in that place now."""
    there, here = _standing(ledger, source, mirror), _standing(ledger, source, place)
    if there.done > here.done:
        _note(ledger, source, mirror, replace(there, done=here.done, gone=here.done))


def note_progress(
    ledger: Ledger, place: str, archive: Archive, asked: int, *, is_stuck: bool
) -> None:
    """Remember that the first so many requests are done in a place up to an archive, or that this
    one could not be made again.
    """
    old = _standing(ledger, archive.source, place)
    others = {name for name in old.stuck if name != archive.name}
    stuck = tuple(sorted(others | {archive.name} if is_stuck else others))
    new = replace(old, under_way=asked, upto=archive.sequence, stuck=stuck)
    _note(ledger, archive.source, place, new)


def progress(ledger: Ledger, source: str, place: str, asked: int) -> int:
    """Return up to which archive so many requests are done in a place, 0 for none."""
    standing = _standing(ledger, source, place)
    return standing.upto if standing.under_way == asked else 0


def stuck(ledger: Ledger, source: str, place: str) -> frozenset[str]:
    """Return the archives in a place that could not be made again, and so have all they had: what
    they hold cannot be written, or not be read as it was stored.
    """
    names = _standing(ledger, source, place).stuck
    here = {one.archive for one in ledger.copies(source) if one.place == place} if names else {}
    return frozenset(here).intersection(names)


def is_stuck(ledger: Ledger, place: str, archive: Archive) -> bool:
    """Return whether an archive in a place is one of those that could not be made again."""
    return archive.name in stuck(ledger, archive.source, place)


def may_have(ledger: Ledger, place: str, archive: Archive) -> bool:
    """Return whether an archive as it lies in a place may have what was to be erased of it."""
    asked = pending(ledger, archive.source, place)
    is_due = gone_from(asked, archive.sequence) is not None
    return is_due or is_stuck(ledger, place, archive)


def owe_the_last_byte(ledger: Ledger, source: str, place: str) -> None:
    """Remember that something of a source is written anew in a place: what was there before must
    be given up to the last byte.
    """
    standing = _standing(ledger, source, place)
    if not standing.owes:
        _note(ledger, source, place, replace(standing, owes=True))


def note_the_last_byte(ledger: Ledger, place: str) -> None:
    """Remember that a place has given up to the last byte whatever it has no more."""
    for source, one in _standings(ledger, place).items():
        if one.owes:
            _note(ledger, source, place, replace(one, owes=False, gone=one.done))


def owes_the_last_byte(ledger: Ledger, place: str) -> bool:
    """Return whether a place has not given up to the last byte what was erased there."""
    return any(one.owes for one in _standings(ledger, place).values())


def owed(ledger: Ledger, source: str, place: str) -> tuple[Erasure, ...]:
    """Return what is done in a place but for the last byte, which it has not given up yet."""
    standing = _standing(ledger, source, place)
    return registered(ledger, source)[standing.gone : standing.done]


def _standing(ledger: Ledger, source: str, place: str) -> _Standing:
    return _standings(ledger, place).get(source, _Standing())


def _standings(ledger: Ledger, place: str) -> Mapping[str, _Standing]:
    told: dict[str, Any] = json.loads(ledger.noted(memory.key(memory.ERASED, place)) or "{}")
    return {name: _Standing(**one | {"stuck": tuple(one["stuck"])}) for name, one in told.items()}


def _note(ledger: Ledger, source: str, place: str, standing: _Standing) -> None:
    told = {name: asdict(one) for name, one in _standings(ledger, place).items()}
    text = json.dumps(told | {source: asdict(standing)})
    ledger.note(memory.key(memory.ERASED, place), text)


def _dumped(erasure: Erasure) -> str:
    facts = {
        "at": erasure.at.isoformat(),
        "salt": erasure.salt,
        "marks": sorted(erasure.marks),
        "reason": erasure.reason,
        "at_once": erasure.at_once,
        "records": erasure.records,
        "unseen": erasure.unseen,
    }
    return json.dumps(facts)


def _loaded(text: str, upto: int) -> Erasure:
    facts: dict[str, Any] = json.loads(text)
    return Erasure(
        datetime.fromisoformat(facts["at"]),
        facts["salt"],
        frozenset(facts["marks"]),
        upto,
        facts["reason"],
        facts["at_once"],
        facts["records"],
        tuple(facts["unseen"]),
    )
