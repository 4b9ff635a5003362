"""Who may log in at a server of the tests, and how a server is started without rights of its own.

An SSH server looks a user up in the system's files. libnss-wrapper shows it ours instead, so that
it accepts a password that no account of this machine has: https://cwrap.org/nss_wrapper.html
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.demo.authority import SshKey, new_ssh_key, write_private
from appliance.system import process

USER = "office"
PASSWORD = "s3same-open"
_NOBODY = 65534


def uid() -> int:
    """Return as whom `unprivileged` programs run: never as root."""
    return os.getuid() or _NOBODY


def unprivileged(argv: Sequence[str]) -> list[str]:
    """Return how to start a program as somebody who is not root.

    Where we are root it keeps one right: to use the folder of the test, which is root's alone.
    """
    if os.getuid():
        return list(argv)
    who = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--pdeathsig=TERM"]
    right = [f"--{kind}-caps=-all,+dac_override" for kind in ("inh", "ambient")]
    return [process.find("setpriv"), *who, *right, "--", *argv]


def hashed(password: str) -> str:
    """Return the password as crypt(3) has it, which each of the servers can read."""
    argv = [process.find("openssl"), "passwd", "-6", "-stdin"]
    return subprocess.run(
        argv, input=password, text=True, capture_output=True, check=True
    ).stdout.strip()


@dataclass(frozen=True, slots=True)
class Account:
    """The one user of a server, with a home, a password and a key."""

    home: Path
    key: SshKey
    passwd: Path
    shadow: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program believe that this machine has the user."""
        group = self.passwd.with_name("group")
        return {
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_PASSWD": str(self.passwd),
            "NSS_WRAPPER_SHADOW": str(self.shadow),
            "NSS_WRAPPER_GROUP": str(group),
        }


def account(folder: Path) -> Account:
    """Given an empty folder, make the files that tell of the user, and the home with the key."""
    home, key = folder / "home", new_ssh_key(folder / "user_key")
    passwd, shadow, group = (folder / name for name in ("passwd", "shadow", "group"))
    gid = os.getgid() or _NOBODY
    passwd.write_text(f"{USER}:x:{uid()}:{gid}::{home}:/bin/sh\n")
    group.write_text(f"{USER}:x:{gid}:\n")
    write_private(shadow, f"{USER}:{hashed(PASSWORD)}:20000:0:99999:7:::\n".encode())
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / ".ssh" / "authorized_keys").write_text(key.public_line + "\n")
    return Account(home, key, passwd, shadow)
