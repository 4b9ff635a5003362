"""One Borg repository: everything we ask of it, none of how Borg is started or understood."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..core.errors import RepositoryDamaged, ToolFailed
from ..core.model import Archive, Progress, StepName, StoredFile
from ..core.ports import Inventory, Layout, Watch
from .facts import archive_from, by_sequence, comment_for, source_of
from .faults import Target
from .folder import RepositoryFolder
from .opening import MOVED, Opening
from .program import BorgProgram, Ended, Messages, escaped
from .readback import check_staged, hashes_in, sizes_of, sizes_under
from .room import SEGMENT_BYTES, Room
from .verdicts import Verb

_ALREADY_EXISTS = 30
_NAMES_A_CALL = 100
_ANEW = ".anew"
"""Behind an archive's name: what is to take its place."""
_WITH_COMMENT = ("--format", "{comment}")

COMPRESSION = "auto,zstd,19"
"""`auto` tries LZ4 first and leaves alone what is compressed already (the patches)."""

CHUNKER = "fixed,8388608"
"""Differences are ours, so chunks need not find any: large ones compress 5 % better (measured on
15 MB of CSV: 3.01 MB in chunks of 2 MiB, 2.87 MB in 8 MiB)."""

_PLAIN_FILES = (
    "--numeric-ids",
    "--noacls",
    "--noxattrs",
    "--noflags",
    "--noctime",
    "--nobirthtime",
)
"""Nothing of this machine goes into an archive: it is the same in each repository."""


class BorgRepository:
    """A `core.ports.Repository` kept by Borg, in a folder or behind `ssh://`.

    `expected_id` is the id noted when the repository was made or adopted, or gives it when asked
    (it may be noted while we run). `state` holds Borg's memory of the repository (never lose it:
    see `Opening.writable`) and its chunk cache.
    `read_only` is for a fetched cloud copy, opened with a throw-away `state`.
    """

    def __init__(
        self,
        name: str,
        location: str,
        passphrase: Callable[[], str],
        state: Path,
        host_id: str,
        *,
        expected_id: str | Callable[[], str | None] | None = None,
        ssh_command: str | None = None,
        remote_borg: str | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int | None = None,
        ballast_bytes: int | None = None,
        read_only: bool = False,
    ) -> None:
        self._folder = None if "://" in location else RepositoryFolder(name, Path(location))
        self._borg = BorgProgram(
            name=name,
            location=location,
            passphrase=passphrase,
            state=state,
            host_id=host_id,
            ssh_command=ssh_command,
            remote_borg=remote_borg,
            extra=MOVED if read_only else {},
        )
        self._room = Room(self._borg, self._folder, segment_bytes, reserve_bytes, ballast_bytes)
        noted_id = expected_id if callable(expected_id) else partial(_given, expected_id)
        self._opening = Opening(self._borg, self._folder, self._room, noted_id, read_only)
        self._read_only = read_only
        self._last_listed: tuple[str, dict[str, int]] = ("", {})

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._borg.name

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine; None behind ssh://."""
        return self._folder.path if self._folder else None

    @property
    def may_be_away(self) -> bool:
        """A folder or a host should always be there."""
        return False

    # -- which one it is ---------------------------------------------------------------------

    def id(self) -> str:
        """Return the repository's id, proving that it opens and is writable as configured."""
        return self._opening.id()

    def create_repository(self) -> str:
        """Make the repository, or adopt one that the passphrase opens; return its id.

        Adopting is a person's decision: it renews this box's memory of the repository. Raise
        DiskAbsent where the folder that is to hold it is missing, WrongDisk where something else
        lies there or another repository is expected.
        """
        return self._opening.make()

    def take_over(self) -> str:
        """Adopt the repository of a box that is gone, lying on a disk that only we have now.

        A lock that the other box died with is removed, once the passphrase has opened it. Raise
        PassphraseWrong, DiskAbsent or WrongDisk, changing nothing.
        """
        return self._opening.take_over()

    def export_key(self) -> str:
        """Return the repository's key (sealed with the passphrase) as text to print and retype."""
        key = self._borg.run(Verb.KEY, ["export", "--paper", self._borg.target()])
        return "\n".join(key.lines)

    # -- what it holds -----------------------------------------------------------------------

    def inventory(self) -> Inventory:
        """Return its id and its archives at once, proving what `id` proves."""
        identity, listed = self._opening.identified(_WITH_COMMENT)
        if not self._read_only and self._settle(str(item["name"]) for item in listed["archives"]):
            identity, listed = self._opening.identified(_WITH_COMMENT)
        return Inventory(identity, _archives_in(listed["archives"]))

    def archives(self, source: str | None = None) -> tuple[Archive, ...]:
        """Return its archives, of one source or all, by sequence, oldest first."""
        found = _archives_in(self._listed(source))
        return tuple(archive for archive in found if source in (None, archive.source))

    def _listed(self, source: str | None = None) -> list[dict[str, Any]]:
        narrowed = ["--glob-archives", f"{source}-*"] if source else []
        arguments = ["--json", *_WITH_COMMENT, *narrowed, self._borg.target()]
        items: list[dict[str, Any]] = self._opening.read(Verb.LIST, arguments).json()["archives"]
        return items

    def _names(self, *, checkpoints: bool = False) -> frozenset[str]:
        flags = ["--consider-checkpoints"] if checkpoints else []
        listed = self._opening.read(Verb.LIST, ["--short", *flags, self._borg.target()])
        return frozenset(listed.lines)

    def _files(self, archive: str) -> dict[str, int]:
        """List an archive anew; it cannot change, so `_known_files` need not."""
        listed = self._opening.read(Verb.LIST, ["--json-lines", self._borg.target(archive)])
        files = sizes_of([json.loads(line) for line in listed.lines])
        self._last_listed = (archive, files)
        return files

    def _known_files(self, archive: str) -> dict[str, int]:
        """As `_files`, from memory if that archive was listed last: a start of Borg costs seconds
        on a small board.
        """
        name, files = self._last_listed
        return files if name == archive else self._files(archive)

    # -- storing and reading back ------------------------------------------------------------

    def create(self, archive: Archive, layout: Layout, watch: Watch) -> int:
        """Store the layout under the archive's name, time and facts; return the bytes added."""
        self._opening.writable()
        ended = self._created(archive.name, archive, layout, watch)
        if ended.code == _ALREADY_EXISTS:
            self._confirm_existing(archive, layout)
            return 0
        return int(ended.json()["archive"]["stats"]["deduplicated_size"])

    def _created(self, name: str, archive: Archive, layout: Layout, watch: Watch) -> Ended:
        """Store the layout under a name, unless there is one called so already."""
        self._last_listed = ("", {})
        check_staged(layout)
        total = layout.stored_bytes

        def create() -> Ended:
            return self._borg.run(
                Verb.CREATE,
                self._create_arguments(name, archive),
                watch,
                flags=["--progress"],
                cwd=layout.root,
                stdin="\0".join(layout.stored).encode(),
                messages=Messages(lambda said: _report_bytes(said, total, watch)),
                allowed=frozenset({_ALREADY_EXISTS}),
            )

        ended = self._borg.with_a_sound_cache(
            lambda: self._room.explaining(create), lambda: name not in self._names()
        )
        if ended.code != _ALREADY_EXISTS and self._files(name) != _sizes(layout):
            self._take_back(name)
        return ended

    def _create_arguments(self, name: str, archive: Archive) -> list[str]:
        return [
            "--json",
            "--paths-from-stdin",
            "--paths-delimiter=\\0",
            f"--timestamp={archive.time:%Y-%m-%dT%H:%M:%S}",
            f"--comment={escaped(comment_for(archive))}",
            f"--compression={COMPRESSION}",
            f"--chunker-params={CHUNKER}",
            "--files-cache=disabled",
            "--checkpoint-interval=0",
            *_PLAIN_FILES,
            self._borg.target(name),
        ]

    def _confirm_existing(self, archive: Archive, layout: Layout) -> None:
        same = [kept for kept in self.archives(archive.source) if kept.name == archive.name]
        if [kept.manifest_sha256 for kept in same] != [archive.manifest_sha256]:
            raise RepositoryDamaged(
                f"“{self._borg.name}” already has {archive.name}, with other content.",
                hint="Compare this disk with the other copy before anything else; ask for help.",
            )
        if self._files(archive.name) != _sizes(layout):
            raise RepositoryDamaged(
                f"{archive.name} on “{self._borg.name}” lacks files it should hold."
            )

    def _take_back(self, name: str) -> None:
        """Remove the archive of this very call: the staged files changed under it."""
        self._borg.run(Verb.DELETE, [self._borg.target(name)])
        raise ToolFailed(
            "The export changed while it was being stored; nothing of it was kept.",
            detail=f"the file list of {name} was not that of the layout",
        )

    def size_bytes(self, archive: str) -> int:
        """Return the size of the archive's files, from its listing alone."""
        return sum(self._known_files(archive).values())

    def hashes(self, archive: str, watch: Watch) -> Mapping[str, StoredFile]:
        """Read every file of the archive back and return its size and SHA-256 by path."""
        flags, faults = self._opening.lock_flags(), self._opening.faults
        with faults.proved(flags, watch), faults.explained():
            return self._read_back(archive, flags, watch)

    def _read_back(self, archive: str, flags: list[str], watch: Watch) -> Mapping[str, StoredFile]:
        total = self.size_bytes(archive)
        arguments = [self._borg.target(archive), "-"]
        with self._borg.reading(Verb.EXPORT_TAR, arguments, flags, watch) as (running, messages):

            def on_bytes(done: int) -> None:
                running.sign_of_life()
                watch.report(StepName.VERIFY, done, total)

            torn, found = "", {}
            try:
                found = dict(hashes_in(running.stdout, on_bytes))
            except tarfile.TarError as error:
                torn = str(error)
            self._borg.judge(Verb.EXPORT_TAR, running.result().code, messages)
        if torn:
            raise self._borg.failure(ToolFailed, torn)
        return found

    def extract(self, archive: str, into: Path, watch: Watch, paths: Sequence[str] = ()) -> None:
        """Write the archive's files (or those under `paths`) into an empty folder.

        Raise DiskFull where that folder has no room for them.
        """
        if any(into.iterdir()):
            raise ToolFailed("A restore needs an empty folder.", detail=str(into))
        flags, faults = self._opening.lock_flags(), self._opening.faults
        with faults.proved(flags, watch):
            wanted = sizes_under(self._known_files(archive), paths)
            with faults.explained(Target(into, sum(wanted.values()))):
                self._extract(archive, into, flags, watch, paths)
        for path, size in wanted.items():
            if not (into / path).is_file() or (into / path).stat().st_size != size:
                raise self._borg.failure(RepositoryDamaged, f"{path} came back with another size")

    def _extract(
        self, archive: str, into: Path, flags: list[str], watch: Watch, paths: Sequence[str]
    ) -> None:
        self._borg.run(
            Verb.EXTRACT,
            [self._borg.target(archive), *(f"pp:{path}" for path in paths)],
            watch,
            flags=["--progress", *flags],
            cwd=into,
            messages=Messages(lambda said: _report_percent(said, StepName.UNPACK, "bytes", watch)),
        )

    # -- putting another in its place --------------------------------------------------------

    def replace(self, archive: Archive, layout: Layout, watch: Watch) -> None:
        """Store the layout in place of the archive of that name, once it was read back whole.

        One of the two is whole at any moment; what a power cut leaves is settled by `inventory`,
        which only a worker asks for: another program must not settle what we are about to do.
        """
        self._opening.writable()
        anew = f"{archive.name}{_ANEW}"
        self._settle(self._names())
        self._created(anew, archive, layout, watch)
        if self._read_back(anew, [], watch) != layout.stored:
            raise self._borg.failure(RepositoryDamaged, f"{anew} is not what was stored")
        self._delete_named([archive.name], watch)
        self._rename(anew, archive.name)

    def _settle(self, names: Iterable[str]) -> bool:
        """Finish what was cut off between two steps of `replace`; return whether there was any."""
        there = frozenset(names)
        left = [name for name in there if source_of(name.removesuffix(_ANEW)) and _ANEW in name]
        for anew in left:
            name = anew.removesuffix(_ANEW)
            if name in there:
                self._delete_named([anew], Watch())
            else:
                self._rename(anew, name)
        return bool(left)

    def _rename(self, old: str, new: str) -> None:
        arguments = [self._borg.target(old), new]
        self._room.making(lambda: self._borg.run(Verb.RENAME, arguments))
        self._last_listed = ("", {})

    # -- taking away -------------------------------------------------------------------------

    def delete(self, source: str, archives: Sequence[Archive], watch: Watch) -> None:
        """Remove these archives of one source; the room comes back with `compact`.

        Raise ValueError, removing nothing, where one of them is another source's.
        """
        for archive in archives:
            if archive.source != source or source_of(archive.name) != source:
                raise ValueError(f"{archive.name} is not an archive of {source}")
        self._opening.writable()
        self._last_listed = ("", {})
        there = self._names(checkpoints=True)
        names = [archive.name for archive in archives if archive.name in there]
        names += [name for name in sorted(there) if _is_checkpoint_of(source, name)]
        for start in range(0, len(names), _NAMES_A_CALL):
            self._delete_named(names[start : start + _NAMES_A_CALL], watch)
        if there - set(names) != self._names(checkpoints=True):
            raise self._borg.failure(RepositoryDamaged, "the list after deleting is not as planned")

    def _delete_named(self, names: Sequence[str], watch: Watch) -> None:
        """`REPOSITORY::FIRST` and the rest: this form can never mean the whole repository."""
        arguments = [self._borg.target(names[0]), *names[1:]]

        def delete() -> Ended:
            return self._room.making(lambda: self._borg.run(Verb.DELETE, arguments, watch))

        self._borg.with_a_sound_cache(delete)

    def compact(self, watch: Watch, *, all_of_it: bool = False) -> None:
        """Give back the room that deleted archives took.

        Borg leaves them in segments of which they are a tenth or less, unless told `all_of_it`.
        """
        self._opening.writable()
        arguments = [*(["--threshold", "0"] if all_of_it else []), self._borg.target()]
        self._room.making(
            lambda: self._borg.run(Verb.COMPACT, arguments, watch, flags=["--progress"])
        )

    # -- proving, locking --------------------------------------------------------------------

    def check(self, watch: Watch) -> None:
        """Read and decrypt everything there is; raise RepositoryDamaged if anything is off."""
        flags = self._opening.lock_flags()
        with self._opening.faults.explained():
            self._borg.run(
                Verb.CHECK,
                ["--verify-data", self._borg.target()],
                watch,
                flags=["--progress", *flags],
                messages=Messages(
                    lambda said: _report_percent(said, StepName.VERIFY, "parts", watch)
                ),
            )

    def with_lock(
        self, argv: Sequence[str], watch: Watch, on_line: Callable[[str], None] | None = None
    ) -> tuple[int, str]:
        """Run a program while nobody else can write; return its exit code and last output.

        Where Borg itself fails (the lock is held, the disk is full), raise that error instead.
        """
        self._opening.writable()
        heard: list[str] = []

        def hear(line: str) -> None:
            heard.append(line)
            del heard[:-40]
            if on_line:
                on_line(line)

        code, messages = self._borg.holding_lock(argv, watch, hear)
        if messages.error_ids:
            self._borg.judge(Verb.WITH_LOCK, code, messages)
        return code, "\n".join(heard)

    def break_stale_lock(self, watch: Watch) -> None:
        """Once after the start, with no other worker alive: remove a lock that we left behind.

        Borg removes a lock of this host whose process is dead; after a reboot that number may
        belong to another process. Locks of other hosts are left alone, and so is `ssh://`, where
        the host's own Borg holds the lock and drops it with the connection.
        """
        if self._folder is None or self._read_only or not self._folder.exists():
            return
        if self._folder.is_read_only():
            return
        hosts = self._folder.lock_hosts() | self._cache_lock_hosts(self._folder.id())
        if hosts == {self._borg.host_id}:
            self._borg.run(Verb.BREAK_LOCK, [self._borg.target()], watch)

    def room(self) -> tuple[int, int] | None:
        """Return the bytes used and in all of the filesystem; None behind `ssh://` or if away."""
        if self._folder is None or not self._folder.exists():
            return None
        total = self._folder.total_bytes()
        return total - self._folder.free_bytes(), total

    def release(self) -> None:
        """Nothing is held between calls."""

    def _cache_lock_hosts(self, repository_id: str) -> frozenset[str]:
        cache = self._borg.state / "cache" / repository_id
        return RepositoryFolder(self._borg.name, cache).lock_hosts()


def _archives_in(listed: Sequence[dict[str, Any]]) -> tuple[Archive, ...]:
    known = (archive_from(item) for item in listed)
    return by_sequence(archive for archive in known if archive is not None)


def _given(noted_id: str | None) -> str | None:
    return noted_id


def _sizes(layout: Layout) -> dict[str, int]:
    return {name: stored.size_bytes for name, stored in layout.stored.items()}


def _is_checkpoint_of(source: str, name: str) -> bool:
    made, dot, rest = name.partition(".checkpoint")
    return bool(dot) and source_of(made) == source and (not rest or rest.startswith("."))


def _report_bytes(said: Mapping[str, Any], total: int, watch: Watch) -> None:
    """Pass on `archive_progress`; never raise: this runs where nobody could catch it."""
    done = said.get("original_size")
    if said["type"] == "archive_progress" and isinstance(done, int):
        watch.progress(Progress(StepName.ARCHIVE, min(done, total), total))


def _report_percent(said: Mapping[str, Any], step: StepName, unit: str, watch: Watch) -> None:
    """Pass on `progress_percent`, as `_report_bytes`."""
    done, total = said.get("current"), said.get("total")
    if said["type"] == "progress_percent" and isinstance(done, int) and isinstance(total, int):
        watch.progress(Progress(step, done, total, unit, str(said.get("msgid", ""))))
