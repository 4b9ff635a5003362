"""What the engine remembers between Runs, beside the Runs: the keys of the ledger's notes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..core.model import Archive, SeenFile
from ..core.ports import Ledger

REPOSITORY_ID = "repository-id"
DAMAGED = "damaged"
CHECKED_AT = "checked-at"
PRUNED_AT = "pruned-at"
COMPACTED_AT = "compacted-at"
EXPIRED_AT = "expired-at"
CLOCK_TRUSTED_AT = "clock-trusted-at"
CLOCK_LEAPT_AT = "clock-leapt-at"
FIRST_SEEN = "first-seen"
"""When a job's schedule began to count."""
BOX = "box"
"""What a note is about that is about no place and no source."""
WAITING_ROOM = "on the box"
"""The name of the repository on the box itself that keeps what no disk was here for."""
DECIDED = "decided"
"""What a person said of a held archive."""
_RIGHT, _WRONG = "right", "wrong"
_BECAME = "became"
_NOTHING = {"beside": "", "reasons": [], "tables": []}
ERASED = "erased"
"""How far the requests to erase are in a place: see `register`."""
CHANGES = ("added", "changed", "removed")
Told = Mapping[str, Any]
_ROOM = "fullness"
_PROBLEM = "problem"
_MISSING = "missing"
NEWEST = "newest"
_CLOUD_KEEPS = "cloud-keeps"
_TO_BRING = "still-to-bring"
_PENDING = "pending"
_REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class Pending:
    """An archive that is about to be written, and the export files that it holds."""

    archive: Archive
    files: tuple[SeenFile, ...]


def key(kind: str, name: str) -> str:
    """Given a kind of note and what it is about, return its key."""
    return f"{kind}:{name}"


def note_time(ledger: Ledger, kind: str, name: str, time: datetime) -> None:
    """Remember when something last happened."""
    ledger.note(key(kind, name), time.isoformat())


def noted_time(ledger: Ledger, kind: str, name: str) -> datetime | None:
    """Return when something last happened, if it ever did."""
    text = ledger.noted(key(kind, name))
    return datetime.fromisoformat(text) if text else None


def is_enrolled(ledger: Ledger, repository: str) -> bool:
    """Return whether a repository was made or adopted on this box."""
    return bool(ledger.noted(key(REPOSITORY_ID, repository)))


def mark_damaged(ledger: Ledger, repository: str, why: str) -> None:
    """Mark a repository until a person clears it; the first reason stays."""
    if not is_damaged(ledger, repository):
        ledger.note(key(DAMAGED, repository), why or "damaged")


def clear_damage(ledger: Ledger, repository: str) -> None:
    """Take the mark off: everything in the repository was read and is whole."""
    ledger.note(key(DAMAGED, repository), "")


def is_damaged(ledger: Ledger, repository: str) -> bool:
    """Return whether a repository failed to give back what it was given, and is not cleared."""
    return bool(ledger.noted(key(DAMAGED, repository)))


def note_removal(ledger: Ledger, repository: str, archives: Sequence[str]) -> None:
    """Remember which archives retention is about to remove from a repository."""
    ledger.note(key(_REMOVING, repository), "\n".join(archives))


def removed(ledger: Ledger, repository: str) -> frozenset[str]:
    """Return the archives that retention removed from a repository last, or was about to."""
    return frozenset((ledger.noted(key(_REMOVING, repository)) or "").split("\n"))


def intend(ledger: Ledger, pending: Pending) -> None:
    """Remember what is about to be written, so that a power cut cannot make it a stranger."""
    ledger.note(key(_PENDING, pending.archive.source), _dumped(pending))


def intended(ledger: Ledger, source: str) -> Pending | None:
    """Return what an earlier Run was about to write and did not live to remember."""
    text = ledger.noted(key(_PENDING, source))
    return _loaded(text) if text else None


def fulfil(ledger: Ledger, pending: Pending) -> None:
    """Remember an archive as the newest of its source; safe to repeat at any point."""
    source = pending.archive.source
    ledger.note(key(NEWEST, source), pending.archive.name)
    ledger.remember(source, pending.archive, pending.files)
    forget_intention(ledger, source)


def forget_intention(ledger: Ledger, source: str) -> None:
    """Nothing is half done any more."""
    ledger.note(key(_PENDING, source), "")


def note_missing(ledger: Ledger, mirror: str, missing: Mapping[str, datetime]) -> None:
    """Remember since when a mirror's repository lacks what the mirror still has."""
    text = {name: since.isoformat() for name, since in missing.items()}
    ledger.note(key(_MISSING, mirror), json.dumps(text))


def noted_missing(ledger: Ledger, mirror: str) -> dict[str, datetime]:
    """Return what `note_missing` remembered."""
    text: dict[str, str] = json.loads(ledger.noted(key(_MISSING, mirror)) or "{}")
    return {name: datetime.fromisoformat(since) for name, since in text.items()}


def note_cloud_keeps(ledger: Ledger, mirror: str, keeps: bool) -> None:
    """Remember whether a mirror kept what this box had tried to destroy there."""
    ledger.note(key(_CLOUD_KEEPS, mirror), "yes" if keeps else "no")


def cloud_keeps(ledger: Ledger, mirror: str) -> bool | None:
    """Return what `note_cloud_keeps` remembered; None where nobody tried yet."""
    return {"yes": True, "no": False}.get(ledger.noted(key(_CLOUD_KEEPS, mirror)) or "")


def note_still_to_bring(ledger: Ledger, source: str, place: str, count: int) -> None:
    """Remember how many older backups of a source a place lacks."""
    if count != still_to_bring(ledger, source, place):
        ledger.note(key(_TO_BRING, f"{source}:{place}"), str(count))


def still_to_bring(ledger: Ledger, source: str, place: str) -> int:
    """Return how many older backups of a source a place lacked when it was last looked at."""
    return int(ledger.noted(key(_TO_BRING, f"{source}:{place}")) or 0)


def note_room(ledger: Ledger, place: str, used_bytes: int, size_bytes: int) -> None:
    """Remember how full a place is; a change that nobody would see is not written down.

    It is shown as how things are now, so it is noted whatever the clock says: the series of
    `observations.record_room` has gaps where no date was trusted.
    """
    before = noted_room(ledger, place)
    if before is None or before[1] != size_bytes or abs(before[0] - used_bytes) > size_bytes / 1000:
        ledger.note(key(_ROOM, place), f"{used_bytes} {size_bytes}")


def noted_room(ledger: Ledger, place: str) -> tuple[int, int] | None:
    """Return the bytes used and in all of a place, as last seen."""
    used, _, size = (ledger.noted(key(_ROOM, place)) or "").partition(" ")
    return (int(used), int(size)) if size else None


def note_problem(ledger: Ledger, place: str, words: str) -> None:
    """Remember what is wrong with a place, empty for nothing."""
    if words != noted_problem(ledger, place):
        ledger.note(key(_PROBLEM, place), words)


def noted_problem(ledger: Ledger, place: str) -> str:
    """Return what was wrong with a place when it was last used."""
    return ledger.noted(key(_PROBLEM, place)) or ""


def forget_place(ledger: Ledger, place: str) -> None:
    """Another repository lies there now: nothing that was known of the old one holds."""
    ledger.drop_copies(place, [copy.archive for copy in ledger.copies() if copy.place == place])
    for kind in (DAMAGED, CHECKED_AT, PRUNED_AT, COMPACTED_AT, ERASED, _ROOM, _PROBLEM):
        ledger.note(key(kind, place), "")


def note_became(
    ledger: Ledger,
    archive: str,
    beside: str,
    tables: Sequence[Told],
    why_held: Sequence[str] = (),
) -> None:
    """Remember what became of the tables of an archive since the one that it was compared with
    (empty where there was none), and what a person needs for a decision about it, on whichever
    disk it lies. Of one that is good those tables are left out in which nothing has changed.
    """
    shown = [
        {
            "name": table["name"],
            "rows": table["rows"],
            "before": (table.get("earlier") or [None])[-1],
            "is_known": "since" in table and bool(table["id"]),
            **{kind: table.get("since", {}).get(kind, 0) for kind in CHANGES},
        }
        for table in tables
    ]
    if not why_held:
        shown = [one for one in shown if not one["is_known"] or any(one[kind] for kind in CHANGES)]
    facts = {"beside": beside if tables else "", "reasons": list(why_held), "tables": shown}
    ledger.note(key(_BECAME, archive), json.dumps(facts))


def became(ledger: Ledger, archive: str) -> Mapping[str, Any]:
    """Return beside which archive one was looked at, its tables, and why it was held; each is empty
    where nothing was noted.
    """
    text = ledger.noted(key(_BECAME, archive))
    found: Mapping[str, Any] = json.loads(text) if text else _NOTHING
    return found


def decide(ledger: Ledger, archive: str, *, is_right: bool) -> None:
    """Note what a person decided about a held archive; the last word counts."""
    ledger.note(key(DECIDED, archive), _RIGHT if is_right else _WRONG)


def not_good(ledger: Ledger, source: str) -> frozenset[str]:
    """Return the archives of a source that were held, and that nobody said to be right."""
    held = ledger.held(source)
    return frozenset(name for name in held if ledger.noted(key(DECIDED, name)) != _RIGHT)


def rejected(ledger: Ledger, source: str) -> frozenset[str]:
    """Return the archives of a source that somebody said to be wrong."""
    held = ledger.held(source)
    return frozenset(name for name in held if ledger.noted(key(DECIDED, name)) == _WRONG)


def as_decided(ledger: Ledger, archives: Iterable[Archive]) -> list[Archive]:
    """Given archives as they say themselves, return them as somebody decided since."""
    return [
        replace(one, held=False)
        if one.held and ledger.noted(key(DECIDED, one.name)) == _RIGHT
        else one
        for one in archives
    ]


def newest(ledger: Ledger, source: str) -> str:
    """Return the name of the archive that holds `ledger.last_export`, empty if none does."""
    return ledger.noted(key(NEWEST, source)) or ""


def _dumped(pending: Pending) -> str:
    archive = pending.archive
    return json.dumps(
        {
            "name": archive.name,
            "source": archive.source,
            "time": archive.time.isoformat(),
            "sequence": archive.sequence,
            "manifest_sha256": archive.manifest_sha256,
            "clock_trusted": archive.clock_trusted,
            "held": archive.held,
            "files": [
                [
                    file.name,
                    file.size_bytes,
                    file.sha256,
                    file.modified.isoformat() if file.modified else None,
                    file.validator,
                ]
                for file in pending.files
            ],
        }
    )


def _loaded(text: str) -> Pending:
    facts = json.loads(text)
    files = tuple(
        SeenFile(name, size, sha256, datetime.fromisoformat(time) if time else None, validator)
        for name, size, sha256, time, validator in facts.pop("files")
    )
    facts["time"] = datetime.fromisoformat(facts["time"])
    return Pending(Archive(**facts), files)
