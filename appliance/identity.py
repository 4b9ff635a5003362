"""Who we are: `sudo appliance ...` works on the box's files as the box's own user.

A passphrase or a lock that root made would be closed to the worker, and the next backup would
fail in the night. Part of the rim.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def become_owner_of(state: Path | None) -> None:
    """Given the state folder, go on as the user it belongs to, where we are root and it is not
    root's; for good, with nothing of root's left.
    """
    if os.geteuid() != 0 or state is None or not state.is_dir():
        return
    number = state.stat().st_uid
    if number == 0:
        return
    try:
        user = pwd.getpwuid(number)
    except KeyError:
        return  # a folder that was brought from elsewhere: `appliance doctor` says so
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(number)
    os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
