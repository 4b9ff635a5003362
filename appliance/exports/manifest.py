"""The only home of `manifest.json`: what an archive holds and where each file of it lies.

One JSON object, version 1, UTF-8, one entry per line. Times are ISO 8601, UTC; paths are
`/`-separated and relative to the archive; hashes are SHA-256 in hex.

    format      1. A reader refuses a higher number and ignores keys that it does not know.
    source      name of the source
    pulled_at   start of the pull
    notes       sentences for a person, each of which made the run a warning
    remarks     sentences about what is odd but harmless; left out where there are none
    files       what the vendor delivered: name, size, sha256 (empty where columns of it are
                hidden: it would tell whoever guesses that he is right), modified
    containers  each ZIP, gzip or tar that became a folder: path, size, sha256, modified, inside
                (the container it lies in), then one of: recipe (see `original`), original (the
                path of the kept file), or neither; masked where columns of what was in it are
                hidden, so that it was given up and has no sha256
    members     each file in the export, unpacked: path, size, sha256, modified, shape and sketch
                (see `likeness`), hidden (see `hidden`: which of its columns are masked, which
                dropped, which somebody asked for, which of those meant something, by which key;
                left out where none), then one of
                whole    the path of the file itself
                chains   the member is these parts, one after the other; each has links (the
                         path of its base, then of zstd patches, each against the version
                         before it), size, packed (zstd's idea of the base's size) and
                         since (when its first patch was made)
                recipe   the member is made by this recipe from `inside`, a list of members
    tables      kinds of records: name, members, inside (its name in each of them), columns, id,
                rows, repeated and without_id (records whose id repeats, or is missing), blank (for
                each column how many say nothing), types (for each column what all its cells are,
                numbers, dates or text), ignored (columns that change by themselves), newest (the
                latest date of a change), earlier (how many rows the good ones before had), since
                (what became of the records and columns), masked (columns whose cells are
                pseudonyms), pseudonyms (which key they are of), dropped (columns that were left
                out, and are not among the columns), meant (which names of those that somebody gave
                meant something, and whether in each member)
    held        why a person had to look at it; left out where nobody had to
    stored      every other file of the archive: size, sha256

It grows with each link, as every file that an archive needs is named in it with its hash: that is
what lets an archive prove itself alone. Measured with five tables of 60 links each: 45 KB, of which
Borg stores 14 KB; 10 KB of those are the hashes, which nothing makes smaller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import ApplianceError, RepositoryDamaged
from ..core.model import SeenFile, StoredFile
from .contents import Box, Chain, Kept, Likeness, Manifest
from .hidden import NOTHING, Hidden
from .original import Recipe

FORMAT = 1
NAME = "manifest.json"


def encode(manifest: Manifest) -> bytes:
    """Given a manifest, return the bytes of `manifest.json`: the same for the same content."""
    entries: dict[str, Any] = {
        "format": FORMAT,
        "source": manifest.source,
        "pulled_at": _moment(manifest.pulled_at),
        "notes": list(manifest.notes),
        **({"remarks": list(manifest.remarks)} if manifest.remarks else {}),
        "files": [_file_json(file) for file in manifest.files],
        "containers": [_box_json(box) for box in manifest.containers],
        "members": [_kept_json(kept) for kept in manifest.members],
        "tables": list(manifest.tables),
        **({"held": list(manifest.held)} if manifest.held else {}),
        "stored": {
            path: {"size": file.size_bytes, "sha256": file.sha256}
            for path, file in sorted(manifest.stored.items())
        },
    }
    lines = ",\n".join(f"{_dumps(key)}: {_spread(value)}" for key, value in entries.items())
    return f"{{\n{lines}\n}}\n".encode(errors="surrogateescape")


def decode(data: bytes) -> Manifest:
    """Given the bytes of a `manifest.json`, return the manifest.

    Raise RepositoryDamaged where they make no sense or name a path outside the archive, and
    ApplianceError where a newer version of this program wrote them.
    """
    try:
        value = json.loads(data.decode(errors="surrogateescape"))
        if value["format"] > FORMAT:
            raise ApplianceError(
                "This backup was written by a newer version of this program.",
                hint="Update the program, or follow HOW-TO-RESTORE.txt, which needs none.",
                detail=f"manifest format {value['format']}, this program knows {FORMAT}",
            )
        manifest = _from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RepositoryDamaged(
            "The list of contents of a backup cannot be read.", detail=f"{NAME}: {error!r}"
        ) from error
    for path in _paths(manifest):
        _refuse_outside(path)
    for path in _needed(manifest):
        if path not in manifest.stored:
            raise RepositoryDamaged("The list of contents of a backup has a gap.", detail=path)
    return manifest


def load(root: Path) -> tuple[Manifest, StoredFile]:
    """Given an extracted archive, return its manifest and the manifest file's size and hash."""
    try:
        data = (root / NAME).read_bytes()
    except OSError as error:
        raise RepositoryDamaged(
            "A backup has no list of contents.", detail=f"{NAME}: {error}"
        ) from error
    return decode(data), StoredFile(len(data), hashlib.sha256(data).hexdigest())


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _spread(value: Any) -> str:
    """Return JSON with one entry per line: two days' manifests differ in few lines."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(_dumps(entry) for entry in value) + "\n]"
    if isinstance(value, dict) and value:
        lines = (f"{_dumps(key)}:{_dumps(entry)}" for key, entry in value.items())
        return "{\n" + ",\n".join(lines) + "\n}"
    return _dumps(value)


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def _basics(path: str, size_bytes: int, sha256: str, modified: datetime | None) -> dict[str, Any]:
    value: dict[str, Any] = {"path": path, "size": size_bytes, "sha256": sha256}
    return value | ({"modified": _moment(modified)} if modified else {})


def _file_json(file: SeenFile) -> dict[str, Any]:
    value = _basics(file.name, file.size_bytes, file.sha256, file.modified)
    value["name"] = value.pop("path")
    return value | ({"validator": file.validator} if file.validator else {})


def _box_json(box: Box) -> dict[str, Any]:
    value = _basics(box.path, box.size_bytes, box.sha256, box.modified)
    if box.inside:
        value["inside"] = box.inside
    if box.recipe:
        value["recipe"] = box.recipe.to_json()
    value |= {"masked": True} if box.is_masked else {}
    return value | ({"original": box.original} if box.original else {})


def _kept_json(kept: Kept) -> dict[str, Any]:
    value = _basics(kept.path, kept.size_bytes, kept.sha256, kept.modified)
    if kept.likeness.shape:
        value["shape"] = kept.likeness.shape
    if kept.likeness.sketch:
        value["sketch"] = "".join(f"{number:08x}" for number in kept.likeness.sketch)
    if kept.hidden != NOTHING:
        value["hidden"] = kept.hidden.to_json()
    if kept.recipe:
        inside = [_kept_json(inner) for inner in kept.inside]
        return value | {"recipe": kept.recipe.to_json(), "inside": inside}
    if kept.whole:
        return value | {"whole": kept.whole}
    return value | {"chains": [_chain_json(chain) for chain in kept.chains]}


def _chain_json(chain: Chain) -> dict[str, Any]:
    value = {"links": list(chain.links), "size": chain.size_bytes, "packed": chain.packed_bytes}
    return value | ({"since": _moment(chain.since)} if chain.since else {})


def _from_json(value: Mapping[str, Any]) -> Manifest:
    stored = value["stored"].items()
    return Manifest(
        source=_text(value["source"]),
        pulled_at=datetime.fromisoformat(value["pulled_at"]),
        files=tuple(_file(entry) for entry in value["files"]),
        containers=tuple(_box(entry) for entry in value["containers"]),
        members=tuple(_kept(entry) for entry in value["members"]),
        stored={path: StoredFile(_size(f["size"]), _text(f["sha256"])) for path, f in stored},
        notes=tuple(_text(note) for note in value["notes"]),
        remarks=tuple(_text(remark) for remark in value.get("remarks", ())),
        tables=tuple(value.get("tables", ())),
        held=tuple(_text(reason) for reason in value.get("held", ())),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {value!r:.40}")
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"size expected, not {value!r:.40}")
    return value


def _when(value: Mapping[str, Any]) -> datetime | None:
    return datetime.fromisoformat(value["modified"]) if value.get("modified") else None


def _made_by(value: Mapping[str, Any]) -> Recipe | None:
    return Recipe.from_json(value["recipe"]) if value.get("recipe") else None


def _file(value: Mapping[str, Any]) -> SeenFile:
    size, sha256 = _size(value["size"]), _text(value["sha256"])
    return SeenFile(_text(value["name"]), size, sha256, _when(value), value.get("validator", ""))


def _box(value: Mapping[str, Any]) -> Box:
    return Box(
        path=_text(value["path"]),
        size_bytes=_size(value["size"]),
        sha256=_text(value["sha256"]),
        modified=_when(value),
        inside=_text(value.get("inside", "")),
        recipe=_made_by(value),
        original=_text(value.get("original", "")),
        is_masked=bool(value.get("masked")),
    )


def _kept(value: Mapping[str, Any]) -> Kept:
    sketch = _text(value.get("sketch", ""))
    return Kept(
        path=_text(value["path"]),
        size_bytes=_size(value["size"]),
        sha256=_text(value["sha256"]),
        modified=_when(value),
        whole=_text(value.get("whole", "")),
        chains=tuple(_chain(entry) for entry in value.get("chains", ())),
        recipe=_made_by(value),
        inside=tuple(_kept(entry) for entry in value.get("inside", ())),
        likeness=Likeness(
            _text(value.get("shape", "")),
            tuple(int(sketch[i : i + 8], 16) for i in range(0, len(sketch), 8)),
        ),
        hidden=Hidden.from_json(value["hidden"]) if value.get("hidden") else NOTHING,
    )


def _chain(value: Mapping[str, Any]) -> Chain:
    links = tuple(_text(link) for link in value["links"])
    if not links:
        raise ValueError("a chain without a base")
    since = datetime.fromisoformat(value["since"]) if value.get("since") else None
    if since is not None and since.tzinfo is None:
        raise ValueError("a time of nowhere")
    return Chain(links, _size(value["size"]), _size(value["packed"]), since)


def _paths(manifest: Manifest) -> Iterator[str]:
    yield from manifest.stored
    for box in manifest.containers:
        yield box.path
    for kept in manifest.members:
        yield from _names(kept)


def _needed(manifest: Manifest) -> Iterator[str]:
    yield from (box.original for box in manifest.containers if box.original)
    for kept in manifest.members:
        yield from kept.lies_in


def _names(kept: Kept) -> Iterator[str]:
    yield kept.path
    for inner in kept.inside:
        yield from _names(inner)


def _refuse_outside(path: str) -> None:
    """Raise RepositoryDamaged unless a path stays below the folder it is taken from."""
    parts = path.split("/")
    if PurePosixPath(path).is_absolute() or "\0" in path or {"", ".", ".."} & set(parts):
        raise RepositoryDamaged(
            "The list of contents of a backup names a place outside of it.", detail=repr(path)
        )
