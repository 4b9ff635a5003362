"""What a doer must be able to do: one Protocol per role. The engine knows only these."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from .audit import Act
from .errors import Cancelled
from .face import Edge
from .model import (
    Archive,
    Copy,
    Export,
    Outcome,
    Progress,
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


def _silent(progress: Progress) -> None:
    """Nobody is looking."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is looking at a piece of work: hears of its progress and may ask it to stop."""

    progress: Callable[[Progress], None] = _silent
    cancel: Event = field(default_factory=Event)

    def check(self) -> None:
        """Raise Cancelled if somebody asked to stop."""
        if self.cancel.is_set():
            raise Cancelled("Stopped because somebody asked for it.")

    def report(
        self,
        step: StepName,
        done: int,
        total: int | None = None,
        unit: str = "bytes",
        note: str = "",
    ) -> None:
        """Say how far `step` is, in `unit`s; raise Cancelled if somebody asked to stop."""
        self.check()
        self.progress(Progress(step, done, total, unit, note))


class Clock(Protocol):
    """The time, and whether to believe it."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, UTC."""

    def monotonic(self) -> float:
        """Return seconds that only ever go forward; for durations."""

    def is_synchronised(self) -> bool:
        """Return whether the clock was set from the network (or an RTC) since boot."""


class Source(Protocol):
    """A place that offers exports."""

    @property
    def name(self) -> str:
        """The source's name, the prefix of its archives."""

    def pull(
        self, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
    ) -> Export | None:
        """Given an empty folder, bring the newest export into it.

        `seen` is what earlier runs archived, newest first. Return None where the server says
        that it offers nothing else: that confirms the newest backup. An Export without files
        says that nothing was offered, and confirms nothing. Raise SourceUnreachable,
        SourceRefused, ExportNotReady, ExportUnsafe, DiskFull (of staging) or Cancelled.
        """

    def settle(self, export: Export) -> None:
        """Called once the export is archived and verified (an inbox moves it to `done/`)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder laid out as an archive, every file of it hashed and proved to rebuild."""

    root: Path
    stored: Mapping[str, StoredFile]
    """Every file under `root` by its relative path, `manifest.json` included."""
    manifest_sha256: str
    export_bytes: int
    """Size of what was unpacked."""
    stored_bytes: int
    new_bytes: int
    """Size of the files that the previous archive did not have."""
    notes: tuple[str, ...] = ()
    """Sentences for the Run, where something is worth a warning."""
    held: tuple[str, ...] = ()
    """Why a person must look at this export before it counts, a sentence each."""
    tables: tuple[Mapping[str, Any], ...] = ()
    """What the manifest says of each table."""
    changes: str = ""
    """What became of the office's records since the backup before, in words; where it is known."""


class Exports(Protocol):
    """Understands exports: unpacks, finds differences, lays out, rebuilds."""

    def lay_out(self, export: Export, previous: Path | None, work: Path, watch: Watch) -> Layout:
        """Given an export and the extracted archive before it, make the folder to archive.

        `work` is an empty folder; the layout's root is inside it. Every member is rebuilt from
        what will be stored and compared with its SHA-256 before this returns. Raise
        ExportUnsafe, DiskFull or Cancelled.
        """

    def read(self, archive_root: Path) -> Layout:
        """Given an extracted archive, return its layout from its manifest, hashing nothing."""

    def restore(
        self,
        archive_root: Path,
        into: Path,
        watch: Watch,
        *,
        only: Sequence[str] = (),
        original: bool = False,
    ) -> tuple[Path, ...]:
        """Given an extracted archive, rebuild its files into `into` and return their paths.

        `only` are glob patterns over members' paths (empty: all); `original` gives the vendor's
        own files instead of what was inside them. Every file is compared with its SHA-256
        before it gets its name. Raise RepositoryDamaged where one differs, ApplianceError
        where nothing matches or an original was not kept.
        """

    def holds(
        self, archive_root: Path, is_gone: Callable[[str], bool], work: Path, watch: Watch
    ) -> bool:
        """Return whether an extracted archive has records that are to go.

        `is_gone` is given what tells a record from all others (see `core.erasure`), `work` is an
        empty folder. Raise RepositoryDamaged.
        """

    def without(
        self,
        archive_root: Path,
        previous: Path | None,
        is_gone: Callable[[str], bool],
        work: Path,
        watch: Watch,
    ) -> Layout:
        """Given an extracted archive, make the folder to archive in its place without the records
        that are to go, nor any trace of them. It goes on from `previous`, which has none.

        Raise ApplianceError where a file that has them cannot be written again.
        """


@dataclass(frozen=True, slots=True)
class Inventory:
    """Which repository lies there, and what is in it."""

    id: str
    archives: tuple[Archive, ...]
    """Of every source, by sequence, oldest first."""


class Disk(Protocol):
    """The USB disk that a Repository lies on: mounted only while somebody uses it."""

    @property
    def name(self) -> str:
        """The name of its Repository in the configuration."""

    @property
    def mount_point(self) -> Path:
        """Where it is mounted; an empty folder that nobody can write to while it is not."""

    def is_present(self) -> bool:
        """Return whether a filesystem with its UUID is plugged in; two are one too many to use."""

    def attach(self, watch: Watch) -> None:
        """Have it checked and mounted, and prove that it is the disk it should be.

        Its UUID, its serial where it shows one, and our marker on it must agree (the repository's
        id is Borg's to prove), and a probe must come back as it was written. Done already, it
        only looks whether the disk is still there. Raise DiskAbsent, WrongDisk (another serial,
        no marker or somebody else's, two disks with one UUID) or DiskReadOnly (it has errors that
        were not mended by themselves, or cannot be written).
        """

    @property
    def lost(self) -> Event:
        """Set by whoever watches the machine when it is pulled out while it is attached."""

    def is_attached(self) -> bool:
        """Return whether it is mounted now, by whomever."""

    def release(self) -> None:
        """Write everything out, unmount it and have it flush: then it is safe to unplug.

        Does nothing where it is not mounted (what a process that died left mounted is let go
        too); while another process uses it, it stays mounted and that one lets it go. Raise
        DiskReadOnly where it could not be brought to rest.
        """

    def is_at_rest(self) -> bool:
        """Return whether it may be unplugged: not mounted, and flushed when it last was."""


class Growth(Protocol):
    """A timeline while backups are added to it, one after the other."""

    def stand_on(self, archive: Archive, root: Path) -> None:
        """Given the newest archive that it tells of, extracted, compare the next with it."""

    def add(self, archive: Archive, root: Path, passed_over: Sequence[str]) -> None:
        """Add what an extracted archive tells; `passed_over` are those before it that could not
        be read. Raise RepositoryDamaged, DiskFull or Cancelled; then nothing was added.
        """


class Timeline(Protocol):
    """What became of each record of a source, as far as its backups were looked at."""

    def archives(self) -> Sequence[Archive]:
        """Return the archives that it tells of, oldest first."""

    def passed_over(self) -> frozenset[str]:
        """Return the archives that could not be read when it was their turn."""

    def forget(self, archives: Collection[str], watch: Watch) -> None:
        """Tell of some archives no more: what they alone said is gone."""

    def growth(self, work: Path, watch: Watch) -> Growth:
        """Given an empty folder in staging, return what adds archives."""


class Repository(Protocol):
    """One Borg repository."""

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine; None behind ssh://."""

    @property
    def may_be_away(self) -> bool:
        """Whether it lies on a disk that takes turns: being away is no fault then."""

    def id(self) -> str:
        """Return the repository's id, 64 hex digits, proving that it opens and is writable
        as configured. Raise DiskAbsent, WrongDisk, PassphraseWrong, RepositoryBusy,
        RepositoryDamaged or DiskReadOnly.
        """

    def inventory(self) -> Inventory:
        """Return its id and its archives at once; prove and raise as `id` does."""

    def archives(self, source: str | None = None) -> tuple[Archive, ...]:
        """Return its archives, of one source or all, by sequence, oldest first."""

    def create(self, archive: Archive, layout: Layout, watch: Watch) -> int:
        """Store the layout under the archive's name, time and facts; return the bytes added.

        An archive of that name with the same manifest is done already; of that name with
        another manifest: RepositoryDamaged.
        """

    def size_bytes(self, archive: str) -> int:
        """Return the size of the archive's files, from its listing alone."""

    def hashes(self, archive: str, watch: Watch) -> Mapping[str, StoredFile]:
        """Read every file of the archive back and return its size and SHA-256 by path."""

    def extract(self, archive: str, into: Path, watch: Watch, paths: Sequence[str] = ()) -> None:
        """Write the archive's files (or those under `paths`) into an empty folder."""

    def delete(self, source: str, archives: Sequence[Archive], watch: Watch) -> None:
        """Remove these archives of one source; the room comes back with `compact`."""

    def replace(self, archive: Archive, layout: Layout, watch: Watch) -> None:
        """Store the layout in place of the archive of that name, with the same time and facts, once
        it was read back whole.

        One of the two is whole at any moment, also where the power fails.
        """

    def compact(self, watch: Watch, *, all_of_it: bool = False) -> None:
        """Give back the room that deleted archives took.

        `all_of_it`: also where that is little room for much work; then nothing of them is left.
        """

    def check(self, watch: Watch) -> None:
        """Read and decrypt everything there is; raise RepositoryDamaged if anything is off."""

    def with_lock(
        self, argv: Sequence[str], watch: Watch, on_line: Callable[[str], None] | None = None
    ) -> tuple[int, str]:
        """Run a program while nobody else can write; return its exit code and last output."""

    def break_stale_lock(self, watch: Watch) -> None:
        """Once after the start, with no other worker alive: remove a lock that we left behind."""

    def room(self) -> tuple[int, int] | None:
        """Return the bytes used and the bytes in all of what it lies on; None where that cannot
        be seen just now.
        """

    def release(self) -> None:
        """A job is done with it: a disk is brought to rest, so that it may be unplugged.

        It is attached again by the next use. Raise ApplianceError where it does not come to rest.
        """


class Mirror(Protocol):
    """A cloud copy of one Repository."""

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def repository(self) -> str:
        """The name of the Repository it copies."""

    def push(self, repository: Repository, watch: Watch) -> Transfer:
        """Copy what is not there yet and compare both sides; delete and replace nothing.

        Raise MirrorUnreachable, MirrorRefused or Cancelled.
        """

    def compare(self, repository: Repository, watch: Watch) -> None:
        """Compare all that was pushed, byte for byte or by hashes, changing nothing.

        Raise MirrorRefused where the cloud has something else, MirrorUnreachable or Cancelled.
        """

    def keeps_what_it_got(self, watch: Watch) -> bool:
        """Write a small object, try to replace and to destroy it with everything this box may
        do, and return whether its first content is still there.

        Raise MirrorUnreachable or MirrorRefused where not even writing and reading work.
        """

    @property
    def expires_after(self) -> timedelta | None:
        """How long the mirror keeps what its repository no longer has; None: for ever."""

    def expire(
        self,
        repository: Repository,
        now: datetime,
        missing_since: Mapping[str, datetime],
        watch: Watch,
    ) -> Removal:
        """Remove what the repository has lacked for longer than `expires_after`.

        `now` must be a trusted time, `missing_since` what the last call returned as `missing`.
        Raise MirrorRefused where the repository looks emptied or set back.
        """

    def forget(self, repository: Repository, watch: Watch) -> int:
        """Remove, on a person's word alone, what is no part of the last whole push; return how many
        objects went.

        The repository is read whole and compared with the cloud first. Raise MirrorRefused where
        they differ, where nothing is there, or where the cloud does not let go of all.
        """

    def size_bytes(self, repository_id: str | None, watch: Watch) -> int:
        """Return how large the copy is in the cloud, 0 where none is: at least what `fetch` brings.

        Raise MirrorRefused where no id is given and there are several, or MirrorUnreachable.
        """

    def fetch(self, repository_id: str | None, into: Path, watch: Watch) -> Path:
        """Bring the whole copy into an empty folder, return where the repository lies in it.

        Without an id the only one there is taken; MirrorRefused where there are several.
        """


class Ledger(Protocol):
    """The append-only record of Runs and of what was proved."""

    def begin(self, source: str, trigger: Trigger, started: datetime, slot: str = "") -> Run:
        """Record that a Run started; `slot` is the schedule's slot it fills, if any."""

    def add_step(self, run_id: int, step: Step) -> None:
        """Record a finished step."""

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
        """Record how a Run ended and return it whole."""

    def run(self, run_id: int) -> Run | None:
        """Return one Run with its steps."""

    def runs(
        self, source: str | None = None, limit: int = 50, before: int | None = None
    ) -> tuple[Run, ...]:
        """Return Runs, newest first, those with an id below `before`."""

    def activity(
        self,
        about: str | None = None,
        outcome: Outcome | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[Run, ...]:
        """Return Runs as a list shows them, newest first, without steps, detail and faults.

        `about` is one source or job (`crm`, `drill:disk-a`), or with a colon at its end a whole
        kind of them (`drill:`, see `core.activity_words.Kind`).
        """

    def add_act(
        self, source: str, trigger: Trigger, now: datetime, outcome: Outcome, message: str
    ) -> Act:
        """Record what a person did as a finished Run that is chained to the act before it.

        `source` begins with what `core.activity_words.ACT` says, or no chain would hold it.
        """

    def acts(self, after: int = 0, limit: int = 500) -> tuple[Act, ...]:
        """Return what people did, oldest first, from the Run after that one on, each with the hash
        that was written with it. The newest hash is noted as `core.audit.HEAD`.
        """

    def interrupt_unfinished(self, finished: datetime) -> tuple[Run, ...]:
        """At start-up: Runs that were cut off become *interrupted*; return them."""

    def next_sequence(self, source: str, at_least: int = 1) -> int:
        """Return the next archive number of a source, durably taken; never one twice."""

    def add_request(self, source: str, text: str, at_least: int = 1) -> int:
        """Record what somebody asked about the archives of a source that were begun by now: return
        the next archive number, which is taken with it in one. Of two at once both stay.
        """

    def requests(self, source: str) -> tuple[tuple[int, str], ...]:
        """Return number and text of each request about a source, oldest first."""

    def remember(self, source: str, archive: Archive, files: Sequence[SeenFile]) -> None:
        """Record which export files an archive holds."""

    def seen(self, source: str) -> tuple[SeenFile, ...]:
        """Return all files that were ever archived of a source, newest archive first."""

    def last_export(self, source: str) -> tuple[SeenFile, ...]:
        """Return the files of the newest remembered archive of a source."""

    def sizes(self, source: str) -> Mapping[str, int]:
        """Return the bytes that the vendor delivered for each remembered archive of a source."""

    def held(self, source: str) -> frozenset[str]:
        """Return the archives of a source that were stored by a Run that ended as held."""

    def add_copy(self, copy: Copy) -> None:
        """Record that an archive was proved whole in a place, now."""

    def drop_copies(self, place: str, archives: Sequence[str]) -> None:
        """Record that archives left a place by retention."""

    def copies(self, source: str | None = None) -> tuple[Copy, ...]:
        """Return what is known to be whole, newest archive first."""

    def slots(self, source: str) -> frozenset[str]:
        """Return the slots of a source that were started or recorded as missed."""

    def add_missed(self, source: str, slot: str, now: datetime) -> None:
        """Record a slot that went by while the box was off."""

    def tally(self, since: datetime, until: datetime) -> tuple[Tally, ...]:
        """Count the Runs that started at or after `since` and before `until`, alike ones together.

        It takes as long as that span has Runs, however many there ever were.
        """

    def missed_slots(self, source: str, since: str) -> frozenset[str]:
        """Return the slots recorded as missed whose keys are `since` or sort behind it."""

    def note(self, key: str, value: str) -> None:
        """Remember one fact (a repository's id, the time of its last prune) durably."""

    def noted(self, key: str) -> str | None:
        """Return a remembered fact."""


class Staging(Protocol):
    """Where an export lies while a Run works on it."""

    def open(self, run_id: int) -> Path:
        """Make an empty private folder for a Run; raise DiskFull where there is no room."""

    def close(self, path: Path) -> None:
        """Remove a Run's folder and all in it."""

    def wipe(self) -> None:
        """At start-up: remove what a crash left behind."""

    def free_bytes(self) -> int:
        """Return the room left."""

    def require(self, size_bytes: int) -> None:
        """Raise DiskFull, naming what is needed and what is free, where that much does not fit."""


class Chunks(Protocol):
    """The bytes of a download, as they come; a generator is one.

    What is raised while they come says that the download is not whole.
    """

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes; raise ApplianceError where they end too early."""

    def __next__(self) -> bytes:
        """Return the next bytes."""

    def close(self) -> None:
        """Nobody wants the rest."""


@dataclass(frozen=True, slots=True)
class Download:
    """Something that a person takes home, and what it is called there."""

    name: str
    chunks: Chunks
    size_bytes: int | None = None
    """None where that is known only at the end."""


class Board(Protocol):
    """Lamps and a button that are drawn on the page: the demo's. A real box has its own."""

    def edges(self, since: float) -> tuple[float, Sequence[Edge]]:
        """Return the time, and what lit up and went out since then; first how each lamp was."""

    def press(self, seconds: float) -> None:
        """Hold the button for so long; return at once."""


class Appliance(Protocol):
    """The box, as page, panel and command line see it: the engine itself, or a client of it."""

    def status(self) -> Mapping[str, object]:
        """Return how things stand, as plain JSON values (see `status.as_json`)."""

    def follow(
        self, version: int, seconds: float, panel: Mapping[str, object] | None = None
    ) -> Mapping[str, object]:
        """Return the status as soon as its `version` is another one, or after `seconds`.

        Where the panel asks, `panel` is what it says of itself: see `core.vitals.panel`.
        """

    def days(self, count: int) -> Sequence[Mapping[str, object]]:
        """Return how the newest local days went, today first, as plain JSON values (see `days`)."""

    def eject(self, disk: str | None = None) -> str:
        """Let a disk go (all of them where none is named) so that it may be unplugged.

        What runs is finished first: return "finishing" then, else "released". It is not used
        again until it was unplugged, a person starts a Run, or an hour has passed.
        """

    def pair(self, node: str, name: str) -> str:
        """Ask that a disk be erased and made a backup disk; return the question for a person.

        Only the button on the box, held for five seconds within five minutes, says yes to it.
        Raise ApplianceError where that disk may not be used.
        """

    def first_run(self) -> Mapping[str, object]:
        """Return how far the first run is, as plain JSON values (see `first_run.FirstRun.facts`):
        what is configured, which disks are plugged in, which sheets are open, what was proved.
        """

    def name_the_box(self, name: str, timezone: str) -> None:
        """Write the box's name and time zone down; raise ApplianceError where one is none."""

    def ask_to_claim(self, who: str) -> str:
        """Ask whether the box, which is nobody's yet, may be theirs who have this token; return the
        question for a person. Holding the box's button answers it within five minutes. Raise
        ApplianceError where there is no button, or another question is open.
        """

    def claimed(self, who: str) -> str:
        """Return what the button said to that token: "yes" for five minutes, "waiting", "no"."""

    def ask_for_sheet(self, repository: str) -> str:
        """Ask whether an emergency sheet may be shown; return the question for a person.

        Only the button on the box, held for five seconds, says yes; then it is for five minutes.
        """

    def sheet(self, repository: str) -> Mapping[str, object]:
        """Return what an emergency sheet says, secret and all (see `repositories.sheet.facts`).

        Each time is written down. Raise ApplianceError unless nothing was proved yet and the sheet
        was never confirmed, or the button was held for it.
        """

    def confirm_sheet(self, repository: str, words: Sequence[str]) -> bool:
        """Return whether these are the words that `first_run` asked for; then the sheet counts as
        printed. Raise ApplianceError too soon after a wrong answer.
        """

    def reload(self) -> str:
        """Take the configuration over anew once nothing runs; raise ConfigError where it is wrong
        and go on with the old one.
        """

    def note(self, what: str, words: str, went_well: bool = True) -> None:
        """Have written down what somebody did on the page: `what` is one word such as "sign-in",
        `words` the sentence that Activity shows.
        """

    def activity(
        self, about: str = "", outcome: str = "", before: int | None = None, limit: int = 50
    ) -> Mapping[str, object]:
        """Return a page of what was done, newest first, as plain JSON values.

        Of one source, job or kind (`crm`, `drill:disk-a`, `drill:`) or of all, with one Outcome or
        any, with ids below `before`. `runs` are as `appliance history --json` has them, but
        without steps and detail; `more` says whether there are older ones; `sources` names what
        is backed up; `trail` is a sentence where the record of what people did was changed.
        """

    def run(self, run_id: int) -> Mapping[str, object]:
        """Return one Run as `run`, with all its steps, and where it is under way how far it is as
        `progress`; raise ApplianceError where there is none.
        """

    def audit(self) -> Mapping[str, object]:
        """Prove the record of what people did now; `trail` is a sentence where it was changed."""

    def settings(self) -> Mapping[str, object]:
        """Return what an office may change, as plain JSON values (see `desk.Desk.facts`): secrets
        are only told as "set" or "not set".
        """

    def data_protection(self) -> Mapping[str, object]:
        """Return what the data-protection sheet says now, as plain JSON values: `title`, `about`
        and `parts`, each with a `title` and `rows` of two texts (see `data_protection.facts`).
        """

    def preview_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None
    ) -> Mapping[str, object]:
        """Return what a wish would change and all that is wrong with it, by field; and the stamp
        of the text that it would be made for. Without a wish the section is to go.
        """

    def change_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None, stamp: str
    ) -> Mapping[str, object]:
        """Save a wish, unless something is wrong or the text is another one; return as above, and
        whether it is `saved` and when it is `in_use`.
        """

    def put_secret(self, value: str) -> str:
        """Keep a secret that was typed; return the mark that stands for it in a wish."""

    def try_source(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Return who answers at a source and what would be taken, without taking it."""

    def trust_source(self, name: str, wish: Mapping[str, str], fingerprint: str) -> str:
        """Believe a server's key from now on, if it still shows that one; return its name."""

    def try_cloud(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Return whether a cloud takes a small object of ours, and whether it keeps it."""

    def sign_in(self, source: str) -> Mapping[str, object]:
        """Return how a source's sign-in at its vendor's stands (see `sign_ins.facts`), and as
        `pending` how far one is that is under way or ended just now: its `state`, the `link` to
        open, the `code` to type there, what was `told` at the end and the `error`. Raise
        ApplianceError where there is no such source.
        """

    def begin_sign_in(self, source: str) -> Mapping[str, object]:
        """Begin a sign-in that a person makes; return as above. Raise ApplianceError."""

    def finish_sign_in(self, source: str, line: str) -> Mapping[str, object]:
        """Given what somebody pasted, store and prove what it brings; return as above. Raise
        ApplianceError where it brings nothing.
        """

    def leave_sign_in(self, source: str) -> None:
        """Give up the sign-in that is under way; everything is as it was."""

    def messages(self) -> Sequence[Mapping[str, object]]:
        """Return for each address that messages go to its secret's `name`, the `address` as it may
        be shown, when it last `took` something, how many are `waiting`, since when it is `failing`
        and `why`.
        """

    def test_messages(self) -> Sequence[Mapping[str, object]]:
        """Send a test message by the way that all go; return for each address its `name`, the
        `address` as it may be shown, whether it was `taken`, and `why` not. Raise ApplianceError
        where there is no address, or a test is under way.
        """

    def start(self, source: str, trigger: Trigger) -> str:
        """Ask for a Run; return "queued", "already waiting" or "already running"."""

    def fetch_link(self, source: str, link: str, trigger: Trigger) -> str:
        """Put a download link that somebody pasted into an inbox and ask for a Run; return as
        `start` does. Raise ApplianceError, with nothing stored, where it may not be fetched.
        """

    def held(self) -> Sequence[Mapping[str, object]]:
        """Return the exports that wait for a person, as plain JSON values (see `deciding`)."""

    def decide(self, archive: str, is_right: bool, reason: str) -> None:
        """Take a person's word on a held export; raise ApplianceError where nobody asked."""

    def cancel(self, source: str) -> bool:
        """Cancel a waiting or running Run; return whether there was one."""

    def backups(self, source: str | None = None) -> Mapping[str, object]:
        """Return which backups of a source there are, newest first, by the ledger alone (see
        `backups`); without one, all sources. Raise ApplianceError where there is no such source.
        """

    def open_backup(self, source: str, name: str, who: str, cloud: str = "", only: str = "") -> str:
        """Rebuild a backup in a private folder, so that it can be looked at; return its ticket.

        `who` is whoever asks: one backup is open at a time, and another one of the same person
        takes its place. `cloud` is the mirror to bring it from. `only` is "removed" or "changed"
        where nothing is wanted but the records that are gone, or are others, in the last that
        came: as they were. It is gone after a while without use. Raise ApplianceError where
        somebody else has one open.
        """

    def opened(self, ticket: str) -> Mapping[str, object]:
        """Return how far an opened backup is and what is in it (see `opened`); raise
        ApplianceError where it is open no more.
        """

    def close_backup(self, ticket: str) -> None:
        """Whoever opened a backup is done with it, or no longer wants it opened."""

    def rows(self, ticket: str, file: int, count: int) -> Mapping[str, object]:
        """Return the first records of a file, by its place in the list of files."""

    def find(self, ticket: str, text: str, file: int = 0, place: int = 0) -> Mapping[str, object]:
        """Look for a text in the files of an opened backup, from a file and a place in it on."""

    def seek(self, source: str, text: str, who: str) -> str:
        """Look for records in all backups of a source; return the search's ticket.

        `who` is whoever asks: what that person looked for before is given up. Raise ApplianceError
        where the text is too short or too long, or there is no such source.
        """

    def sought(self, ticket: str) -> Mapping[str, object]:
        """Return how far a search is and what it found (see `sought`); raise ApplianceError where
        it is forgotten.
        """

    def download(
        self, ticket: str, what: str, file: int = 0, place: int = 0, text: str = ""
    ) -> Download:
        """Return a "file", a vendor's "original", "all" files as a ZIP, or of a table the "row"
        at a place or the "rows" that hold a text; of a search the "record" that is the `file`th.
        """
