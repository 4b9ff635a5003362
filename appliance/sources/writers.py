"""The only home of whether somebody still writes a file, whatever its size and times say.

The kernel grants a read lease (fcntl(2), F_SETLEASE) only on a file that nobody has open for
writing, memory maps included: a writer that pauses is found, on this machine and behind our own
Samba, whose server is a process like any other. It can only be asked by the file's owner, and it
knows nothing of writers on other machines (a network share that is mounted here).
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal

READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_being_written(folder: int, raw: bytes) -> bool | None:
    """Given a folder's descriptor and a file's name in it, return whether somebody has the file
    open for writing; None where this cannot be told.
    """
    try:
        descriptor = os.open(raw, READING, dir_fd=folder)
    except OSError:
        return None
    try:
        return _is_open_for_writing(descriptor)
    finally:
        os.close(descriptor)


def _is_open_for_writing(descriptor: int) -> bool | None:
    """Take a lease and give it back at once.

    Who opens the file to write in this very moment waits for microseconds, and the kernel sends
    us a signal: one whose default is to be passed over, never SIGIO, which would end us.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False
