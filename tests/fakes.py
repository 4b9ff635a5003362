"""Stand-ins for everything the engine is handed, each held to its port's contract suite.

All share a `Power`: after a chosen number of durable writes it goes off, and from then on nothing
that is touched answers any more, as in a real power cut.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Lock
from zoneinfo import ZoneInfo

from appliance.core.activity_words import Kind, kind_of
from appliance.core.audit import BEGINNING, HEAD, Act, link
from appliance.core.errors import (
    ApplianceError,
    DiskAbsent,
    DiskFull,
    MirrorRefused,
    RepositoryDamaged,
    WrongDisk,
)
from appliance.core.model import (
    Archive,
    Copy,
    Export,
    ExportFile,
    Outcome,
    Removal,
    Run,
    SeenFile,
    Step,
    StepName,
    StoredFile,
    Tally,
    Transfer,
    Trigger,
)
from appliance.core.ports import Inventory, Layout, Repository, Watch
from appliance.core.retention import Policy
from appliance.engine import memory, pipeline
from appliance.engine.kit import Kit
from appliance.engine.memory import WAITING_ROOM
from appliance.system import process

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


class PowerCut(BaseException):
    """The mains went off: no `except Exception` may notice."""


@dataclass
class Power:
    """Counts durable writes; `cut_after` of them it is off until somebody sets `on`."""

    cut_after: int | None = None
    writes: int = 0
    on: bool = True

    def flows(self) -> None:
        if not self.on:
            raise PowerCut

    def written(self) -> None:
        self.writes += 1
        if self.cut_after is not None and self.writes >= self.cut_after:
            self.on = False
            raise PowerCut


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class FakeClock:
    """Stands still until a test moves it."""

    time: datetime = START
    seconds: float = 1000.0
    synchronised: bool = True

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def is_synchronised(self) -> bool:
        return self.synchronised

    def forward(self, by: timedelta) -> None:
        self.time += by
        self.seconds += by.total_seconds()


@dataclass
class FakeSource:
    """Offers `files`; says "unchanged" by itself only where `knows` is set."""

    name: str = "crm"
    files: dict[str, bytes] = field(default_factory=lambda: {"a.csv": b"id\n1\n"})
    power: Power = field(default_factory=Power)
    knows: bool = False
    error: Exception | None = None
    server_time: datetime | None = None
    pulls: int = 0
    settled: list[Export] = field(default_factory=list)
    during: Callable[[Watch], None] = lambda watch: None

    def pull(
        self, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
    ) -> Export | None:
        self.power.flows()
        assert not list(into.iterdir())
        self.pulls += 1
        self.during(watch)
        watch.report(StepName.PULL, 1, 2)
        if self.error is not None:
            raise self.error
        known = {file.sha256 for file in seen}
        if self.knows and all(sha256(data) in known for data in self.files.values()):
            return None
        files = tuple(_received(into, name, data) for name, data in self.files.items())
        return Export(self.name, files, pulled_at, self.server_time)

    def settle(self, export: Export) -> None:
        self.power.flows()
        self.settled.append(export)
        self.power.written()


def _received(into: Path, name: str, data: bytes) -> ExportFile:
    path = into / sha256(name.encode())
    path.write_bytes(data)
    return ExportFile(name, path, len(data), sha256(data))


class FakeExports:
    """Whole files only, listed by the manifest, which has no dates in it."""

    def __init__(self, power: Power | None = None) -> None:
        self.power = power or Power()
        self.error: Exception | None = None
        self.notes: tuple[str, ...] = ()
        self.held: tuple[str, ...] = ()
        self.previous: list[Path | None] = []

    def lay_out(self, export: Export, previous: Path | None, work: Path, watch: Watch) -> Layout:
        self.power.flows()
        watch.check()
        if self.error is not None:
            raise self.error
        if previous is not None:
            self.read(previous)
        self.previous.append(previous)
        root = work / "root"
        (root / "export").mkdir(parents=True)
        for file in export.files:
            shutil.copyfile(file.path, root / "export" / file.name)
        return replace(self._written(root), notes=self.notes)

    def _written(self, root: Path) -> Layout:
        stored = _stored_in(root)
        lines = {path: [one.size_bytes, one.sha256] for path, one in stored.items()}
        (root / "manifest.json").write_text(json.dumps(lines, sort_keys=True))
        return replace(self.read(root), held=self.held)

    def read(self, archive_root: Path) -> Layout:
        self.power.flows()
        manifest = (archive_root / "manifest.json").read_bytes()
        stored = {path: StoredFile(*each) for path, each in json.loads(manifest).items()}
        size = sum(one.size_bytes for one in stored.values())
        stored["manifest.json"] = StoredFile(len(manifest), sha256(manifest))
        whole = size + len(manifest)
        return Layout(archive_root, stored, sha256(manifest), size, whole, whole)

    def restore(
        self,
        archive_root: Path,
        into: Path,
        watch: Watch,
        *,
        only: Sequence[str] = (),
        original: bool = False,
    ) -> tuple[Path, ...]:
        watch.check()
        restored = []
        for path, stored in self.read(archive_root).stored.items():
            if path == "manifest.json":
                continue
            data = (archive_root / path).read_bytes()
            if sha256(data) != stored.sha256:
                raise RepositoryDamaged(f"{path} is not what was stored.")
            target = into / Path(path).name
            target.write_bytes(data)
            restored.append(target)
        return tuple(restored)

    def holds(
        self, archive_root: Path, is_gone: Callable[[str], bool], work: Path, watch: Watch
    ) -> bool:
        watch.check()
        lines = (path.read_text().splitlines() for path in (archive_root / "export").iterdir())
        return any(is_gone(line) for each in lines for line in each)

    def without(
        self,
        archive_root: Path,
        previous: Path | None,
        is_gone: Callable[[str], bool],
        work: Path,
        watch: Watch,
    ) -> Layout:
        """A record is a line, and what tells it from all others is all of it."""
        self.power.flows()
        self.previous.append(previous)
        root = work / "root"
        (root / "export").mkdir(parents=True)
        for path in (archive_root / "export").iterdir():
            lines = path.read_text().splitlines(keepends=True)
            stay = [line for line in lines if not is_gone(line.rstrip())]
            (root / "export" / path.name).write_text("".join(stay))
        return self._written(root)


def _stored_in(root: Path) -> dict[str, StoredFile]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        path.relative_to(root).as_posix(): StoredFile(
            path.stat().st_size, sha256(path.read_bytes())
        )
        for path in files
    }


class FakeRepository:
    """Archives as bytes by path. `errors` maps a method's name to what it raises."""

    def __init__(self, name: str = "disk-a", power: Power | None = None) -> None:
        self._name = name
        self.power = power or Power()
        self.identity = sha256(name.encode())
        self.read_only = False
        self.held: dict[str, tuple[Archive, dict[str, bytes]]] = {}
        self.errors: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.locks_broken = 0
        self.compacted_all = False
        self.may_be_away = False
        self.released = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def path(self) -> Path | None:
        return None

    def id(self) -> str:
        self._called("id")
        return self.identity

    def inventory(self) -> Inventory:
        return Inventory(self.id(), self.archives())

    def archives(self, source: str | None = None) -> tuple[Archive, ...]:
        self._called("archives")
        found = (archive for archive, _ in self.held.values())
        wanted = [archive for archive in found if source in (None, archive.source)]
        return tuple(sorted(wanted, key=lambda archive: archive.sequence))

    def create(self, archive: Archive, layout: Layout, watch: Watch) -> int:
        self._called("create")
        self._require_writable()
        watch.check()
        if (there := self.held.get(archive.name)) is not None:
            if there[0].manifest_sha256 != archive.manifest_sha256:
                raise RepositoryDamaged(f"{archive.name} is there with other content.")
            return 0
        files = self._read(layout)
        watch.report(StepName.ARCHIVE, 1, 1)
        self.held[archive.name] = (archive, files)
        self.power.written()
        return sum(len(data) for data in files.values())

    def hashes(self, archive: str, watch: Watch) -> Mapping[str, StoredFile]:
        self._called("hashes")
        watch.check()
        files = self._files(archive)
        return {path: StoredFile(len(data), sha256(data)) for path, data in files.items()}

    def size_bytes(self, archive: str) -> int:
        self.power.flows()
        return sum(map(len, self._files(archive).values()))

    def extract(self, archive: str, into: Path, watch: Watch, paths: Sequence[str] = ()) -> None:
        self._called("extract")
        watch.check()
        if any(into.iterdir()):
            raise ApplianceError(f"{into} is not empty.")
        for path, data in self._files(archive).items():
            if not paths or any(path == one or path.startswith(f"{one}/") for one in paths):
                (into / path).parent.mkdir(parents=True, exist_ok=True)
                (into / path).write_bytes(data)

    def delete(self, source: str, archives: Sequence[Archive], watch: Watch) -> None:
        self._called("delete")
        self._require_writable()
        watch.check()
        for archive in archives:
            if archive.source != source or not archive.name.startswith(f"{source}-2"):
                raise ValueError(f"{archive.name} is not one of {source}.")
        for archive in archives:
            if self.held.pop(archive.name, None) is not None:
                self.power.written()

    def replace(self, archive: Archive, layout: Layout, watch: Watch) -> None:
        self._called("replace")
        self._require_writable()
        watch.check()
        files = self._read(layout)
        if archive.name not in self.held:
            raise ApplianceError(f"There is no {archive.name} to replace.")
        self.held[archive.name] = (archive, files)
        self.power.written()

    def compact(self, watch: Watch, *, all_of_it: bool = False) -> None:
        self._called("compact")
        self.compacted_all = all_of_it
        self._require_writable()
        watch.check()
        self.power.written()

    def check(self, watch: Watch) -> None:
        self._called("check")
        watch.check()

    def with_lock(
        self, argv: Sequence[str], watch: Watch, on_line: Callable[[str], None] | None = None
    ) -> tuple[int, str]:
        self._called("with_lock")
        heard: list[str] = []

        def hear(line: str) -> None:
            heard.append(line)
            if on_line:
                on_line(line)

        result = process.run(argv, on_line=hear, on_error_line=hear, watch=watch)
        return result.code, "\n".join(heard)

    def break_stale_lock(self, watch: Watch) -> None:
        self._called("break_stale_lock")
        watch.check()
        self.locks_broken += 1

    def room(self) -> tuple[int, int] | None:
        if "room" in self.errors:
            raise self.errors["room"]
        return 100, 1000

    def release(self) -> None:
        self.power.flows()
        self.released += 1
        if "release" in self.errors:
            raise self.errors["release"]

    def rot(self, archive: str, path: str = "export/a.csv") -> None:
        """Flip what is stored, as a dying disk does."""
        self.held[archive][1][path] = b"rotten"

    def contents(self) -> list[dict[str, bytes]]:
        """What its archives hold, by sequence."""
        return [self.held[archive.name][1] for archive in self.archives()]

    def _require_writable(self) -> None:
        if self.read_only:
            raise WrongDisk("This is a copy for reading only.")

    def _read(self, layout: Layout) -> dict[str, bytes]:
        try:
            return {path: (layout.root / path).read_bytes() for path in layout.stored}
        except OSError as error:
            raise ApplianceError("A staged file is missing.", detail=str(error)) from error

    def _files(self, archive: str) -> dict[str, bytes]:
        if archive not in self.held:
            raise ApplianceError(f"There is no {archive} here.")
        return self.held[archive][1]

    def _called(self, verb: str) -> None:
        self.power.flows()
        self.calls.append(verb)
        if verb in self.errors:
            raise self.errors[verb]


class FakeDisk:
    """A disk that is plugged in and right, until a test says otherwise."""

    def __init__(self, name: str = "disk-a", mount_point: Path = Path("/nowhere")) -> None:
        self._name, self._mount_point = name, mount_point
        self._lost = Event()
        self.present, self.mounted, self.flushes = True, False, True
        self.error: ApplianceError | None = None
        self.attached = self.released = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def mount_point(self) -> Path:
        return self._mount_point

    @property
    def lost(self) -> Event:
        return self._lost

    def is_present(self) -> bool:
        return self.present

    def is_attached(self) -> bool:
        return self.mounted

    def is_at_rest(self) -> bool:
        return not self.mounted and self.flushes

    def attach(self, watch: Watch) -> None:
        watch.check()
        if self.error is not None:
            raise self.error
        if not self.present:
            raise DiskAbsent(f"{self._name} is not plugged in.")
        self._lost.clear()
        self.mounted = True
        self.attached += 1

    def release(self) -> None:
        self.mounted = False
        self.released += 1

    def pull_out(self) -> None:
        """As a hand does: without a word before."""
        self.present = self.mounted = False


class FakeMirror:
    """Keeps a copy of a FakeRepository's archives; never deletes."""

    def __init__(
        self, name: str = "cloud", repository: str = "disk-a", power: Power | None = None
    ) -> None:
        self._name, self._repository = name, repository
        self.power = power or Power()
        self.held: dict[str, tuple[Archive, dict[str, bytes]]] = {}
        self.error: Exception | None = None
        self.pushes = 0
        self.compared = 0
        self.forgets = 0
        self.locked = False
        self.expires_after: timedelta | None = None
        self.expiries: list[Mapping[str, datetime]] = []
        self.keeps = False
        self.tries = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def repository(self) -> str:
        return self._repository

    def push(self, repository: Repository, watch: Watch) -> Transfer:
        self.power.flows()
        watch.check()
        if self.error is not None:
            raise self.error
        assert isinstance(repository, FakeRepository)
        new = {name: each for name, each in repository.held.items() if name not in self.held}
        self.held |= new
        self.pushes += 1
        self.power.written()
        return Transfer(len(new), sum(len(d) for _, f in new.values() for d in f.values()))

    def compare(self, repository: Repository, watch: Watch) -> None:
        self.power.flows()
        watch.check()
        assert isinstance(repository, FakeRepository)
        self.compared += 1
        if any(self.held.get(name) != each for name, each in repository.held.items()):
            raise MirrorRefused(f"{self._name} differs from {self._repository}.")

    def keeps_what_it_got(self, watch: Watch) -> bool:
        self.power.flows()
        watch.check()
        if self.error is not None:
            raise self.error
        self.tries += 1
        return self.keeps

    def expire(
        self,
        repository: Repository,
        now: datetime,
        missing_since: Mapping[str, datetime],
        watch: Watch,
    ) -> Removal:
        assert isinstance(repository, FakeRepository)
        self.expiries.append(missing_since)
        lacking = {
            name: missing_since.get(name, now) for name in self.held if name not in repository.held
        }
        due = [
            name
            for name, since in lacking.items()
            if now - since > (self.expires_after or timedelta.max)
        ]
        for name in due:
            del self.held[name]
            self.power.written()
        return Removal(tuple(due), {n: since for n, since in lacking.items() if n not in due})

    def forget(self, repository: Repository, watch: Watch) -> int:
        self.power.flows()
        watch.check()
        assert isinstance(repository, FakeRepository)
        self.forgets += 1
        if self.error is not None:
            raise self.error
        if not repository.held or not self.held or self.locked:
            raise MirrorRefused("The cloud does not let go.")
        gone = [name for name, each in self.held.items() if repository.held.get(name) != each]
        self.held = dict(repository.held)
        self.power.written()
        return len(gone)

    def size_bytes(self, repository_id: str | None, watch: Watch) -> int:
        watch.check()
        if self.error is not None:
            raise self.error
        return sum(len(data) for _, files in self.held.values() for data in files.values())

    def fetch(self, repository_id: str | None, into: Path, watch: Watch) -> Path:
        watch.check()
        if self.error is not None:
            raise self.error
        if not self.held:
            raise MirrorRefused("There is no copy in the cloud.")
        return into

    def opened(self, path: Path) -> FakeRepository:
        """The copy, as whoever fetched it would open it."""
        copy = FakeRepository(self._repository)
        copy.held, copy.read_only = dict(self.held), True
        return copy


class FakeStaging:
    """Folders under a test's own."""

    def __init__(self, root: Path, power: Power | None = None) -> None:
        self.root, self.power = root, power or Power()
        self.error: Exception | None = None
        self.room_bytes = 1 << 40
        self.required: list[int] = []
        root.mkdir(parents=True, exist_ok=True)

    def open(self, run_id: int) -> Path:
        self.power.flows()
        if self.error is not None:
            raise self.error
        path = self.root / f"run-{run_id}"
        path.mkdir()
        return path

    def close(self, path: Path) -> None:
        self.power.flows()
        shutil.rmtree(path)

    def wipe(self) -> None:
        self.power.flows()
        for path in self.root.glob("run-*"):
            shutil.rmtree(path)

    def free_bytes(self) -> int:
        return self.room_bytes

    def require(self, size_bytes: int) -> None:
        self.required.append(size_bytes)
        if size_bytes > self.free_bytes():
            raise DiskFull(f"{size_bytes} bytes are needed, {self.free_bytes()} are free.")


class FakeLedger:
    """In memory, and as strict as the real one; `error` is what every write raises."""

    def __init__(self, power: Power | None = None) -> None:
        self.power = power or Power()
        self.error: Exception | None = None
        self._runs: dict[int, Run] = {}
        self._hashes: dict[int, str] = {}
        self._slots: dict[str, set[str]] = {}
        self.missed: list[tuple[str, str]] = []
        self._sequences: dict[str, int] = {}
        self._requests: list[tuple[str, int, str]] = []
        self._numbering = Lock()
        self._exports: dict[str, tuple[Archive, tuple[SeenFile, ...]]] = {}
        self._copies: dict[tuple[str, str], Copy] = {}
        self._notes: dict[str, str] = {}

    def begin(self, source: str, trigger: Trigger, started: datetime, slot: str = "") -> Run:
        self._about_to_write()
        run = Run(len(self._runs) + 1, source, trigger, started)
        self._runs[run.id] = run
        if slot:
            self._slots.setdefault(source, set()).add(slot)
        self.power.written()
        return run

    def add_step(self, run_id: int, step: Step) -> None:
        self._about_to_write()
        run = self._under_way(run_id)
        self._runs[run_id] = replace(run, steps=(*run.steps, step))
        self.power.written()

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
        self._about_to_write()
        self._runs[run_id] = replace(
            self._under_way(run_id),
            outcome=outcome,
            finished=finished,
            archive=archive,
            message=message,
            hint=hint,
            detail=detail,
            faults=tuple(faults),
        )
        self.power.written()
        return self._runs[run_id]

    def run(self, run_id: int) -> Run | None:
        self.power.flows()
        return self._runs.get(run_id)

    def runs(
        self, source: str | None = None, limit: int = 50, before: int | None = None
    ) -> tuple[Run, ...]:
        self.power.flows()
        newest_first = sorted(self._runs.values(), key=lambda run: -run.id)
        wanted = [run for run in newest_first if source in (None, run.source)]
        return tuple(run for run in wanted if before is None or run.id < before)[: max(limit, 0)]

    def activity(
        self,
        about: str | None = None,
        outcome: Outcome | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[Run, ...]:
        def is_wanted(run: Run) -> bool:
            names = (run.source, f"{kind_of(run.source)}:")
            return about in (None, *names) and outcome in (None, run.outcome)

        found = filter(is_wanted, self.runs(limit=len(self._runs), before=before))
        return tuple(replace(run, detail="", faults=(), steps=()) for run in found)[: max(limit, 0)]

    def add_act(
        self, source: str, trigger: Trigger, now: datetime, outcome: Outcome, message: str
    ) -> Act:
        self._about_to_write()
        run = Run(len(self._runs) + 1, source, trigger, now, now, outcome, message=message)
        act = Act(run, link(self._notes.get(HEAD, BEGINNING), run))
        self._runs[run.id], self._hashes[run.id] = run, act.sha256
        self._notes[HEAD] = act.sha256
        self.power.written()
        return act

    def acts(self, after: int = 0, limit: int = 500) -> tuple[Act, ...]:
        self.power.flows()
        found = [run for run in self._runs.values() if kind_of(run.source) == Kind.PERSON]
        later = sorted((run for run in found if run.id > after), key=lambda run: run.id)
        return tuple(Act(run, self._hashes.get(run.id, "")) for run in later)[: max(limit, 0)]

    def interrupt_unfinished(self, finished: datetime) -> tuple[Run, ...]:
        self._about_to_write()
        cut_off = [run for run in self._runs.values() if run.outcome is None]
        for run in cut_off:
            self._runs[run.id] = replace(
                run,
                outcome=Outcome.INTERRUPTED,
                finished=finished,
                message="The box was switched off.",
                hint="Nothing to do: it is done again by itself.",
            )
        self.power.written()
        return tuple(self._runs[run.id] for run in cut_off)

    def next_sequence(self, source: str, at_least: int = 1) -> int:
        self._about_to_write()
        with self._numbering:
            number = self._next_sequence(source, at_least)
        self.power.written()
        return number

    def add_request(self, source: str, text: str, at_least: int = 1) -> int:
        self._about_to_write()
        with self._numbering:
            number = self._next_sequence(source, at_least)
            self._requests.append((source, number, text))
        self.power.written()
        return number

    def requests(self, source: str) -> tuple[tuple[int, str], ...]:
        self.power.flows()
        return tuple((number, text) for about, number, text in self._requests if about == source)

    def _next_sequence(self, source: str, at_least: int) -> int:
        number = max(self._sequences.get(source, 0) + 1, at_least)
        self._sequences[source] = number
        return number

    def remember(self, source: str, archive: Archive, files: Sequence[SeenFile]) -> None:
        self._about_to_write()
        self._exports[archive.name] = (replace(archive, source=source), tuple(files))
        self.power.written()

    def seen(self, source: str) -> tuple[SeenFile, ...]:
        return tuple(file for files in self._remembered(source) for file in files)

    def last_export(self, source: str) -> tuple[SeenFile, ...]:
        return next(iter(self._remembered(source)), ())

    def sizes(self, source: str) -> Mapping[str, int]:
        mine = [(one, files) for one, files in self._exports.values() if one.source == source]
        return {one.name: sum(file.size_bytes for file in files) for one, files in mine if files}

    def held(self, source: str) -> frozenset[str]:
        return frozenset(
            run.archive for run in self.runs(source, limit=1_000_000) if run.outcome is Outcome.HELD
        )

    def add_copy(self, copy: Copy) -> None:
        self._about_to_write()
        self._copies[copy.place, copy.archive] = copy
        self.power.written()

    def drop_copies(self, place: str, archives: Sequence[str]) -> None:
        self._about_to_write()
        for archive in archives:
            self._copies.pop((place, archive), None)
        self.power.written()

    def copies(self, source: str | None = None) -> tuple[Copy, ...]:
        self.power.flows()
        wanted = [copy for copy in self._copies.values() if source in (None, copy.source)]
        by_place = sorted(wanted, key=lambda copy: copy.place)
        return tuple(sorted(by_place, key=lambda one: (one.time, one.archive), reverse=True))

    def slots(self, source: str) -> frozenset[str]:
        self.power.flows()
        missed = {slot for name, slot in self.missed if name == source}
        return frozenset(self._slots.get(source, set()) | missed)

    def add_missed(self, source: str, slot: str, now: datetime) -> None:
        self._about_to_write()
        if (source, slot) not in self.missed:
            self.missed.append((source, slot))
        self.power.written()

    def tally(self, since: datetime, until: datetime) -> tuple[Tally, ...]:
        self.power.flows()
        alike: dict[tuple[str, Outcome | None, bool], list[datetime]] = {}
        for run in self._runs.values():
            if since <= run.started < until:
                key = (run.source, run.outcome, bool(run.archive))
                alike.setdefault(key, []).append(run.started)
        return tuple(Tally(*key, len(times), max(times)) for key, times in alike.items())

    def missed_slots(self, source: str, since: str) -> frozenset[str]:
        self.power.flows()
        return frozenset(slot for name, slot in self.missed if name == source and slot >= since)

    def note(self, key: str, value: str) -> None:
        self._about_to_write()
        self._notes[key] = value
        self.power.written()

    def noted(self, key: str) -> str | None:
        self.power.flows()
        return self._notes.get(key)

    def _about_to_write(self) -> None:
        self.power.flows()
        if self.error is not None:
            raise self.error

    def _under_way(self, run_id: int) -> Run:
        run = self._runs.get(run_id)
        if run is None or run.outcome is not None:
            raise ValueError(f"Run {run_id} is not under way.")
        return run

    def _remembered(self, source: str) -> list[tuple[SeenFile, ...]]:
        self.power.flows()
        mine = [each for each in self._exports.values() if each[0].source == source]
        newest_first = sorted(mine, key=lambda one: (one[0].sequence, one[0].name), reverse=True)
        return [files for _, files in newest_first]


@dataclass
class Box:
    """A whole box of fakes; `kit` is what the engine is handed."""

    root: Path
    power: Power = field(default_factory=Power)
    events: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = FakeLedger(self.power)
        self.source = FakeSource(power=self.power)
        self.exports = FakeExports(self.power)
        self.disk_a = FakeRepository("disk-a", self.power)
        self.disk_b = FakeRepository("disk-b", self.power)
        self.waiting_room: FakeRepository | None = None
        self.cloud = FakeMirror("cloud", "disk-a", self.power)
        self.staging = FakeStaging(self.root / "staging", self.power)
        self.repositories: tuple[FakeRepository, ...] = (self.disk_a, self.disk_b)
        self.mirrors: tuple[FakeMirror, ...] = (self.cloud,)
        self.retention = {"crm": Policy()}
        self.adopt(*self.repositories)

    def adopt(self, *repositories: FakeRepository) -> None:
        """Note their ids, as `appliance init` does once."""
        for repository in repositories:
            key = memory.key(memory.REPOSITORY_ID, repository.name)
            self.ledger.note(key, repository.identity)

    def have_disks(self) -> None:
        """Both repositories lie on disks that take turns, and the box has a waiting room."""
        self.waiting_room = FakeRepository(WAITING_ROOM, self.power)
        self.adopt(self.waiting_room)
        for repository in self.repositories:
            repository.may_be_away = True

    def lose_the_ledger(self) -> None:
        """All that was known is gone; somebody ran `appliance init` again."""
        self.ledger.__init__(self.power)  # type: ignore[misc] # whoever holds it keeps it
        self.adopt(*self.repositories)

    @property
    def kit(self) -> Kit:
        return Kit(
            self.exports,
            self.repositories,
            self.ledger,
            self.clock,
            self.staging,
            ZoneInfo("Europe/Berlin"),
            self.events.append,
            self.retention,
            self.mirrors,
            self.waiting_room,
        )

    def back_up(
        self, data: str = "", trigger: Trigger = Trigger.COMMAND, watch: Watch | None = None
    ) -> Run:
        """Back up now; `data` is the new content of the only file."""
        if data:
            self.source.files = {"a.csv": data.encode()}
        return pipeline.run(self.source, trigger, self.kit, watch or Watch())

    def next_day(self) -> None:
        self.clock.forward(timedelta(days=1))

    def copies(self, place: str) -> set[str]:
        return {copy.archive for copy in self.ledger.copies() if copy.place == place}
