"""Activity as whoever shows it asks for it: pages of Runs and one Run whole, as plain values.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .config import Settings
from .core.errors import ApplianceError
from .core.model import Outcome, Progress
from .core.plain import plain
from .core.ports import Ledger

MOST = 200
_HIGHEST_ID = 2**63 - 1
_LONGEST_MESSAGE = 600


def page(
    ledger: Ledger,
    settings: Settings,
    about: str = "",
    outcome: str = "",
    *,
    before: int | None = None,
    limit: int = 50,
) -> dict[str, object]:
    """Return a page of what was done; see `core.ports.Appliance.activity`.

    Raise ValueError where there is no such outcome.
    """
    limit = min(max(limit, 1), MOST)
    before = None if before is None else min(max(before, 0), _HIGHEST_ID)
    chosen = Outcome(outcome) if outcome else None
    found = ledger.activity(about or None, chosen, limit + 1, before)
    shown = [replace(run, message=_cut(run.message), hint=_cut(run.hint)) for run in found[:limit]]
    return {
        "runs": plain(shown),
        "more": len(found) > limit,
        "sources": [each.name for each in settings.source],
        "timezone": settings.zone.key,
    }


def whole(
    ledger: Ledger, settings: Settings, run_id: int, under_way: Mapping[str, Progress | None]
) -> dict[str, object]:
    """Return one Run with its steps; see `core.ports.Appliance.run`.

    `under_way` says of the job that works now how far it is.
    """
    run = ledger.run(run_id) if 0 < run_id <= _HIGHEST_ID else None
    if run is None:
        raise ApplianceError("There is no such entry.", hint="Activity lists what there is.")
    progress = under_way.get(run.source) if run.outcome is None else None
    return {"run": plain(run), "progress": plain(progress), "timezone": settings.zone.key}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
