"""Who we are: `sudo appliance ...` works on the box's files as the box's own user.

A passphrase or a lock that root made would be closed to the worker, and the next backup would
fail in the night. Part of the rim.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import place
from .core.errors import ApplianceError

ROOT = 0


def writer_of(file: Path) -> int:
    """Return the number of the user who may write a configuration: root's where it is not there.

    A link is whose it is itself: whoever made it chose what it leads to.
    """
    with suppress(OSError):
        return os.lstat(file).st_uid or file.stat().st_uid
    return ROOT


def become_keeper_of(file: Path) -> None:
    """Given the configuration, go on as the user whose it is, where we are root: what the worker
    may write must not tell root what to do. Where it is root's, go on as the user whom the state
    folder in it belongs to. For good, with nothing of root's left.
    """
    if os.geteuid() != ROOT:
        return
    if (writer := writer_of(file)) != ROOT:
        _become(writer)
        return
    state = place.state(file)
    if state is not None and state.is_dir():
        _become(state.stat().st_uid)


def become_owner_of(folder: Path) -> None:
    """Go on as the user whom a folder belongs to, where we are root; for good."""
    if os.geteuid() == ROOT and folder.is_dir():
        _become(folder.stat().st_uid)


@contextmanager
def as_writer_of(file: Path) -> Iterator[None]:
    """Read and write a configuration as the user whose it is, for the length of the block, where
    we are root: a link that the worker laid leads root nowhere.
    """
    writer = writer_of(file) if os.geteuid() == ROOT else ROOT
    if writer == ROOT:
        yield
        return
    group = os.lstat(file).st_gid
    os.setegid(group)
    os.seteuid(writer)
    try:
        yield
    finally:
        os.seteuid(ROOT)
        os.setegid(ROOT)


def require_harmless(file: Path, state: Path, mounts: Path, only_mounts: Path) -> None:
    """Raise ApplianceError where a configuration that is not root's would have root work elsewhere
    than in the box's own places.
    """
    writer = writer_of(file) if os.geteuid() == ROOT else ROOT
    if writer == ROOT:
        return
    try:
        found = os.lstat(state)
    except OSError as error:
        raise _not_for_root(file, f"{state} is not there") from error
    if found.st_uid != writer:
        raise _not_for_root(file, f"{state} belongs to somebody else")
    if mounts != only_mounts:
        raise _not_for_root(file, f"disks are mounted in {only_mounts} and nowhere else")


def _not_for_root(file: Path, why: str) -> ApplianceError:
    hint = f"Correct it there, or give the file to root: sudo chown root {file}"
    return ApplianceError(f"Root does nothing by {file}: {why}.", hint=hint)


def _become(number: int) -> None:
    if number == ROOT:
        return
    try:
        user = pwd.getpwuid(number)
    except KeyError:
        return  # a folder that was brought from elsewhere: `appliance doctor` says so
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(number)
    os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
