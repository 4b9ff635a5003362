"""Notices that the configuration was changed, by whatever editor: most put a new file in the old
one's place.

A door of watchdog. Whoever writes is left in peace until the file has been quiet for a moment. Once
a minute the file is looked at anyway: its folder may have been replaced.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from watchdog.events import (
    DirDeletedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

QUIET_SECONDS = 0.5
SLOW_LOOK_SECONDS = 60.0
_LONGEST_UNREST_LOOKS = 10
_WANTED: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    DirDeletedEvent,
]


class FileWatch(FileSystemEventHandler):
    """Calls `changed` once it watches, and whenever the file became another one. `run` is a
    thread's body.
    """

    def __init__(
        self,
        file: Path,
        changed: Callable[[], object],
        quiet_seconds: float = QUIET_SECONDS,
        slow_look_seconds: float = SLOW_LOOK_SECONDS,
    ) -> None:
        self._file, self._changed = file.absolute(), changed
        self._quiet_seconds, self._slow_look_seconds = quiet_seconds, slow_look_seconds
        self._noticed = threading.Event()
        self._seen = self._mark()
        self.watching = threading.Event()
        """Whether the kernel tells us."""

    def run(self, stop: threading.Event) -> None:
        """Look whenever something happened to the file, and now and then, until `stop`."""
        threading.Thread(target=self._end_with, args=(stop,), daemon=True).start()
        while not stop.is_set():
            observer = self._watched()
            try:
                self._look_until_lost(stop)
            finally:
                observer.stop()
                observer.join()

    def look(self) -> bool:
        """Tell of the file where it is another one than at the last look; return whether it is."""
        found = self._mark()
        if found == self._seen:
            return False
        self._seen = found
        self._changed()
        return True

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread."""
        names = {Path(os.fsdecode(each)).name for each in (event.src_path, event.dest_path)}
        if isinstance(event, DirDeletedEvent) or names & {each.name for each in self._files()}:
            self._noticed.set()

    def _files(self) -> tuple[Path, ...]:
        """The file, and what it leads to where it is a link."""
        return tuple(dict.fromkeys((self._file, self._file.resolve())))

    def _look_until_lost(self, stop: threading.Event) -> None:
        folders = self._folders()
        self._changed()  # what happened before anybody watched
        while not stop.is_set() and folders == self._folders():
            if self._noticed.wait(self._slow_look_seconds):
                self._wait_for_quiet(stop)
            if not stop.is_set():
                self.look()

    def _wait_for_quiet(self, stop: threading.Event) -> None:
        for _ in range(_LONGEST_UNREST_LOOKS):
            self._noticed.clear()
            if stop.wait(self._quiet_seconds) or not self._noticed.is_set():
                return

    def _end_with(self, stop: threading.Event) -> None:
        stop.wait()
        self._noticed.set()

    def _watched(self) -> InotifyObserver:
        # It calls it an error when a watch ends while its thread waits, which is how one ends.
        logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)
        observer = InotifyObserver(generate_full_events=False)
        observer.start()
        with suppress(OSError):  # the slow look has to do
            for folder in {each.parent for each in self._files()}:
                observer.schedule(self, str(folder), event_filter=_WANTED)
            self.watching.set()
        return observer

    def _folders(self) -> tuple[tuple[int, int] | None, ...]:
        """Which folders are there now: one that was replaced is watched no longer."""
        return tuple(_identity(each.parent) for each in self._files())

    def _mark(self) -> tuple[int, ...] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
