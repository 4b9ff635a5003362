"""For how long: what the settings say of it, and by when what is deleted today is gone for sure.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ..config import AnySource, InboxSource, Settings
from ..core import forgetting
from ..core.schedule import parse
from ..core.words import listed


def rows(settings: Settings, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield sources and how long their backups stay (those of which the same is to be said share a
    row), then what is true elsewhere.
    """
    said: dict[str, list[str]] = {}
    for source, gone in _gone(settings, now):
        policy = settings.policy(source)
        told = forgetting.of_the_box(policy, gone, now, settings.zone)
        said.setdefault(f"{forgetting.numbers_of(policy)} {told}", []).append(source.name)
    for sentence, names in said.items():
        yield listed(names), sentence
    yield from _elsewhere(settings, now)
    yield "Looked wrong", _of_held(settings)


def when_gone(settings: Settings, now: datetime) -> list[str]:
    """Say for each source, then for disks and clouds, by when what is deleted today is gone."""
    sources = [
        f"{each.name}: {forgetting.of_the_box(settings.policy(each), gone, now, settings.zone)}"
        for each, gone in _gone(settings, now)
    ]
    return [*sources, *(sentence for _, sentence in _elsewhere(settings, now))]


def _of_held(settings: Settings) -> str:
    ends = [settings.policy(each).at_most is not None for each in settings.source]
    goes = (
        "Whatever is decided, it goes with its age, as the others do."
        if ends and all(ends)
        else "Unless it is said to be right, it stays for ever where no age is set."
    )
    return f"A backup that looked wrong waits for a person. {goes}"


def _elsewhere(settings: Settings, now: datetime) -> Iterator[tuple[str, str]]:
    if any(gone is not None for _, gone in _gone(settings, now)):
        yield "The dates", forgetting.CONDITION
    if any(each.disk for each in settings.repository):
        yield "Disks", forgetting.DISKS
    gone = _gone_from_all(settings, now)
    waits = [_wait(settings, each.schedule, now) for each in settings.source]
    for mirror in settings.mirror:
        wait = max([*waits, _wait(settings, mirror.schedule, now)])
        said = forgetting.of_the_cloud(mirror.name, mirror.expire, gone, wait, now, settings.zone)
        yield mirror.name, said


def _gone_from_all(settings: Settings, now: datetime) -> timedelta | None:
    """After how long it is gone whichever source it came from; None where one has no date."""
    found = [gone for _, gone in _gone(settings, now)]
    dates = [gone for gone in found if gone is not None]
    return max(dates) if dates and len(dates) == len(found) else None


def _gone(settings: Settings, now: datetime) -> Iterator[tuple[AnySource, timedelta | None]]:
    for source in settings.source:
        wait = _wait(settings, source.schedule, now)
        beside = source.keep_done if isinstance(source, InboxSource) else timedelta()
        yield source, forgetting.gone_after(settings.policy(source), wait, beside)


def _wait(settings: Settings, schedule: str, now: datetime) -> timedelta:
    return parse(schedule).longest_wait(settings.zone, now)
