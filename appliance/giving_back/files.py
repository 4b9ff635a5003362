"""What can be done with the files of an opened backup: list, look, find, take home.

Part of the rim. A file is named by its place in the list, never by a path that somebody sends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from ..core.errors import ApplianceError
from ..core.ports import Download
from ..engine.restore import FILES
from ..exports.finding import LONGEST_TEXT, SHORTEST_TEXT, find, row_at, rows_of
from ..exports.first_rows import first_rows
from ..exports.looks import Kind, plain
from .opening import CONTENTS, Original, original

MOST_LISTED = 2000
"""More files than this are in the ZIP of all, and are searched, but not listed one by one."""
MOST_ROWS = 200
_SEARCH_SECONDS = 5.0
"""So long one answer takes; the person decides whether to go on."""
_BLOCK_BYTES = 64 << 10
_FIRST_YEAR = 1980
_RECORD_LINES = {Kind.JSON: ".jsonl", Kind.JSON_LINES: ".jsonl"}


class OpenedFiles:
    """The files below a folder that `opening` made; `local` is the backup's time."""

    def __init__(self, folder: Path, local: str, source: str) -> None:
        self._folder = folder
        self._source = source
        self._day = f"{datetime.fromisoformat(local):%Y-%m-%d %H.%M}"
        contents = json.loads((folder / CONTENTS).read_bytes())
        self._files: list[dict[str, object]] = contents["files"]
        self._originals: list[dict[str, object]] = contents["originals"]

    def facts(self) -> dict[str, object]:
        """Return what is in it, as plain JSON values; the place in a list is the file's number."""
        return {
            "files": self._files[:MOST_LISTED],
            "files_in_all": len(self._files),
            "size_bytes": sum(int(str(each["size_bytes"])) for each in self._files),
            "originals": self._originals[:MOST_LISTED],
        }

    def rows(self, file: int, count: int) -> dict[str, object]:
        """Return the first records of a file."""
        found = first_rows(self._path(file), min(max(count, 1), MOST_ROWS))
        return {**self._files[file], **asdict(found), "file": file}

    def find(
        self, text: str, file: int, place: int, is_closed: Callable[[], bool]
    ) -> dict[str, object]:
        """Look for a text from a file and a place in it on; raise ApplianceError where it is too
        short or too long.
        """
        text = text.strip()
        if not SHORTEST_TEXT <= len(text) <= LONGEST_TEXT:
            raise ApplianceError(
                "This cannot be looked for.",
                hint=f"Type at least {SHORTEST_TEXT} letters or digits, and not a whole page.",
            )
        end = monotonic() + _SEARCH_SECONDS
        paths = [self._path(number) for number in range(len(self._files))]
        start = (max(file, 0), max(place, 0))
        found = find(paths, text, start, lambda: is_closed() or monotonic() > end)
        return {
            "finds": [{**self._files[one.file], **asdict(one)} for one in found.finds],
            "go_on": found.go_on,
            "searched_bytes": found.searched_bytes,
            "size_bytes": self.facts()["size_bytes"],
        }

    def download(self, what: str, file: int, place: int, text: str) -> Download:
        """Return what somebody takes home; see `core.ports.Appliance.download`."""
        if what == "all":
            return Download(f"{self._source} ({self._day}).zip", _zipped(self._named_paths()))
        if what == "original":
            return self._original(file)
        path = self._path(file)
        if what == "file":
            return Download(self._called(path.name), _blocks(path), path.stat().st_size)
        suffix = _RECORD_LINES.get(Kind(str(self._files[file]["kind"])), path.suffix)
        name = self._called(f"{path.stem} - found{suffix}")
        if what == "row":
            return Download(name, _generated(row_at(path, max(place, 0))))
        if what == "rows":
            return Download(name, _generated(rows_of(path, text.strip())))
        raise ApplianceError("There is no such thing to download.")

    def _original(self, number: int) -> Download:
        if not 0 <= number < len(self._originals):
            raise ApplianceError("There is no such file in this backup.")
        facts = self._originals[number]
        path, size = str(facts["path"]), int(str(facts["size_bytes"]))
        wanted = Original(self._folder, path)
        name = self._called(PurePosixPath(path).name)
        return Download(name, _generated(original(wanted)), size)

    def _path(self, number: int) -> Path:
        if not 0 <= number < len(self._files):
            raise ApplianceError("There is no such file in this backup.")
        return self._folder / FILES / str(self._files[number]["path"])

    def _named_paths(self) -> Iterator[tuple[str, Path]]:
        for number, facts in enumerate(self._files):
            yield str(facts["path"]), self._path(number)

    def _called(self, name: str) -> str:
        """Return a name that says of which day the file is: it is the wrong one soon enough."""
        stem, dot, suffix = name.rpartition(".")
        return f"{stem} ({self._day}).{suffix}" if dot and stem else f"{name} ({self._day})"


def _blocks(path: Path) -> Generator[bytes, None, None]:
    with plain(path) as opened:
        while block := opened.read(_BLOCK_BYTES):
            yield block


def _generated(blocks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """Yield blocks as they come, small ones together."""
    waiting = bytearray()
    for block in blocks:
        waiting += block
        if len(waiting) >= _BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


class _Outgoing:
    """A file that cannot be sought in: what is written to it goes out and is forgotten."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """All of it is on its way already."""

    def taken(self, at_least: int = 0) -> Iterator[bytes]:
        """Yield what was written since the last time, if it is so much."""
        if len(self._waiting) > at_least:
            yield bytes(self._waiting)
            self._waiting.clear()


def _zipped(files: Iterator[tuple[str, Path]]) -> Generator[bytes, None, None]:
    """Yield a ZIP of files while it is made; one of 4 GB and more is made as ZIP64."""
    out = _Outgoing()
    with ZipFile(cast("IO[bytes]", out), "w") as archive:
        for name, path in files:
            with plain(path) as opened, archive.open(_entry(name, path), "w") as entry:
                while block := opened.read(_BLOCK_BYTES):
                    entry.write(block)
                    yield from out.taken(_BLOCK_BYTES)
    yield from out.taken()


def _entry(name: str, path: Path) -> ZipInfo:
    facts = path.stat()
    year, *rest = time.localtime(facts.st_mtime)[:6]
    entry = ZipInfo(name, (max(year, _FIRST_YEAR), *rest))  # type: ignore[arg-type] # six numbers
    entry.compress_type, entry.file_size = ZIP_DEFLATED, facts.st_size
    entry.external_attr = 0o100644 << 16
    return entry
