"""Days of exports for the tests: files that change a little, laid out one day after the other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.core.model import Export, ExportFile
from appliance.core.ports import Layout, Watch
from appliance.exports.layout import ExportFolder

MODIFIED = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def table(rows: int, seed: int = 1, columns: str = "Id,Name,Mail,Status,Note") -> list[str]:
    """Return the lines of a CSV, header first; another seed gives other rows."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("abcdefghijklmnop", k=7)) for _ in range(500)]
    lines = [columns]
    for number in range(rows):
        name, mail, *note = chance.choices(words, k=6)
        status = chance.choice(["Open", "Won", "Lost"])
        key = f"{seed}{number:08d}{chance.randrange(10**6)}"
        lines.append(f'{key},{name},{mail}@{name}.example,{status},"{" ".join(note)}"')
    return lines


def changed(lines: list[str], day: int, rows: int = 5) -> list[str]:
    """Return the lines of the next day: a few rows changed, one gone, some added."""
    chance = random.Random(day)
    after = list(lines)
    for _ in range(rows):
        place = chance.randrange(1, len(after))
        after[place] = after[place].replace("Open", "Closed") + f",{chance.random()}"
    del after[chance.randrange(1, len(after))]
    return [*after, *(f"9{day:04d}{n},new,new@new.example,Open,{day}" for n in range(3))]


def csv(lines: list[str]) -> bytes:
    """Return the lines as a vendor writes them."""
    return ("\r\n".join(lines) + "\r\n").encode()


def export_of(folder: Path, files: Mapping[str, bytes], day: int = 1) -> Export:
    """Return an export of these files, lying in `folder` under numbers."""
    folder.mkdir(parents=True)
    brought = []
    for number, (name, content) in enumerate(files.items()):
        path = folder / f"{number:05d}"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        brought.append(ExportFile(name, path, len(content), digest, MODIFIED))
    return Export("crm", tuple(brought), datetime(2026, 11, 20, 3, tzinfo=UTC) + timedelta(day))


class Days:
    """Lays out one export after the other, each with the archive before it."""

    def __init__(self, folder: Path, exports: ExportFolder | None = None) -> None:
        self.folder = folder
        self.exports = exports or ExportFolder()
        self.number = 0
        self.archive: Path | None = None

    def add(self, files: Mapping[str, bytes], watch: Watch | None = None) -> Layout:
        """Lay out the next day."""
        self.number += 1
        export = export_of(self.folder / f"pull-{self.number}", files, self.number)
        work = self.folder / f"work-{self.number}"
        work.mkdir()
        layout = self.exports.lay_out(export, self.archive, work, watch or Watch())
        self.archive = layout.root
        return layout

    def restored(self, **what: object) -> dict[str, bytes]:
        """Restore the newest archive and return its files."""
        into = self.folder / f"out-{self.number}-{len(list(self.folder.iterdir()))}"
        assert self.archive
        paths = self.exports.restore(self.archive, into, Watch(), **what)
        found = {str(path.relative_to(into)): path.read_bytes() for path in paths}
        assert found == read(into)
        return found


def read(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
