"""The ledger on a real disk: F1 and F2, full disks, damage, threads, and its size in years."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from appliance.audit import fault_in
from appliance.core.errors import ApplianceError, DiskFull, DiskReadOnly
from appliance.core.model import Archive, Copy, Outcome, SeenFile, Step, StepName, Trigger
from appliance.engine.register import registered
from appliance.system import ledger as module
from appliance.system import ledger_schema
from appliance.system.ledger import SqliteLedger

NOW = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(path)
    yield ledger
    ledger.close()


def step(message: str = "") -> Step:
    return Step(StepName.PULL, NOW, timedelta(seconds=1), Outcome.OK, message=message)


def archive(sequence: int, source: str = "crm") -> Archive:
    time = NOW + timedelta(days=sequence)
    return Archive(Archive.name_for(source, time), source, time, sequence, "ab" * 32)


WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from appliance.core.model import Copy, Outcome, Step, StepName, Trigger
from appliance.system.ledger import SqliteLedger

def said(*words):
    print(*words, flush=True)

ledger, now = SqliteLedger(Path(sys.argv[1])), datetime.now(UTC)
said("ready")
while True:
    run = ledger.begin("crm", Trigger.COMMAND, now, f"slot-{ledger.next_sequence('crm')}")
    said("begun", run.id)
    for n in range(3):
        ledger.add_step(run.id, Step(StepName.PULL, now, timedelta(), Outcome.OK, str(n)))
        said("step", run.id, n)
    ledger.add_copy(Copy(f"crm-{run.id}", "crm", "disk-a", now, now))
    said("copy", run.id)
    ledger.finish(run.id, Outcome.OK, now, message=f"done {run.id}")
    said("done", run.id)
"""


def killed_writer(path: Path, after_seconds: float) -> list[list[str]]:
    """Start a writer, kill -9 it, return what it said was written."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        timer = threading.Timer(after_seconds, process.send_signal, [signal.SIGKILL])
        timer.start()
        said = process.stdout.read()
        timer.join()
    assert process.returncode == -signal.SIGKILL
    return [line.split() for line in said.splitlines() if said.endswith("\n")]


ASKER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from appliance.core.erasure import Erasure
from appliance.engine.register import register
from appliance.system.ledger import SqliteLedger

ledger = SqliteLedger(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for n in range(50):
    register(ledger, "crm", Erasure.of([f"{sys.argv[2]}.{n}"], datetime.now(UTC), "salt", 0))
"""


def asker(path: Path, name: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", ASKER, str(path), name]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_two_programs_that_ask_at_once_nobody_is_lost(path: Path) -> None:
    SqliteLedger(path).close()
    with asker(path, "one") as one, asker(path, "two") as two:
        for each in (one, two):
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in (one, two):
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.close()
        assert (one.wait(60), two.wait(60)) == (0, 0)
    ledger = SqliteLedger(path)
    asked = registered(ledger, "crm")
    assert len(asked) == 100
    for who in ("one", "two"):
        assert all(any(it.covers(f"{who}.{n}") for it in asked) for n in range(50))
    ledger.close()


@pytest.mark.slow
def test_F1_after_30_kills_no_acknowledged_row_is_lost(path: Path) -> None:
    dice, said = random.Random(1), list[list[str]]()
    for _ in range(30):
        said += killed_writer(path, dice.uniform(0.002, 0.08))
    assert len([words for words in said if words[0] == "done"]) > 30, "the kills came too early"
    ledger = SqliteLedger(path)
    copies = {one.archive for one in ledger.copies()}
    for what, number, *rest in said:
        run = ledger.run(int(number))
        assert run is not None
        if what == "step":
            assert rest[0] in [one.target for one in run.steps]
        if what == "copy":
            assert f"crm-{number}" in copies
        if what == "done":
            assert (run.outcome, run.message) == (Outcome.OK, f"done {number}")
            assert [one.target for one in run.steps] == ["0", "1", "2"]
    cut_off = ledger.interrupt_unfinished(NOW)
    assert len(cut_off) <= 30
    assert ledger.next_sequence("crm") > max(int(words[1]) for words in said)
    ledger.close()


def test_F1_it_writes_ahead_and_syncs_every_commit(ledger: SqliteLedger) -> None:
    for connection in (ledger._writer, ledger._reader):
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_F1_each_commit_is_synced_before_it_is_acknowledged(path: Path) -> None:
    """Seen from outside, by the kernel: an fsync stands behind each of twenty notes."""
    strace = "/usr/bin/strace"
    if not Path(strace).exists():
        pytest.skip("strace is not installed")
    script = (
        "import sys; from pathlib import Path; from appliance.system.ledger import SqliteLedger\n"
        "ledger = SqliteLedger(Path(sys.argv[1]))\n"
        "for n in range(20): ledger.note('n', str(n))\n"
    )
    log = path.with_suffix(".strace")
    subprocess.run(
        [strace, "-f", "-e", "fsync,fdatasync", "-o", log, sys.executable, "-c", script, path],
        check=True,
    )
    assert log.read_text().count("sync(") >= 20


def test_what_was_written_is_there_when_it_is_opened_again(path: Path) -> None:
    first = SqliteLedger(path)
    run = first.begin("crm", Trigger.COMMAND, NOW, "2026-11-21")
    first.add_step(run.id, step("m"))
    second = SqliteLedger(path)  # another process, as far as the file knows
    assert second.runs() == first.runs()
    second.finish(run.id, Outcome.OK, NOW)
    assert first.run(run.id) == second.run(run.id)
    first.close()
    second.close()


def test_nobody_else_may_read_it(path: Path, ledger: SqliteLedger) -> None:
    ledger.note("a", "b")
    modes = {file.stat().st_mode & 0o777 for file in path.parent.glob("ledger.db*")}
    assert modes == {0o600}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"this is no database at all" * 400,
        lambda data: data[:100] + os.urandom(len(data) - 100),
        lambda data: data[: len(data) // 2],
        lambda data: data[:4096] + bytes(len(data) - 4096),
    ],
)
def test_F2_damage_is_said_and_nothing_is_started_anew(path: Path, damage: object) -> None:
    ledger = SqliteLedger(path)
    for n in range(200):
        ledger.note(f"key-{n}", "x" * 500)
    ledger.close()
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(ApplianceError, match="record of activity") as caught:
        SqliteLedger(path)
    assert "appliance init" in caught.value.hint
    assert path.read_bytes() == damaged


def test_a_ledger_of_a_newer_version_is_left_alone(path: Path) -> None:
    SqliteLedger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ApplianceError, match="newer version"):
        SqliteLedger(path)
    assert path.read_bytes() == before


def test_an_older_ledger_is_brought_forward(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SqliteLedger(path)
    run = old.begin("crm", Trigger.COMMAND, NOW)
    old.close()
    script = (
        "ALTER TABLE run ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'; CREATE TABLE t (a TEXT);"
    )
    monkeypatch.setattr(module, "MIGRATIONS", (*module.MIGRATIONS, script))
    new = SqliteLedger(path)
    assert new.run(run.id) == run
    assert new._reader.execute("SELECT mood FROM run").fetchone() == ("fine",)
    known = len(module.MIGRATIONS)
    assert new._reader.execute("PRAGMA user_version").fetchone() == (known,)
    new.close()


def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteLedger(path).close()
    broken = "CREATE TABLE t (a TEXT); CREATE TABLE run (a TEXT);"
    with monkeypatch.context() as patch:
        patch.setattr(module, "MIGRATIONS", (*module.MIGRATIONS, broken))
        with pytest.raises(ApplianceError):
            SqliteLedger(path)
    ledger = SqliteLedger(path)
    names = ledger._reader.execute("SELECT name FROM sqlite_schema WHERE name = 't'").fetchall()
    assert names == []
    ledger.close()


def test_a_full_disk_is_said_and_what_is_there_stays(ledger: SqliteLedger) -> None:
    run = ledger.begin("crm", Trigger.COMMAND, NOW)
    (pages,) = ledger._writer.execute("PRAGMA page_count").fetchone()
    ledger._writer.execute(f"PRAGMA max_page_count = {pages + 1}")

    def fill() -> None:
        for _ in range(100):
            ledger.add_step(run.id, step("x" * 5000))

    with pytest.raises(DiskFull):
        fill()
    ledger._writer.execute("PRAGMA max_page_count = 100000")
    before = ledger.run(run.id)
    assert before is not None
    ledger.add_step(run.id, step("after"))
    assert ledger.run(run.id).steps == (*before.steps, step("after"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root; CI has it")
def test_F1_on_a_really_full_filesystem_each_acknowledged_row_is_there(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", small], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        ledger = SqliteLedger(small / "ledger.db")
        acknowledged = []

        def fill() -> None:
            for n in range(1000):
                run = ledger.begin("crm", Trigger.COMMAND, NOW, f"slot-{n}-{'x' * 2000}")
                acknowledged.append(run.id)

        with pytest.raises(DiskFull):
            fill()
        assert {run.id for run in ledger.runs(limit=2000)} == set(acknowledged)
        ledger.close()
        again = SqliteLedger(small / "ledger.db")
        assert {run.id for run in again.runs(limit=2000)} == set(acknowledged)
        again.close()
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match="record of activity"):
        SqliteLedger(tmp_path / "no" / "ledger.db")


def test_a_protected_file_is_read_only() -> None:
    error = sqlite3.OperationalError("attempt to write a readonly database")
    error.sqlite_errorcode, error.sqlite_errorname = 1032, "SQLITE_READONLY_DBMOVED"
    assert isinstance(module._in_our_words(error, "It"), DiskReadOnly)


def test_names_in_no_known_encoding_are_taken(ledger: SqliteLedger) -> None:
    strange = b"na\xefve\x00.zip".decode(errors="surrogateescape")
    ledger.remember("crm", archive(1), (SeenFile(strange, 1, "0" * 64, validator=strange),))
    assert ledger.seen("crm")[0].name == "na\\udcefve\x00.zip"
    run = ledger.begin("crm", Trigger.COMMAND, NOW)
    ledger.finish(run.id, Outcome.FAILED, NOW, message=strange, detail=strange)
    ledger.note("a", strange)


def test_a_time_without_a_zone_is_refused_and_leaves_nothing(ledger: SqliteLedger) -> None:
    with pytest.raises(ValueError, match="aware"):
        ledger.begin("crm", Trigger.COMMAND, NOW.replace(tzinfo=None))
    assert ledger.runs() == ()


def test_eight_threads_lose_nothing(ledger: SqliteLedger) -> None:
    taken: list[int] = []
    trouble: list[BaseException] = []

    def work(source: str) -> None:
        try:
            for n in range(15):
                run = ledger.begin(source, Trigger.COMMAND, NOW)
                ledger.add_step(run.id, step(str(n)))
                taken.append(ledger.next_sequence("shared"))
                assert ledger.runs(source, limit=1)[0].id == run.id
                ledger.finish(run.id, Outcome.OK, NOW)
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            trouble.append(error)

    threads = [threading.Thread(target=work, args=[f"source-{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert sorted(taken) == list(range(1, 121))
    assert len(ledger.runs(limit=1000)) == 120
    assert all(len(run.steps) == 1 for run in ledger.runs(limit=1000))


ACTIVITY_READS = {
    "everything": ((), "SCAN run"),
    "a kind": (("drill:",), "run_by_kind (kind=?"),
    "a source": (("source-1",), "run_by_source (source=?"),
    "an outcome": ((None, Outcome.FAILED), "run_by_outcome (outcome=?"),
    "a kind and an outcome": (
        ("backup:", Outcome.HELD),
        "run_by_kind_and_outcome (kind=? AND outcome=?",
    ),
    "a source and an outcome": (
        ("source-1", Outcome.HELD),
        "run_by_source_and_outcome (source=? AND outcome=?",
    ),
}


def fill(ledger: SqliteLedger, count: int) -> None:
    """Two years of an office: five sources, eight steps each, now and then something else."""
    stamp = NOW.isoformat()
    with ledger._transaction() as db:
        for n in range(1, count + 1):
            source = f"source-{n % 5}" if n % 50 else "drill:disk-a"
            outcome = "failed" if n % 100 == 1 else "ok"
            db.execute(
                "INSERT INTO run (id, source, trigger, slot, started, outcome, finished, detail)"
                " VALUES (?, ?, 'schedule', ?, ?, ?, ?, ?)",
                (n, source, f"slot-{n}", stamp, outcome, stamp, "x" * 8000 * (n % 100 == 1)),
            )
            db.executemany(
                "INSERT INTO step (run, name, started, duration_us, outcome, target, message, hint)"
                " VALUES (?, 'pull', ?, 1, 'ok', '', '', '')",
                [(n, stamp)] * 8,
            )


@pytest.mark.parametrize("choice", ACTIVITY_READS)
def test_any_choice_of_activity_is_read_from_an_index_in_its_order(
    ledger: SqliteLedger, choice: str
) -> None:
    """However long the box has run: no sorting, no row read that is not shown, no step."""
    fill(ledger, 1)
    (chosen, expected), asked = ACTIVITY_READS[choice], list[str]()
    ledger._reader.set_trace_callback(asked.append)
    ledger.activity(*chosen, before=5000)
    ledger._reader.set_trace_callback(None)
    (statement,) = asked
    assert " step" not in statement
    plan = ledger._reader.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    (line,) = [row[-1] for row in plan]
    if chosen:
        assert line.startswith(f"SEARCH run USING INDEX {expected}")
    assert line.endswith("id<?)") or "rowid<?" in line


def test_a_page_of_activity_costs_what_it_shows_whatever_lies_below_it(
    ledger: SqliteLedger,
) -> None:
    """Counted in instructions of SQLite's own machine, which no other load changes."""
    fill(ledger, 10_000)
    for about, outcome in [
        (None, None),
        ("drill:", None),
        ("source-1", Outcome.FAILED),
        ("backup:", Outcome.OK),
        (None, Outcome.HELD),
        ("nobody", None),
    ]:
        for before in (None, 600, 1):
            done = list[int]()
            ledger._reader.set_progress_handler(partial(done.append, 1), 1)
            runs = ledger.activity(about, outcome, 51, before)
            ledger._reader.set_progress_handler(None, 0)
            assert len(done) <= 30 * len(runs) + 60, (about, outcome, before, len(runs))


def test_the_ledger_before_activity_is_brought_forward(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        before = module.MIGRATIONS.index(ledger_schema._ACTIVITY)
        patch.setattr(module, "MIGRATIONS", module.MIGRATIONS[:before])
        old = SqliteLedger(path)
        numbers = {}
        for source in ("crm", "drill:disk-a", "mirror:cloud"):
            run = old.begin(source, Trigger.COMMAND, NOW)
            old.add_step(run.id, step("kept"))
            numbers[source] = old.finish(run.id, Outcome.OK, NOW, message="m")
        old.close()
    new = SqliteLedger(path)
    known = len(module.MIGRATIONS)
    assert new._reader.execute("PRAGMA user_version").fetchone() == (known,)
    assert [run.id for run in new.activity("drill:")] == [numbers["drill:disk-a"].id]
    assert [run.id for run in new.activity("backup:", Outcome.OK)] == [numbers["crm"].id]
    assert new.run(numbers["crm"].id) == numbers["crm"]
    act = new.add_act("page:sign-in", Trigger.PAGE, NOW, Outcome.OK, "Somebody came in.")
    assert new.acts() == (act,)
    new.close()


TAMPERING = {
    "a removed line": ["DELETE FROM audit WHERE run = 2", "DELETE FROM run WHERE id = 2"],
    "the first line removed": ["DELETE FROM audit WHERE run = 1", "DELETE FROM run WHERE id = 1"],
    "the newest line removed": ["DELETE FROM audit WHERE run = 4", "DELETE FROM run WHERE id = 4"],
    "every line removed": ["DELETE FROM audit", "DELETE FROM run"],
    "a line removed and its hash kept": ["DELETE FROM run WHERE id = 3"],
    "all hashes removed": ["DELETE FROM audit"],
    "other words": ["UPDATE run SET message = 'Nobody came in.' WHERE id = 2"],
    "another outcome": ["UPDATE run SET outcome = 'ok' WHERE id = 3"],
    "another time": ["UPDATE run SET started = '2020-01-01T00:00:00.000000+00:00' WHERE id = 2"],
    "called something else": ["UPDATE run SET source = 'crm' WHERE id = 2"],
    "two lines in each other's place": [
        "UPDATE run SET message = CASE id WHEN 2 THEN 'Act 3.' ELSE 'Act 2.' END WHERE id IN (2, 3)"
    ],
}


@pytest.mark.parametrize("what", TAMPERING)
@pytest.mark.parametrize("more_follows", [False, True])
def test_E18_a_line_that_is_removed_or_changed_is_found(
    path: Path, what: str, more_follows: bool
) -> None:
    ledger = SqliteLedger(path)
    for n in range(1, 5):
        ledger.add_act("page:sign-in", Trigger.PAGE, NOW, Outcome.WARNING, f"Act {n}.")
    assert fault_in(ledger) == ""
    with sqlite3.connect(path) as db:
        for statement in TAMPERING[what]:
            db.execute(statement)
    db.close()
    if more_follows:
        ledger.add_act("page:sign-in", Trigger.PAGE, NOW, Outcome.OK, "Act 5.")
    assert "What people did" in fault_in(ledger) or "that people did" in fault_in(ledger)
    ledger.close()


def test_E18_threads_and_processes_that_write_at_once_make_one_chain(path: Path) -> None:
    first, second = SqliteLedger(path), SqliteLedger(path)

    def work(ledger: SqliteLedger) -> None:
        for n in range(20):
            ledger.add_act("page:sign-in", Trigger.PAGE, NOW, Outcome.OK, str(n))

    threads = [threading.Thread(target=work, args=[one]) for one in (first, first, second, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(first.acts()) == 80
    assert fault_in(first) == fault_in(second) == ""
    first.close()
    second.close()


def test_after_ten_thousand_runs_fifty_are_listed_in_fifty_milliseconds(path: Path) -> None:
    ledger = SqliteLedger(path)
    with ledger._transaction() as db:
        for n in range(1, 10_001):
            db.execute(
                "INSERT INTO run (id, source, trigger, slot, started, outcome, finished)"
                " VALUES (?, ?, 'schedule', ?, ?, 'ok', ?)",
                (n, f"source-{n % 5}", f"slot-{n}", NOW.isoformat(), NOW.isoformat()),
            )
            db.executemany(
                "INSERT INTO step (run, name, started, duration_us, outcome, target, message, hint)"
                " VALUES (?, 'pull', ?, 1, 'ok', '', '', '')",
                [(n, NOW.isoformat())] * 8,
            )
    for source in (None, "source-1"):
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            runs = ledger.runs(source, limit=50, before=9000)
            spent.append(time.perf_counter() - began)
        assert len(runs) == 50
        assert all(len(run.steps) == 8 for run in runs)
        assert min(spent) <= 0.050
    ledger.close()
    began = time.perf_counter()
    SqliteLedger(path).close()
    assert time.perf_counter() - began <= 0.3


def test_a_copy_that_left_by_retention_stays_on_record(ledger: SqliteLedger) -> None:
    one = archive(1)
    ledger.add_copy(Copy(one.name, "crm", "disk-a", one.time, NOW))
    ledger.drop_copies("disk-a", [one.name])
    assert ledger.copies() == ()
    assert ledger._reader.execute("SELECT archive FROM copy").fetchall() == [(one.name,)]
