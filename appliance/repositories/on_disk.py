"""A repository on a USB disk: the disk is attached at the first use and let go when a job ends.

Whatever is asked of the repository ends as soon as the disk is pulled out, and says so instead of
whatever the program that was writing says about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from ..core.errors import Cancelled, DiskAbsent
from ..core.model import Archive, StoredFile
from ..core.ports import Disk, Inventory, Layout, Watch
from .borg import BorgRepository


class RepositoryOnDisk:
    """A `core.ports.Repository` that has its disk attached while it is used.

    `is_let_go` says whether somebody is about to unplug it: then it is not attached anew.
    """

    def __init__(
        self,
        repository: BorgRepository,
        disk: Disk,
        is_let_go: Callable[[], bool] = lambda: False,
    ) -> None:
        self._repository = repository
        self._disk = disk
        self._is_let_go = is_let_go

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._repository.name

    @property
    def path(self) -> Path | None:
        """Where it lies while the disk is attached."""
        return self._repository.path

    @property
    def may_be_away(self) -> bool:
        """A disk takes turns with others."""
        return True

    def id(self) -> str:
        """Return the repository's id; see `core.ports.Repository`."""
        with self._attached():
            return self._repository.id()

    def create_repository(self) -> str:
        """Make or adopt the repository; see `BorgRepository.create_repository`."""
        with self._attached():
            return self._repository.create_repository()

    def export_key(self) -> str:
        """Return the repository's key, sealed with the passphrase, as text."""
        with self._attached():
            return self._repository.export_key()

    def inventory(self) -> Inventory:
        """Return its id and its archives at once."""
        with self._attached():
            return self._repository.inventory()

    def archives(self, source: str | None = None) -> tuple[Archive, ...]:
        """Return its archives, of one source or all, by sequence, oldest first."""
        with self._attached():
            return self._repository.archives(source)

    def create(self, archive: Archive, layout: Layout, watch: Watch) -> int:
        """Store the layout under the archive's name, time and facts; return the bytes added."""
        with self._attached(watch) as bound:
            return self._repository.create(archive, layout, bound)

    def size_bytes(self, archive: str) -> int:
        """Return the size of the archive's files, from its listing alone."""
        with self._attached():
            return self._repository.size_bytes(archive)

    def hashes(self, archive: str, watch: Watch) -> Mapping[str, StoredFile]:
        """Read every file of the archive back and return its size and SHA-256 by path."""
        with self._attached(watch) as bound:
            return self._repository.hashes(archive, bound)

    def extract(self, archive: str, into: Path, watch: Watch, paths: Sequence[str] = ()) -> None:
        """Write the archive's files (or those under `paths`) into an empty folder."""
        with self._attached(watch) as bound:
            self._repository.extract(archive, into, bound, paths)

    def delete(self, source: str, archives: Sequence[Archive], watch: Watch) -> None:
        """Remove these archives of one source."""
        with self._attached(watch) as bound:
            self._repository.delete(source, archives, bound)

    def replace(self, archive: Archive, layout: Layout, watch: Watch) -> None:
        """Store the layout in place of the archive of that name."""
        with self._attached(watch) as bound:
            self._repository.replace(archive, layout, bound)

    def compact(self, watch: Watch, *, all_of_it: bool = False) -> None:
        """Give back the room that deleted archives took."""
        with self._attached(watch) as bound:
            self._repository.compact(bound, all_of_it=all_of_it)

    def check(self, watch: Watch) -> None:
        """Read and decrypt everything there is."""
        with self._attached(watch) as bound:
            self._repository.check(bound)

    def with_lock(
        self, argv: Sequence[str], watch: Watch, on_line: Callable[[str], None] | None = None
    ) -> tuple[int, str]:
        """Run a program while nobody else can write; return its exit code and last output."""
        with self._attached(watch) as bound:
            return self._repository.with_lock(argv, bound, on_line)

    def break_stale_lock(self, watch: Watch) -> None:
        """Remove a lock that we left behind, where the disk is here; it is let go again."""
        if self._disk.is_present():
            with self._attached(watch) as bound:
                self._repository.break_stale_lock(bound)

    def room(self) -> tuple[int, int] | None:
        """Return the bytes used and in all, or None while the disk is away or not attached."""
        return self._repository.room() if self._disk.is_attached() else None

    def release(self) -> None:
        """Let the disk go."""
        self._repository.release()
        self._disk.release()

    @contextmanager
    def _attached(self, watch: Watch | None = None) -> Iterator[Watch]:
        watch = watch or Watch()
        if self._is_let_go() and not self._disk.is_attached():
            raise DiskAbsent(
                f"{self.name} was let go to be unplugged.",
                hint="Unplug it and plug it in again, or start a backup, and it is used again.",
            )
        self._disk.attach(watch)
        try:
            yield Watch(watch.progress, _Either(watch.cancel, self._disk.lost))
        except Exception as error:
            if isinstance(error, Cancelled) and watch.cancel.is_set():
                raise
            if self._disk.lost.is_set() or not self._disk.is_present():
                raise DiskAbsent(
                    f"{self.name} was pulled out while it was in use.",
                    hint="Plug it in again: what was finished is safe, the rest follows by itself.",
                    detail=str(error),
                ) from error
            raise


class _Either(Event):
    """Set as soon as one of two is."""

    def __init__(self, one: Event, other: Event) -> None:
        super().__init__()
        self._both = (one, other)

    def is_set(self) -> bool:
        """Return whether one of them is set."""
        return any(event.is_set() for event in self._both)
