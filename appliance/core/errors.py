"""The errors, one class per reaction; every other module raises one of these.

ApplianceError                 retry = False, hint = ""
├─ ConfigError                 every problem at once, each with its key path
├─ SourceUnreachable           retry
├─ SourceRefused               login or host key: a person must act
│  └─ LinkDead                 a link leads to nothing any more: a new export is wanted
├─ ExportNotReady              retry: not there yet, or still growing
├─ ExportUnsafe                a login page, a bomb, a cut file: nothing of it is kept
├─ DiskAbsent                  waits for the disk (or folder, or host) instead of the clock
├─ DiskFull
├─ DiskReadOnly
├─ WrongDisk                   marker, identity or repository id do not agree
├─ RepositoryBusy              retry: somebody else holds the lock
├─ PassphraseWrong
├─ RepositoryDamaged           never retried; blocks the mirror
├─ MirrorUnreachable           retry
├─ MirrorRefused
├─ ClockNotTrusted
├─ ToolFailed                  a program ended in a way nobody foresaw
└─ Cancelled                   asked by a person or by shutdown
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches


class ApplianceError(Exception):
    """Raised when something went wrong that a Run must end with.

    `message` is a sentence a shopkeeper understands, `hint` what that person can do about it,
    `detail` the technical tail for the log (already without secrets).
    """

    retry = False
    hint = ""
    nothing_done = False
    """Whether a server surely did nothing of what it was asked."""

    def __init__(self, message: str, *, hint: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        if hint is not None:
            self.hint = hint


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in the configuration: where it stands and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return ` (did you mean "x"?)`, or the choices where nothing is near."""
    words = list(words)
    near = get_close_matches(word, words, n=1)
    if near:
        return f' (did you mean "{near[0]}"?)'
    return f" (there is {', '.join(words)})" if words else ""


class ConfigError(ApplianceError):
    """Raised when the configuration cannot be used; `problems` holds all of them."""

    hint = "`appliance check` names every problem of the configuration at once."

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class SourceUnreachable(ApplianceError):
    """Raised when a server does not answer, answers too slowly or breaks off.

    `retry_after` is how long the server asked us to wait, if it did.
    """

    retry = True
    hint = "Check the internet connection and that the server is up; it is tried again by itself."

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        detail: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.retry_after = retry_after


class SourceRefused(ApplianceError):
    """Raised when the server turned us away, or is not the server that was confirmed."""

    hint = "Check the user name, the password or key, and the server's host key."


class LinkDead(SourceRefused):
    """Raised when a download link in an inbox leads to nothing any more."""

    # In this order: what is dropped in has the inbox looked at, and the old one is told no more.
    hint = "Ask for a new export; take the old link out of the inbox, then drop the new one in."


class ExportNotReady(ApplianceError):
    """Raised when no complete export is there yet."""

    retry = True
    hint = "The vendor has not finished writing; it is tried again by itself."


class ExportUnsafe(ApplianceError):
    """Raised when what arrived is not an export, is cut off, or would harm the box."""

    hint = "Look at the export in the vendor's own screen; nothing of this one was kept."


class DiskAbsent(ApplianceError):
    """Raised when a repository's disk, folder or host is not there."""

    hint = "Plug the disk in (or make the folder or host reachable); it catches up by itself."


class DiskFull(ApplianceError):
    """Raised when there is no room left where something had to be written."""

    hint = "Free some space or use a larger disk; what is already kept is safe."


class DiskReadOnly(ApplianceError):
    """Raised when the filesystem refuses to be written."""

    hint = "The disk protects itself after a fault: unplug it, plug it in again, or replace it."


class WrongDisk(ApplianceError):
    """Raised when a disk or repository is not the one it is configured to be."""

    hint = "Plug in the right disk; nothing was written to this one."


class RepositoryBusy(ApplianceError):
    """Raised when another program holds the repository's lock."""

    retry = True
    hint = "Another backup or restore is using this copy; it is tried again by itself."


class PassphraseWrong(ApplianceError):
    """Raised when the passphrase does not open the repository."""

    hint = "Put the passphrase from the emergency sheet into the secret store."


class RepositoryDamaged(ApplianceError):
    """Raised when stored data cannot be read back as it was written."""

    hint = "Do not repair it. Keep this disk as it is and use the other copy; ask for help."


class MirrorUnreachable(ApplianceError):
    """Raised when the cloud does not answer."""

    retry = True
    hint = "Check the internet connection; the cloud copy is tried again by itself."


class MirrorRefused(ApplianceError):
    """Raised when the cloud turns us away or holds something it should not."""

    hint = "Check the cloud account; nothing there was changed or deleted."


class ClockNotTrusted(ApplianceError):
    """Raised when something that needs the right time was asked for and the time is in doubt."""

    hint = "Connect the box to the internet so that it can set its clock."


class ToolFailed(ApplianceError):
    """Raised when a program we drive ended in a way its adapter does not know."""

    hint = "Look at the details of this run; if it happens again, ask for help."


class Cancelled(ApplianceError):
    """Raised when a person, or the shutdown of the box, asked a Run to stop."""

    hint = "Nothing to do: it was asked for."
