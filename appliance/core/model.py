"""The nouns: frozen values that every other module speaks in. The words are the README's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

from .errors import ApplianceError

COPY_MARKER = "THIS-IS-A-CLOUD-COPY"
"""Lies in a repository that was fetched from a mirror: two written copies of one repository would
encrypt different data with the same counters, so nothing is ever written to one."""


class Trigger(StrEnum):
    """Why a Run started."""

    SCHEDULE = "schedule"
    BUTTON = "button"
    PAGE = "page"
    DISK = "disk"
    INBOX = "inbox"
    COMMAND = "command"
    CATCH_UP = "catch-up"


class StepName(StrEnum):
    """The parts of a Run, in their order."""

    PULL = "pull"
    UNPACK = "unpack"
    INSPECT = "inspect"
    ARCHIVE = "archive"
    VERIFY = "verify"
    PRUNE = "prune"
    MIRROR = "mirror"
    REPORT = "report"


class Outcome(StrEnum):
    """How a Run or a Step ended."""

    OK = "ok"
    WARNING = "warning"
    HELD = "held"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file a pull brought."""

    name: str
    """The vendor's name, relative, `/`-separated: only for people, the manifest and matching,
    never used as a path on this machine."""
    path: Path
    """Where the bytes lie in staging, under a name of our own."""
    size_bytes: int
    sha256: str
    modified: datetime | None = None
    """The server's modification time, if it told one."""
    validator: str = ""
    """What the server offers to say "unchanged" by: an ETag or Last-Modified, else empty."""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """What is remembered of a file that an earlier Run archived (no path: it is gone)."""

    name: str
    size_bytes: int
    sha256: str
    modified: datetime | None = None
    validator: str = ""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file inside an archive."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Export:
    """What one pull brought."""

    source: str
    files: tuple[ExportFile, ...]
    pulled_at: datetime
    """Start of the pull, UTC, whole seconds: becomes the archive's time and name."""
    server_time: datetime | None = None
    """The server's own idea of the time, where TLS protects it: a second opinion on our clock."""
    notes: tuple[str, ...] = ()
    """Sentences for the Run: what the vendor did not hand out, or has that is new."""
    troubles: tuple[ApplianceError, ...] = ()
    """What a part of it did not come for; the rest is good all the same."""

    @property
    def size_bytes(self) -> int:
        """Sum of the files as they came."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One record that was added, changed or removed between two backups."""

    kind: str
    id: str
    """Empty where the table has none."""
    title: str
    """What a person knows it by."""
    fields: Mapping[str, tuple[str, str]]
    """What changed: by column, from what to what."""


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What became of a table between two backups."""

    table: str
    id_columns: tuple[str, ...] = ()
    """By which a record is known again; without, only whole rows are compared."""
    added: int = 0
    changed: int = 0
    removed: int = 0
    records: tuple[RecordChange, ...] = ()
    """The first of them."""
    new_columns: Sequence[str] = ()
    lost_columns: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Columns that are called otherwise now: the new name by the old one."""
    retyped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns whose cells were all of one type (numbers, dates, text), and are of another now."""
    everywhere: Sequence[str] = ()
    """Columns that differ in nearly all records: neither counted nor told one by one."""
    hidden: str = ""
    """In words, which columns the later backup does not hold as they came."""
    was_there: bool = True
    is_there: bool = True


@dataclass(frozen=True, slots=True)
class Lost:
    """Which records somebody wants back, as they were."""

    what: Literal["removed", "changed"] = "removed"
    only: tuple[str, ...] = ()
    """Patterns of tables; none means all."""
    record: str = ""
    """The id of one; then it does not matter what became of it."""


@dataclass(frozen=True, slots=True)
class RecordMoment:
    """One backup in which a record was not as in the one before."""

    archive: str
    time: datetime
    kind: Literal["there", "added", "changed", "removed"]
    """`there`: already in the oldest backup that there is."""
    fields: Mapping[str, tuple[str, str]]
    """What changed: by column, from what to what."""


@dataclass(frozen=True, slots=True)
class RecordTimeline:
    """What became of one record over all the backups of a source."""

    source: str
    table: str
    id: str
    """Empty where the table has none."""
    title: str
    """What a person knows it by."""
    moments: tuple[RecordMoment, ...]
    """Oldest first."""
    row: Mapping[str, str]
    """Its newest version, by column."""
    last_in: str
    """The newest archive that has it."""
    is_there: bool
    """Whether that is the newest of all."""
    mark: str
    """Tells it from all others of its source."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One backup of one Source in a Repository; the same in each Repository that has it."""

    name: str
    """`SOURCE-2026-11-21T03:00:00Z`."""
    source: str
    time: datetime
    sequence: int
    """Counts up per source; the order of archives is this, never the clock."""
    manifest_sha256: str
    clock_trusted: bool = True
    held: bool = False

    @staticmethod
    def name_for(source: str, time: datetime) -> str:
        """Given a source and an aware time, return the archive's name."""
        return f"{source}-{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a Step is; `total` is None where nobody knows."""

    step: StepName
    done: int
    total: int | None = None
    unit: str = "bytes"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One finished part of a Run."""

    name: StepName
    started: datetime
    duration: timedelta
    outcome: Outcome
    target: str = ""
    """The repository or mirror it was about, where there are several."""
    size_bytes: int | None = None
    """Bytes pulled, bytes the archive added, bytes sent: whatever this step moves."""
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution for one Source."""

    id: int
    source: str
    trigger: Trigger
    started: datetime
    finished: datetime | None = None
    outcome: Outcome | None = None
    """None while it runs."""
    archive: str = ""
    """The archive it made, or the one that an unchanged export already has."""
    message: str = ""
    hint: str = ""
    detail: str = ""
    faults: tuple[str, ...] = ()
    """Names of the error classes of all that went wrong, what ended the Run first."""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many Runs of one job began in a span of time and ended alike."""

    source: str
    outcome: Outcome | None
    has_archive: bool
    """Whether they made an archive, or found the one that an unchanged export already has."""
    count: int
    newest: datetime
    """When the newest of them started."""


@dataclass(frozen=True, slots=True)
class Copy:
    """An archive known to be whole in one place, and when that was last proved."""

    archive: str
    source: str
    place: str
    """Name of the Repository or of the Mirror."""
    time: datetime
    """The archive's own time."""
    verified: datetime


@dataclass(frozen=True, slots=True)
class AttachedDisk:
    """A whole disk that is plugged into the machine, and what can be seen of it unmounted."""

    node: str
    """`/dev/sda`: good until it is unplugged, never to be remembered."""
    maker: str
    model: str
    serial: str
    """Empty where the disk shows none."""
    size_bytes: int
    filesystems: tuple[Filesystem, ...]
    """On the whole disk or on its partitions."""
    is_usb: bool
    is_system: bool
    """Whether this machine runs from it."""
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Filesystem:
    """Something recognised on a disk: a filesystem, an encrypted container, a swap area."""

    node: str
    kind: str
    """As the kernel's tools call it: ext4, exfat, vfat, ntfs, crypto_LUKS; empty if they do not."""
    uuid: str
    label: str
    mounted_at: str = ""


@dataclass(frozen=True, slots=True)
class Removal:
    """What left a mirror, and what its repository lacks since when."""

    removed: tuple[str, ...]
    missing: Mapping[str, datetime]
    """Still in the mirror, no longer in the repository: handed in again next time."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What one mirror run moved."""

    files: int
    size_bytes: int
    duration: timedelta = field(default=timedelta())
