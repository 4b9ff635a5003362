"""Runs programs of the guest natively, in its folder, before it is a guest.

Their mounts are in a namespace of their own: this machine never sees them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_ENTER = """set -e
for each in dev proc sys; do mount --rbind /$each "$0/$each"; done
mount -t tmpfs tmpfs "$0/run"
exec chroot "$0" "$@"
"""
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


def run(root: Path, *command: str, environment: dict[str, str] | None = None) -> None:
    """Given the root folder of a guest, run a program there; raise CalledProcessError."""
    apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, str(root)]
    subprocess.run([*apart, *command], check=True, env=_ENVIRONMENT | (environment or {}))
