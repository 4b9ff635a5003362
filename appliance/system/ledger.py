"""The only home of sqlite3: the record of Runs, of what was proved, and of what to remember.

What a method has written is on the disk when it returns (WAL, synchronous=FULL). Runs are begun,
given steps and finished, never changed afterwards and never removed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from ..core import audit
from ..core.audit import Act
from ..core.errors import ApplianceError, DiskFull, DiskReadOnly
from ..core.model import Archive, Copy, Outcome, Run, SeenFile, Step, Tally, Trigger
from .files import sync_folder
from .ledger_rows import (
    COPY,
    FILE,
    GLANCE,
    RUN,
    STEP,
    copy_of,
    copy_row,
    file_of,
    file_row,
    run_of,
    stamp,
    step_of,
    step_row,
    storable,
    tally_of,
)
from .ledger_schema import MIGRATIONS

_BUSY_SECONDS = 30.0
_FULL = 2  # what `PRAGMA synchronous` answers for FULL
_CUT_OFF = ("The box stopped in the middle of it.", "Nothing to do: it is made up for.")
_DAMAGED_HINT = (
    "Move this file aside and run `appliance init NAME` for each disk: all that is needed to go on "
    "is also on the backup disks."
)


class SqliteLedger:
    """The Ledger in one SQLite file, for all threads of one process; others may read along."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raise ApplianceError where it is damaged or from a newer version, DiskFull, DiskReadOnly.
        """
        self._path = path
        self._writing, self._reading = threading.Lock(), threading.Lock()
        with self._our_errors():
            self._writer = self._connect()
        try:
            with self._our_errors():
                self._prepare()
                self._reader = self._connect()
        except BaseException:
            self._writer.close()
            raise

    def close(self) -> None:
        """Close the file; what was written stays written."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def begin(self, source: str, trigger: Trigger, started: datetime, slot: str = "") -> Run:
        """Record that a Run started; `slot` is the schedule's slot it fills, if any."""
        with self._transaction() as db:
            added = db.execute(
                "INSERT INTO run (source, trigger, slot, started) VALUES (?, ?, ?, ?)",
                (source, trigger, slot, stamp(started)),
            )
            return _one_run(db, added.lastrowid or 0)

    def add_step(self, run_id: int, step: Step) -> None:
        """Record a finished step; raise ValueError where no such Run is under way."""
        with self._transaction() as db:
            _require_under_way(db, run_id)
            db.execute(
                f"INSERT INTO step (run, {STEP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
                (run_id, *step_row(step)),
            )

    def finish(
        self,
        run_id: int,
        outcome: Outcome,
        finished: datetime,
        *,
        archive: str = "",
        message: str = "",
        hint: str = "",
        detail: str = "",
        faults: Sequence[str] = (),
    ) -> Run:
        """Record how a Run ended and return it whole; raise ValueError where none is under way."""
        with self._transaction() as db:
            _require_under_way(db, run_id)
            words = [storable(text) for text in (archive, message, hint, detail, " ".join(faults))]
            db.execute(
                "UPDATE run SET outcome = ?, finished = ?, archive = ?, message = ?, hint = ?,"
                " detail = ?, faults = ? WHERE id = ?",
                (outcome, stamp(finished), *words, run_id),
            )
            return _one_run(db, run_id)

    def run(self, run_id: int) -> Run | None:
        """Return one Run with its steps."""
        with self._reading_db() as db:
            return next(iter(_runs(db, "id = ?", (run_id,), 1)), None)

    def runs(
        self, source: str | None = None, limit: int = 50, before: int | None = None
    ) -> tuple[Run, ...]:
        """Return Runs with their steps, newest first, those with an id below `before`."""
        where, values = ["1"], list[object]()
        if source is not None:
            where.append("source = ?")
            values.append(source)
        if before is not None:
            where.append("id < ?")
            values.append(before)
        with self._reading_db() as db:
            return _runs(db, " AND ".join(where), values, limit)

    def activity(
        self,
        about: str | None = None,
        outcome: Outcome | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[Run, ...]:
        """Return Runs without steps and tail, newest first; see `core.ports.Ledger`."""
        column = "kind" if about and about.endswith(":") else "source"
        chosen = {f"{column} =": about and about.removesuffix(":"), "outcome =": outcome}
        where = {f"{name} ?": it for name, it in (chosen | {"id <": before}).items()}
        where = {name: it for name, it in where.items() if it is not None}
        with self._reading_db() as db:
            rows = db.execute(
                f"SELECT {GLANCE} FROM run WHERE {' AND '.join(where) or '1'}"  # noqa: S608 - constants
                " ORDER BY id DESC LIMIT ?",
                [*where.values(), max(limit, 0)],
            )
            return tuple(run_of(row, ()) for row in rows)

    def add_act(
        self, source: str, trigger: Trigger, now: datetime, outcome: Outcome, message: str
    ) -> Act:
        """Record what a person did as a finished Run, and chain it to the act before."""
        with self._transaction() as db:
            added = db.execute(
                "INSERT INTO run (source, trigger, slot, started, finished, outcome, message)"
                " VALUES (?, ?, '', ?, ?, ?, ?)",
                (storable(source), trigger, stamp(now), stamp(now), outcome, storable(message)),
            )
            run = _one_run(db, added.lastrowid or 0)
            head = db.execute("SELECT value FROM note WHERE key = ?", (audit.HEAD,)).fetchone()
            sha256 = audit.link(head[0] if head else audit.BEGINNING, run)
            db.execute("INSERT INTO audit (run, sha256) VALUES (?, ?)", (run.id, sha256))
            _note(db, audit.HEAD, sha256)
            return Act(run, sha256)

    def acts(self, after: int = 0, limit: int = 500) -> tuple[Act, ...]:
        """Return what people did, oldest first, from the Run after that one on."""
        with self._reading_db() as db:
            rows = db.execute(
                f"SELECT {GLANCE}, coalesce(sha256, '') FROM run LEFT JOIN audit ON run = id"  # noqa: S608 - constants
                " WHERE kind = 'person' AND id > ? ORDER BY id LIMIT ?",
                (after, max(limit, 0)),
            )
            return tuple(Act(run_of(row[:-1], ()), row[-1]) for row in rows)

    def interrupt_unfinished(self, finished: datetime) -> tuple[Run, ...]:
        """At start-up: Runs that were cut off become *interrupted*; return them, oldest first."""
        with self._transaction() as db:
            rows = db.execute("SELECT id FROM run WHERE outcome IS NULL ORDER BY id")
            cut_off = [row[0] for row in rows]
            db.executemany(
                "UPDATE run SET outcome = ?, finished = ?, message = ?, hint = ? WHERE id = ?",
                [(Outcome.INTERRUPTED, stamp(finished), *_CUT_OFF, run_id) for run_id in cut_off],
            )
            return tuple(_one_run(db, run_id) for run_id in cut_off)

    def next_sequence(self, source: str, at_least: int = 1) -> int:
        """Return the next archive number of a source, durably taken; never one twice."""
        with self._transaction() as db:
            return _next_sequence(db, source, at_least)

    def add_request(self, source: str, text: str, at_least: int = 1) -> int:
        """Record a request with the next archive number of its source; see `core.ports.Ledger`."""
        with self._transaction() as db:
            number = _next_sequence(db, source, at_least)
            db.execute(
                "INSERT INTO request (source, sequence, text) VALUES (?, ?, ?)",
                (source, number, storable(text)),
            )
            return number

    def requests(self, source: str) -> tuple[tuple[int, str], ...]:
        """Return number and text of each request about a source, oldest first."""
        with self._reading_db() as db:
            rows = db.execute(
                "SELECT sequence, text FROM request WHERE source = ? ORDER BY sequence", (source,)
            )
            return tuple((int(number), str(text)) for number, text in rows)

    def remember(self, source: str, archive: Archive, files: Sequence[SeenFile]) -> None:
        """Record which export files an archive holds; said again, the last word counts."""
        with self._transaction() as db:
            _remember(db, source, archive, files)

    def seen(self, source: str) -> tuple[SeenFile, ...]:
        """Return all files that were ever archived of a source, newest archive first."""
        with self._reading_db() as db:
            rows = db.execute(
                f"SELECT {FILE} FROM export JOIN file USING (archive) WHERE source = ?"  # noqa: S608 - a constant
                " ORDER BY sequence DESC, archive DESC, position",
                (source,),
            )
            return tuple(file_of(row) for row in rows)

    def last_export(self, source: str) -> tuple[SeenFile, ...]:
        """Return the files of the newest remembered archive of a source."""
        with self._reading_db() as db:
            rows = db.execute(
                f"SELECT {FILE} FROM file WHERE archive = (SELECT archive FROM export"  # noqa: S608 - a constant
                " WHERE source = ? ORDER BY sequence DESC, archive DESC LIMIT 1) ORDER BY position",
                (source,),
            )
            return tuple(file_of(row) for row in rows)

    def sizes(self, source: str) -> Mapping[str, int]:
        """Return the bytes that the vendor delivered for each remembered archive of a source."""
        with self._reading_db() as db:
            rows = db.execute(
                "SELECT archive, sum(size_bytes) FROM export JOIN file USING (archive)"
                " WHERE source = ? GROUP BY archive",
                (source,),
            )
            return {str(archive): int(size) for archive, size in rows}

    def held(self, source: str) -> frozenset[str]:
        """Return the archives of a source that were stored by a Run that ended as held."""
        with self._reading_db() as db:
            rows = db.execute(
                "SELECT archive FROM run WHERE source = ? AND outcome = ?", (source, Outcome.HELD)
            )
            return frozenset(str(row[0]) for row in rows)

    def add_copy(self, copy: Copy) -> None:
        """Record that an archive was proved whole in a place, now."""
        with self._transaction() as db:
            db.execute(
                f"INSERT INTO copy ({COPY}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - a constant
                " ON CONFLICT (place, archive) DO UPDATE"
                " SET time = excluded.time, verified = excluded.verified, gone = 0",
                copy_row(copy),
            )

    def drop_copies(self, place: str, archives: Sequence[str]) -> None:
        """Record that archives left a place by retention."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE copy SET gone = 1 WHERE place = ? AND archive = ?",
                [(place, archive) for archive in archives],
            )

    def copies(self, source: str | None = None) -> tuple[Copy, ...]:
        """Return what is known to be whole, newest archive first."""
        with self._reading_db() as db:
            rows = db.execute(
                f"SELECT {COPY} FROM copy"  # noqa: S608 - a constant
                " WHERE NOT gone AND (:source IS NULL OR source = :source)"
                " ORDER BY time DESC, archive DESC, place",
                {"source": source},
            )
            return tuple(copy_of(row) for row in rows)

    def slots(self, source: str) -> frozenset[str]:
        """Return the slots of a source that were started or recorded as missed."""
        with self._reading_db() as db:
            rows = db.execute(
                "SELECT slot FROM run WHERE source = :source AND slot <> ''"
                " UNION SELECT slot FROM missed WHERE source = :source",
                {"source": source},
            )
            return frozenset(row[0] for row in rows)

    def add_missed(self, source: str, slot: str, now: datetime) -> None:
        """Record a slot that went by while the box was off."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO missed (source, slot, noticed) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (source, slot, stamp(now)),
            )

    def tally(self, since: datetime, until: datetime) -> tuple[Tally, ...]:
        """Count the Runs that started in a span of time, alike ones together."""
        with self._reading_db() as db:
            rows = db.execute(
                "SELECT source, outcome, archive <> '', count(*), max(started) FROM run"
                " WHERE started >= ? AND started < ? GROUP BY 1, 2, 3",
                (stamp(since), stamp(until)),
            )
            return tuple(tally_of(row) for row in rows)

    def missed_slots(self, source: str, since: str) -> frozenset[str]:
        """Return the slots recorded as missed whose keys are `since` or sort behind it."""
        with self._reading_db() as db:
            rows = db.execute(
                "SELECT slot FROM missed WHERE source = ? AND slot >= ?", (source, since)
            )
            return frozenset(row[0] for row in rows)

    def note(self, key: str, value: str) -> None:
        """Remember one fact (a repository's id, the time of its last prune) durably."""
        with self._transaction() as db:
            _note(db, key, value)

    def noted(self, key: str) -> str | None:
        """Return a remembered fact."""
        with self._reading_db() as db:
            row = db.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone()
            return None if row is None else str(row[0])

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self) -> None:
        """Make sure of what durability rests on, then bring the schema up to date."""
        db = self._writer
        self._require(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok", "is damaged")
        with suppress(PermissionError):  # another user's file: its owner sees to it
            self._path.chmod(0o600)
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        level = db.execute("PRAGMA synchronous").fetchone()[0]
        self._require((mode, level) == ("wal", _FULL), "cannot be written safely where it lies")
        with self._transaction():
            self._migrate(db)
        sync_folder(self._path.parent)  # the names of the file and of its log must last, too

    def _migrate(self, db: sqlite3.Connection) -> None:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        self._require(
            version <= len(MIGRATIONS),
            "was written by a newer version of this program",
            hint="Install that version again; nothing was changed.",
        )
        for script in MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                db.execute(statement)
        if version < len(MIGRATIONS):
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _require(self, is_so: bool, what_else: str, hint: str = _DAMAGED_HINT) -> None:
        if not is_so:
            raise ApplianceError(f"The record of activity {self._path} {what_else}.", hint=hint)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is on the disk at the end, or none of it."""
        with self._our_errors(), self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading_db(self) -> Iterator[sqlite3.Connection]:
        with self._our_errors(), self._reading:
            yield self._reader

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _in_our_words(error, f"The record of activity {self._path}") from error


def _in_our_words(error: sqlite3.DatabaseError, record: str) -> ApplianceError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes carry the primary below
    detail = f"{getattr(error, 'sqlite_errorname', 'sqlite3')}: {error}"
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"{record} has no room left.", detail=detail)
    if code == sqlite3.SQLITE_READONLY:
        return DiskReadOnly(f"{record} cannot be written.", detail=detail)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return ApplianceError(f"{record} is damaged.", hint=_DAMAGED_HINT, detail=detail)
    hint = "Check that its folder exists and that this user may write there."
    return ApplianceError(f"{record} could not be used.", hint=hint, detail=detail)


def _runs(
    db: sqlite3.Connection, where: str, values: Sequence[object], limit: int
) -> tuple[Run, ...]:
    rows = db.execute(
        f"SELECT {RUN} FROM run WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - constants
        [*values, max(limit, 0)],
    ).fetchall()
    steps = _steps(db, [row[0] for row in rows])
    return tuple(run_of(row, steps[row[0]]) for row in rows)


def _steps(db: sqlite3.Connection, run_ids: Sequence[int]) -> dict[int, list[Step]]:
    """The steps of Runs that lie side by side, in the order they ended."""
    if not run_ids:
        return {}
    found: dict[int, list[Step]] = {run_id: [] for run_id in run_ids}
    rows = db.execute(
        f"SELECT run, {STEP} FROM step WHERE run BETWEEN ? AND ? ORDER BY id",  # noqa: S608 - a constant
        (min(run_ids), max(run_ids)),
    )
    for run_id, *columns in rows:
        if run_id in found:
            found[run_id].append(step_of(columns))
    return found


def _one_run(db: sqlite3.Connection, run_id: int) -> Run:
    return _runs(db, "id = ?", (run_id,), 1)[0]


def _require_under_way(db: sqlite3.Connection, run_id: int) -> None:
    row = db.execute("SELECT outcome FROM run WHERE id = ?", (run_id,)).fetchone()
    if row is None or row[0] is not None:
        raise ValueError(f"Run {run_id} is not under way.")


def _next_sequence(db: sqlite3.Connection, source: str, at_least: int) -> int:
    (number,) = db.execute(
        "INSERT INTO sequence (source, last) VALUES (:source, :least) ON CONFLICT (source)"
        " DO UPDATE SET last = max(last + 1, :least) RETURNING last",
        {"source": source, "least": at_least},
    ).fetchone()
    return int(number)


def _note(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute(
        "INSERT INTO note (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, storable(value)),
    )


def _remember(
    db: sqlite3.Connection, source: str, archive: Archive, files: Sequence[SeenFile]
) -> None:
    db.execute(
        "INSERT INTO export (archive, source, sequence) VALUES (?, ?, ?) ON CONFLICT (archive)"
        " DO UPDATE SET source = excluded.source, sequence = excluded.sequence",
        (archive.name, source, archive.sequence),
    )
    db.execute("DELETE FROM file WHERE archive = ?", (archive.name,))
    db.executemany(
        f"INSERT INTO file (archive, position, {FILE}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        [(archive.name, position, *file_row(file)) for position, file in enumerate(files)],
    )
