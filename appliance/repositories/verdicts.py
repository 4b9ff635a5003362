"""The only place that says what an exit code or a message id of Borg means.

The codes are Borg 1.4's modern ones (`borg/helpers/errors.py` and the `exit_mcode` of each
exception); they are read per verb from a closed table. What is not listed is a failure, and never
damage: a full working folder or a loose plug must not condemn a disk. Text is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ..core.errors import (
    ApplianceError,
    DiskAbsent,
    DiskFull,
    DiskReadOnly,
    PassphraseWrong,
    RepositoryBusy,
    RepositoryDamaged,
    ToolFailed,
    WrongDisk,
)


class Interrupted(ToolFailed):
    """Raised when something other than us ended Borg (out of memory, shutdown): nothing is lost."""

    retry = True
    hint = "Nothing was lost; it is tried again by itself."


class AccessAborted(WrongDisk):
    """Raised when Borg's memory says that this repository was elsewhere, or was another one."""


class Verb(StrEnum):
    """What Borg is asked to do; the verbs of its command line that we use."""

    INIT = "init"
    CONFIG = "config"
    LIST = "list"
    CREATE = "create"
    EXTRACT = "extract"
    EXPORT_TAR = "export-tar"
    DELETE = "delete"
    RENAME = "rename"
    COMPACT = "compact"
    CHECK = "check"
    KEY = "key"
    WITH_LOCK = "with-lock"
    BREAK_LOCK = "break-lock"


_FOUND_BY_CHECK = 1
"""What `check` ends with where it found something off (it has no code of its own for that)."""

BROKEN_OFF = frozenset({129, 130, 137, 143})
"""128 + HUP, INT, KILL, TERM: nothing is lost, the next call cleans up."""

_DAMAGE = (12, 16, 17, 26, 40, 41, 43, 44, 90, 91, 92, 95, 96, 97, 98, 99)
"""Inconsistent, config or key unreadable, object or manifest missing, integrity or origin wrong."""

_OURS = (3, 4, 5, 6, 10, 11, 19, 25, 27, 30, 46, 47, 48, 82, 84, 85, 86, 126, 127)
"""A wrong call, a name taken, a version too old, no such program: says nothing of the data."""

_BY_CODE: Mapping[int, type[ApplianceError]] = {
    **dict.fromkeys((13, 18), DiskAbsent),  # repository, or its parent folder, is not there
    **dict.fromkeys((80, 81, 87), DiskAbsent),  # the connection to the host is closed or broken
    **dict.fromkeys((14, 20), DiskFull),  # free space, quota
    **dict.fromkeys((21, 72), DiskReadOnly),  # not permitted; the lock cannot be made
    **dict.fromkeys((70, 71, 73, 74, 75), RepositoryBusy),
    **dict.fromkeys((50, 51, 52, 53), PassphraseWrong),
    **dict.fromkeys((15, 45, 60, 63, 64, 83), WrongDisk),  # not a repository of ours
    **dict.fromkeys((61, 62), AccessAborted),
    **dict.fromkeys(_OURS, ToolFailed),
    **dict.fromkeys(_DAMAGE, RepositoryDamaged),
    **dict.fromkeys(BROKEN_OFF, Interrupted),
}

_BY_ID: Mapping[str, type[ApplianceError]] = {
    "Repository.DoesNotExist": DiskAbsent,
    "Repository.ParentPathDoesNotExist": DiskAbsent,
    "ConnectionClosed": DiskAbsent,
    "ConnectionClosedWithHint": DiskAbsent,
    "ConnectionBrokenWithHint": DiskAbsent,
    "Repository.InsufficientFreeSpaceError": DiskFull,
    "Repository.StorageQuotaExceeded": DiskFull,
    "Repository.PathPermissionDenied": DiskReadOnly,
    "LockFailed": DiskReadOnly,
    "LockError": RepositoryBusy,
    "LockErrorT": RepositoryBusy,
    "LockTimeout": RepositoryBusy,
    "NotLocked": RepositoryBusy,
    "NotMyLock": RepositoryBusy,
    "NoPassphraseFailure": PassphraseWrong,
    "PasscommandFailure": PassphraseWrong,
    "PassphraseWrong": PassphraseWrong,
    "PasswordRetriesExceeded": PassphraseWrong,
    "Repository.InvalidRepository": WrongDisk,
    "RepoIdMismatch": WrongDisk,
    "PathNotAllowed": WrongDisk,
    "Cache.CacheInitAbortedError": WrongDisk,
    "Cache.EncryptionMethodMismatch": AccessAborted,
    "Cache.RepositoryAccessAborted": AccessAborted,
    "Cache.RepositoryIDNotUnique": WrongDisk,
    "Cache.RepositoryReplay": WrongDisk,
    "Repository.CheckNeeded": RepositoryDamaged,
    "Repository.InvalidRepositoryConfig": RepositoryDamaged,
    "Repository.ObjectNotFound": RepositoryDamaged,
    "NoManifestError": RepositoryDamaged,
    "KeyfileInvalidError": RepositoryDamaged,
    "KeyfileMismatchError": RepositoryDamaged,
    "RepoKeyNotFoundError": RepositoryDamaged,
    "IntegrityError": RepositoryDamaged,
    "FileIntegrityError": RepositoryDamaged,
    "DecompressionError": RepositoryDamaged,
    "ArchiveTAMInvalid": RepositoryDamaged,
    "ArchiveTAMRequiredError": RepositoryDamaged,
    "TAMInvalid": RepositoryDamaged,
    "TAMRequiredError": RepositoryDamaged,
    "TAMUnsupportedSuiteError": RepositoryDamaged,
}

SENTENCES: Mapping[type[ApplianceError], str] = {
    DiskAbsent: "The disk, folder or host of “{name}” is not there.",
    DiskFull: "There is no room left on “{name}”.",
    DiskReadOnly: "“{name}” cannot be written to.",
    RepositoryBusy: "“{name}” is in use by another program.",
    PassphraseWrong: "The passphrase does not open “{name}”.",
    WrongDisk: "“{name}” is not the copy it should be.",
    AccessAborted: "“{name}” is not the copy it should be.",
    RepositoryDamaged: "Kept data on “{name}” cannot be read back as it was written.",
    Interrupted: "The work on “{name}” was broken off.",
    ToolFailed: "The work on “{name}” could not be finished.",
}


def verdict(
    verb: Verb, code: int, message_ids: tuple[str, ...] = ()
) -> type[ApplianceError] | None:
    """Given how Borg ended, return the error to raise, None only where it is good (code 0).

    `message_ids` are the ids of Borg's error messages, in their order. Where the id is known it
    decides (it survives `borg serve`, whose client may answer 2), else the code.
    """
    if code == 0:
        return None
    named = [_BY_ID[message_id] for message_id in message_ids if message_id in _BY_ID]
    if named:
        return named[-1]
    if verb is Verb.CHECK and code == _FOUND_BY_CHECK:
        return RepositoryDamaged
    return _BY_CODE.get(code, ToolFailed)
