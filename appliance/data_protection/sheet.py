"""The sheet as a whole: its parts, and what it is about.

Part of the rim.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import __version__
from ..config import Settings
from ..core import forgetting
from ..core.ports import Clock, Ledger
from ..engine.trust import trusts
from . import how_long, kept, people, places

Row = tuple[str, str]
_NO_DATE = (
    " It does not trust its clock just now: the dates below are in doubt, and nothing is let go."
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the sheet: each row has what it is about, and a sentence or two."""

    title: str
    rows: tuple[Row, ...]
    """What is to be typed stands between backticks."""


@dataclass(frozen=True, slots=True)
class DataSheet:
    """The whole sheet."""

    title: str
    about: str
    """Which box, and as of when."""
    parts: tuple[Part, ...]


def data_sheet(settings: Settings, ledger: Ledger, clock: Clock) -> DataSheet:
    """Given what is configured and what the ledger knows, return what the sheet says now."""
    now, name = clock.now(), settings.appliance.name
    about = f"The backup box “{name}”, version {__version__}, as it is set up on "
    about += f"{forgetting.day(now, settings.zone)}.{'' if trusts(ledger, clock) else _NO_DATE}"
    return DataSheet(
        f"Data protection: {name}",
        about,
        (
            Part("What is kept", tuple(kept.rows(settings, ledger))),
            Part("For how long", tuple(how_long.rows(settings, now))),
            Part("Where", tuple(places.where(settings))),
            Part("Who can see it", tuple(people.who(settings))),
            Part("What leaves the box", tuple(places.what_leaves(settings))),
            Part("If somebody asks about their data", tuple(people.asked())),
        ),
    )


def facts(sheet: DataSheet) -> dict[str, object]:
    """Return what the sheet says as plain JSON values, for whoever draws it."""
    parts = [
        {"title": each.title, "rows": [list(row) for row in each.rows]} for each in sheet.parts
    ]
    return {"title": sheet.title, "about": sheet.about, "parts": parts}
