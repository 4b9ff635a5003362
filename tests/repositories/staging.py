"""Staged layouts for the tests of repositories and mirrors, hashed by the standard library."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.core.model import Archive, StoredFile
from appliance.core.ports import Layout

DAY_ONE = datetime(2026, 11, 21, 3, tzinfo=UTC)


def lay(root: Path, files: Mapping[str, bytes]) -> Layout:
    """Write files below `root` and return them as a layout."""
    stored = {}
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        stored[name] = StoredFile(len(data), hashlib.sha256(data).hexdigest())
    total = sum(file.size_bytes for file in stored.values())
    manifest = hashlib.sha256(b"".join(sorted(files.values()))).hexdigest()
    return Layout(root, stored, manifest, total, total, total)


def day(number: int, layout: Layout, source: str = "crm", *, held: bool = False) -> Archive:
    """Return the archive of one day of a source."""
    time = DAY_ONE + timedelta(days=number)
    name = Archive.name_for(source, time)
    return Archive(name, source, time, number + 1, layout.manifest_sha256, held=held)
