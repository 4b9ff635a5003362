"""The only home of watchdog here: notices what is dropped into an inbox, and says so once it is
whole and still.

The kernel wakes us (inotify) when a file is made, closed or moved in; a timer runs only while
something there has yet to settle. Once a minute each folder is looked at anyway: it may be a
network share, whose other computers wake nobody, it may have been replaced, or be watched no
longer because the kernel had no room for one more watch.

What is told is never lost: an inbox whose Run is under way is asked for again when that ended.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic as _monotonic
from typing import TYPE_CHECKING

from watchdog.events import (
    DirDeletedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

from .inbox import InboxSettings
from .landing import clean_name
from .settling import Mark, Settling
from .writers import READING, is_being_written

if TYPE_CHECKING:
    from watchdog.observers.api import ObservedWatch

SLOW_LOOK_SECONDS = 60.0
_ASK_AGAIN_SECONDS = 2.0
"""Until a Run that is under way is asked to be followed by another one."""
_GAP_SECONDS = 0.2
_LONGEST_GAP_SECONDS = 2.0
"""Between two looks while events pour in: many files are one look."""
_SHARE_OF_TIME = 10
"""A look that takes long is followed by a pause so many times as long."""
_UNCLOSED_SECONDS = 60.0
"""How long a still file is believed to be open because we saw it made and not closed, where the
kernel does not tell us: a link to a file is made and never closed."""
_WANTED: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirDeletedEvent,
]
_MOUNTS = Path("/proc/self/mountinfo")
_log = logging.getLogger(__name__)


class Arrivals:
    """Watches the folders of all inboxes. `run` is a thread's body; `look` is what it does."""

    def __init__(
        self,
        inboxes: Mapping[str, InboxSettings],
        on_arrival: Callable[[str], object],
        monotonic: Callable[[], float] = _monotonic,
        slow_look_seconds: float = SLOW_LOOK_SECONDS,
    ) -> None:
        """`on_arrival` is given a source's name; where it answers "already running", or raises,
        it is asked again a little later.
        """
        self._on_arrival = on_arrival
        self._monotonic = monotonic
        self._slow_look_seconds = slow_look_seconds
        self._wake = threading.Event()
        self._observer: InotifyObserver | None = None
        self._folders = [_Folder(name, each, self._wake) for name, each in inboxes.items()]

    def run(self, stop: threading.Event) -> None:
        """Look whenever something happened or is due, until `stop`."""
        threading.Thread(target=self._end_with, args=(stop,), daemon=True).start()
        try:
            while not stop.is_set():
                began = self._monotonic()
                pause = self.look()
                took = self._monotonic() - began
                self._wake.wait(pause)
                self._wake.clear()
                stop.wait(min(max(_GAP_SECONDS, took * _SHARE_OF_TIME), _LONGEST_GAP_SECONDS))
        finally:
            self.close()

    def look(self) -> float | None:
        """Look at every folder that is due, tell what arrived; return the seconds until the next
        look is due, None where there is no inbox.
        """
        for folder in self._folders:
            if folder.noticed.is_set() or folder.next_look <= self._monotonic():
                self._look_at(folder)
        due = min((folder.next_look for folder in self._folders), default=None)
        return None if due is None else max(0.0, due - self._monotonic())

    def close(self) -> None:
        """Let go of all watches."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _end_with(self, stop: threading.Event) -> None:
        stop.wait()
        self._wake.set()

    def _look_at(self, folder: _Folder) -> None:
        folder.noticed.clear()  # first: what happens from now on is for the next look
        self._watch(folder)
        now = self._monotonic()
        wanted = [now + self._slow_look_seconds]
        if folder.look(now) and not self._told(folder):
            wanted.append(now + _ASK_AGAIN_SECONDS)
        if folder.settling.soonest is not None:
            wanted.append(folder.settling.soonest)
        folder.next_look = min(wanted)

    def _told(self, folder: _Folder) -> bool:
        try:
            answer = self._on_arrival(folder.name)
        except Exception:  # noqa: BLE001 - a thread that dies notices nothing any more
            _log.exception("inbox=%s a Run could not be asked for", folder.name)
            return False
        if answer == "already running":
            return False
        folder.settling.told()
        return True

    def _watch(self, folder: _Folder) -> None:
        """Have the kernel tell us of this folder, unless it does, and of the one that is there now.

        Where it will not, the slow look has to do.
        """
        found = folder.identity()
        if found == folder.watched and not folder.lost.is_set():
            return
        self._unwatch(folder)
        if found is None:
            return
        try:
            self._observer = self._observer or _started()
            folder.watch = self._observer.schedule(
                folder, folder.path, event_filter=_WANTED, follow_symlink=True
            )
        except OSError as error:
            folder.complain(f"it cannot be watched and is looked at only now and then: {error}")
            return
        folder.watched = found
        folder.complain("")

    def _unwatch(self, folder: _Folder) -> None:
        if self._observer is not None and folder.watch is not None:
            with suppress(KeyError):
                self._observer.unschedule(folder.watch)
        folder.watch, folder.watched = None, None
        folder.lost.clear()


class _Folder(FileSystemEventHandler):
    """One inbox: what was noticed of it, and what is known of its files."""

    def __init__(self, name: str, settings: InboxSettings, wake: threading.Event) -> None:
        self.name, self.path = name, settings.path
        self._wants = settings.wants
        self._wake = wake
        self._complaint = ""
        self._unclosed: set[bytes] = set()
        self._handle = -1
        self.settling = Settling(settings.stable_for_seconds, self._is_being_written)
        self.next_look = float("-inf")
        self.noticed = threading.Event()
        self.lost = threading.Event()
        """The folder that was watched is gone."""
        self.watch: ObservedWatch | None = None
        self.watched: tuple[int, int, int] | None = None
        """Which folder that is."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread."""
        if isinstance(event, DirDeletedEvent):
            if os.fsdecode(event.src_path) != self.path:
                return
            self.lost.set()
        elif not self._is_ours(event):
            return
        self.noticed.set()
        self._wake.set()

    def look(self, now: float) -> bool:
        """Return whether something arrived whole that nobody was told about."""
        try:
            self._handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            return self._unseen(error, now)
        try:
            arrived = self.settling.look(dict(self._files()), now)
        except OSError as error:  # a share that went away
            return self._unseen(error, now)
        else:
            self._make_durable()
            return arrived
        finally:
            os.close(self._handle)

    def _make_durable(self) -> None:
        """A15: whoever saved a file may have it in memory alone for half a minute. Before a Run
        begins on it, it lies on the disk: after a power cut that Run finds it again. What may not
        be read, is gone or lies where nothing can be flushed is for the Run to complain of.
        """
        for raw in self.settling.whole():
            with suppress(OSError):
                _flush(self._handle, raw)
        if self.settling.whole():
            with suppress(OSError):
                os.fsync(self._handle)

    def _unseen(self, error: OSError, now: float) -> bool:
        self.complain(f"it is not there or cannot be read: {error}")
        return self.settling.look({}, now)

    def identity(self) -> tuple[int, int, int] | None:
        """Return what tells this folder from another one at its place, None where none is.

        A disk that was unmounted and mounted again is the same to stat(2) but not to inotify.
        """
        try:
            found = Path(self.path).stat()
            return found.st_dev, found.st_ino, hash(_MOUNTS.read_bytes())
        except OSError:
            return None

    def complain(self, what: str) -> None:
        """Log a trouble when it begins, not once a minute."""
        if what and what != self._complaint:
            _log.warning("inbox=%s %s", self.name, what)
        self._complaint = what

    def _files(self) -> Iterator[tuple[bytes, Mark]]:
        with os.scandir(self._handle) as entries:
            for entry in entries:
                raw = os.fsencode(entry.name)
                if not self._wants(clean_name(raw)):
                    continue
                with suppress(FileNotFoundError):  # taken away while we looked
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode) and found.st_size:
                        yield raw, _mark(found)

    def _is_ours(self, event: FileSystemEvent) -> bool:
        """Whether a file that may be an export came or was finished; remember which are open."""
        src, dest = _name(event.src_path), _name(event.dest_path)
        was_open = src in self._unclosed
        self._unclosed.discard(src)
        if isinstance(event, FileCreatedEvent) or (dest and was_open):
            self._unclosed.add(dest or src)
        raw = dest if isinstance(event, FileMovedEvent) else src
        return bool(raw) and self._wants(clean_name(raw))

    def _is_being_written(self, raw: bytes, still_seconds: float) -> bool:
        known = is_being_written(self._handle, raw)
        if known is None:
            return raw in self._unclosed and still_seconds < _UNCLOSED_SECONDS
        return known


def _started() -> InotifyObserver:
    """Return watchdog's observer, which tells a file that was made from one that was moved in."""
    # It calls it an error when a watch ends while its thread waits, which is how one ends.
    logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)
    observer = InotifyObserver(generate_full_events=True)
    observer.start()
    return observer


def _flush(folder: int, raw: bytes) -> None:
    descriptor = os.open(raw, READING, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(path: str | bytes) -> bytes:
    return os.fsencode(path).rpartition(b"/")[2]


def _mark(found: os.stat_result) -> Mark:
    return Mark(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
