"""The files of an archive: as staged, as listed, and as hashes of what is read back."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import IO, Any

from ..core.errors import ApplianceError, RepositoryDamaged, ToolFailed
from ..core.model import StoredFile
from ..core.ports import Layout

_BLOCK_BYTES = 1 << 20


def hashes_in(stream: IO[bytes], on_bytes: Callable[[int], None]) -> Mapping[str, StoredFile]:
    """Given a tar stream, return size and SHA-256 of each file in it, keeping nothing of them.

    `on_bytes` hears how many bytes were read so far. Raise tarfile.TarError where it breaks off,
    RepositoryDamaged where it holds anything but files and folders.
    """
    found: dict[str, StoredFile] = {}
    done = 0
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # else tarfile keeps every header
            if member.isreg():
                found[member.name], done = _hash(tar, member, done, on_bytes)
            elif member.islnk() and member.linkname in found:
                found[member.name] = found[member.linkname]
            elif not member.isdir():
                raise RepositoryDamaged("A backup holds something that is not a file.")
    return found


def _hash(
    tar: tarfile.TarFile, member: tarfile.TarInfo, done: int, on_bytes: Callable[[int], None]
) -> tuple[StoredFile, int]:
    digest, size = hashlib.sha256(), 0
    body = tar.extractfile(member)
    while body and (block := body.read(_BLOCK_BYTES)):
        digest.update(block)
        size += len(block)
        on_bytes(done + size)
    return StoredFile(size, digest.hexdigest()), done + size


def sizes_of(items: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Given the entries of `borg list --json-lines`, return each file's size by path.

    Raise RepositoryDamaged where a path could leave its folder, or is not a file or folder.
    """
    sizes: dict[str, int] = {}
    for item in items:
        path = str(item["path"])
        if not is_safe(path) or item["type"] not in {"-", "d"}:
            raise RepositoryDamaged(
                "A backup holds a path that no backup of ours can have.", detail=repr(path)
            )
        if item["type"] == "-":
            sizes[path] = sizes.get(str(item["source"]), 0) if item["source"] else item["size"]
    return sizes


def is_safe(path: str) -> bool:
    """Return whether a path stays inside the folder it is unpacked into."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\0" not in path


def check_staged(layout: Layout) -> None:
    """Raise ToolFailed unless every file of the layout is staged as it says (A17)."""
    if not layout.stored:
        raise ToolFailed("There is nothing to back up.")
    for name, stored in layout.stored.items():
        path = layout.root / name
        fits = is_safe(name) and path.is_file() and not path.is_symlink()
        if not fits or path.stat().st_size != stored.size_bytes:
            raise ToolFailed("A file changed before it was stored.", detail=name)


def sizes_under(files: Mapping[str, int], paths: Sequence[str]) -> dict[str, int]:
    """Return the files at or below `paths`; raise ApplianceError where one names nothing."""
    if not paths:
        return dict(files)
    chosen: dict[str, int] = {}
    for wanted in (path.rstrip("/") for path in paths):
        below = {p: s for p, s in files.items() if p == wanted or p.startswith(wanted + "/")}
        if not below:
            raise ApplianceError(f"The backup does not hold {wanted}.")
        chosen |= below
    return chosen
