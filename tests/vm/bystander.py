"""Stands beside the box, inside the guest, and waits: one process, as starting one takes seconds.

Runs with the guest's own Python, alone; `python3 bystander.py SECONDS QUESTION [VALUE...]` prints
the answer as soon as there is one, and ends with 1 where none comes.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import time
from typing import Any

LEDGER = "file:/var/lib/appliance/ledger.sqlite?mode=ro"
WORKER = "/run/appliance/worker.sock"
_LOOK_EVERY_SECONDS = 0.1


def ended(outcome: str, after: str) -> int | None:
    """Return the id of the newest Run later than `after` where it ended so; acts are no Runs."""
    query = "SELECT max(id) FROM run WHERE outcome LIKE ? AND id > ? AND kind <> 'person'"
    found: int | None = _asked(query, outcome, int(after))
    return found


def within(done: str, after: str) -> int | None:
    """Return the id of the Run later than `after` that is under way, with these steps behind it.

    `done` names some in order, with commas between them, the one that ended last at the end.
    """
    run = _asked("SELECT max(id) FROM run WHERE outcome IS NULL AND id > ?", int(after))
    steps = "SELECT group_concat(name) FROM (SELECT name FROM step WHERE run = ? ORDER BY id)"
    behind = str(_asked(steps, run) or "").split(",") if run is not None else []
    wanted = done.split(",")
    return run if not done or (behind[-1:] == wanted[-1:] and set(wanted) <= set(behind)) else None


def proved(place: str, count: str) -> int | None:
    """Return how many backups were proved at a place, once there are that many."""
    query = "SELECT count(*) FROM copy WHERE place = ? AND gone = 0 HAVING count(*) >= ?"
    found: int | None = _asked(query, place, int(count))
    return found


def quiet() -> int | None:
    """Return the id of the newest Run, 0 without one, where nothing runs and nothing waits."""
    return _newest_unless("running", "waiting")


def idle() -> int | None:
    """As `quiet`; what waits for a disk that is not here may wait."""
    return _newest_unless("running")


def _newest_unless(*busy: str) -> int | None:
    """Return the newest Run, None where there is one of these; one that begins between two looks is
    no answer either.
    """
    before = _newest()
    with socket.socket(socket.AF_UNIX) as worker, worker.makefile("rwb") as line:
        worker.connect(WORKER)
        line.write(b'{"do": "status"}\n')
        line.flush()
        status = json.loads(line.readline())["answer"]
    return before if before == _newest() and not any(status[each] for each in busy) else None


def _newest() -> int:
    newest: int = _asked("SELECT ifnull(max(id), 0) FROM run")
    return newest


def _asked(query: str, *values: object) -> Any:
    ledger = sqlite3.connect(LEDGER, uri=True)
    try:
        found = ledger.execute(query, values).fetchone()
    finally:
        ledger.close()
    return found[0] if found else None


QUESTIONS = {each.__name__: each for each in (ended, within, proved, quiet, idle)}


def main(seconds: str, question: str, *values: str) -> int:
    """Look again and again; a box that is not up yet has nothing to show."""
    give_up = time.monotonic() + float(seconds)
    while time.monotonic() < give_up:
        try:
            seen = QUESTIONS[question](*values)
        except (OSError, sqlite3.Error, ValueError, KeyError):
            seen = None
        if seen is not None:
            print(seen)
            return 0
        time.sleep(_LOOK_EVERY_SECONDS)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
