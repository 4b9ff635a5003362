"""The page beside a worker that has ten thousand Runs behind it: time, weight, memory, visitors.

What is timed stands beside a reference that is asked in turn with it: a page that asks the worker
nothing, a list with nothing in it, a backup that nobody looks at.
"""

from __future__ import annotations

import json
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles

from appliance.system.ledger import SqliteLedger
from appliance.system.socket import Client
from appliance.web.people import People
from appliance.web.policy import Role

from .measure import BIN, Finding, environment, run
from .visitor import Visitor

RUNS = 10_000
CLIENTS = 50
_ASKS = 200
_ROW_BYTES = 60
_WITHIN_SECONDS = 300


def measure(folder: Path, scale: float, rounds: int) -> Iterator[Finding]:
    """Given an empty folder, yield what was found; `scale` 1 is a backup of 20 MB."""
    port = _free_port()
    config = _configuration(folder, port)
    run([BIN / "appliance", "--config", config, "init", "disk"])
    fill(folder / "state" / "ledger.sqlite", RUNS)
    password = secrets.token_urlsafe(16)
    own = folder / "state" / "page"
    own.mkdir(exist_ok=True)
    People(own).set_password(Role.CHANGE, password)
    worker = Client(folder / "state" / "worker.sock")
    with ExitStack() as stack:
        daemon = [BIN / "appliance", "--config", config, "daemon"]
        stack.enter_context(_at_work(daemon, worker.is_there))
        page = [BIN / "appliance", "--config", config, "web"]
        process = stack.enter_context(_at_work(page, lambda: _answers(port)))
        visitor = Visitor(port)
        visitor.sign_in(password)
        yield from _times(visitor)
        yield from _weight(visitor)
        yield Finding("page", "memory after that (RSS)", _rss(process), "MB", *_most(60, process))
        yield from _beside_a_backup(folder, worker, visitor, scale, rounds)
        yield Finding("page", "memory after all (RSS)", _rss(process), "MB", *_most(60, process))


def fill(path: Path, count: int) -> None:
    """Given a ledger, add so many Runs with their steps, an hour apart, the newest an hour ago."""
    ledger = SqliteLedger(path)
    first = datetime.now(UTC) - timedelta(hours=count)
    with ledger._transaction() as db:
        for number in range(count):
            _add(db, number, first + timedelta(hours=number))
    ledger.close()


def _add(db, number: int, started: datetime) -> None:
    names = ("inbox", "inbox", "inbox", "drill:disk", "page:sign-in")
    outcomes = ("ok", "ok", "skipped", "failed", "warning")
    when = started.isoformat(timespec="microseconds")
    added = db.execute(
        "INSERT INTO run (source, trigger, slot, started, finished, outcome, message, detail)"
        " VALUES (?, 'schedule', '', ?, ?, ?, '12.3 MB kept, 40.0 KB new.', ?)",
        (names[number % 5], when, when, outcomes[number % 5], "x" * 4000 * (number % 5 == 3)),
    )
    if number % 5 < 4:
        db.executemany(
            "INSERT INTO step (run, name, started, duration_us, outcome, target, message, hint)"
            " VALUES (?, ?, ?, 1200000, 'ok', 'disk', '', '')",
            [(added.lastrowid, each, when) for each in ("pull", "unpack", "archive", "verify") * 2],
        )


def _times(visitor: Visitor) -> Iterator[Finding]:
    """Server time, over a connection that is open: each page asked in turn with its reference."""
    pages = {
        "first screen": ("/", "/static/style.css", "a file that asks nobody"),
        "activity": ("/activity/", "/activity/?about=nobody", "a list of nothing"),
        "activity: one kind, one outcome": (
            "/activity/?about=drill:&outcome=failed",
            "/activity/?about=nobody",
            "a list of nothing",
        ),
        "activity: its oldest page": (
            "/activity/?before=40",
            "/activity/?about=nobody",
            "a list of nothing",
        ),
    }
    for what, (path, reference, of_what) in pages.items():
        found, beside = _in_turn(visitor, path, reference)
        middle = 1000 * median(found)
        limit = ("<= 50", middle <= 50) if what.startswith("activity") else ("", None)
        yield Finding("page", f"{what}: server time, median", middle, "ms", *limit)
        yield Finding("page", f"{what}: server time, p95", 1000 * quantiles(found, n=20)[-1], "ms")
        ratio = median(found) / median(beside)
        yield Finding("page", f"{what}: against {of_what}", ratio, "x")


def _in_turn(visitor: Visitor, *paths: str) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in paths]
    for _ in range(_ASKS):
        for path, spent in zip(paths, times, strict=True):
            status, _, seconds = visitor.get(path)
            if status != 200:
                raise RuntimeError(f"{path} was answered with {status}")
            spent.append(seconds)
    return times


def _weight(visitor: Visitor) -> Iterator[Finding]:
    """All that a browser fetches for the first screen."""
    _, page, _ = visitor.get("/")
    parts = re.findall(r'<(?:link|script|img)[^>]*(?:href|src)="([^"]+)"', page.decode())
    if any("//" in each for each in parts):
        raise RuntimeError(f"the first screen asks another host: {parts}")
    kilobytes = (len(page) + sum(len(visitor.get(each)[1]) for each in set(parts))) / 1000
    yield Finding("page", "first screen: weight", kilobytes, "KB", "<= 40", kilobytes <= 40)
    yield Finding("page", "first screen: requests", 1 + len(set(parts)), "")


def _beside_a_backup(
    folder: Path, worker: Client, visitor: Visitor, scale: float, rounds: int
) -> Iterator[Finding]:
    """The same backup with nobody looking and with fifty, in turn, each first as often."""
    spent: dict[bool, list[float]] = {True: [], False: []}
    told: list[dict[str, float]] = []
    _back_up(folder, worker, scale)  # what belongs to the first one
    for number in range(rounds):
        for watched in (number % 2 == 0, number % 2 == 1):
            with _watching(visitor, told) if watched else ExitStack():
                spent[watched].append(_back_up(folder, worker, scale))
    asked, errors = (sum(each[name] for each in told) for name in ("asked", "errors"))
    if not asked:
        raise RuntimeError("the backup was over before anybody looked: take a larger --scale")
    slower = 100 * (median(spent[True]) / median(spent[False]) - 1)
    what = f"{CLIENTS} clients during a backup"
    yield Finding("page", f"{what}: looks", asked, "")
    yield Finding("page", f"{what}: errors", errors, "", "0", errors == 0)
    p95 = 1000 * median(each["p95_seconds"] for each in told)
    yield Finding("page", f"{what}: time of a look, p95", p95, "ms")
    yield Finding("page", "backup with nobody looking", median(spent[False]), "s")
    yield Finding("page", f"backup slowed by {CLIENTS} clients", slower, "%", "<= 5", slower <= 5)


@contextmanager
def _watching(visitor: Visitor, told: list[dict[str, float]]) -> Iterator[None]:
    """Fifty clients in a process of their own; what they saw is added to `told`."""
    words = [str(visitor.port), visitor.cookie, str(CLIENTS)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.visitor", *words],
        cwd=Path(__file__).parent.parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield
        said, _ = process.communicate(timeout=_WITHIN_SECONDS)
    told.append(json.loads(said))


def _back_up(folder: Path, worker: Client, scale: float) -> float:
    """Drop a new export in, which has it backed up; return how long that took."""
    newest = _newest(worker)["id"]
    (folder / "export.csv").write_bytes(_rows(round(max(20e6 * scale, 2e6))))
    (folder / "export.csv").rename(folder / "inbox" / "export.csv")
    pause, began = threading.Event(), time.monotonic()
    while time.monotonic() - began < _WITHIN_SECONDS:
        found = _newest(worker)
        if found["id"] > newest and found["outcome"]:
            if found["outcome"] != "ok":
                raise RuntimeError(f"the backup ended {found['outcome']}: {found['message']}")
            started, ended = (datetime.fromisoformat(found[at]) for at in ("started", "finished"))
            return (ended - started).total_seconds()
        pause.wait(0.2)
    raise RuntimeError("the backup did not end")


def _newest(worker: Client) -> dict:
    return worker.activity("inbox", limit=1)["runs"][0]


def _rows(size_bytes: int) -> bytes:
    """CSV that nothing makes smaller: each round is a full one."""
    dice = random.Random(time.monotonic_ns())
    count = max(1, size_bytes // _ROW_BYTES)
    rows = (f"{n},{dice.randbytes(24).hex()}\n" for n in range(count))
    return b"id,value\n" + "".join(rows).encode()


@contextmanager
def _at_work(argv: list, is_there) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [str(word) for word in argv],
        env=environment(),
        cwd=Path(__file__).parent.parent.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(is_there, process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_for(is_there, process: subprocess.Popen) -> None:
    pause = threading.Event()
    for _ in range(1200):
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode} before it answered")
        if is_there():
            return
        pause.wait(0.05)
    raise RuntimeError("it did not answer")


def _configuration(folder: Path, port: int) -> Path:
    (folder / "inbox").mkdir()
    config = folder / "appliance.toml"
    config.write_text(
        f"""
        [appliance]
        state = '{folder}/state'
        [[source]]
        name = "inbox"
        type = "inbox"
        path = '{folder}/inbox'
        stable_for = "1s"
        schedule = "monthly on 1 at 03:00"
        [[repository]]
        name = "disk"
        path = '{folder}/disk'
        passphrase = "${{secret:disk}}"
        [web]
        listen = '127.0.0.1:{port}'
        """
    )
    return config


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def _rss(process: subprocess.Popen) -> float:
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return next(float(line.split()[1]) for line in rollup.splitlines() if "Rss:" in line) / 1000


def _most(limit: float, process: subprocess.Popen) -> tuple[str, bool]:
    return f"<= {limit:.0f}", _rss(process) <= limit
