"""The only home of writing a small file so that a power cut leaves the old one or the new one.

And of the folders that such files lie in.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..core.errors import ApplianceError, DiskFull, DiskReadOnly

UNFINISHED = ".new"
"""How the name ends of what a sudden end may leave behind; it begins with a dot."""
_HINT = "Check that its folder exists and that this user may write there."


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Given a path and its whole content, replace the file and return once it is on the disk.

    Raise DiskFull, DiskReadOnly or ApplianceError; the old file is then untouched.
    """
    with disk_errors(path):
        _put(path, data, mode)


def replace_durably(path: Path, data: bytes) -> None:
    """Given a file that is there and its new content, replace it as `write_durably` does.

    Owner and mode stay. A link stays one: what it points to is replaced.
    """
    with disk_errors(path):
        file = path.resolve(strict=True)
        before = file.stat()
        _put(file, data, stat.S_IMODE(before.st_mode), (before.st_uid, before.st_gid))


@contextmanager
def written_durably(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Give a file to write piece by piece; at the end of the block it replaces `path` at once.

    Whatever is raised in the block leaves the old file. Raise as `write_durably` does.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    with disk_errors(path):
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    file = os.fdopen(handle, "wb")
    try:
        yield file
        with disk_errors(path):
            file.flush()
            os.fsync(handle)
            file.close()
            beside.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # what is still to be written finds no room either
            file.close()
        beside.unlink(missing_ok=True)
        raise


def make_private(folder: Path) -> None:
    """Make a folder that is ours alone, unless it is there; raise as `write_durably` does."""
    with disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def prove_writable(folder: Path) -> bool:
    """Write a file, sync it, read it back, remove it; return whether it was the same.

    Raise OSError where one of these fails.
    """
    path = folder / f"appliance.probe.{secrets.token_hex(4)}"
    said = secrets.token_bytes(32)
    try:
        with path.open("xb") as file:
            file.write(said)
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        sync_folder(folder)
        return path.read_bytes() == said
    finally:
        with suppress(OSError):
            path.unlink()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about writing `path` into our words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"There is no room left to write {path}.", detail=str(error)) from error
        if error.errno == errno.EROFS:
            raise DiskReadOnly(f"{path} cannot be written.", detail=str(error)) from error
        why = error.strerror or type(error).__name__
        raise ApplianceError(
            f"{path} cannot be written: {why}.", hint=_HINT, detail=str(error)
        ) from error


def _put(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        _write_synced(beside, data, mode, owner)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _write_synced(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        if owner is not None:
            os.fchown(handle, *owner)
        os.fchmod(handle, mode)  # whatever the umask says
        file.write(data)
        file.flush()
        os.fsync(handle)
