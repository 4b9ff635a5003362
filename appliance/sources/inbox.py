"""The only home of the inbox: a folder into which somebody saves exports by hand."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from ..core.errors import ApplianceError, ExportNotReady, ExportUnsafe, SourceUnreachable
from ..core.model import Export, ExportFile, SeenFile
from ..core.ports import Watch
from . import done
from .landing import Landing, clean_name, distinct_name
from .links import held as links
from .links.held import Held
from .links.link import is_of_a_link
from .picking import Entry, instant, is_candidate, newest_of, wait_until_still
from .sight import Sight
from .writers import READING, is_being_written

if TYPE_CHECKING:
    from .links.gathering import Gathering

DONE = done.DONE
_BLOCK_BYTES = 1 << 20
_SHARE_OF_LINKS = 0.8
"""Of the time that a pull may take: a slow server must not cost what came otherwise."""
_PUT_AGAIN = "Check that the box may read the file, or put it into the inbox again."
_STILL_WRITTEN = "It is fetched by itself as soon as the program that writes it has closed it."


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """Which folder is watched; plain JSON values, so that a child can be told."""

    name: str
    path: str
    pick: Sequence[str] = ("*",)
    stable_for_seconds: float = 120.0
    max_bytes: int = 1 << 40
    reserve_bytes: int = 1 << 30
    keep_done_seconds: float = 30 * 86400.0
    """How long what was archived stays in `done/`."""
    link_hosts: Sequence[str] = ()
    """Hosts, or globs of them, that links may lead to; without any none is followed."""
    links_last_seconds: float = 0.0
    """How long after it came a link works; 0: nobody knows."""
    ca_file: str = ""
    """Authorities to trust besides the system's, PEM."""
    idle_seconds: float = 120.0
    min_rate_bytes_per_second: int = 1000
    total_seconds: float = 6 * 3600.0
    links_file: str = ""
    """Where it is remembered which links were fetched."""

    @property
    def link_lifetime(self) -> timedelta | None:
        """How long a link works, None where nobody knows."""
        return timedelta(seconds=self.links_last_seconds) if self.links_last_seconds else None

    def wants(self, name: str) -> bool:
        """Return whether a file of this name is looked at: a link is, whatever is picked."""
        pick = ("*",) if self.link_hosts and is_of_a_link(name) else self.pick
        return is_candidate(name, pick)


def pull(
    settings: InboxSettings, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
) -> Export:
    """Given an empty folder, copy what lies whole and still in the inbox into it.

    Where nothing is there the Export has no files: an inbox that nobody feeds cannot say that
    the newest backup is still all there is. What still grows, is still held open by who writes
    it, or is empty is left for the next Run. Raise SourceUnreachable where the folder is missing,
    ExportNotReady where all of it is so or changed meanwhile, ExportUnsafe, DiskFull or
    Cancelled. `seen` does not matter here: somebody who saves the same export twice wants it
    kept.
    """
    del seen
    began = monotonic()
    with _opened(settings) as folder:
        chosen = wait_until_still(
            lambda: newest_of(tuple(_entries(folder, settings)), 0),
            lambda entry: _has_rested(folder, entry, settings.stable_for_seconds),
            timedelta(seconds=settings.stable_for_seconds),
            watch,
            some_will_do=True,
        )
        if not chosen:
            links.forget(Path(settings.links_file))
            return Export(settings.name, (), pulled_at)
        plain, held = links.sorted_out(folder, _whole(folder, chosen), bool(settings.link_hosts))
        landing = Landing(into, settings.max_bytes, settings.reserve_bytes, watch)
        landing.expect(sum(entry.size_bytes for entry in plain))
        for entry in plain:
            _copy(folder, entry, landing)
        files: Sequence[ExportFile] = ()
        troubles: tuple[ApplianceError, ...] = ()
        if held:
            gathering = _gathering(settings, landing, pulled_at, began, watch)
            files, troubles = _led_to(folder, held, landing, gathering)
        else:
            links.forget(Path(settings.links_file))
    return Export(settings.name, (*landing.files, *files), pulled_at, troubles=troubles)


def look(settings: InboxSettings, sight: Sight, watch: Watch) -> None:
    """Tell what lies in the folder now; raise SourceUnreachable where it is missing."""
    watch.check()
    with _opened(settings) as folder:
        for entry in reversed(newest_of(tuple(_entries(folder, settings)), 0)):
            sight.would_take(entry.name, entry.size_bytes, entry.modified)
    sight.confirmed = True
    if not os.access(settings.path, os.W_OK | os.X_OK):
        sight.note = "The box may read this folder but not move anything in it to done/."


def settle(settings: InboxSettings, export: Export) -> None:
    """Move exactly the files that were archived, and did not change since, into `done/`.

    Of two with one name the second gets a number. Raise SourceUnreachable where the inbox is
    gone.
    """
    with _opened(settings) as folder:
        entries: dict[str, list[Entry]] = {}
        for entry in _entries(folder, settings):
            entries.setdefault(entry.name, []).append(entry)
        found = (_archived(folder, entries.get(file.name, ()), file) for file in export.files)
        done.put_away(folder, [entry.raw for entry in found if entry])
        if settings.links_file:
            there = [entry for each in entries.values() for entry in each]
            links.settle(folder, there, export, Path(settings.links_file), settings.link_lifetime)


def tidy(settings: InboxSettings, now: datetime, *, clock_trusted: bool) -> tuple[str, ...]:
    """Remove from `done/` what `settle` put there longer than `keep_done_seconds` ago; return the
    names. Meant for once a day.

    It counts from the first call that found the file there. Nothing is removed while the clock is
    in doubt, nor what somebody changed since or put there themselves. An inbox that is away is
    left for the next day.
    """
    if not clock_trusted:
        return ()
    try:
        with _opened(settings) as folder:
            return done.remove_old(folder, now, timedelta(seconds=settings.keep_done_seconds))
    except SourceUnreachable:
        return ()


def _whole(folder: int, still: Sequence[Entry]) -> tuple[Entry, ...]:
    """Of what holds still return what has something in it and is not held open by a writer."""
    filled = [entry for entry in still if entry.size_bytes]
    if not filled:
        raise ExportNotReady("What lies in the inbox is empty.", hint=_PUT_AGAIN)
    whole = tuple(entry for entry in filled if not is_being_written(folder, entry.raw))
    if not whole:
        raise ExportNotReady(f"{filled[-1].name} is still being written.", hint=_STILL_WRITTEN)
    return whole


def _gathering(
    settings: InboxSettings, landing: Landing, now: datetime, began: float, watch: Watch
) -> Gathering:
    from .links import fetching, gathering  # noqa: PLC0415 - only links ask web servers

    means = gathering.Means(
        into=landing.folder,
        bounds=fetching.Bounds(
            tuple(settings.link_hosts), settings.ca_file, idle_seconds=settings.idle_seconds
        ),
        max_bytes=settings.max_bytes - landing.received_bytes,
        limit_bytes=settings.max_bytes,
        reserve_bytes=settings.reserve_bytes,
        min_rate_bytes_per_second=settings.min_rate_bytes_per_second,
        deadline=began + settings.total_seconds * _SHARE_OF_LINKS,
        memory=Path(settings.links_file) if settings.links_file else None,
        last=settings.link_lifetime,
    )
    return gathering.Gathering(means, now, watch, [file.name for file in landing.files])


def _led_to(
    folder: int, held: Sequence[Held], landing: Landing, gathering: Gathering
) -> tuple[Sequence[ExportFile], tuple[ApplianceError, ...]]:
    """Return what the links led to, and what went wrong; raise that where nothing came at all."""
    found = gathering.gather(held)
    done.put_away(folder, found.done)
    if found.troubles and not landing.files and not found.files:
        raise found.as_one()
    return found.files, found.few()


@contextmanager
def _opened(settings: InboxSettings) -> Iterator[int]:
    try:
        folder = os.open(settings.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceUnreachable(
            f"The inbox {settings.path} is not there or cannot be opened.",
            hint="Make the folder, or correct `path` of this source.",
            detail=str(error),
        ) from error
    try:
        yield folder
    finally:
        os.close(folder)


def _entries(folder: int, settings: InboxSettings) -> Iterator[Entry]:
    for name in os.listdir(folder):
        raw = os.fsencode(name)
        if settings.wants(clean_name(raw)):
            entry = _entry(folder, raw)
            if entry:
                yield entry


def _entry(folder: int, raw: bytes) -> Entry | None:
    try:
        found = os.stat(raw, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None  # taken away while we looked
    if not stat.S_ISREG(found.st_mode):
        return None
    return Entry(distinct_name(raw), raw, found.st_size, _modified(found))


def _modified(found: os.stat_result) -> datetime:
    seconds, nanoseconds = divmod(found.st_mtime_ns, 1_000_000_000)
    return instant(seconds) + timedelta(microseconds=nanoseconds // 1000)


def _has_rested(folder: int, entry: Entry, seconds: float) -> bool:
    """Whether it was last touched so long ago, by the change time that nobody can set."""
    try:
        found = os.stat(entry.raw, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return datetime.now(UTC).timestamp() - found.st_ctime >= seconds


def _copy(folder: int, entry: Entry, landing: Landing) -> None:
    try:
        descriptor = os.open(entry.raw, READING, dir_fd=folder)
    except OSError as error:
        raise ExportNotReady(
            f"{entry.name} cannot be opened.",
            hint=_PUT_AGAIN,
            detail=str(error),
        ) from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        _must_be(entry, os.fstat(descriptor))
        with landing.file(entry.name, None, entry.modified) as writer:
            while block := file.read(_BLOCK_BYTES):
                writer.write(block)
                if writer.size_bytes > entry.size_bytes:
                    break
            _must_be(entry, os.fstat(descriptor))
            if writer.size_bytes != entry.size_bytes:
                raise ExportUnsafe(f"{entry.name} could not be read whole.")
            if is_being_written(folder, entry.raw):
                raise ExportNotReady(f"{entry.name} was opened again while it was being copied.")


def _must_be(entry: Entry, found: os.stat_result) -> None:
    same = (found.st_size, _modified(found)) == (entry.size_bytes, entry.modified)
    if not same or not stat.S_ISREG(found.st_mode):
        raise ExportNotReady(f"{entry.name} changed while it was being copied.")


def _archived(folder: int, entries: Sequence[Entry], file: ExportFile) -> Entry | None:
    """Given the inbox's files of its name, return the one that was archived as `file`; None if it
    is gone or was changed.
    """
    for entry in entries:
        if (entry.size_bytes, entry.modified) != (file.size_bytes, file.modified):
            continue
        if _sha256(folder, entry.raw) == file.sha256:
            return entry
    return None


def _sha256(folder: int, raw: bytes) -> str:
    try:
        with os.fdopen(os.open(raw, READING, dir_fd=folder), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""  # already moved: two names that look alike
