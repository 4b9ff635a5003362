"""Exports made for tests, and what is asked of them again and again."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from appliance.core.model import Export, ExportFile
from appliance.core.ports import Watch
from appliance.exports.members import Container, Unpacked
from appliance.exports.original import Recipe, rebuild
from appliance.exports.unpack import Limits, unpack

SMALL = Limits(reserve_bytes=0)


def csv_of(rows: int, seed: int = 1) -> bytes:
    dice = random.Random(seed)
    lines = [f"{n},{dice.randrange(10**9)},Name {dice.randrange(999)},Berlin" for n in range(rows)]
    return "\n".join(lines).encode()


def export_of(folder: Path, files: Mapping[str, bytes]) -> Export:
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, (name, data) in enumerate(files.items()):
        path = folder / f"export-{number}"
        path.write_bytes(data)
        found.append(ExportFile(name, path, len(data), hashlib.sha256(data).hexdigest()))
    return Export("crm", tuple(found), datetime(2026, 11, 21, 3, tzinfo=UTC))


def opened(
    folder: Path, files: Mapping[str, bytes], limits: Limits = SMALL, watch: Watch | None = None
) -> Unpacked:
    into = folder / "into"
    into.mkdir(parents=True, exist_ok=True)
    return unpack(export_of(folder / "export", files), into, limits, watch or Watch())


def contents(unpacked: Unpacked) -> dict[str, bytes]:
    return {member.path: member.file.read_bytes() for member in unpacked.members}


def made_again(container: Container, unpacked: Unpacked) -> bytes:
    """What the recipe gives after it lay in a manifest."""
    files = {member.path: member.file for member in unpacked.members}
    recipe = Recipe.from_json(json.loads(json.dumps(container.recipe.to_json())))
    out = io.BytesIO()
    rebuild(recipe, lambda path: files[path].open("rb"), out, Watch())
    return out.getvalue()


def zip_of(
    files: Mapping[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]],
    method: int = zipfile.ZIP_DEFLATED,
    level: int | None = None,
) -> bytes:
    out = io.BytesIO()
    pairs = list(files.items()) if isinstance(files, Mapping) else files
    with zipfile.ZipFile(out, "w", method, compresslevel=level) as box:
        for name, data in pairs:
            box.writestr(name, data)
    return out.getvalue()


def tar_of(files: Mapping[str, bytes], mode: str = "w", **options: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **options) as box:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_763_694_000.5
            box.addfile(info, io.BytesIO(data))
    return out.getvalue()
