"""The only home of what a misbehaving SFTP server makes of a pull: one of our errors."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from paramiko.sftp import SFTPError
from paramiko.ssh_exception import IncompatiblePeer

from ...core.errors import ApplianceError, ExportNotReady, SourceRefused, SourceUnreachable

LOOK_THERE = "Check `path` and `pick` of this source, and that the vendor still exports there."
_BROKEN = (
    paramiko.SSHException,
    SFTPError,
    EOFError,
    ValueError,  # UnicodeError is one
    OverflowError,
    IndexError,
    struct.error,
)


@contextmanager
def conversation(what: str) -> Iterator[None]:
    """Turn whatever a broken or hostile server makes paramiko raise into one of our errors."""
    try:
        yield
    except ApplianceError:
        raise
    except IncompatiblePeer as error:
        raise SourceRefused(
            "The server offers only outdated encryption that is no longer safe.",
            hint="Ask whoever runs the server to update its SSH software.",
            detail=str(error),
        ) from error
    except FileNotFoundError as error:
        raise ExportNotReady(
            f"The server says there is nothing: {what}.", hint=LOOK_THERE
        ) from error
    except PermissionError as error:
        raise SourceRefused(
            f"The server does not allow us to {what}.",
            hint="Ask whoever runs the server to give this user the right to read it.",
        ) from error
    except (*_BROKEN, OSError) as error:
        raise broke_off(what, error) from error


def broke_off(what: str, error: BaseException) -> SourceUnreachable:
    """Return the error for a server that was silent, hung up or talked nonsense."""
    why = "did not answer in time" if isinstance(error, TimeoutError) else "broke off"
    return SourceUnreachable(
        f"The server {why} when we wanted to {what}.", detail=f"{type(error).__name__}: {error}"
    )
