"""The way back: choose an archive, take it out, rebuild its files where a person wants them.

It only reads. It goes through the repositories in their order until one gives the archive back
whole, waits for those that somebody else uses, and is written down as a Run of its own. A cloud
copy is brought back first, into the Run's own staging folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from ..core.errors import ApplianceError, Cancelled, RepositoryBusy
from ..core.model import Archive, StepName, Trigger
from ..core.ports import Mirror, Repository, Watch
from . import memory
from .journal import Journal, Remarks, record, understood
from .kit import Kit
from .leaving_out import leave_out
from .places import wipe

PATIENCE = timedelta(minutes=2)
"""How long a restore waits for a repository that somebody else uses."""
_LOOK_AGAIN_SECONDS = 1.0
RESTORE = "restore:"
TIMELINE = "timeline:"
"""Before the source, what a Run of this kind is called."""
_LEFT_OUT = "Records were left out that somebody asked to have erased."
STORED = "stored"
FILES = "files"
"""What `open_up` leaves behind: the archive as it was stored, and its files."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants back."""

    source: str
    at: datetime | None = None
    """The newest good archive at or before it, the oldest where none is that old."""
    only: tuple[str, ...] = ()
    """Patterns of members; empty for all."""
    original: bool = False
    """The vendor's own files."""
    archive: str = ""
    """This archive and no other, held or not; empty: `at` says which."""


T = TypeVar("T")
Look = Callable[[Path, Path, Path], T]


@dataclass(frozen=True, slots=True)
class Span:
    """Two backups of a source, each the newest good one at or before a time where one is given."""

    source: str
    since: datetime | None = None
    """None: the one before the later."""
    until: datetime | None = None
    """None: the last that came, also where it is held, if nobody rejected it."""
    archive: str = ""
    """The earlier one by its name, held or not."""


@dataclass(frozen=True, slots=True)
class Beside(Generic[T]):
    """What was found in two backups side by side."""

    found: T
    before: Archive
    after: Archive
    place: str
    """Where the earlier came from."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, from which archive in which place."""

    archive: Archive
    place: str
    paths: tuple[Path, ...]
    masked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By table the columns that hold pseudonyms."""


@dataclass(frozen=True, slots=True)
class CloudCopy:
    """A mirror, and how what it brings back is opened: for reading alone."""

    mirror: Mirror
    opened: Callable[[Path], Repository]


def fetched(kit: Kit, journal: Journal, copy: CloudCopy, folder: Path) -> Repository:
    """Bring a whole cloud copy into `folder` as a step of the Run, and open it there.

    Raise DiskFull, bringing nothing, where staging has no room for it.
    """
    mirror = copy.mirror
    identity = kit.ledger.noted(memory.key(memory.REPOSITORY_ID, mirror.repository)) or None

    def fetch(remarks: Remarks) -> Repository:
        size_bytes = mirror.size_bytes(identity, journal.watch)
        kit.staging.require(size_bytes)
        folder.mkdir()
        place = mirror.fetch(identity, folder, journal.watch)
        remarks.size_bytes, remarks.message = size_bytes, "The cloud copy was brought back."
        return copy.opened(place)

    return journal.step(StepName.PULL, fetch, mirror.name)


def choose(archives: Sequence[Archive], at: datetime | None) -> Archive | None:
    """Given a source's archives, return the newest good one at or before a time.

    Held ones are never chosen. The order is the sequence, since clocks may have been wrong.
    """
    good = sorted((one for one in archives if not one.held), key=lambda one: one.sequence)
    old_enough = [one for one in good if at is None or one.time <= at]
    candidates = old_enough or good[:1]
    return candidates[-1] if candidates else None


def restore(
    kit: Kit, places: Sequence[Repository] | CloudCopy, wish: Wish, into: Path, watch: Watch
) -> Restored:
    """Rebuild what is wished for into a folder; every file compared before it gets its name.

    Raise what the first repository raised, or ApplianceError where none has such an archive.
    """

    def story(journal: Journal, folder: Path) -> Restored:
        restoring = _Restoring(kit, journal, wish, folder / "archive", into)
        found = restoring.first_whole(_here(kit, journal, places, folder))
        journal.message = f"{len(found.paths)} files given back into {into}."
        journal.archive = found.archive.name
        return found

    return _recorded(kit, wish.source, Trigger.COMMAND, watch, story)


def beside(  # noqa: PLR0917 - two backups, what looks at them, and for whom
    kit: Kit,
    places: Sequence[Repository] | CloudCopy,
    span: Span,
    look: Look[T],
    watch: Watch,
    trigger: Trigger = Trigger.COMMAND,
) -> Beside[T]:
    """Take two archives out, and return what `look` finds in them.

    It is given both folders and an empty third. Raise as `restore`.
    """

    def story(journal: Journal, folder: Path) -> Beside[T]:
        here = _here(kit, journal, places, folder)
        before, after = _ends(kit, here, span)
        taken = [
            _Restoring(
                kit, journal, Wish(span.source, archive=one.name), folder / name
            ).first_whole(here)
            for one, name in ((before, "before"), (after, "after"))
        ]
        (folder / "work").mkdir()
        seen = look(folder / "before", folder / "after", folder / "work")
        journal.message = f"{before.name} was compared with {after.name}."
        journal.archive = before.name
        return Beside(seen, before, after, taken[0].place)

    return _recorded(kit, span.source, trigger, watch, story)


def looked_into(
    kit: Kit,
    places: Sequence[Repository] | CloudCopy,
    wish: Wish,
    look: Callable[[Path, Path], T],
    watch: Watch,
) -> tuple[T, Archive]:
    """Take an archive out, and return what `look` finds in it, given its folder and an empty one.

    Raise as `restore`.
    """

    def story(journal: Journal, folder: Path) -> tuple[T, Archive]:
        restoring = _Restoring(kit, journal, wish, folder / "archive")
        archive = restoring.first_whole(_here(kit, journal, places, folder)).archive
        (folder / "work").mkdir()
        seen = look(folder / "archive", folder / "work")
        journal.message = f"{archive.name} was looked into."
        journal.archive = archive.name
        return seen, archive

    return _recorded(kit, wish.source, Trigger.COMMAND, watch, story)


def _ends(kit: Kit, repositories: Sequence[Repository], span: Span) -> tuple[Archive, Archive]:
    """Choose both ends of a span among all the archives that can be read.

    What the vendor has now is what came last, held or not, unless a person rejected it: where
    everybody was deleted, that very export is held, and who is missing in it is what somebody
    wants to know.
    """
    archives = all_of(kit, repositories, span.source)
    wrong = memory.rejected(kit.ledger, span.source)
    came = (one for one in archives if one.name not in wrong)
    last = max(came, key=lambda one: one.sequence, default=None)
    after = choose(archives, span.until) if span.until else last
    earlier = [one for one in archives if after and one.sequence < after.sequence]
    if span.archive:
        before = next((one for one in earlier if one.name == span.archive), None)
    else:
        before = choose(earlier, span.since)
    if after is None or before is None:
        raise ApplianceError(
            f"There are no two backups of {span.source} to compare.",
            hint="`appliance archives` lists what there is.",
        )
    return before, after


def all_of(kit: Kit, repositories: Sequence[Repository], source: str) -> list[Archive]:
    """Return the archives of a source, each once; raise where no repository can be read."""
    found: dict[str, Archive] = {}
    failures: list[ApplianceError] = []
    for repository in repositories:
        try:
            found |= {one.name: one for one in repository.archives(source)}
        except ApplianceError as error:
            failures.append(error)
    if not found and failures:
        raise failures[0]
    return memory.as_decided(kit.ledger, found.values())


def taken_out(
    kit: Kit,
    journal: Journal,
    places: Sequence[Repository],
    archive: Archive,
    into: Path,
    *,
    with_all: bool = False,
) -> None:
    """Take one archive out into a folder that is emptied first, as a step of a Run; raise as
    `restore`. `with_all` are also the records that were to be erased.
    """
    wish = Wish(archive.source, archive=archive.name)
    _Restoring(kit, journal, wish, into, with_all=with_all).first_whole(places)


def open_up(
    kit: Kit, places: Sequence[Repository] | CloudCopy, wish: Wish, into: Path, watch: Watch
) -> Restored:
    """Rebuild an archive for somebody who wants to look: its files below `into`/FILES, and what
    was stored stays in `into`/STORED. `into` lies in staging: raise DiskFull, and as `restore`.
    """

    def story(journal: Journal, folder: Path) -> Restored:
        restoring = _Restoring(kit, journal, wish, into / STORED, into / FILES, in_staging=True)
        found = restoring.first_whole(_here(kit, journal, places, folder))
        journal.message = f"{len(found.paths)} files opened to look at."
        journal.archive = found.archive.name
        return found

    return _recorded(kit, wish.source, Trigger.PAGE, watch, story)


def _here(
    kit: Kit, journal: Journal, places: Sequence[Repository] | CloudCopy, folder: Path
) -> Sequence[Repository]:
    if isinstance(places, CloudCopy):
        return [fetched(kit, journal, places, folder / "fetched")]
    return places


def _recorded(
    kit: Kit, source: str, trigger: Trigger, watch: Watch, story: Callable[[Journal, Path], T]
) -> T:
    """Do it as a Run of its own; return what it found, or raise what ended it."""
    found: list[T] = []
    ended = record(
        kit,
        f"{RESTORE}{source}",
        trigger,
        watch,
        lambda journal, folder: found.append(story(journal, folder)),
    )
    if ended.error is not None:
        raise ended.error
    return found[0]


@dataclass(frozen=True, slots=True)
class _Restoring:
    kit: Kit
    journal: Journal
    wish: Wish
    stored: Path
    """Where the archive is taken out to."""
    into: Path | None = None
    """Where its files are made again; None: they are not."""
    in_staging: bool = False
    """Whether `into` takes from the room that Runs need."""
    with_all: bool = False
    """Whether records that were to be erased come too: only for whoever erases them."""

    def first_whole(self, repositories: Sequence[Repository]) -> Restored:
        """Go from copy to copy until one is whole, then wait for those in use.

        Raise what the first one raised.
        """
        failures: dict[str, ApplianceError] = {}
        for patience in (timedelta(), PATIENCE):
            for repository in repositories:
                if patience and not isinstance(failures[repository.name], RepositoryBusy):
                    continue
                try:
                    return self._from(repository, patience)
                except Cancelled:
                    raise
                except Exception as error:  # noqa: BLE001 - the next copy may be whole
                    failures[repository.name] = understood(error)
        none = ApplianceError("There is no repository to restore from.")
        raise next(iter(failures.values()), none)

    def _from(self, repository: Repository, patience: timedelta) -> Restored:
        def bring_back(remarks: Remarks) -> Restored:
            archive = self._once_free(repository, patience, lambda: self._taken_out(repository))
            remarks.message = archive.name
            if self.into is None:
                return Restored(archive, repository.name, ())
            self._require_room()
            self.into.mkdir(parents=True, exist_ok=True)
            watch, wish = self.journal.watch, self.wish
            paths = self.kit.exports.restore(
                self.stored, self.into, watch, only=wish.only, original=wish.original
            )
            remarks.size_bytes = sum(path.stat().st_size for path in paths)
            return Restored(archive, repository.name, paths, self._masked(paths))

        return self.journal.step(StepName.VERIFY, bring_back, repository.name)

    def _masked(self, paths: Sequence[Path]) -> Mapping[str, Sequence[str]]:
        """Of the tables that came back, those in which something is masked."""
        brought = {path.relative_to(self.into).as_posix() for path in paths if self.into}
        tables = self.kit.exports.read(self.stored).tables
        masked = [each for each in tables if each.get("masked")]
        return {each["name"]: each["masked"] for each in masked if brought & {*each["members"]}}

    def _require_room(self) -> None:
        if self.in_staging:
            self.kit.staging.require(self.kit.exports.read(self.stored).export_bytes)

    def _taken_out(self, repository: Repository) -> Archive:
        archive = self._chosen(repository)
        wipe(self.stored)
        self.stored.mkdir()
        self.kit.staging.require(repository.size_bytes(archive.name))
        repository.extract(archive.name, self.stored, self.journal.watch)
        if not self.with_all and leave_out(self.kit, archive, self.stored, self.journal.watch):
            self._say_once(ApplianceError(_LEFT_OUT))
        return archive

    def _say_once(self, trouble: ApplianceError) -> None:
        if all(trouble.message != each.message for each in self.journal.troubles):
            self.journal.warn(trouble)

    def _once_free(
        self, repository: Repository, patience: timedelta, take: Callable[[], Archive]
    ) -> Archive:
        """Take an archive out; where the repository is in use, try again for so long."""
        clock, watch, note = self.kit.clock, self.journal.watch, f"{repository.name} is in use."
        begun, longest = clock.monotonic(), patience.total_seconds()
        while True:
            try:
                return take()
            except RepositoryBusy as busy:
                waited = clock.monotonic() - begun
                if waited >= longest:
                    raise RepositoryBusy(note, hint=self._way_out(), detail=busy.detail) from busy
                watch.report(StepName.VERIFY, int(waited), int(longest), "seconds", _waits(note))
                watch.cancel.wait(_LOOK_AGAIN_SECONDS)

    def _way_out(self) -> str:
        """What to do about whoever uses a repository: the Run under way, if it is one of ours."""
        under_way = [run.source for run in self.kit.ledger.runs() if run.outcome is None]
        users = [name for name in under_way if not name.startswith((RESTORE, TIMELINE))]
        wait = "Try again when it has ended"
        return f"{wait}, or cancel it with `appliance cancel {users[0]}`." if users else f"{wait}."

    def _chosen(self, repository: Repository) -> Archive:
        wish = self.wish
        there = memory.as_decided(self.kit.ledger, repository.archives(wish.source))
        if wish.archive:
            archive = next((one for one in there if one.name == wish.archive), None)
        else:
            archive = choose(there, wish.at)
        if archive is None and wish.archive:
            raise ApplianceError(f"This backup is not on {repository.name} any more.")
        if archive is None:
            raise ApplianceError(
                f"There is no backup of {self.wish.source} on {repository.name}.",
                hint="`appliance archives` lists what there is.",
            )
        return archive


def _waits(why: str) -> str:
    return f"{why} Waiting for it, {int(PATIENCE.total_seconds() // 60)} minutes at most."
